"""`kws-listen --save`: what is kept, how much of it, and what a faulty disk does to the listening."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
import wave
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from kws_runtime import keeper as keeper_module
from kws_runtime.audio import Chunk, Gap
from kws_runtime.detector import Event
from kws_runtime.errors import DataError
from kws_runtime.keeper import Keeper
from kws_runtime.listen import DEMO
from kws_runtime.listener import Decision
from kws_runtime.modelfile import Detection, ModelInfo, read_model
from kws_runtime.notice import Notice
from tests.conftest import Run, assert_fault

LISTEN = Path(sys.executable).parent / "kws-listen"
RATE = 16_000
HOP = 320
LABELS = ("_background_", "go", "no")
SILENCE = np.zeros(RATE // 2, np.int16)
BYTES = 44 + 2 * 2 * RATE  # of a recording


def info(labels: tuple[str, ...] = LABELS) -> ModelInfo:
    detection = Detection(dict.fromkeys(labels[1:], 0.8))
    return dataclasses.replace(read_model(None).info, labels=labels, detection=detection)


def sound(first: int, count: int) -> np.ndarray:
    """int16 samples that tell where in the stream they lie."""
    return ((np.arange(first, first + count) * 7919) % 40_001 - 20_000).astype(np.int16)


class Stream:
    """A stream given to a keeper in chunks of 20 ms, with a decision every 40 ms."""

    def __init__(self, folder: Path, limit: int = 10**8, labels: tuple[str, ...] = LABELS) -> None:
        self.notices: list[Notice] = []
        self.folder, self.labels = folder, labels
        self.keeper = Keeper(folder, limit, info(labels), self.notices.append)
        self.samples = 0  # of all that were given
        self.seconds = 0.0

    def hear(self, seconds: float, label: str = "", score: float = 0.0, hop: int = HOP) -> None:
        """So much sound; in the last decision in it, `label` has `score`."""
        for left in range(round(seconds * RATE / hop), 0, -1):
            self.samples += hop
            self.seconds += hop / RATE
            best = score if left == 1 else 0.0
            scores = np.array([best if name == label else 0.0 for name in self.labels], np.float32)
            event = Event(self.seconds, label, best) if best >= 0.8 else None
            self.take(
                sound(self.samples - hop, hop).astype(np.float32) / 32768, [Decision(self.seconds, scores, event)]
            )

    def event(self) -> None:
        """Two seconds, in the middle of them an event."""
        self.hear(1.4, "go", 0.9)
        self.hear(0.6)

    def gap(self, seconds: float) -> None:
        self.seconds += seconds
        self.take(Gap(seconds, "lost"), [])

    def take(self, chunk: Chunk, decisions: list[Decision]) -> None:
        self.keeper.take(chunk, decisions)

    def kept(self) -> list[str]:
        """What lies in heard/ and near/, in the order of its names: kind/word/second of the stream/score."""
        paths = [path for kind in ("heard", "near") for path in self.folder.glob(f"{kind}/*/*.wav")]
        found = []
        for path in sorted(paths, key=lambda path: path.name):
            if name := re.fullmatch(r"[\dTZ.]+_([\d.]+)s_([\d.]+)\.wav", path.name):
                found.append("/".join([*path.parts[-3:-1], *name.groups()]))
        return found


def read(folder: Path, pattern: str) -> np.ndarray:
    """The samples of the one recording that the pattern finds."""
    (path,) = folder.glob(pattern)
    with wave.open(str(path)) as reader:
        assert reader.getparams()[:3] == (1, 2, RATE)
        return np.frombuffer(reader.readframes(reader.getnframes()), np.int16)


def test_an_event_and_a_near_miss_are_kept_with_what_was_before_and_after(tmp_path: Path) -> None:
    """1.5 s and 0.5 s, to the sample; the names say when, and how sure it was."""
    stream = Stream(tmp_path)
    stream.hear(5.0, "go", 0.9)
    stream.hear(5.0, "no", 0.5)
    stream.hear(0.4)
    assert stream.kept() == ["heard/go/5.00/0.90"]
    stream.hear(1.0)
    assert stream.kept() == ["heard/go/5.00/0.90", "near/no/10.00/0.50"]
    np.testing.assert_array_equal(read(tmp_path, "heard/go/*.wav"), sound(int(3.5 * RATE), 2 * RATE))
    np.testing.assert_array_equal(read(tmp_path, "near/no/*.wav"), sound(int(8.5 * RATE), 2 * RATE))
    assert stream.notices == []


def test_where_the_stream_begins_or_ends_stands_silence(tmp_path: Path) -> None:
    """The event is at 1.5 s in every recording; the last ones are saved at the end."""
    stream = Stream(tmp_path)
    stream.hear(1.0, "go", 0.9)
    stream.hear(4.0, "no", 0.9)
    stream.keeper.close()
    np.testing.assert_array_equal(read(tmp_path, "heard/go/*.wav"), [*SILENCE, *sound(0, int(1.5 * RATE))])
    expected = [*sound(int(3.5 * RATE), int(1.5 * RATE)), *SILENCE]
    np.testing.assert_array_equal(read(tmp_path, "heard/no/*.wav"), expected)


def test_nothing_is_kept_from_across_a_gap_and_times_go_on(tmp_path: Path) -> None:
    """Sound from before is not joined to sound from after."""
    stream = Stream(tmp_path)
    stream.hear(2.0, "go", 0.9)
    stream.gap(100.0)
    stream.hear(1.0, "no", 0.9)
    stream.hear(1.0)
    assert stream.kept() == ["heard/go/2.00/0.90", "heard/no/103.00/0.90"]
    assert not read(tmp_path, "heard/go/*.wav")[-RATE // 2 :].any()
    np.testing.assert_array_equal(read(tmp_path, "heard/no/*.wav"), [*SILENCE, *sound(2 * RATE, int(1.5 * RATE))])


def test_the_size_of_the_chunks_does_not_matter(tmp_path: Path) -> None:
    """A second at once, as from a file, or 40 ms."""
    kept = []
    for hop in (640, RATE):
        stream = Stream(tmp_path / str(hop))
        stream.hear(7.0, "go", 0.9, hop)
        stream.hear(9.0, "no", 0.6, hop)
        stream.hear(4.0, hop=hop)
        kept.append([read(stream.folder, f"{kind}/*/*.wav") for kind in ("heard", "near")])
    np.testing.assert_array_equal(*kept)


def test_it_holds_a_few_seconds_of_sound_and_no_more(tmp_path: Path) -> None:
    """Nothing grows: not with sound, nor with chunks without any."""
    stream = Stream(tmp_path)
    nothing = np.zeros(0, np.float32)
    tracemalloc.start()
    try:
        stream.hear(60.0)
        before = tracemalloc.get_traced_memory()[0]
        stream.hear(60.0)
        for _ in range(10_000):
            stream.take(nothing.copy(), [])
        assert tracemalloc.get_traced_memory()[0] - before < 250_000  # a minute has 1,900,000 bytes
    finally:
        tracemalloc.stop()


def test_the_oldest_make_room_and_nothing_else_is_touched(tmp_path: Path) -> None:
    """At most so many bytes in heard/ and near/ together, at any moment; all else is a person's."""
    others = [
        tmp_path / name for name in ("words/go/a.wav", "noise/20261125T101112.345Z_1.00s_0.90.wav", "heard/go/my.wav")
    ]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(2_000_000))
    stream = Stream(tmp_path, limit=10 * BYTES)
    for number in range(1, 31):
        stream.event()
        assert len(stream.kept()) <= 10
        assert stream.kept()[-1] == f"heard/go/{number * 2 - 0.6:.2f}/0.90"
    assert len(stream.kept()) >= 9
    again = Stream(tmp_path, limit=10 * BYTES)  # counts what is there
    again.event()
    again.event()
    assert 9 <= len(stream.kept()) <= 10
    assert [path.stat().st_size for path in others] == [2_000_000] * 3


