"""One file holds a model: a TFLite flatbuffer with a ZIP appended that holds `kws.json`, or an ONNX model with it as
the last entry of its metadata (see `onnxfile`).

Interpreters read the flatbuffer and never look at what follows it; `zipfile` reads the ZIP and never looks at
what precedes it (TFLite Metadata packs label files the same way).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kws_runtime.corpus import words_of
from kws_runtime.errors import ModelError
from kws_runtime.files import write_atomically
from kws_runtime.frontend import FrontEndConfig
from kws_runtime.interpreter import FORMATS, format_of
from kws_runtime.onnxfile import join_metadata, split_metadata

FORMAT = 1
METADATA_NAME = "kws.json"
ACTIVATIONS = ("softmax", "sigmoid")
MAX_FILE_BYTES = 256 << 20
MAX_METADATA_BYTES = 4 << 20
LARGEST = 3.4e38  # that float32 holds
BUNDLED = Path(__file__).parent / "models"
DEFAULT_MODEL = "gru-int8"


@dataclass(frozen=True)
class State:
    """A state of a streaming step, bound by the names of its tensors."""

    input: str
    output: str
    shape: tuple[int, ...]
    zero: float | tuple[float, ...] = 0.0  # what a reset writes: one real number, or one for each of the last axis


@dataclass(frozen=True)
class Detection:
    """From posteriors to events; stored in the file, and each field may be overridden."""

    thresholds: dict[str, float]  # by label, of the smoothed posterior
    smoothing_steps: int = 3  # mean of this many steps
    refractory_same_s: float = 1.0  # no second event of the same word
    refractory_other_s: float = 0.4  # nor of another word


@dataclass(frozen=True)
class ModelInfo:
    """What `kws.json` says."""

    name: str
    labels: tuple[str, ...]  # label 0 is what is no word
    frontend: FrontEndConfig
    frames_per_step: int
    detection: Detection
    frames_input: str = "frames"
    logits_output: str = "logits"
    states: tuple[State, ...] = ()
    activation: str = "softmax"  # that makes posteriors of the logits; files without it mean this one
    window_frames: int | None = None  # a model without states sees this many frames; the runtime keeps them
    quantization: dict[str, Any] = field(default_factory=dict)  # scheme, and each tensor's type as read back
    training: dict[str, Any] = field(default_factory=dict)
    attribution: str = ""
    licence: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """The labels that raise events."""
        return words_of(self.labels)

    def step_end(self, step: int) -> float:
        """Seconds from the first sample of the stream to the last sample that a step uses."""
        frames = self.frames_per_step * (step + 1)
        return ((frames - 1) * self.frontend.hop + self.frontend.window) / self.frontend.sample_rate

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self), "labels": list(self.labels)}

    @classmethod
    def from_json(cls, values: Any) -> ModelInfo:
        """Check and take what `to_json` made. Raises ModelError (without the file's name)."""
        if not isinstance(values, dict) or not isinstance(values.get("format"), int):
            raise ModelError("its kws.json is not a model's description")
        if values["format"] != FORMAT:
            newer = "; update kws-edge" if values["format"] > FORMAT else ""
            raise ModelError(f"has format {values['format']}, this version reads format {FORMAT}{newer}")
        try:
            info = cls(
                name=str(values["name"]),
                labels=tuple(str(label) for label in values["labels"]),
                frontend=FrontEndConfig.from_json(dict(values["frontend"])),
                frames_per_step=int(values["frames_per_step"]),
                detection=Detection(**values["detection"]),
                frames_input=str(values["frames_input"]),
                logits_output=str(values["logits_output"]),
                states=tuple(_state_from_json(dict(state)) for state in values["states"]),
                activation=str(values.get("activation", "softmax")),
                window_frames=None if values["window_frames"] is None else int(values["window_frames"]),
                quantization=dict(values["quantization"]),
                training=dict(values["training"]),
                attribution=str(values["attribution"]),
                licence=str(values["licence"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"its kws.json lacks something or holds what does not belong there: {error}") from error
        info.check()
        return info

    def check(self) -> None:
        """Raise ModelError where the values contradict each other."""
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels) or not self.words:
            raise ModelError("labels are missing or doubled in its kws.json")
        if self.activation not in ACTIVATIONS:
            raise ModelError(f"activation {self.activation!r} is not known; this version has {', '.join(ACTIVATIONS)}")
        if not 1 <= self.frames_per_step <= 100:
            raise ModelError(f"{self.frames_per_step} frames a step cannot be")
        if self.window_frames is not None and not self.frames_per_step <= self.window_frames <= 10_000:
            raise ModelError(f"a window of {self.window_frames} frames cannot be")
        for state in self.states:
            check_state(state)
        check_detection(self.detection, self.words)


def _state_from_json(values: dict[str, Any]) -> State:
    lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return State(**{**values, **lists})


def check_state(state: State) -> None:
    """Raise ModelError where the shape is none, or what stands for zero neither a number nor one for each of the last
    axis."""
    if not isinstance(state.input, str) or not isinstance(state.output, str):
        raise ModelError("a state whose tensors have no names")
    zeros = state.zero if isinstance(state.zero, tuple) else (state.zero,)
    if not all(isinstance(number, int | float) and abs(number) <= LARGEST for number in zeros):
        raise ModelError(f"the zero of state {state.input} must be a finite number or a list of them")
    if not isinstance(state.shape, tuple) or not all(type(size) is int and size > 0 for size in state.shape):
        raise ModelError(f"state {state.input} cannot have the shape {state.shape}")
    if isinstance(state.zero, tuple) and state.shape[-1:] != (len(zeros),):
        raise ModelError(f"state {state.input} of shape {state.shape} cannot have a zero of {len(zeros)} numbers")


def check_detection(detection: Detection, words: tuple[str, ...]) -> None:
    """Raise ModelError for thresholds that are missing or numbers that cannot be."""
    if not isinstance(detection.thresholds, dict):
        raise ModelError("thresholds must be a number for each word")
    missing = sorted(set(words) - set(detection.thresholds))
    if missing:
        raise ModelError(f"no threshold for {', '.join(missing)}")
    numbers = [*detection.thresholds.values(), detection.refractory_same_s, detection.refractory_other_s]
    if not all(isinstance(number, int | float) and 0 <= number <= LARGEST for number in numbers):
        raise ModelError("thresholds and refractory times must be numbers of at least 0")
    if type(detection.smoothing_steps) is not int or not 1 <= detection.smoothing_steps <= 1000:
        raise ModelError(f"smoothing over {detection.smoothing_steps} steps cannot be")


@dataclass(frozen=True)
class ModelFile:
    """A model as read: its description and its flatbuffer, or its ONNX bytes without the description."""

    path: Path
    info: ModelInfo
    flatbuffer: bytes

    @property
    def format(self) -> str:
        """What runs it: "tflite" or "onnx"."""
        return format_of(self.flatbuffer)


def find_model(model: str | os.PathLike[str] | None = None) -> Path:
    """A path, the name of a bundled model (`gru-int8`), or, for None, the default one."""
    wanted = Path(model if model is not None else DEFAULT_MODEL)
    bundled = BUNDLED / f"{wanted}.tflite"
    return bundled if len(wanted.parts) == 1 and bundled.is_file() and not wanted.exists() else wanted


def read_model(path: str | os.PathLike[str] | None = None) -> ModelFile:
    """Read and check a model file. Raises ModelError that names the file and the fault."""
    path = find_model(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelError(f"{path}: larger than any model of ours")
        content = path.read_bytes()
    except OSError as error:
        names = ", ".join(sorted(bundled.stem for bundled in BUNDLED.glob("*.tflite")))
        raise ModelError(f"{path}: {error.strerror or error}; give a model file or a bundled model: {names}") from error
    try:
        split = split_metadata if format_of(content) == "onnx" else _split_zip
        flatbuffer, text = split(content, METADATA_NAME)
        values = json.loads(text)
    except (ModelError, ValueError, RecursionError) as error:
        known = format_of(content) == "onnx" or content[4:8] == b"TFL3"
        kind = f"{FORMATS[format_of(content)]}, but " if known else ""
        raise ModelError(
            f"{path}: {kind}truncated or not made by kws-export (no readable {METADATA_NAME} inside)"
        ) from error
    try:
        info = ModelInfo.from_json(values)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    if hashlib.sha256(flatbuffer).hexdigest() != values.get("sha256"):
        raise ModelError(f"{path}: damaged (its checksum does not fit); copy or export it again")
    return ModelFile(path, info, flatbuffer)


def _split_zip(content: bytes, name: str) -> tuple[bytes, bytes]:
    """What precedes the ZIP at the end, and the entry `name` of that. Raises ModelError where there is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entry = archive.getinfo(name)
            if entry.file_size > MAX_METADATA_BYTES:
                raise ModelError(f"its {name} is too large")
            return content[: archive.infolist()[0].header_offset], archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, RuntimeError, EOFError, OSError) as error:
        raise ModelError(f"no {name} in a ZIP at the end: {error}") from error


def write_model(path: Path, info: ModelInfo, flatbuffer: bytes) -> None:
    """Write a model file atomically, in the format that the model's bytes have. Raises ModelError where `info`
    contradicts itself."""
    info.check()
    text = json.dumps({**info.to_json(), "sha256": hashlib.sha256(flatbuffer).hexdigest()}, indent=1)

    def write(unfinished: Path) -> None:
        if format_of(flatbuffer) == "onnx":
            unfinished.write_bytes(join_metadata(flatbuffer, METADATA_NAME, text))
            return
        unfinished.write_bytes(flatbuffer)
        with zipfile.ZipFile(unfinished, "a") as archive:
            entry = zipfile.ZipInfo(METADATA_NAME)  # a fixed date: the same model gives the same file
            archive.writestr(entry, text, zipfile.ZIP_DEFLATED)

    write_atomically(path, write)
