"""Model files that are ours, and files that are not."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from kws_runtime import Listener, ModelError, read_model
from kws_runtime.modelfile import ModelFile, ModelInfo, find_model, write_model


@pytest.fixture(scope="module")
def bundled() -> ModelFile:
    return read_model()


def rewrite(source: ModelFile, path: Path, **changes: object) -> Path:
    """The bundled model with other values in its kws.json."""
    write_model(path, source.info, source.flatbuffer)
    values = json.loads(zipfile.ZipFile(path).read("kws.json")) | changes
    path.write_bytes(source.flatbuffer)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("kws.json", json.dumps(values))
    return path


def test_what_is_written_is_read_back(bundled: ModelFile, tmp_path: Path) -> None:
    """Description and flatbuffer."""
    write_model(tmp_path / "a.tflite", bundled.info, bundled.flatbuffer)
    read = read_model(tmp_path / "a.tflite")
    assert (read.info, read.flatbuffer) == (bundled.info, bundled.flatbuffer)


def test_the_same_model_gives_the_same_bytes(bundled: ModelFile, tmp_path: Path) -> None:
    """No date inside."""
    for name in ("a", "b"):
        write_model(tmp_path / name, bundled.info, bundled.flatbuffer)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("keep", [0, 3, 1000, 0.5, 0.99, -1], ids=str)
def test_a_truncated_file_is_one_clear_error(bundled: ModelFile, tmp_path: Path, keep: float) -> None:
    """Wherever it ends."""
    content = bundled.path.read_bytes()
    size = int(keep * len(content)) if isinstance(keep, float) else keep
    (tmp_path / "a.tflite").write_bytes(content[:size])
    with pytest.raises(ModelError, match=r"a\.tflite: .*(truncated|not made)"):
        read_model(tmp_path / "a.tflite")


def test_a_damaged_flatbuffer_is_found_before_it_can_crash_an_interpreter(bundled: ModelFile, tmp_path: Path) -> None:
    """One bit is enough."""
    content = bytearray(bundled.path.read_bytes())
    content[5000] ^= 1
    (tmp_path / "a.tflite").write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        read_model(tmp_path / "a.tflite")


def test_a_newer_format_says_what_to_do(bundled: ModelFile, tmp_path: Path) -> None:
    """Update."""
    with pytest.raises(ModelError, match=r"format 99.*update kws-edge"):
        read_model(rewrite(bundled, tmp_path / "a.tflite", format=99))


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": []},
        {"labels": ["_background_", "go", "go"]},
        {"labels": ["_background_", "new"]},
        {"labels": 3},
        {"frontend": {"kind": "mfcc"}},
        {"frames_per_step": 0},
        {"activation": "relu"},
        {"window_frames": 1},
        {"detection": {"thresholds": {"go": "high"}}},
        {"detection": {}},
        {"states": [{"input": "a"}]},
        {"format": "1"},
    ],
    ids=str,
)
def test_a_description_that_cannot_be_is_refused(
    bundled: ModelFile, tmp_path: Path, changes: dict[str, object]
) -> None:
    """Missing labels, foreign front ends, impossible numbers."""
    with pytest.raises(ModelError, match=r"a\.tflite: "):
        read_model(rewrite(bundled, tmp_path / "a.tflite", **changes))


def test_a_file_that_names_no_activation_means_softmax(bundled: ModelFile, tmp_path: Path) -> None:
    """Those of version 0.1."""
    values = {name: value for name, value in bundled.info.to_json().items() if name != "activation"}
    assert ModelInfo.from_json(values).activation == "softmax"


def test_posteriors_follow_the_activation_of_the_file(bundled: ModelFile, tmp_path: Path) -> None:
    """The same logits behind a sigmoid: odds of each label by itself."""
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 16_000).astype(np.float32)
    softmax = Listener(bundled).posteriors(noise)
    sigmoid = Listener(rewrite(bundled, tmp_path / "a.tflite", activation="sigmoid")).posteriors(noise)
    odds = sigmoid / (1 - sigmoid)
    np.testing.assert_allclose(odds / odds.sum(1, keepdims=True), softmax, rtol=1e-3, atol=1e-6)


def test_labels_that_do_not_fit_the_tensors_are_refused(bundled: ModelFile, tmp_path: Path) -> None:
    """Nine logits, eight labels."""
    info = dataclasses.replace(bundled.info, labels=bundled.info.labels[:-1])
    write_model(tmp_path / "a.tflite", info, bundled.flatbuffer)
    with pytest.raises(ModelError, match="shape"):
        Listener(tmp_path / "a.tflite")


def test_a_state_that_the_flatbuffer_lacks_is_refused(bundled: ModelFile, tmp_path: Path) -> None:
    """Bound by name."""
    state = dataclasses.replace(bundled.info.states[0], input="absent")
    write_model(tmp_path / "a.tflite", dataclasses.replace(bundled.info, states=(state,)), bundled.flatbuffer)
    with pytest.raises(ModelError, match="no tensor 'absent'"):
        Listener(tmp_path / "a.tflite")


def test_a_missing_file_names_the_bundled_models() -> None:
    """What to do."""
    with pytest.raises(ModelError, match="gru-int8"):
        read_model("nowhere")


def test_a_bundled_model_goes_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless a file here is called so."""
    assert find_model("gru-fp32").is_file()
    monkeypatch.chdir(tmp_path)
    Path("gru-fp32").write_bytes(b"")
    assert find_model("gru-fp32") == Path("gru-fp32")


@pytest.mark.parametrize("name", ["gru-int8", "gru-fp32", "ds-cnn-int8"])
def test_bundled_models_carry_their_attribution(name: str) -> None:
    """The recordings are CC BY: who made them travels with the model."""
    info = read_model(name).info
    assert "Speech Commands" in info.attribution
    assert "LibriSpeech" in info.attribution
    assert info.licence == "Apache-2.0"
    assert set(info.detection.thresholds) == set(info.words)
    assert len(info.words) == 8
