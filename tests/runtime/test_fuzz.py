"""Whatever stands in a model file, a WAV or a raw stream: a result or a documented error.

KWS_FUZZ_EXAMPLES is the number of cases of each test; script/fuzz runs many. Without it the cases are few, and the same
each time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from kws_runtime import AudioError, KwsError, Listener, ModelError, ModelFile, read_model
from kws_runtime.audio import Converter, stream_wav
from kws_runtime.modelfile import ModelInfo, write_model
from kws_runtime.onnxfile import join_metadata, split_metadata
from kws_runtime.wavfile import ENCODINGS, PcmFormat
from tests.runtime.fuzzing import fuzzed

SETTINGS = fuzzed(100, HealthCheck.function_scoped_fixture)

BUNDLED = read_model()
MODEL_BYTES = BUNDLED.path.read_bytes()
Edit = tuple[float, int, bytes]  # where (0 to 1), how many bytes go, and what comes in their place

edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=40)), min_size=1, max_size=4)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
json_values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner))


def edited(content: bytes, changes: list[Edit]) -> bytes:
    """The content with pieces replaced."""
    for place, length, new in changes:
        at = int(place * len(content))
        content = content[:at] + new + content[at + length :]
    return content


@contextlib.contextmanager
def documented(kind: type[KwsError], says: str = "") -> Iterator[None]:
    """Nothing, or an error of this kind that says this."""
    try:
        yield
    except kind as error:
        if says not in str(error):
            raise AssertionError(f"{error!r} does not say {says!r}") from error


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "a.tflite"


@SETTINGS
@given(content=st.binary(max_size=2000) | st.binary(max_size=200).map(lambda some: some[:4] + b"TFL3" + some[8:]))
def test_bytes_that_are_no_model_are_a_model_error(place: Path, content: bytes) -> None:
    """And name the file."""
    place.write_bytes(content)
    with pytest.raises(ModelError, match=r"a\.tflite"):
        read_model(place)


@SETTINGS
@given(changes=edits, near_the_end=st.booleans())
def test_a_damaged_model_is_a_model_error_or_the_same_model(
    place: Path, changes: list[Edit], near_the_end: bool
) -> None:
    """Damage that does not matter is in a field that nobody reads."""
    kept = len(MODEL_BYTES) - 2000 if near_the_end else 0  # the ZIP is small beside the flatbuffer
    place.write_bytes(MODEL_BYTES[:kept] + edited(MODEL_BYTES[kept:], changes))
    with documented(ModelError, str(place)):
        assert read_model(place).flatbuffer == BUNDLED.flatbuffer


def replaced(values: Any, path: list[int], new: Any) -> Any:
    """A JSON value with the node at the end of a path replaced; the path's numbers pick a child each."""
    if not path or not isinstance(values, dict | list) or not values:
        return new
    if isinstance(values, dict):
        key = sorted(values)[path[0] % len(values)]
        return {**values, key: replaced(values[key], path[1:], new)}
    at = path[0] % len(values)
    return [*values[:at], replaced(values[at], path[1:], new), *values[at + 1 :]]


@SETTINGS
@given(path=st.lists(st.integers(0, 50), min_size=1, max_size=4), new=json_values | st.integers(0, 100))
def test_a_description_with_anything_in_it_is_a_model_error_or_a_listener_that_hears(path: list[int], new: Any) -> None:
    """The sound of it is finite."""
    values = replaced(json.loads(json.dumps(BUNDLED.info.to_json())), path, new)
    with documented(ModelError):
        info = ModelInfo.from_json(values)
        posteriors = Listener(dataclasses.replace(BUNDLED, info=info)).posteriors(np.full(2_000, 0.1, np.float32))
        assert np.isfinite(posteriors).all()


@SETTINGS
@given(content=st.binary(max_size=300), changes=edits, description=st.text(max_size=50))
def test_an_onnx_file_with_anything_in_it_is_split_or_a_model_error(
    content: bytes, changes: list[Edit], description: str
) -> None:
    """Protocol buffers of any kind."""
    for damaged in (content, edited(join_metadata(content, "kws.json", description), changes)):
        with documented(ModelError):
            split_metadata(damaged, "kws.json")


