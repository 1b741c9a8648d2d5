"""Streams: targets where a word has been heard, and batches that do not depend on who makes them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from kws_runtime.corpus import LABELS, WORDS
from kws_runtime.errors import DataError
from kws_runtime.frontend import log_mel
from kws_train.augment import change_speed, coloured_noise, room, speech_bounds, tilt
from kws_train.batches import Batches, Plan, make_epoch
from kws_train.data import Material, load_material
from kws_train.streams import Recipe, Stream
from tests.conftest import tone

PLAIN = Recipe(
    word_share=1.0, trim_s=0.0, pause_share=0.0, cut_share=0.0, gain_db=(0.0, 0.0), speed_share=0.0, room_share=0.0,
    tilt_share=0.0, bed_share=0.0, floor_db=(-90.0, -90.0), mask_share=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def material(corpus: Path) -> Material:
    return load_material(corpus, "training")


def stream(material: Material, recipe: Recipe, seed: int = 0) -> Stream:
    rng = np.random.default_rng(seed)
    return Stream(material, recipe, rng, [coloured_noise(rng, 1.0, 0.0)])


def test_a_word_is_to_be_named_for_300_ms_from_its_end(material: Material) -> None:
    """Its second half has no weight; before that all is background."""
    chunk = stream(material, PLAIN).take(17_000)  # a clip with its tone from 0.3 to 0.7 s, and the start of another
    named = np.flatnonzero(chunk.labels)
    assert named[0] / 16_000 == pytest.approx(0.7, abs=0.02)
    assert len(named) == round(0.3 * 16_000)
    assert set(chunk.weights[named]) == {2.0}
    without = np.flatnonzero(chunk.weights == 0)
    assert without[0] / 16_000 == pytest.approx(0.5, abs=0.02)
    assert without[-1] + 1 == named[0]


def test_a_target_reaches_into_the_next_item_and_the_next_chunk(material: Material) -> None:
    """Taken in pieces, the stream and its targets are the same."""
    recipe = dataclasses.replace(PLAIN, trim_s=0.3)
    whole = stream(material, recipe).take(100_000)
    other = stream(material, recipe)
    pieces = [other.take(size) for size in (17_000, 23_000, 60_000)]
    for name in ("samples", "labels", "weights"):
        np.testing.assert_array_equal(np.concatenate([getattr(p, name) for p in pieces]), getattr(whole, name))
    assert (whole.labels[17_000 - 50 : 17_000 + 50] > 0).any() or (whole.labels > 0).sum() > 10_000


def test_a_word_that_is_cut_off_is_background(material: Material) -> None:
    """Half a word names nothing."""
    assert not stream(material, dataclasses.replace(PLAIN, cut_share=1.0)).take(200_000).labels.any()


def test_speech_and_other_words_are_background(material: Material) -> None:
    """Nothing to be named."""
    for changes in (
        {"word_share": 0.0, "other_share": 1.0},
        {"word_share": 0.0, "other_share": 0.0, "speech_share": 1.0},
    ):
        assert not stream(material, dataclasses.replace(PLAIN, **changes)).take(100_000).labels.any()


def test_all_words_come_equally_often(material: Material) -> None:
    """Whatever the number of their clips (go is rare)."""
    labels = np.concatenate([stream(material, PLAIN, seed).take(160_000).labels for seed in range(20)])
    counts = np.bincount(labels, minlength=len(LABELS))[1:]
    assert counts.min() > 0.4 * counts.mean()
    assert len(counts) == len(WORDS)


def test_a_stream_stays_within_full_scale_and_finite(material: Material) -> None:
    """With everything that the recipe does."""
    samples = stream(material, Recipe()).take(60 * 16_000).samples
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1.0
    assert samples.std() > 0.01


def test_without_words_there_is_no_stream() -> None:
    """It says which are missing."""
    with pytest.raises(DataError, match="down"):
        stream(Material(words={}, others={}), Recipe())


def test_batches_do_not_depend_on_the_number_of_workers(material: Material) -> None:
    """So an interrupted run sees the same batches on another machine."""
    plan = Plan(streams=4, chunks=2, chunk_frames=40, seed=7)
    expected = list(make_epoch(material, Recipe(), plan, 3, range(4)))
    for workers in (1, 3):
        with Batches(material, Recipe(), plan, range(3, 4), workers) as batches:
            for batch, wanted in zip(batches.epoch(), expected, strict=True):
                for name in ("frames", "labels", "weights", "fresh"):
                    np.testing.assert_array_equal(getattr(batch, name), getattr(wanted, name))


def test_epochs_differ_and_streams_differ(material: Material) -> None:
    """Endless is not repeated."""
    plan = Plan(streams=2, chunks=1, chunk_frames=40)
    first, second = (next(make_epoch(material, Recipe(), plan, epoch, range(2))) for epoch in (0, 1))
    assert not np.array_equal(first.frames, second.frames)
    assert not np.array_equal(first.frames[0], first.frames[1])


def test_a_batch_holds_the_frames_of_the_stream_and_the_target_of_each_steps_last_sample(material: Material) -> None:
    """Step j ends with sample 640 j + 831; chunks follow each other without a seam."""
    plan = Plan(streams=1, chunks=3, chunk_frames=40, seed=5, masks=False)
    batches = list(make_epoch(material, PLAIN, plan, 0, range(1)))
    rng = np.random.default_rng([5, 0, 0])
    from kws_train.streams import coloured_noises

    chunk = Stream(material, PLAIN, rng, coloured_noises(5))
    pieces = []
    for number in range(3):
        pieces.append(chunk.take(40 * 320 + (192 if number == 0 else 0)))
        if number:
            rng.random()  # whether the state is zeroed
    samples = np.concatenate([piece.samples for piece in pieces])
    labels = np.concatenate([piece.labels for piece in pieces])
    np.testing.assert_array_equal(np.concatenate([batch.frames[0] for batch in batches]), log_mel(samples))
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
    ringing = room(sound, rng, 0.5)
    after = slice(int(0.75 * 16_000), int(0.85 * 16_000))
    assert ringing[after].std() > 3 * sound[after].std()
    spectrum = np.abs(np.fft.rfft(coloured_noise(rng, 1.0, 2.0)))
    assert spectrum[20:100].mean() > 10 * spectrum[2000:].mean()
