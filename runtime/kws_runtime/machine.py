"""The machine that figures are of: what it is, and how hot, fast and busy it is now.

Each thing is read where Linux shows it. What a machine does not show is None, never an error.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path("/")
CPU = "sys/devices/system/cpu"
ARM_PARTS = {  # of /proc/cpuinfo, as Arm numbers its cores
    "0xb76": "ARM1176",
    "0xc07": "Cortex-A7",
    "0xc08": "Cortex-A8",
    "0xc09": "Cortex-A9",
    "0xc0f": "Cortex-A15",
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0b": "Cortex-A76",
}
ARM_IMPLEMENTER = "0x41"
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
THROTTLING = {  # bits of the Raspberry Pi's firmware; the same, 16 bits higher, say that it was so since it started
    0: "under-voltage",
    1: "clock capped",
    2: "throttled",
    3: "soft temperature limit",
}
SINCE_START = 16
VCGENCMD_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Machine:
    """What does not change while it measures."""

    board: str | None  # of a board with a device tree
    cpu: str | None
    cores: int  # that this process may use
    architecture: str  # of the kernel
    bits: int  # of Python: 32 under a kernel of 64 is common on a Raspberry Pi
    memory_mib: int | None
    system: str | None
    kernel: str
    governor: str | None  # of the first core
    max_mhz: int | None
    versions: dict[str, str]  # of Python and the distributions asked for, those that are installed


@dataclass(frozen=True)
class Condition:
    """What does."""

    mhz: int | None  # of the first core
    celsius: float | None  # the hottest zone
    throttling: tuple[str, ...] | None  # of a Raspberry Pi; none is ()
    load: float  # processes that ran or waited, mean of the last minute


def describe(distributions: Sequence[str], root: Path = ROOT) -> Machine:
    """This machine, with the versions of these distributions."""
    return Machine(
        board=_read(root / "proc/device-tree/model"),
        cpu=_cpu(_read(root / "proc/cpuinfo") or ""),
        cores=len(os.sched_getaffinity(0)),
        architecture=platform.machine(),
        bits=64 if sys.maxsize > 1 << 32 else 32,
        memory_mib=_memory_mib(_read(root / "proc/meminfo") or ""),
        system=_system(_read(root / "etc/os-release") or ""),
        kernel=platform.release(),
        governor=_read(root / CPU / "cpu0/cpufreq/scaling_governor"),
        max_mhz=_mhz(root / CPU / "cpu0/cpufreq/cpuinfo_max_freq"),
        versions={"Python": platform.python_version(), **installed_versions(distributions)},
    )


def condition(root: Path = ROOT) -> Condition:
    """How it is now."""
    zones = [_number(zone) for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*/temp"))]
    return Condition(
        mhz=_mhz(root / CPU / "cpu0/cpufreq/scaling_cur_freq") or _cpuinfo_mhz(_read(root / "proc/cpuinfo") or ""),
        celsius=max((milli / 1000 for milli in zones if milli is not None), default=None),
        throttling=_throttling(root),
        load=round(os.getloadavg()[0], 2),
    )


def _read(path: Path) -> str | None:
    """What a file of the kernel says; None where there is none, or it may not be read."""
    try:
        return path.read_text(errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = _read(path) or ""
    return int(text) if text.lstrip("-").isdecimal() else None


def _mhz(path: Path) -> int | None:
    khz = _number(path)
    return None if khz is None else khz // 1000


def _cpuinfo_mhz(cpuinfo: str) -> int | None:
    """What x86 says there, in virtual machines too."""
    found = re.search(r"^cpu MHz\s*: (\d+)", cpuinfo, re.MULTILINE)
    return int(found[1]) if found else None


def _cpu(cpuinfo: str) -> str | None:
    """The name of the cores: x86 says it, Arm gives a number for each core."""
    if re.search(rf"^CPU implementer\s*: {ARM_IMPLEMENTER}$", cpuinfo, re.MULTILINE):
        parts = dict.fromkeys(re.findall(r"^CPU part\s*: (\S+)$", cpuinfo, re.MULTILINE))
        return " and ".join(ARM_PARTS.get(part, f"Arm {part}") for part in parts) or None
    named = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    return named[1] if named else None


def _memory_mib(meminfo: str) -> int | None:
    found = re.search(r"^MemTotal:\s*(\d+) kB$", meminfo, re.MULTILINE)
    return int(found[1]) // 1024 if found else None


def _system(os_release: str) -> str | None:
    found = re.search(r'^PRETTY_NAME="?(.*?)"?$', os_release, re.MULTILINE)
    return found[1] if found else None


def installed_versions(distributions: Sequence[str]) -> dict[str, str]:
    """Of those that are installed."""
    found = {}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _throttling(root: Path) -> tuple[str, ...] | None:
    """What a Raspberry Pi's firmware holds against its power supply and its cooling."""
    text = _read(root / THROTTLED) or _vcgencmd()
    found = re.fullmatch(r"(?:throttled=)?(?:0x)?([0-9a-f]+)", text or "")
    if not found:
        return None
    bits = int(found[1], 16)
    now = [name for bit, name in THROTTLING.items() if bits >> bit & 1]
    before = [name for bit, name in THROTTLING.items() if bits >> (bit + SINCE_START) & 1 and name not in now]
    return (*(f"{name} now" for name in now), *(f"{name} since it started" for name in before))


def _vcgencmd() -> str | None:
    """What the firmware's own command says, where the kernel does not show it."""
    command = shutil.which("vcgencmd")
    if command is None:
        return None
    try:
        done = subprocess.run(
            [command, "get_throttled"], capture_output=True, text=True, timeout=VCGENCMD_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip()
