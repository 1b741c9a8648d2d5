"""The folder of `kws-listen --save`: bounded, never half-written, sorted by a person into words and noise.

    DIR/heard/<word>/  what raised an event        the listener writes here, and deletes the oldest
    DIR/near/<word>/   near misses                 likewise
    DIR/words/<word>/  sorted: this word           a person's; the listener never touches it
    DIR/noise/         sorted: none of the words   likewise

A recording is named <UTC stamp>_<second of the stream>s_<score>.wav, so names sort by time.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import time
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_runtime.errors import DataError
from kws_runtime.files import write_atomically, write_text
from kws_runtime.frontend import SAMPLE_RATE

BEFORE_SAMPLES = SAMPLE_RATE * 3 // 2
AFTER_SAMPLES = SAMPLE_RATE // 2
KEPT_SAMPLES = BEFORE_SAMPLES + AFTER_SAMPLES  # of every recording; silence stands where nothing was heard
HEARD, NEAR = "heard", "near"
NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z_\d+\.\d\ds_\d\.\d\d\.wav")
ROOM_SHARE = 0.1  # of the limit is freed at once, so that the folder is seldom looked through
SET_BACK_MS = 5_000  # a clock that is so far behind the last stamp was set back

README = """\
kws-listen --save keeps two seconds around each event in heard/<word>/ and around each near miss in near/<word>/:
1.5 s before it and 0.5 s after. A name holds the time (UTC), the second of the stream, and the score.
The oldest are deleted when there are too many (--save-limit).

Listen to them, and move those that are to be learned from:
  one in which a word of the model ends just before 1.5 s   to   words/<the word that was said>/
  one in which none of the words is said at all             to   noise/
In words/ and noise/ nothing is ever deleted. Then find thresholds on them (EVENING.wav: hours without the words), or
teach the model more:
  kws-tune MODEL --words DIR/words --noise EVENING.wav DIR/noise=0
  kws-train gru --data DATA --more DIR --from RUN --out RUN-2
"""


def was_kept(path: Path, samples: NDArray[np.int16]) -> bool:
    """Whether a recording is as `kws-listen --save` wrote it: then its event lies at BEFORE_SAMPLES."""
    return NAME.fullmatch(path.name) is not None and len(samples) == KEPT_SAMPLES


class KeptRecordings:
    """The listener's part of the folder: heard/ and near/."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        """Make the folder; remove what a killed process left half-written. Raises DataError where that cannot be."""
        self._folder, self._limit = folder, limit_bytes
        self._last_ms = 0
        try:
            for kind in (HEARD, NEAR):
                (folder / kind).mkdir(parents=True, exist_ok=True)
                if not os.access(folder / kind, os.W_OK | os.X_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder / kind))
                for unfinished in (folder / kind).glob("*/.*.part.wav"):
                    unfinished.unlink(missing_ok=True)
            if not (folder / "README.txt").exists():
                write_text(folder / "README.txt", README)
            self._bytes = sum(size for _, size in self._oldest_first())
        except OSError as error:
            where, why = error.filename or folder, error.strerror or error
            raise DataError(f"{where}: cannot be written ({why}); give --save a folder of yours") from error

    def stamp(self, seconds_ago: float) -> int:
        """Milliseconds since 1970 (UTC) of a moment, after all moments stamped before unless the clock was set back."""
        now_ms = round((time.time() - seconds_ago) * 1000)
        if 0 <= self._last_ms - now_ms < SET_BACK_MS:  # a file is heard faster than it was spoken
            now_ms = self._last_ms + 1
        self._last_ms = now_ms
        return now_ms

    def save(self, kind: str, label: str, stamp_ms: int, rest_of_name: str, pcm: NDArray[np.int16]) -> None:
        """Write a recording (n,), after deleting old ones where there are too many. Raises OSError, and then nothing
        was written."""
        content = _wav(pcm)
        place = self._folder / kind
        place.mkdir(exist_ok=True)  # not its parents: an unplugged disk is no reason to fill another
        place /= re.sub(r"[^\w -]", "_", label)  # a model's label may be anything, and is no path
        place.mkdir(exist_ok=True)
        if self._bytes + len(content) > self._limit:
            self._make_room(len(content))
        while (path := place / f"{_utc(stamp_ms)}_{rest_of_name}.wav").exists():
            stamp_ms += 1
        write_atomically(path, lambda unfinished: _write(unfinished, content))
        self._bytes += len(content)

    def _make_room(self, wanted: int) -> None:
        """Delete the oldest until there is room; what a person has moved away counts no more."""
        files = self._oldest_first()
        self._bytes = sum(size for _, size in files)
        most = self._limit - max(wanted, int(ROOM_SHARE * self._limit))
        for path, size in files:
            if self._bytes <= most:
                break
            path.unlink(missing_ok=True)
            self._bytes -= size

    def _oldest_first(self) -> list[tuple[Path, int]]:
        """Our recordings and their sizes. Anything else that lies there is not ours to count or to delete."""
        found = []
        for kind in (HEARD, NEAR):
            for path in (self._folder / kind).glob("*/*.wav"):
                if NAME.fullmatch(path.name):
                    with contextlib.suppress(FileNotFoundError):  # just moved away
                        found.append((path, path.stat().st_size))
        return sorted(found, key=lambda file: file[0].name)


def _wav(pcm: NDArray[np.int16]) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, SAMPLE_RATE, len(pcm), "NONE", ""))
        writer.writeframes(pcm.astype("<i2").tobytes())
    return file.getvalue()


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _utc(stamp_ms: int) -> str:
    seconds, milliseconds = divmod(stamp_ms, 1000)
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(seconds))}.{milliseconds:03d}Z"
