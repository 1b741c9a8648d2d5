"""Streams: targets where a word has been heard, and batches that do not depend on who makes them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from kws_runtime.corpus import LABELS, SILENCE, TWELVE_LABELS, UNKNOWN, WORDS, words_of
from kws_runtime.errors import DataError
from kws_runtime.frontend import log_mel
from kws_runtime.levels import loudness
from kws_train.augment import change_speed, coloured_noise, reverberate, speech_bounds, tilt
from kws_train.batches import Batches, Plan, make_epoch
from kws_train.data import Material, load_material
from kws_train.recipe import Recipe
from kws_train.rooms import room_responses
from kws_train.sounds import BABBLE_S, BABBLES, Sounds
from kws_train.store import Store
from kws_train.streams import Clips, Stream
from tests.conftest import tone

PLAIN = Recipe(
    word_share=1.0, trim_s=0.0, pause_share=0.0, cut_share=0.0, gain_db=(0.0, 0.0), speed_share=0.0, room_share=0.0,
    tilt_share=0.0, bed_share=0.0, target_delay_s=0.0, floor_db=(-90.0, -90.0), mask_share=0.0,
)  # fmt: skip

NOISE_ALONE = dataclasses.replace(
    PLAIN, word_share=0.0, other_share=0.0, joined_share=0.0, speech_share=0.0, snippet_share=0.0, noise_share=1.0
)


@pytest.fixture(scope="module")
def sounds(corpus: Path) -> Sounds:
    return Sounds(load_material(corpus, "training"), WORDS, 0, rooms=3)


def stream(sounds: Sounds, recipe: Recipe, seed: int = 0, labels: tuple[str, ...] = LABELS) -> Stream:
    return Stream(sounds, labels, recipe, np.random.default_rng(seed))


def test_a_word_is_to_be_named_for_220_ms_from_its_end(sounds: Sounds) -> None:
    """Its second half has no weight; before that all is background."""
    chunk = stream(sounds, PLAIN).take(17_000)  # a clip with its tone from 0.3 to 0.7 s, and the start of another
    named = np.flatnonzero(chunk.labels)
    assert named[0] / 16_000 == pytest.approx(0.7, abs=0.02)
    assert len(named) == round(0.22 * 16_000)
    assert set(chunk.weights[named]) == {2.0}
    without = np.flatnonzero(chunk.weights == 0)
    assert without[0] / 16_000 == pytest.approx(0.5, abs=0.02)
    assert without[-1] + 1 == named[0]


def test_a_word_is_named_when_what_follows_its_end_has_been_heard(sounds: Sounds) -> None:
    """140 ms later; until then neither answer is wrong."""
    chunk = stream(sounds, dataclasses.replace(PLAIN, target_delay_s=0.14)).take(20_000)
    named = np.flatnonzero(chunk.labels)
    assert named[0] / 16_000 == pytest.approx(0.84, abs=0.02)
    assert not chunk.weights[named[0] - round(0.14 * 16_000) : named[0]].any()


def test_a_target_reaches_into_the_next_item_and_the_next_chunk(sounds: Sounds) -> None:
    """Taken in pieces, the stream and its targets are the same."""
    recipe = dataclasses.replace(PLAIN, trim_s=0.3)
    whole = stream(sounds, recipe).take(100_000)
    other = stream(sounds, recipe)
    pieces = [other.take(size) for size in (17_000, 23_000, 60_000)]
    for name in ("samples", "labels", "weights"):
        np.testing.assert_array_equal(np.concatenate([getattr(p, name) for p in pieces]), getattr(whole, name))
    assert (whole.labels[17_000 - 50 : 17_000 + 50] > 0).any() or (whole.labels > 0).sum() > 10_000


def test_a_word_that_is_cut_off_is_background(sounds: Sounds) -> None:
    """Half a word names nothing."""
    assert not stream(sounds, dataclasses.replace(PLAIN, cut_share=1.0)).take(200_000).labels.any()


def test_speech_and_other_words_are_background(sounds: Sounds) -> None:
    """Nothing to be named."""
    for changes in (
        {"word_share": 0.0, "other_share": 1.0},
        {"word_share": 0.0, "other_share": 0.0, "joined_share": 1.0},
        {"word_share": 0.0, "other_share": 0.0, "joined_share": 0.0, "speech_share": 1.0},
    ):
        assert not stream(sounds, dataclasses.replace(PLAIN, **changes)).take(100_000).labels.any()


def test_all_words_come_equally_often(sounds: Sounds) -> None:
    """Whatever the number of their clips (go is rare)."""
    labels = np.concatenate([stream(sounds, PLAIN, seed).take(160_000).labels for seed in range(20)])
    counts = np.bincount(labels, minlength=len(LABELS))[1:]
    assert counts.min() > 0.4 * counts.mean()
    assert len(counts) == len(WORDS)


def test_where_nothing_is_said_is_silence_where_the_labels_have_it(corpus: Path) -> None:
    """Of the literature's twelve labels. Speech and other words are unknown, from their first sound to their last."""
    words = words_of(TWELVE_LABELS)
    sounds = Sounds(load_material(corpus, "training", words), words, 0, rooms=0)
    silence, unknown = TWELVE_LABELS.index(SILENCE), TWELVE_LABELS.index(UNKNOWN)
    heard = stream(sounds, NOISE_ALONE, labels=TWELVE_LABELS).take(100_000).labels
    assert set(heard) == {silence}
    others = dataclasses.replace(PLAIN, word_share=0.0, other_share=1.0)
    heard = stream(sounds, others, labels=TWELVE_LABELS).take(16_000).labels  # one with its tone from 0.3 to 0.7 s
    assert np.flatnonzero(heard == unknown)[[0, -1]] / 16_000 == pytest.approx([0.3, 0.7], abs=0.02)
    assert set(heard) == {silence, unknown}
    heard = stream(sounds, PLAIN, labels=TWELVE_LABELS).take(17_000).labels
    assert [heard[at] for at in (2_000, 8_000, 16_500)] == [silence, unknown, silence]
    assert TWELVE_LABELS[heard[12_000]] in words


