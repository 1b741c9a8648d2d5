"""The house: which part may import which, and what the base install pulls in."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import kws_runtime

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "runtime": {"kws_runtime"},
    "train": {"kws_runtime", "kws_train"},
    "export": {"kws_runtime", "kws_train", "kws_export"},
}
MAX_LINES = 320


def imports_of(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("part", ALLOWED)
def test_imports_run_one_way(part: str) -> None:
    """train and export may use runtime; runtime uses neither."""
    paths = list((ROOT / part).rglob("*.py"))
    assert paths
    for path in paths:
        ours = {name for name in imports_of(path) if name.startswith("kws_")}
        assert ours <= ALLOWED[part], path


def test_a_file_fits_in_a_head() -> None:
    """About 300 lines."""
    for part in ALLOWED:
        for path in (ROOT / part).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= MAX_LINES, path


def test_the_base_install_is_numpy_one_interpreter_sounddevice_and_soxr() -> None:
    """Nothing heavy on a device."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[^\w-]", requirement)[0] for requirement in project["dependencies"]}
    assert names == {"numpy", "tflite-runtime", "ai-edge-litert", "sounddevice", "soxr"}
    for requirement in project["dependencies"]:
        if not requirement.startswith("sounddevice"):
            assert re.search("python_version|platform_machine", requirement), (
                "each has its place by an environment marker"
            )


def test_public_names_are_those_of_all() -> None:
    """Listed once, documented, sorted."""
    assert kws_runtime.__all__ == sorted(kws_runtime.__all__)
    for name in kws_runtime.__all__:
        assert getattr(kws_runtime, name).__doc__


def test_importing_the_package_is_light() -> None:
    """numpy comes with the first name that is used."""
    program = "import sys, kws_runtime, kws_runtime.commands; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_public_function_and_class_says_what_it_does() -> None:
    """A docstring on each."""
    for part in ALLOWED:
        for path in (ROOT / part).rglob("*.py"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                    assert ast.get_docstring(node), f"{path}: {node.name}"
