"""`kws-bench`: the figures of this machine, for people and for programs, and a budget that they must keep."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kws_runtime import bench, timing
from kws_runtime.benchreport import Measurement, summary, table
from kws_runtime.footprint import Footprint
from kws_runtime.interpreter import installed_interpreters
from kws_runtime.timing import REST, STAGES, StageTimings, Timings
from tests.runtime.listening import interrupted

BENCH = Path(sys.executable).parent / "kws-bench"
BUNDLED = ("gru-int8", "ds-cnn-int8", "gru-fp32")
MS = 1_000_000
Main = Callable[..., int]


def measurement(case: bench.Case | None = None, p99_ms: int = 3, late_ms: int = 1) -> Measurement:
    """200 hops in real time, 2 of which take longer than `p99_ms`, the longest 30 ms."""
    steps = np.tile([0, 1], 100)
    work = np.where(steps, p99_ms * MS, MS // 2)
    work[[51, 151]] = 30 * MS
    late = np.full(200, late_ms * MS)
    return Measurement(
        model=case.file.info.name if case else "gru-int8",
        model_bytes=229_608,
        interpreter=case.interpreter if case else "tflite-runtime",
        threads=case.threads if case else 1,
        flat=Timings(work // 10, steps, cpu_s=0.02),
        stages={name: StageTimings(work // 40 * steps, steps) for name in (*STAGES, REST)},
        paced=Timings(work, steps, 0.2, late, work + late),
        footprint=Footprint(0.31, 0.33, None, 93_000_000),
    )


@pytest.fixture
def canned(monkeypatch: pytest.MonkeyPatch) -> Main:
    """`kws-bench`, but what is measured was measured already."""
    monkeypatch.setattr(bench.Case, "measure", lambda case, audio, seconds: measurement(case))
    return lambda *arguments: bench.main(list(arguments))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Main:
    """`kws-bench` with next to no warm-up."""
    monkeypatch.setattr(timing, "WARM_UP_HOPS", 4)
    monkeypatch.setattr("kws_runtime.footprint.RUNS", 1)
    return lambda *arguments: bench.main(["--seconds", "1", *arguments])


def test_json_is_one_object_that_adds_up(quick: Main, capsys: pytest.CaptureFixture[str]) -> None:
    """Measured here: the machine, percentiles that rise, stages that make up a hop, and what it costs beside."""
    name = installed_interpreters()[0]
    assert quick("gru-int8", "--interpreter", name, "--json") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    report = json.loads(printed.out)
    assert report["machine"]["cores"] >= 1
    assert report["machine"]["versions"]["numpy"] == np.__version__
    assert set(report["machine"]["before"]) == {"mhz", "celsius", "throttling", "load"}
    (one,) = report["measurements"]
    assert (one["model"], one["interpreter"], one["threads"]) == ("gru-int8", name, 1)
    flat, paced = one["flat"], one["paced"]
    assert (flat["hops"], flat["hops_with_step"]) == (500, 250)
    assert (paced["hops"], paced["hops_with_step"]) == (50, 25)
    for us in (flat["us"], flat["us_with_step"], paced["us"], paced["late_us"], paced["done_us"]):
        assert 0 < us["p50"] <= us["p95"] <= us["p99"] <= us["p99.9"] <= us["max"]
    assert one["stages"]["step"]["calls"] == 250
    stages = sum(stage["us_with_step"]["p50"] for stage in one["stages"].values())
    assert stages == pytest.approx(flat["us_with_step"]["p50"], rel=0.5)
    assert flat["cpu_s_an_hour"] > 0
    assert paced["over_deadline"] >= paced["work_over_deadline"] >= 0
    assert one["startup_cpu_s"] > 0
    assert one["peak_rss_bytes"] > 1 << 24
    assert one["installed_bytes"] > 1 << 24


def test_without_arguments_every_bundled_model_is_measured_on_every_interpreter(
    canned: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    """In lines of at most 80 columns, with the machine before and a summary after them."""
    assert canned() == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert max(map(len, lines)) <= 80
    names = [f"{model} on {interpreter}" for model in BUNDLED for interpreter in installed_interpreters()]
    assert [line for line in lines if line in names] == names
    assert [line.split("  ")[0] for line in lines[-len(names) - 3 : -3]] == names
    assert printed.err == ""


def test_threads_are_measured_from_one_up(canned: Main, capsys: pytest.CaptureFixture[str]) -> None:
    """On the interpreters that were asked for."""
    names = installed_interpreters()
    asked = [part for name in names for part in ("--interpreter", name)]
    assert canned("ds-cnn-int8", *asked, "--threads", "3", "--json") == 0
    found = [(one["interpreter"], one["threads"]) for one in json.loads(capsys.readouterr().out)["measurements"]]
    assert found == [(name, threads) for name in names for threads in (1, 2, 3)]


def test_the_table_parts_the_work_from_what_the_system_adds() -> None:
    """Rows of figures in microseconds; seconds an hour; the hops that were too late and whose fault that was."""
    rows = {line[:18].strip(): line[18:].split() for line in table(measurement(late_ms=18)) if line[18:24].strip()}
    assert rows["flat out"] == ["50.0", "300.0", "300.0", "3000.0", "3000.0", "18.00"]
    assert rows["step"][:3] == ["75.0", "75.0", "750.0"]
    assert rows["with a step"] == ["3000.0", "3000.0", "30000.0", "30000.0", "30000.0"]
    assert rows["woken late"] == ["18000.0"] * 5
    text = "\n".join(table(measurement(late_ms=18)))
    assert "p99 in real time is 15 % of a hop's 20 ms\n" in text
    assert "100 of 200 hops were done too late, 2 of them by their own work\n" in text
    assert "peak RSS ? MiB; installed 93 MB" in text


def test_the_summary_has_a_line_for_each() -> None:
    """p99 and CPU, flat out and in real time; start-up and memory."""
    *_, line = summary([measurement()])
    assert line.split() == ["gru-int8", "on", "tflite-runtime", "300", "18.0", "3000", "180.0", "0.31", "?"]


def test_a_budget_that_is_missed_is_named_after_the_figures(canned: Main, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and one line; what keeps it is exit code 0. The system's lateness does not count."""
    assert canned("gru-int8", "--budget", "3") == 0
    capsys.readouterr()
    assert canned("gru-int8", "--budget", "2.9", "--json") == 1
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)["measurements"]) == len(installed_interpreters())
    assert printed.err.startswith("error: over the budget of 2.9 ms for the p99 of a hop: gru-int8 on ")
    assert "3.00 ms" in printed.err
    assert len(printed.err.splitlines()) == 1