def test_babble_is_made_of_the_speech_and_names_nothing(sounds: Sounds) -> None:
    """Every stretch another; none without speech."""
    assert len(sounds.babble) == BABBLES
    assert {len(stretch) for stretch in sounds.babble} == {int(BABBLE_S * 16_000)}
    assert all(np.isfinite(stretch).all() and stretch.any() for stretch in sounds.babble)
    assert abs(np.corrcoef(sounds.babble[0], sounds.babble[1])[0, 1]) < 0.1
    recipe = dataclasses.replace(NOISE_ALONE, babble_share=1.0)
    assert not stream(sounds, recipe).take(100_000).labels.any()
    assert not Sounds(dataclasses.replace(sounds.material, speech=[]), WORDS, 0, rooms=0).babble


def test_noises_come_by_their_shares(sounds: Sounds) -> None:
    """Each of loudness 1."""
    known = Sounds(sounds.material, WORDS, 0, rooms=0)
    known.babble = [np.full(16_000, 3.0, np.float32)]
    rng, recipe = np.random.default_rng(0), Recipe(coloured_share=0.3, babble_share=0.2)
    heard = [known.noise(rng, 8_000, recipe) for _ in range(400)]
    np.testing.assert_allclose([loudness(noise) for noise in heard], 1.0, rtol=0.3)
    assert sum(noise.std() < 1e-6 for noise in heard) / 400 == pytest.approx(0.2, abs=0.05)


def test_noise_alone_comes_at_any_level(sounds: Sounds) -> None:
    """From hardly to be heard to loud, and names nothing."""
    chunk = stream(sounds, NOISE_ALONE).take(120 * 16_000)
    levels = 20 * np.log10(chunk.samples.reshape(-1, 8_000).std(1))
    assert levels.min() < -45.0
    assert levels.max() > -25.0
    assert not chunk.labels.any()


def test_a_clip_is_named_by_its_last_steps_only(sounds: Sounds) -> None:
    """One item in each; about seven in ten are words."""
    clips = Clips(sounds, LABELS, dataclasses.replace(Recipe(), cut_share=0.0), np.random.default_rng(0))
    chunks = [clips.take(16_192) for _ in range(200)]
    for chunk in chunks:
        assert len(set(chunk.labels)) == 1
        assert np.flatnonzero(chunk.weights)[0] == 16_192 - round(0.12 * 16_000)
        assert np.abs(chunk.samples).max() <= 1.0
    assert 0.6 < np.mean([chunk.labels[0] > 0 for chunk in chunks]) < 0.8


def test_clips_begin_anew_each_time(sounds: Sounds) -> None:
    """No sample of the clip before is in the frames of the next, and each has a fresh state."""
    plan = Plan(streams=3, chunks=2, chunk_frames=50, clips=True, masks=False)
    for batch in make_epoch(sounds, Recipe(), plan, 0, range(3)):
        assert batch.fresh.all()
        assert batch.frames.shape == (3, 50, 40)
        assert batch.weights[:, -3:].all()
        assert not batch.weights[:, :-3].any()


def test_stored_batches_are_the_ones_that_were_made(sounds: Sounds, tmp_path: Path) -> None:
    """Another run reads them; what is not there is made."""
    plan = Plan(streams=2, chunks=2, chunk_frames=40)
    expected = [batch for epoch in range(3) for batch in make_epoch(sounds, Recipe(), plan, epoch, range(2))]
    for epochs in (2, 3):
        store = Store(tmp_path, "data", Recipe(), plan)
        assert [store.has(epoch) for epoch in range(3)] == [epochs == 3, epochs == 3, False]
        with Batches(sounds, Recipe(), plan, range(epochs), 1, store) as batches:
            found = [batch for _ in range(epochs) for batch in batches.epoch()]
        for batch, wanted in zip(found, expected, strict=False):
            np.testing.assert_array_equal(batch.frames, wanted.frames)
            np.testing.assert_array_equal(batch.labels, wanted.labels)
    assert not Store(tmp_path, "other data", Recipe(), plan).has(0)