def test_what_a_person_has_moved_away_takes_no_room(tmp_path: Path) -> None:
    """What was not yet sorted stays, as long as there is room."""
    stream = Stream(tmp_path, limit=10 * BYTES)
    for _ in range(10):
        stream.event()
    (tmp_path / "noise").mkdir()
    for path in sorted((tmp_path / "heard" / "go").iterdir())[4:]:
        path.rename(tmp_path / "noise" / path.name)
    for _ in range(6):
        stream.event()
    assert stream.kept()[:4] == [f"heard/go/{number * 2 - 0.6:.2f}/0.90" for number in range(1, 5)]
    assert len(list((tmp_path / "noise").iterdir())) == 6


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may be longer than 10,000 bytes: a write fails in its midst, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_told_once_and_once_that_it_is_over(tmp_path: Path) -> None:
    """Listening goes on; nothing half-written is left."""
    stream = Stream(tmp_path)
    with full_disk():
        for _ in range(20):
            stream.event()
    assert [notice.kind for notice in stream.notices] == ["save"]
    assert stream.notices[0].values == {"folder": str(tmp_path), "problem": "File too large", "lost": 1}
    assert not [path for path in (tmp_path / "heard").rglob("*") if path.is_file()]
    stream.event()
    assert len(stream.kept()) == 1
    assert [notice.values["problem"] for notice in stream.notices] == ["File too large", None]
    assert "recordings not saved: 20" in stream.notices[1].text


