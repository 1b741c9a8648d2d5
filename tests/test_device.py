"""What surrounds the emulation of script/test-device: arithmetic, lists, files. Emulation itself is too slow here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DEVICE = ROOT / "script" / "device"
sys.path.insert(0, str(DEVICE.parent))

from device import counting, proof  # noqa: E402
from device.estimates import BOARDS, estimates, share_of_core  # noqa: E402
from device.machines import MACHINES  # noqa: E402


def test_a_share_of_a_core_is_instructions_over_what_it_completes() -> None:
    """100 million a second, of the 500 million that 1 GHz completes at one in two cycles."""
    assert share_of_core(1_000_000, ghz=1.0, ipc=0.5) == pytest.approx(0.2)


@pytest.mark.parametrize("architecture", ["aarch64", "armv7"])
def test_an_estimate_stands_beside_what_it_assumes(architecture: str) -> None:
    """Clock, instructions per cycle, and a range about it; for the boards that run such programs."""
    found = {estimate["board"]: estimate for estimate in estimates(90_000, architecture)}
    assert {f"Raspberry Pi {name}" for name in ("Zero 2 W", "3 B", "4 B", "5")} <= set(found)
    assert ("Raspberry Pi 2" in found) == (architecture == "armv7")
    for estimate in found.values():
        best, worst = estimate["range"]
        assert best < estimate["share_of_core"] < worst
        core = estimate["core"]
        assert estimate["share_of_core"] == pytest.approx(0.009 / (estimate["ghz"] * core["ipc"]))
    assert found["Raspberry Pi Zero 2 W"]["share_of_core"] == pytest.approx(0.018)
    assert len(BOARDS) == len({board.name for board in BOARDS})


def test_what_a_run_costs_beside_the_hops_falls_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start-up of 3 billion instructions and 400 a hop of 20 ms are 200 for 10 ms."""

    def count(python: Path, counter: Path, workload: Path, stage: str, hops: str, model: str) -> int:
        assert (workload.name, stage, model) == ("workload.py", "step", "gru-int8")
        return 3_000_000_000 + 400 * int(hops)

    monkeypatch.setattr(counting, "count", count)
    assert counting.insn_per_10ms(Path("python"), Path("count.so"), "step", "gru-int8") == 200


def test_the_stages_and_the_rest_make_up_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what two counts differ by is told as a share."""
    chain = iter([1000, 1001])

    def insn_per_10ms(python: Path, counter: Path, stage: str, model: str, **variables: str) -> int:
        held = "OPENBLAS_NUM_THREADS" in variables
        return next(chain) if (stage, model, held) == ("chain", "a", True) else 200

    monkeypatch.setattr(counting, "insn_per_10ms", insn_per_10ms)
    figures = counting.count_listener(Path("python"), Path("count.so"), ("a", "b"))
    assert figures["by_stage"] == {"front_end": 200, "step": 200, "detector": 200, "rest": 400}
    assert figures["by_model"] == {"a": 1000, "b": 200}
    assert figures["spread"] == pytest.approx(0.001)


def test_pytests_last_line_is_counted() -> None:
    """What is not there is not made up."""
    assert proof.counted("...\n462 passed, 9 skipped, 14 deselected in 421.94s (0:07:01)\n") == {
        "passed": 462,
        "skipped": 9,
        "deselected": 14,
    }
    assert proof.counted("3 passed in 1.0s") == {"passed": 3}


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_every_test_that_is_left_out_exists(machine: proof.Machine) -> None:
    """One that was renamed would not be left out any more, or not be missed."""
    for tests in proof.left_out_on(machine).values():
        for test in tests:
            file, _, name = test.partition("::")
            text = (ROOT / proof.TESTS / file).read_text()
            assert not name or f"def {name.partition('[')[0]}(" in text, test


@pytest.mark.parametrize("bits", ["aarch64", "armv7"])
def test_the_processor_is_that_of_a_raspberry_pi_zero_2_w(bits: str) -> None:
    """Four Cortex-A53 r0p4."""
    text = (DEVICE / f"cpuinfo-pi-zero-2w-{bits}").read_text()
    fields = {name: re.findall(rf"^{name}\s*: (.*)$", text, re.MULTILINE) for name in ("processor", "Model")}
    assert fields == {"processor": ["0", "1", "2", "3"], "Model": ["Raspberry Pi Zero 2 W Rev 1.0"]}
    for name, value in {"implementer": "0x41", "part": "0xd03", "variant": "0x0", "revision": "4"}.items():
        assert re.findall(rf"^CPU {name}\s*: (.*)$", text, re.MULTILINE) == [value] * 4


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_the_plugin_compiles_without_a_warning(tmp_path: Path) -> None:
    """With the functions that it declares itself."""
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", tmp_path / "a.so"]
    subprocess.run([*command, DEVICE / "count.c"], check=True, timeout=60)


def test_32_bit_of_debian_13_is_refused_in_a_line() -> None:
    """With the reason, before anything is built."""
    command = [sys.executable, ROOT / "script" / "test-device", "armv7", "--suite", "trixie"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "no TFLite interpreter has wheels for it" in done.stderr
    assert len(done.stderr.splitlines()) == 1
