"""An ONNX file that holds `kws.json`: an entry of `metadata_props` behind all other fields of the model.

A protobuf message is a row of fields, and one more may be put behind them: the file is the model's bytes and one
encoded entry. Reading and writing need neither onnx nor protobuf.
"""

from __future__ import annotations

from collections.abc import Iterator

from kws_runtime.errors import ModelError

METADATA_PROPS = 14  # field of ModelProto: StringStringEntryProto of key and value
KEY, VALUE = 1, 2  # fields of StringStringEntryProto
VARINT, EIGHT_BYTES, SIZED, FOUR_BYTES = 0, 1, 2, 5  # wire types
MOST_VARINT_BYTES = 10
FIRST_BYTE = 0x08  # a model begins with its ir_version: field 1, a varint


def is_onnx(content: bytes) -> bool:
    """Whether a model's bytes are ONNX rather than a TFLite flatbuffer; all of a file or its beginning."""
    return content[:1] == bytes([FIRST_BYTE]) and content[4:8] != b"TFL3"


def join_metadata(model: bytes, key: str, text: str) -> bytes:
    """The model with a text under `key`."""
    entry = _sized(KEY, key.encode()) + _sized(VALUE, text.encode())
    return model + _sized(METADATA_PROPS, entry)


def split_metadata(content: bytes, key: str) -> tuple[bytes, bytes]:
    """A model's bytes and the text under `key`, which stands behind them. Raises ModelError where it does not."""
    number, begin, entry = 0, 0, b""
    for field in _fields(content):
        number, begin, entry = field
    if number == METADATA_PROPS:
        values = {part: value for part, _, value in _fields(entry)}
        if values.get(KEY) == key.encode() and VALUE in values:
            return content[:begin], values[VALUE]
    raise ModelError(f"no {key} at the end")


def _fields(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Number, first byte and value of each field, of which only those that have a size are told apart. Raises
    ModelError where the bytes are no message."""
    at = 0
    while at < len(message):
        begin = at
        tag, at = _varint(message, at)
        kind, size = tag & 7, 0
        if kind == VARINT:
            _, at = _varint(message, at)
        elif kind == SIZED:
            size, at = _varint(message, at)
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            size = 8 if kind == EIGHT_BYTES else 4
        else:
            raise ModelError(f"a field of wire type {kind} at byte {begin}")
        if at + size > len(message):
            raise ModelError(f"ends within the field at byte {begin}")
        yield tag >> 3, begin, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    number = 0
    for place, byte in enumerate(message[at : at + MOST_VARINT_BYTES]):
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number, at + place + 1
    raise ModelError(f"no number at byte {at}")


def _sized(field: int, value: bytes) -> bytes:
    return _encoded(field << 3 | SIZED) + _encoded(len(value)) + value


def _encoded(number: int) -> bytes:
    groups = bytearray()
    while number >= 0x80:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])
