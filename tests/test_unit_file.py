"""The systemd unit in docs/, and what the guide says to change in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.test_docs import flags

DOCS = Path(__file__).parent.parent / "docs"
UNIT = (DOCS / "kws-listen.service").read_text()
DROP_INS = re.findall(r"```ini\n(.*?)```", (DOCS / "raspberry-pi.md").read_text(), re.DOTALL)
GUIDES_BIN = "/opt/kws-edge/bin/"  # where the guide installs; not there on a machine that runs tests
MOST_EXPOSED = 1.0  # of 10; systemd 252 says 0.8, systemd 257 says 0.6


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with the command of this venv. Skips without systemd-analyze, never in CI."""
    if not shutil.which("systemd-analyze"):
        assert not os.environ.get("CI"), "systemd-analyze is missing in CI"
        pytest.skip("needs: apt install systemd")
    path = tmp_path / "kws-listen.service"
    path.write_text(installed_here(UNIT))
    return path


def installed_here(text: str) -> str:
    assert GUIDES_BIN in text
    return text.replace(GUIDES_BIN, f"{Path(sys.executable).parent}/")


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def assert_verified(unit: Path) -> None:
    """Nothing to say against it: what systemd does not know it names, with exit code 0."""
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_finds_nothing_wrong_in_the_unit(unit: Path) -> None:
    """`systemd-analyze verify`; its command is there."""
    assert_verified(unit)


@pytest.mark.parametrize("drop_in", DROP_INS)
def test_systemd_finds_nothing_wrong_in_what_the_guide_changes(unit: Path, drop_in: str) -> None:
    """Each block of the guide, as `systemctl edit` would store it."""
    folder = unit.with_name(f"{unit.name}.d")
    folder.mkdir()
    (folder / "override.conf").write_text(installed_here(drop_in))
    assert_verified(unit)


def test_a_mistake_in_a_drop_in_would_be_found(unit: Path) -> None:
    """Or the two tests above would find nothing ever."""
    folder = unit.with_name(f"{unit.name}.d")
    folder.mkdir()
    (folder / "override.conf").write_text("[Service]\nPrivateNetworks=no\n")
    assert "PrivateNetworks" in analyze("verify", "--man=no", unit).stderr


def test_the_unit_is_hardened(unit: Path) -> None:
    """`systemd-analyze security` counts what it may do that it need not."""
    done = analyze("security", "--offline=true", "--no-pager", unit)
    level = re.search(r"exposure level for .*: ([\d.]+)", done.stdout)
    assert level, done.stderr
    assert float(level[1]) <= MOST_EXPOSED, done.stdout


@pytest.mark.parametrize("line", re.findall(r"ExecStart=(\S.*)", "\n".join([UNIT, *DROP_INS])))
def test_the_flags_in_the_unit_exist(run_command: Run, line: str) -> None:
    """As `--help` has them."""
    assert line.startswith(GUIDES_BIN)
    known = flags(run_command(line.removeprefix(GUIDES_BIN).split()[0], "--help").stdout)
    assert flags(line) <= known