def test_a_disk_that_comes_and_goes_is_told_of_at_most_so_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a minute; what was lost meanwhile is counted."""
    stream = Stream(tmp_path)
    for _ in range(5):
        with full_disk():
            stream.event()
        stream.event()
    assert len(stream.notices) == 2
    later = time.monotonic() + keeper_module.NOTICE_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with full_disk():
        stream.event()
    assert stream.notices[2].values["lost"] == 5


def test_a_folder_that_vanishes_is_not_made_again_but_used_when_it_is_back(tmp_path: Path) -> None:
    """As an unplugged disk: another is not filled in its place."""
    stream = Stream(tmp_path / "disk")
    stream.event()
    shutil.rmtree(tmp_path / "disk")
    stream.event()
    assert not (tmp_path / "disk").exists()
    (tmp_path / "disk").mkdir()
    stream.event()
    assert stream.kept() == ["heard/go/5.40/0.90"]
    assert [notice.values["problem"] for notice in stream.notices] == ["No such file or directory", None]


def test_what_a_killed_process_left_is_removed_and_a_readme_is_written_once(tmp_path: Path) -> None:
    """A person may change the README."""
    stream = Stream(tmp_path)
    text = (tmp_path / "README.txt").read_text()
    for part in ("words/", "noise/", "kws-tune", "kws-train"):
        assert part in text
    (tmp_path / "README.txt").write_text("mine")
    stream.event()
    (whole,) = (tmp_path / "heard" / "go").iterdir()
    (tmp_path / "heard" / "go" / f".{whole.name}.part.wav").write_bytes(b"half")
    Stream(tmp_path)
    assert list((tmp_path / "heard" / "go").iterdir()) == [whole]
    assert (tmp_path / "README.txt").read_text() == "mine"


def test_no_recording_takes_the_place_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands still, and one that was set back to when all that has been before."""
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0)
    for _ in range(2):
        stream = Stream(tmp_path)
        for _ in range(3):
            stream.event()
    names = sorted(path.name for path in (tmp_path / "heard" / "go").iterdir())
    assert len(names) == 6
    assert names[0] == "20270115T080000.000Z_1.40s_0.90.wav"


