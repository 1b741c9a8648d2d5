"""The documents: every command is there, the examples run, the tables are current."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import Run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = [README, *(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))]
COMMANDS = sorted(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme_and_helps(run_command: Run, command: str) -> None:
    """With examples."""
    assert command in README
    done = run_command(command, "--help")
    assert done.returncode == 0
    assert "examples:" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_tells_its_version_and_refuses_what_it_does_not_know(run_command: Run, command: str) -> None:
    """Usage is exit code 2."""
    assert run_command(command, "--version").stdout.startswith("kws-edge ")
    assert run_command(command, "--no-such-flag").returncode == 2


def documented_commands() -> dict[str, list[str]]:
    """The lines of the README and of docs/*.md that begin with a command of ours, by the command."""
    blocks = [block for text in DOCUMENTS for block in re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL)]
    lines = [line.removeprefix("$ ").partition("#")[0] for block in blocks for line in block.splitlines()]
    found: dict[str, list[str]] = {}
    for line in lines:
        words = line.split()
        if line.startswith("kws-"):
            command = " ".join(words[:2]) if words[0] == "kws-data" else words[0]
            found.setdefault(command, []).append(line)
    return found


def flags(text: str) -> set[str]:
    return set(re.findall(r"(?<!\S)\[?(--[a-z][a-z-]*)", text))


@pytest.mark.parametrize(("command", "lines"), documented_commands().items(), ids=documented_commands())
def test_the_flags_in_the_documents_exist(run_command: Run, command: str, lines: list[str]) -> None:
    """As `--help` has them."""
    known = flags(run_command(*command.split(), "--help").stdout)
    assert known
    for line in lines:
        assert flags(line) <= known, line


def test_the_python_example_of_the_readme_runs_and_prints_what_it_says() -> None:
    """Word for word."""
    program = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert program
    expected = re.search(r"```text\n(.*?)```", README[program.end() :], re.DOTALL)
    assert expected
    done = subprocess.run([sys.executable, "-c", program[1]], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == expected[1]


def test_the_demo_in_the_readme_is_what_the_demo_prints(run_command: Run) -> None:
    """Its real output."""
    shown = re.search(r"\$ script/demo\n(.*?)```", README, re.DOTALL)
    assert shown
    done = run_command("kws-listen", "--demo")
    first, *rest = done.stderr.splitlines()
    printed = [line.split("said:")[0].split()[2] for line in done.stdout.splitlines()]
    listed = [line.split("said:")[0].split()[2] for line in shown[1].splitlines() if "said:" in line]
    assert printed == listed
    assert first in shown[1]
    assert rest[-1] in shown[1]


@pytest.mark.parametrize(
    "script",
    [
        "make-results",
        "measure-zoo",
        "make-report",
        "measure-care",
        "make-thresholds",
        "bench-peers",
        "measure-cost",
        "test-device",
    ],
)
def test_the_tables_are_made_from_the_committed_figures(script: str) -> None:
    """docs/*.json, rendered again."""
    done = subprocess.run(
        [sys.executable, ROOT / "script" / script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_figures_are_those_of_the_bundled_models() -> None:
    """Each measured file's checksum is that of the file in the package."""
    import hashlib

    figures = json.loads((ROOT / "docs" / "results.json").read_text())
    bundled = {path.stem: path for path in (ROOT / "runtime" / "kws_runtime" / "models").glob("*.tflite")}
    measured = {row["model"]: row["sha256"] for row in figures["models"]}
    assert set(bundled) <= set(measured)
    for name, path in bundled.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == measured[name]
