"""Sound devices, through PortAudio: which there are, which one is meant, and how it can be opened."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kws_runtime.errors import AudioError, MissingError
from kws_runtime.frontend import SAMPLE_RATE
from kws_runtime.native import native_chatter_shut
from kws_runtime.wavfile import CHANNELS, PcmFormat

BLOCK_SECONDS = 0.02
LIST_COMMAND = "`kws-listen --list-devices` names those there are"

OnAudio = Callable[[bytes, bool], None]  # a block of PCM, and whether audio was lost before it


@dataclass(frozen=True)
class Device:
    """A sound device that can record."""

    number: int
    name: str
    channels: int
    rate: int  # Hz, that it calls its own
    is_default: bool


def number_or_name(text: str) -> int | str:
    """What `--device` means: a device's number, or a name or part of one."""
    return int(text) if text.isdecimal() else text


def load_sounddevice() -> Any:
    """The sounddevice module. Raises MissingError with the package to install."""
    try:
        with native_chatter_shut():
            import sounddevice
    except ModuleNotFoundError as error:
        raise MissingError("sounddevice is not installed; install it with: pip install sounddevice") from error
    except OSError as error:  # sounddevice's way to say that it found no PortAudio
        raise MissingError(
            "the PortAudio library is not installed; install it with: sudo apt install libportaudio2"
        ) from error
    return sounddevice


def look_again() -> None:
    """Let PortAudio see what was plugged in since it began: it makes its list of devices only then.

    No stream of this process may be open. Raises AudioError where PortAudio does not begin again.
    """
    sounddevice = load_sounddevice()
    with native_chatter_shut():
        with contextlib.suppress(sounddevice.PortAudioError):  # where it did not begin again last time
            sounddevice._terminate()
        try:
            sounddevice._initialize()
        except sounddevice.PortAudioError as error:
            raise AudioError(f"PortAudio does not start: {error}") from error


def input_devices() -> list[Device]:
    """All devices that can record. Raises AudioError where there is none."""
    sounddevice = load_sounddevice()
    try:
        default, found = sounddevice.default.device[0], sounddevice.query_devices()
    except sounddevice.PortAudioError as error:
        raise AudioError(f"the microphones cannot be listed: {error}") from error
    devices = [
        Device(number, one["name"], one["max_input_channels"], round(one["default_samplerate"]), number == default)
        for number, one in enumerate(found)
        if one["max_input_channels"] > 0
    ]
    if not devices:
        raise AudioError("no microphone found; connect one, or listen to a file with --wav FILE")
    return devices


def device_list() -> str:
    """A line for each device that can record, the default one marked. Raises AudioError where there is none."""
    return "\n".join(
        f"{'*' if device.is_default else ' '}{device.number:3}  {device.name}  ({device.channels} in, {device.rate} Hz)"
        for device in input_devices()
    )


def find_device(wanted: str | int | None = None) -> Device:
    """The device of a number, of a name or else of a part of one (in any case); None means the default one.

    Raises AudioError where none or more than one is meant.
    """
    devices = input_devices()
    if wanted is None:
        found = [device for device in devices if device.is_default] or devices[:1]
    elif isinstance(wanted, int):
        found = [device for device in devices if device.number == wanted]
    else:
        found = [device for device in devices if device.name.lower() == wanted.lower()]
        found = found or [device for device in devices if wanted.lower() in device.name.lower()]
    if not found:
        raise AudioError(f"there is no microphone {wanted!r}; {LIST_COMMAND}")
    if len(found) > 1:
        names = ", ".join(f"{device.number} {device.name}" for device in found)
        raise AudioError(f"more than one microphone is {wanted!r}: {names}; give the number or more of the name")
    return found[0]


def find_again(lost: Device, wanted: str | int | None) -> Device:
    """A device that went away, when it is back: what was wanted may fit others by then, and numbers change when
    something is plugged in, also those that ALSA puts into names.

    Raises AudioError where it is not there.
    """
    if wanted is None:
        return find_device()
    alike = [device for device in input_devices() if _bare(device.name) == _bare(lost.name)]
    if not alike:
        if isinstance(wanted, int):
            raise AudioError(f"microphone {lost.name!r} is not there")
        return find_device(wanted)
    return next((device for device in alike if device.number == lost.number), alike[0])


def _bare(name: str) -> str:
    return re.sub(r"\(hw:\d+,\d+\)$", "", name)


def forms_to_try(device: Device, channel: int | None) -> list[PcmFormat]:
    """How to open a device, the best first: what models take, else what it calls its own.

    One channel of several is picked only where several are opened: of one, a sound server makes a mixture.
    """
    few = 1 if channel is None else max(2, channel)
    all_channels = min(max(device.channels, few), CHANNELS.stop - 1)
    counts = dict.fromkeys((few, all_channels))
    rates = dict.fromkeys((SAMPLE_RATE, device.rate))
    return [PcmFormat(rate, count) for count in counts for rate in rates]


def open_stream(
    device: Device, channel: int | None, on_audio: OnAudio, on_end: Callable[[], None]
) -> tuple[Any, PcmFormat]:
    """Open and start a device in the first form that it takes; return PortAudio's stream and that form.

    `on_audio` and `on_end` are called from PortAudio's thread. Raises AudioError where it takes none.
    """
    sounddevice = load_sounddevice()
    if channel is not None and not 1 <= channel <= device.channels:
        raise AudioError(f"microphone {device.name!r} has no channel {channel}; it has {device.channels}")

    def receive(data: Any, frames: int, time: Any, status: Any) -> None:
        on_audio(bytes(data), bool(status.input_overflow))

    refused: Exception | None = None
    for form in forms_to_try(device, channel):
        try:
            with native_chatter_shut():
                stream = sounddevice.RawInputStream(
                    samplerate=form.rate,
                    blocksize=round(form.rate * BLOCK_SECONDS),
                    device=device.number,
                    channels=form.channels,
                    dtype="int16",
                    callback=receive,
                    finished_callback=on_end,
                )
                stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            refused = refused or error
        else:
            return stream, form
    raise AudioError(f"cannot open microphone {device.name!r}: {refused}; {LIST_COMMAND}") from refused