def test_a_name_tells_the_time_of_the_event(tmp_path: Path) -> None:
    """UTC, of a stream that is heard as it is spoken; a near miss is known a second after its peak."""
    stream = Stream(tmp_path)
    stream.hear(3.0, "go", 0.5)
    stream.hear(1.2)
    (path,) = (tmp_path / "near" / "go").iterdir()
    stamp = datetime.strptime(path.name[:19] + "+0000", "%Y%m%dT%H%M%S.%f%z")
    assert 0.95 < time.time() - stamp.timestamp() < 10


def test_a_label_that_is_a_path_stays_in_the_folder(tmp_path: Path) -> None:
    """A model may come from anywhere."""
    stream = Stream(tmp_path / "a" / "b", labels=("_background_", "../../../up", "go"))
    stream.hear(2.0, "../../../up", 0.9)
    stream.hear(1.0)
    assert [path.parent.name for path in tmp_path.rglob("*.wav")] == ["_________up"]
    assert [path.parent.parent.parent for path in tmp_path.rglob("*.wav")] == [tmp_path / "a" / "b"]


def test_a_folder_that_cannot_be_made_is_one_clear_line(run_command: Run, tmp_path: Path) -> None:
    """Before anything is listened to."""
    (tmp_path / "file").touch()
    assert_fault(run_command("kws-listen", "--demo", "--save", tmp_path / "file"), "file/heard: cannot be written")
    assert_fault(run_command("kws-listen", "--demo", "--save-limit", "0"), "--save-limit", 2)
    with pytest.raises(DataError, match="cannot be written"):
        Keeper(Path("/proc/nowhere"), 10**8, info(), print)


def test_the_demo_is_kept(run_command: Run, tmp_path: Path) -> None:
    """A recording for each line that is printed, with the word in it."""
    done = run_command("kws-listen", "--wav", DEMO, "--save", tmp_path / "kept")
    assert done.returncode == 0, done.stderr
    lines = sorted(line.split()[::2][:2] for line in done.stdout.splitlines())
    paths = list((tmp_path / "kept" / "heard").rglob("*.wav"))
    assert sorted([path.name.split("_")[1].removesuffix("s"), path.parent.name] for path in paths) == lines
    for path in paths:
        again = run_command("kws-listen", "--wav", path, "--json", "--threshold", "0.5")
        assert f'"label": "{path.parent.name}"' in again.stdout, path


def test_a_full_disk_costs_no_event(run_command: Run, tmp_path: Path) -> None:
    """The command says so once and goes on."""
    expected = run_command("kws-listen", "--wav", DEMO).stdout
    command = ["bash", "-c", 'ulimit -f 10 && exec "$@"', "-", LISTEN, "--wav", DEMO, "--quiet", "--save", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert done.stdout == expected
    assert done.stderr == f"{tmp_path}: File too large; recordings not saved: 1; still listening\n"


def test_what_waits_for_its_end_is_saved_at_sigterm(tmp_path: Path) -> None:
    """The first word of the demo ends at 3.71 s, its event is at 3.81 s; then comes the signal."""
    with wave.open(str(DEMO)) as reader:
        pcm = reader.readframes(4 * RATE)
    command = [LISTEN, "--raw", "--json", "--save", tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(pcm)
            process.stdin.flush()
            assert b"ready" in process.stdout.readline()
            assert b"yes" in process.stdout.readline()
            assert not list(tmp_path.glob("heard/yes/*.wav"))
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert len(list(tmp_path.glob("heard/yes/*.wav"))) == 1


def test_the_tests_can_write_no_long_file_on_a_full_disk(tmp_path: Path) -> None:
    """The limit holds for root too, as in CI."""
    with full_disk(), pytest.raises(OSError, match="File too large"):
        (tmp_path / "a").write_bytes(bytes(20_000))
    assert os.path.getsize(tmp_path / "a") == 10_000
