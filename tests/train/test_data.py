"""Recordings on disk: the official parts, list files, faulty files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_runtime.corpus import WORDS, clips_in, clips_listed, part_of
from kws_runtime.errors import AudioError, DataError
from kws_train.data import load_material, read_all, speech_without_words


def official_part(name: str) -> str:
    """The function of the Speech Commands README, written down again as the reference."""
    import hashlib
    import re

    hash_name = re.sub(r"_nohash_.*$", "", name)
    hashed = hashlib.sha1(hash_name.encode()).hexdigest()
    percentage = (int(hashed, 16) % (134217727 + 1)) * (100.0 / 134217727)
    return "validation" if percentage < 10 else "testing" if percentage < 20 else "training"


def test_the_part_of_a_clip_is_the_official_one() -> None:
    """By the speaker alone, whatever the number behind."""
    names = [f"{number * 2654435761 % 2**32:08x}_nohash_{number % 5}.wav" for number in range(3000)]
    assert [part_of(name) for name in names] == [official_part(name) for name in names]
    counts = Counter(map(part_of, names))
    assert 200 < counts["validation"] < 400
    assert 200 < counts["testing"] < 400


def test_a_speaker_is_in_one_part_only() -> None:
    """All clips of a name."""
    assert len({part_of(Path("yes") / f"00f0204f_nohash_{number}.wav") for number in range(50)}) == 1


def test_clips_of_a_part_are_found_and_sorted(corpus: Path) -> None:
    """words/<word>/*.wav."""
    clips = clips_in(corpus / "words", "validation", WORDS)
    assert clips == sorted(clips)
    assert Counter(clip.word for clip in clips) == dict.fromkeys(WORDS, 2)


def test_a_list_file_replaces_the_parts(corpus: Path, tmp_path: Path) -> None:
    """As mini_list.txt: a path a line."""
    names = [str(clip.path.relative_to(corpus)) for clip in clips_in(corpus / "words")[:3]]
    (tmp_path / "list.txt").write_text("\n".join(names) + "\n")
    assert [str(clip.path.relative_to(corpus)) for clip in clips_listed(tmp_path / "list.txt", corpus)] == names


def test_a_list_is_split_at_random_into_parts_of_its_own(corpus: Path, tmp_path: Path) -> None:
    """80 / 10 / 10 %, the same each time, nothing in two parts and nothing lost."""
    names = [str(clip.path.relative_to(corpus)) for clip in clips_in(corpus / "words")]
    (tmp_path / "list.txt").write_text("\n".join(names))
    parts = [clips_listed(tmp_path / "list.txt", corpus, part) for part in ("training", "validation", "testing")]
    assert [len(part) for part in parts] == [96, 12, 12]
    assert sorted(clip for part in parts for clip in part) == clips_in(corpus / "words")
    assert clips_listed(tmp_path / "list.txt", corpus, "training") == parts[0]


def test_a_list_that_names_what_is_not_there_is_an_error(corpus: Path, tmp_path: Path) -> None:
    """With the first name."""
    (tmp_path / "list.txt").write_text("words/yes/nowhere.wav\n")
    with pytest.raises(DataError, match=r"1 of its 1 clips .* first words/yes/nowhere\.wav"):
        clips_listed(tmp_path / "list.txt", corpus)


def test_a_folder_without_words_is_an_error(tmp_path: Path) -> None:
    """It says what was expected."""
    with pytest.raises(DataError, match="no such folder"):
        clips_in(tmp_path / "words")
    (tmp_path / "words").mkdir()
    with pytest.raises(DataError, match="nohash"):
        clips_in(tmp_path / "words")


@pytest.fixture
def faulty(tmp_path: Path) -> dict[str, Path]:
    """A good recording and one of each kind that is not."""
    good, quiet = np.zeros(16_000, np.int16), np.zeros((16_000, 2), np.int16)
    soundfile.write(tmp_path / "good.wav", good, 16_000)
    soundfile.write(tmp_path / "fast.wav", good, 44_100)
    soundfile.write(tmp_path / "stereo.wav", quiet, 16_000)
    soundfile.write(tmp_path / "empty.wav", good[:0], 16_000)
    (tmp_path / "text.wav").write_text("no sound")
    return {path.stem: path for path in tmp_path.glob("*.wav")}


def test_faulty_recordings_are_named_and_the_rest_goes_on(faulty: dict[str, Path]) -> None:
    """Unreadable, 44.1 kHz, stereo, empty."""
    warnings: list[str] = []
    found = read_all(sorted(faulty.values()), strict=False, warn=warnings.append)
    assert list(found) == [faulty["good"]]
    for name, fault in (("fast", "44100 Hz"), ("stereo", "2 channels"), ("empty", "too short"), ("text", "unreadable")):
        assert any(f"{name}.wav: " in line and fault in line for line in warnings), (name, warnings)
    assert len(warnings) == 4


def test_strict_stops_at_the_first_faulty_recording(faulty: dict[str, Path]) -> None:
    """It is named."""
    with pytest.raises(AudioError, match=r"empty\.wav"):
        read_all(sorted(faulty.values()), strict=True)


def test_speech_in_which_a_word_is_said_is_left_out(tmp_path: Path) -> None:
    """It would be taught as background."""
    for name in ("a", "b", "c"):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(1600, np.int16), 16_000)
    (tmp_path / "transcripts.txt").write_text("a\tthis is the right one\nb\tthis is another\n")
    assert [path.stem for path in speech_without_words(tmp_path)] == ["b"]


def test_material_knows_words_from_others(corpus: Path) -> None:
    """And names everything that it holds."""
    material = load_material(corpus, "training")
    assert sorted(material.words) == sorted(WORDS)
    assert sorted(material.others) == ["bed", "cat", "off", "on"]
    assert (len(material.speech), len(material.noise)) == (1, 1)
    assert len(material.names) == 12 * 6 + 2