def test_a_damaged_batch_is_named(sounds: Sounds, tmp_path: Path) -> None:
    """And never learned from."""
    plan = Plan(streams=1, chunks=1, chunk_frames=40)
    store = Store(tmp_path, "data", Recipe(), plan)
    store.write(0, 0, next(make_epoch(sounds, Recipe(), plan, 0, range(1))))
    (path,) = tmp_path.glob("*/*.npz")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=path.name):
        store.read(0, 0)


def test_a_stream_stays_within_full_scale_and_finite(sounds: Sounds) -> None:
    """With everything that the recipe does."""
    samples = stream(sounds, Recipe()).take(60 * 16_000).samples
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1.0
    assert samples.std() > 0.01


def test_without_words_there_is_no_stream() -> None:
    """It says which are missing."""
    with pytest.raises(DataError, match="down"):
        Sounds(Material(words={}, others={}), WORDS, 0)


def test_batches_do_not_depend_on_the_number_of_workers(sounds: Sounds) -> None:
    """So an interrupted run sees the same batches on another machine."""
    plan = Plan(streams=4, chunks=2, chunk_frames=40, seed=7)
    expected = list(make_epoch(sounds, Recipe(), plan, 3, range(4)))
    for workers in (1, 3):
        with Batches(sounds, Recipe(), plan, range(3, 4), workers) as batches:
            for batch, wanted in zip(batches.epoch(), expected, strict=True):
                for name in ("frames", "labels", "weights", "fresh"):
                    np.testing.assert_array_equal(getattr(batch, name), getattr(wanted, name))


def test_epochs_differ_and_streams_differ(sounds: Sounds) -> None:
    """Endless is not repeated."""
    plan = Plan(streams=2, chunks=1, chunk_frames=40)
    first, second = (next(make_epoch(sounds, Recipe(), plan, epoch, range(2))) for epoch in (0, 1))
    assert not np.array_equal(first.frames, second.frames)
    assert not np.array_equal(first.frames[0], first.frames[1])


def test_a_batch_holds_the_frames_of_the_stream_and_the_target_of_each_steps_last_sample(sounds: Sounds) -> None:
    """Step j ends with sample 640 j + 831; chunks follow each other without a seam."""
    plan = Plan(streams=1, chunks=3, chunk_frames=40, seed=5, masks=False)
    batches = list(make_epoch(sounds, PLAIN, plan, 0, range(1)))
    rng = np.random.default_rng([5, 0, 0])
    chunk = Stream(sounds, LABELS, PLAIN, rng)
    pieces = []
    for number in range(3):
        pieces.append(chunk.take(40 * 320 + (192 if number == 0 else 0)))
        if number:
            rng.random()  # whether the state is zeroed
    samples = np.concatenate([piece.samples for piece in pieces])
    labels = np.concatenate([piece.labels for piece in pieces])
    frames = np.concatenate([batch.frames[0] for batch in batches])
    np.testing.assert_allclose(frames, log_mel(samples), atol=1e-4)
    np.testing.assert_array_equal(np.concatenate([batch.labels[0] for batch in batches]), labels[831::640])
    assert batches[0].fresh[0]


def test_bounds_of_a_sound_are_found_in_noise() -> None:
    """A tone from 0.3 to 0.7 s."""
    start, end = speech_bounds(tone(500.0).astype(np.float32))
    assert start / 16_000 == pytest.approx(0.3, abs=0.02)
    assert end / 16_000 == pytest.approx(0.7, abs=0.02)


def test_augmentations_do_what_they_say() -> None:
    """Speed shortens, a tilt dulls, a room rings, brown noise is low."""
    sound, rng = tone(500.0).astype(np.float32), np.random.default_rng(0)
    assert len(change_speed(sound, 2.0)) == len(sound) // 2
    assert np.abs(tilt(sound, 0.5)).max() > np.abs(sound).max()
    after = slice(int(0.72 * 16_000), int(0.76 * 16_000))
    for response in room_responses(rng, 5):
        assert np.abs(response[:3]).max() == 1.0, "it begins with the direct sound"
        ringing = reverberate(sound, response)
        assert len(ringing) == len(sound)
        assert ringing[after].std() > 3 * sound[after].std()
    spectrum = np.abs(np.fft.rfft(coloured_noise(rng, 1.0, 2.0)))
    assert spectrum[20:100].mean() > 10 * spectrum[2000:].mean()