def wav(encoding: str, rate: int, channels: int, extensible: bool, pcm: bytes) -> bytes:
    """A WAV, as people write it."""
    width = ENCODINGS[encoding]
    kind = 3 if encoding.startswith("f") else 1
    form = struct.pack("<HIIHH", channels, rate, rate * width * channels, width * channels, 8 * width)
    if extensible:
        guid = struct.pack("<H", kind) + bytes(14)
        form = struct.pack("<H", 0xFFFE) + form + struct.pack("<HHI", 22, 8 * width, 0) + guid
    else:
        form = struct.pack("<H", kind) + form
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(pcm)) + pcm
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


formats = st.builds(
    PcmFormat,
    rate=st.sampled_from([8_000, 16_000, 44_100, 48_000]) | st.integers(4_000, 384_000),
    channels=st.integers(1, 4),
    encoding=st.sampled_from(sorted(ENCODINGS)),
)


@SETTINGS
@given(form=formats, extensible=st.booleans(), pcm=st.binary(max_size=400), changes=edits | st.just([]))
def test_a_wav_of_any_kind_or_damage_is_sound_or_an_audio_error(
    form: PcmFormat, extensible: bool, pcm: bytes, changes: list[Edit]
) -> None:
    """One that is not damaged is sound."""
    content = edited(wav(form.encoding, form.rate, form.channels, extensible, pcm), changes)
    with documented(AudioError, "a.wav: ") if changes else contextlib.nullcontext():
        for samples in stream_wav(io.BytesIO(content), "a.wav"):
            assert samples.dtype == np.float32
            assert np.isfinite(samples).all()
            assert np.abs(samples).max(initial=0) <= 2  # the resampler may overshoot a step of full scale


@SETTINGS
@given(content=st.binary(max_size=300))
def test_bytes_that_are_no_wav_are_an_audio_error(content: bytes) -> None:
    """With RIFF in front or not."""
    for damaged in (content, b"RIFF\x24\0\0\0WAVE" + content):
        with documented(AudioError, "a.wav: "):
            list(stream_wav(io.BytesIO(damaged), "a.wav"))


listener = Listener()  # one for all: no garbage may stay in its state


@SETTINGS
@given(form=formats, pieces=st.lists(st.binary(max_size=700), max_size=5), data=st.data())
def test_raw_pcm_in_any_pieces_is_the_same_sound_and_leaves_a_finite_state(
    form: PcmFormat, pieces: list[bytes], data: st.DataObject
) -> None:
    """Integers, floats and what is no number."""
    channel = data.draw(st.none() | st.integers(1, form.channels))
    converter, whole = Converter(form, channel), Converter(form, channel)
    in_pieces = np.concatenate([*(converter.process(piece) for piece in pieces), converter.finish()])
    at_once = np.concatenate([whole.process(b"".join(pieces)), whole.finish()])
    np.testing.assert_array_equal(in_pieces, at_once)
    for decision in listener.decisions(at_once):
        assert np.isfinite(decision.scores).all()
    assert all(np.isfinite(state).all() for state in listener.step.states().values())


@SETTINGS
@given(samples=st.lists(st.floats(width=32), max_size=50))
def test_samples_of_any_number_are_heard_or_an_audio_error(samples: list[float]) -> None:
    """What is refused changes nothing."""
    array = np.array(samples, np.float32)
    audio = np.abs(array).max(initial=0) <= 1
    with contextlib.nullcontext() if audio else documented(AudioError, "[-1, 1]"):
        listener.process(array)
    assert all(np.isfinite(state).all() for state in listener.step.states().values())


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    """The cases above begin with a file that is good."""
    write_model(tmp_path / "b.tflite", BUNDLED.info, BUNDLED.flatbuffer)
    assert isinstance(read_model(tmp_path / "b.tflite"), ModelFile)