def test_the_picture_is_a_png(canned: Main, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Whole, and nothing beside it."""
    assert canned("gru-int8", "--plot", str(tmp_path / "hops.png")) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["hops.png"]
    assert (tmp_path / "hops.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_measured_is_one_line_before_anything_is(
    canned: Main, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing and a broken model, also behind a good one; an interpreter for another format; none at all."""
    (tmp_path / "a.tflite").write_bytes(b"no model")
    for arguments, says in (
        (["nowhere.tflite"], "nowhere.tflite: No such file"),
        (["gru-int8", str(tmp_path / "a.tflite")], "a.tflite: truncated or not made by kws-export"),
        (["gru-int8", "--interpreter", "onnxruntime"], "which onnxruntime cannot run"),
    ):
        assert canned(*arguments) == 1
        printed = capsys.readouterr()
        assert says in printed.err
        assert (printed.out, len(printed.err.splitlines())) == ("", 1)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert canned() == 1
    assert "no TFLite interpreter is installed; install one with: pip install" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--seconds", "0"],
        ["--seconds", "nan"],
        ["--threads", "0"],
        ["--budget", "0"],
        ["--budget", "nan"],
        ["--plot", "a.pdf"],
        ["--interpreter", "b"],
    ],
)
def test_wrong_usage_is_exit_code_2(canned: Main, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With the usage."""
    with pytest.raises(SystemExit) as ended:
        canned(*arguments)
    assert ended.value.code == 2
    assert "usage: kws-bench" in capsys.readouterr().err


def test_ctrl_c_in_the_middle_ends_it_with_130(tmp_path: Path) -> None:
    """Nothing half-written, no traceback."""
    command = [BENCH, "gru-int8", "--plot", tmp_path / "a.png"]
    assert interrupted(command, "gru-int8 on ") == (130, "")
    assert list(tmp_path.iterdir()) == []
