"""The machine beside the figures: what Linux shows of it is read, and what it does not show is no error."""

from __future__ import annotations

from pathlib import Path

import pytest

from kws_runtime import machine

CPUINFO_64 = """\
processor	: 0
CPU implementer	: 0x41
CPU part	: 0xd08

processor	: 1
CPU implementer	: 0x41
CPU part	: 0xd08

Model		: Raspberry Pi 4 Model B Rev 1.4
"""
CPUINFO_32 = "processor : 0\nmodel name\t: ARMv7 Processor rev 4 (v7l)\nCPU implementer\t: 0x41\nCPU part\t: 0xd03\n"
CPUINFO_NEWER = "processor : 0\nCPU implementer\t: 0x41\nCPU part\t: 0xfff\n"
CPUINFO_X86 = "processor : 0\nmodel name\t: AMD EPYC\ncpu MHz\t\t: 2596.122\n"
FILES = {
    "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
    "proc/cpuinfo": CPUINFO_64,
    "proc/meminfo": "MemTotal:        3884884 kB\nMemFree:          100000 kB\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\n',
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "1800000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "600000\n",
    "sys/class/thermal/thermal_zone0/temp": "48686\n",
    "sys/class/thermal/thermal_zone1/temp": "51121\n",
    "sys/devices/platform/soc/soc:firmware/get_throttled": "50001\n",
}


def laid_out(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture(autouse=True)
def without_vcgencmd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine that tests run on may have one."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_a_raspberry_pi_tells_what_it_is_and_how_it_is(tmp_path: Path) -> None:
    """Board, cores, memory, system, governor; clock, temperature of the hottest zone, throttling."""
    pi = laid_out(tmp_path, FILES)
    found = machine.describe(["numpy", "no-such-thing"], pi)
    assert (found.board, found.cpu) == ("Raspberry Pi 4 Model B Rev 1.4", "Cortex-A72")
    assert (found.memory_mib, found.system) == (3793, "Debian GNU/Linux 12 (bookworm)")
    assert (found.governor, found.max_mhz) == ("ondemand", 1800)
    assert list(found.versions) == ["Python", "numpy"]
    now = machine.condition(pi)
    assert (now.mhz, now.celsius) == (600, 51.121)
    assert now.throttling == ("under-voltage now", "throttled since it started")


def test_what_a_machine_does_not_show_is_no_error(tmp_path: Path) -> None:
    """An empty root; text where a number should be."""
    found = machine.describe([], tmp_path)
    assert (found.board, found.cpu, found.memory_mib, found.governor, found.max_mhz) == (None,) * 5
    assert found.cores >= 1
    laid_out(tmp_path, {"sys/class/thermal/thermal_zone0/temp": "N/A", machine.THROTTLED: "not for you"})
    now = machine.condition(tmp_path)
    assert (now.mhz, now.celsius, now.throttling) == (None, None, None)
    assert now.load >= 0


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [(CPUINFO_32, "Cortex-A53"), (CPUINFO_NEWER, "Arm 0xfff"), (CPUINFO_X86, "AMD EPYC"), ("", None)],
)
def test_the_cores_have_a_name(tmp_path: Path, cpuinfo: str, name: str | None) -> None:
    """A 32-bit kernel names the instruction set, so the core's number goes first; one we do not know stays a number."""
    assert machine.describe([], laid_out(tmp_path, {"proc/cpuinfo": cpuinfo})).cpu == name


def test_a_virtual_machine_tells_its_clock_in_cpuinfo(tmp_path: Path) -> None:
    """It has no governor."""
    assert machine.condition(laid_out(tmp_path, {"proc/cpuinfo": CPUINFO_X86})).mhz == 2596


@pytest.mark.parametrize(
    ("says", "throttling"), [("throttled=0x0", ()), ("throttled=0x4", ("throttled now",)), ("VCHI failed", None)]
)
def test_vcgencmd_is_asked_where_the_kernel_does_not_show_throttling(
    tmp_path: Path, says: str, throttling: tuple[str, ...] | None
) -> None:
    """As older systems have it; what is no answer is none."""
    command = laid_out(tmp_path, {"bin/vcgencmd": f"#!/bin/sh\necho '{says}'\n"}) / "bin/vcgencmd"
    command.chmod(0o755)
    assert machine.condition(tmp_path).throttling == throttling
