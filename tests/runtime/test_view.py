"""What a person sees at a terminal."""

from __future__ import annotations

import os
import subprocess
import wave

import numpy as np
import pytest

from kws_runtime.audio import Gap
from kws_runtime.detector import Event
from kws_runtime.listen import DEMO
from kws_runtime.listener import Decision
from kws_runtime.notice import Notice
from kws_runtime.view import ERASE_LINE, View
from tests.runtime.listening import LISTEN

LABELS = ("_background_", "go", "left", "stop")
THRESHOLDS = dict.fromkeys(LABELS[1:], 0.8)


def heard(*scores: float, event: Event | None = None) -> Decision:
    return Decision(1.0, np.array([0.0, *scores], np.float32), event)


def loud(amplitude: float) -> np.ndarray:
    return np.tile(np.array([amplitude, -amplitude], np.float32), 160)


@pytest.fixture
def view(capsys: pytest.CaptureFixture[str]) -> View:
    return View(LABELS, THRESHOLDS)


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.split(ERASE_LINE)[-1]


def test_the_line_shows_level_scores_and_time(view: View, capsys: pytest.CaptureFixture[str]) -> None:
    """A tone of a tenth of full scale; a word at its threshold is full."""
    view.take(Gap(3600.0, "lost"), [])
    view.take(loud(0.1), [heard(0.8, 0.4, 0.0)])
    line = last_line(capsys)
    assert line.endswith("go █ left ▄ stop ▁   1:00:00")
    assert " -20 dB " in line
    assert line.count("█") == round(40 / 60 * 20) + 1


def test_what_is_too_loud_is_said(view: View, capsys: pytest.CaptureFixture[str]) -> None:
    """At full scale the words are cut."""
    view.take(loud(1.0), [])
    assert "too loud" in last_line(capsys)


def test_silence_and_nothing_are_shown_as_such(view: View, capsys: pytest.CaptureFixture[str]) -> None:
    """No logarithm of zero."""
    view.take(np.zeros(0, np.float32), [])
    assert " -60 dB " in last_line(capsys)


@pytest.mark.parametrize("width", [20, 40, 50, 60, 200])
def test_the_line_fits_the_terminal(view: View, width: int) -> None:
    """Where the words do not all fit, those with the highest scores are shown."""
    view.take(loud(0.1), [])
    view._scores[:] = [0, 0.1, 0.7, 0.2]
    line = view.status(width)
    assert len(line) <= width
    if width == 50:
        assert "left" in line
        assert "go" not in line


def test_events_stand_above_the_line_and_faults_in_it(view: View, capsys: pytest.CaptureFixture[str]) -> None:
    """The line is erased before another is printed."""
    view.take(loud(0.1), [heard(0.9, 0, 0, event=Event(1.0, "go", 0.9))])
    out = capsys.readouterr().out
    assert out.startswith(f"{ERASE_LINE}     1.00 s  go       0.90  ██")
    view.notice(Notice("lost", "microphone 'usb' was lost"))
    view.take(np.zeros(0, np.float32), [])
    shown = capsys.readouterr()
    assert shown.err == "microphone 'usb' was lost\n"
    assert "waiting for the microphone" in shown.out
    view.notice(Notice("back", "microphone 'usb' is back"))
    view.take(loud(0.1), [])
    assert "waiting" not in last_line(capsys)
    view.close()
    assert capsys.readouterr().out == ERASE_LINE


@pytest.mark.parametrize(("flags", "lives"), [([], True), (["--quiet"], False), (["--json"], False)], ids=str)
def test_it_is_there_on_a_terminal_only_and_not_when_asked_to_be_quiet(flags: list[str], lives: bool) -> None:
    """The events are the same."""
    with wave.open(str(DEMO)) as reader:
        pcm = reader.readframes(10 * 16_000)
    outer, inner = os.openpty()
    done = subprocess.run([LISTEN, "--raw", *flags], input=pcm, stdout=inner, stderr=subprocess.DEVNULL, timeout=60)
    os.close(inner)
    text = os.read(outer, 100_000).decode()
    os.close(outer)
    assert done.returncode == 0
    assert (ERASE_LINE in text) is lives
    assert "yes" in text
    assert "left" in text
