"""A root of Debian's packages, and a venv on it whose Python runs under QEMU: from nothing, in a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import shorten

from device.machines import Machine

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
MIRROR = "http://deb.debian.org/debian"  # alone: no updates between point releases
CHANGE = ("PYTHON", "QEMU_", "OPENBLAS_", "OMP_", "KWS_", "CI")  # variables with such names change what a command does
NEEDS = "this needs: apt-get install mmdebstrap qemu-user gcc; and the venv that script/setup makes, activated"
CORES = 4  # of each Raspberry Pi since the second
# What is in the root hides the host's from an emulated program, so these, which would be empty, must not be there.
OF_THE_HOST = ("dev", "etc", "tmp", "var")
LONGEST_SHOWN = 160  # characters of a command that failed
LOADER = "ld-linux-x86-64.so.2"


class Fault(Exception):  # noqa: N818  a line for people, not for code
    """What went wrong, in a line or with the last lines of what failed."""


def run(*command: str | Path, seconds: float, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's folder, with these environment variables and none that would change what it does.

    Raises Fault where it fails or takes longer than `seconds`.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(CHANGE)}
    words = [str(word) for word in command]
    shown = shorten(" ".join(words), LONGEST_SHOWN)
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=seconds, env=kept | variables, cwd=PROJECT, check=False
        )
    except FileNotFoundError as error:
        raise Fault(f"there is no {words[0]}; {NEEDS}") from error
    except subprocess.TimeoutExpired as error:
        raise Fault(f"{shown}: did not end within {seconds:.0f} s") from error
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise Fault(f"{shown}: exit code {done.returncode}\n{last}")
    return done


def build(machine: Machine, folder: Path) -> Path:
    """Make `folder` anew: the root, and a venv with nothing but Debian's pip. Returns the venv's Python."""
    if machine.emulator and not shutil.which(machine.emulator[0]):
        raise Fault(f"there is no {machine.emulator[0]}; {NEEDS}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    root = folder / "root"
    _make_root(machine, root)
    return _make_venv(machine, root, folder / "venv")


def _make_root(machine: Machine, root: Path) -> None:
    """Unpack Debian's packages. Nothing of them is set up: what that would link, we link."""
    run(
        "mmdebstrap",
        f"--mode={'root' if os.geteuid() == 0 else 'chrootless'}",
        "--variant=extract",
        "--skip=check/qemu",
        f"--architectures={machine.debian}",
        f"--include={','.join(machine.packages)}",
        machine.suite,
        root,
        MIRROR,
        seconds=300,
    )
    for name in OF_THE_HOST:
        shutil.rmtree(root / name, ignore_errors=True)
    for name in ("lib", "lib64"):  # trixie's packages have these in /usr alone
        if (root / "usr" / name).exists() and not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for name, target in machine.links:
        (root / "usr" / "lib" / machine.libraries / name).symlink_to(target)
    if machine.cpuinfo:
        (root / "proc").mkdir()
        shutil.copy(HERE / machine.cpuinfo, root / "proc" / "cpuinfo")
        _describe_cores(root / "sys" / "devices" / "system" / "cpu")


def _describe_cores(folder: Path) -> None:
    """What libraries read of the processor's cores, as a kernel on four equal ones has it."""
    every = f"0-{CORES - 1}\n"
    files = {"possible": every, "present": every, "online": every, "kernel_max": "255\n"}
    for core in range(CORES):
        topology = f"cpu{core}/topology"
        files |= {f"{topology}/physical_package_id": "0\n", f"{topology}/core_siblings_list": every}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _make_venv(machine: Machine, root: Path, venv: Path) -> Path:
    """A venv as `python3 -m venv` makes it, but its Python is a script that runs the root's: pip, the commands' first
    lines and whatever starts `sys.executable` find it there as on the device."""
    python = venv / "bin" / "python"
    python.parent.mkdir(parents=True)
    (venv / "lib" / machine.python / "site-packages").mkdir(parents=True)
    program = root / "usr" / "bin" / machine.python
    if machine.emulator:
        before = f'{" ".join(machine.emulator)} -L {root} -0 "$0"'
    else:
        before = f'{root}/lib64/{LOADER} --argv0 "$0" --library-path {root}/usr/lib/{machine.libraries}'
    python.write_text(f'#!/bin/sh\nexec {before} {program} "$@"\n')
    python.chmod(0o755)
    if machine.emulator:
        # The emulated pip reads what stands there to tell the ABI, and must find a program: in the root it does.
        hidden = root / python.relative_to("/")
        hidden.parent.mkdir(parents=True)
        hidden.hardlink_to(program.resolve())
    shared = "true" if machine.pip else "false"  # Debian's numpy and cffi
    (venv / "pyvenv.cfg").write_text(f"home = {program.parent}\ninclude-system-site-packages = {shared}\n")
    (pip,) = (root / "usr" / "share" / "python-wheels").glob("pip-*.whl")
    run(python, pip / "pip", "install", "--quiet", "--no-index", pip, seconds=120)
    return python


def build_wheel(folder: Path) -> Path:
    """The project's wheel."""
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, PROJECT, seconds=300)
    (wheel,) = folder.glob("kws_edge-*.whl")
    return wheel


def install(python: Path, *arguments: str | Path) -> None:
    """`pip install` by the venv's own Python, so the wheels are those that pip would take there."""
    run(python, "-m", "pip", "install", "--quiet", "--only-binary=:all:", *arguments, seconds=600)
