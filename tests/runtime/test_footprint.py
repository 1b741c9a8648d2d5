"""What a listener costs beside its hops."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kws_runtime import footprint
from kws_runtime.errors import KwsError
from kws_runtime.interpreter import installed_interpreters
from kws_runtime.modelfile import find_model

MIB = 1 << 20
INTERPRETER = installed_interpreters()[0]


def test_kws_listen_is_measured_in_a_process_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its memory, not ours, which a child's ru_maxrss would show; nothing here is imported or printed."""
    ours = bytes(200 * MIB)
    monkeypatch.setattr(footprint, "RUNS", 1)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "numpy.py").write_text("raise RuntimeError('what lies in a folder is not to be imported')\n")
    cost = footprint.footprint(find_model("gru-int8"), INTERPRETER)
    assert cost.peak_rss_bytes is not None
    assert 20 * MIB < cost.peak_rss_bytes < len(ours) / 2
    assert 0.02 < cost.startup_cpu_s < 30
    assert 0.02 < cost.startup_wall_s < 60
    assert capfd.readouterr() == ("", "")


def test_what_kws_listen_says_is_the_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One line, as it says it; and a process that hangs is ended."""
    (tmp_path / "a.tflite").write_bytes(b"no model")
    with pytest.raises(KwsError, match=r"^\S*a\.tflite: truncated or not made by kws-export"):
        footprint.footprint(tmp_path / "a.tflite", INTERPRETER)
    monkeypatch.setattr(footprint, "LONGEST_RUN_S", 0.01)
    with pytest.raises(KwsError, match="did not get through"):
        footprint.footprint(find_model("gru-int8"), INTERPRETER)


def test_installed_is_what_lies_on_the_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Listed files, packages whose installer lists none (Debian), and what is needed, each once; no extras."""
    for name, requires, listed in (
        ("alone", "Requires-Dist: needed>=1\nRequires-Dist: extra; extra == 'all'\nRequires-Dist: absent\n", True),
        ("needed", "Requires-Dist: alone\n", False),
        ("extra", "", True),
    ):
        package, info = tmp_path / name, tmp_path / f"{name}-1.0.dist-info"
        package.mkdir()
        info.mkdir()
        (package / "__init__.py").write_bytes(b"#" * 1000)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}")
        if listed:
            (info / "RECORD").write_text(f"{name}/__init__.py,,\n{name}/gone.py,,\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(footprint, "BASE", ("alone",))
    monkeypatch.setattr(footprint, "DISTRIBUTIONS", {"some": "needed"})
    assert footprint.installed_bytes("some") == 2000


def test_this_package_counts_where_it_is_editable_too() -> None:
    """Its models alone are a megabyte; numpy is most of the rest."""
    models = sum(path.stat().st_size for path in (Path(footprint.__file__).parent / "models").iterdir())
    numpy = sum(
        os.stat(Path(folder) / file).st_size
        for folder, _, files in os.walk(Path(sys.modules["numpy"].__file__ or "").parent)
        for file in files
    )
    assert models + numpy < footprint.installed_bytes(INTERPRETER) < models + numpy + 500_000_000
