"""What can be wrong with a recording, a machine and its libraries: each check is a function of numbers.

Levels in dBFS: 0 is the RMS of a square wave of full scale. The limits lie where the bundled GRU begins to miss more
words, and where it misses many: docs/care.md has the figures, for noise docs/results.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.audio import HOP_SAMPLES
from kws_runtime.errors import KwsError
from kws_runtime.frontend import SAMPLE_RATE, Samples
from kws_runtime.levels import dbfs

OK, WARNING, FAULT = "ok", "warning", "fault"

FRAME_SAMPLES = HOP_SAMPLES  # 20 ms
LOUD_FRAMES = 10  # the loud parts: what 0.2 s in all reach, so neither a click nor the vowel's peak alone
QUIET_SHARE = 0.1  # the noise: what the quietest tenth of the frames does not exceed

FULL_SCALE = 0.99
SOME_CLIPPED, MUCH_CLIPPED = 0.001, 0.01  # of the samples, pauses included; 1.4 % double the misses
QUIET_DBFS, TOO_QUIET_DBFS = -42.0, -52.0  # 20 dB under the development scenes words begin to be missed, at 30 many are
STANDS_OUT_DB, CLEAR_DB = 6.0, 15.0  # of the loud parts over the noise
MUCH_OFFSET = 0.1  # of full scale; what is left of it at 0.3 is still heard as without
LOUD_HUM_DBFS = -40.0
MAINS_HZ = (50, 60)
HUM_WINDOW = 8192  # half a second: 2 Hz apart, so that a voice is not taken for mains
HUM_STANDS_OUT = 10.0  # in power, over what lies beside it
RATE_TOLERANCE, RATE_FAULT = 0.01, 0.05  # training's voices are up to 12 % too fast or too slow
SETTLE_SECONDS = 0.5  # what a sound server hands on in a burst when it begins
RATE_SECONDS = 1.0  # to judge the rate by, after that
MUCH_LOST = 0.05  # of the recording
DEADLINE_S = HOP_SAMPLES / SAMPLE_RATE  # the next hop is there by then
MUCH_CPU = 0.5  # of a core
NEAR = 0.5  # of the threshold
FIRST_NUMPY_WITHOUT_TFLITE = 2  # tflite-runtime 2.14 is built for 1.x

LOUDER = "speak louder or nearer; raise the capture volume (alsamixer, F4; or pavucontrol)"
SOFTER = "lower the capture volume (alsamixer, F4; or pavucontrol), switch a boost off, or move away"


@dataclass(frozen=True)
class Finding:
    """What a check found."""

    check: str
    level: str  # OK, WARNING: words may be missed, or FAULT: they will be
    text: str  # with the figure
    remedy: str = ""  # what to do, where there is something to do
    details: tuple[str, ...] = ()  # lines for people; the values have them too
    values: dict[str, Any] = field(default_factory=dict)  # for programs

    def to_json(self) -> dict[str, Any]:
        return {"check": self.check, "level": self.level, "text": self.text, "remedy": self.remedy, **self.values}


@dataclass(frozen=True)
class WordScore:
    """How a word came out in a recording."""

    word: str
    highest: float  # smoothed posterior
    threshold: float
    heard: int  # times


def fault_of(check: str, error: KwsError) -> Finding:
    """An error as a finding: ours say what is wrong and then, behind a semicolon, what to do."""
    text, _, remedy = str(error).partition("; ")
    return Finding(check, FAULT, text, remedy)


def _grade(figure: float, warning: float, fault: float) -> str:
    """The level of a figure that should be small."""
    return FAULT if figure > fault else WARNING if figure > warning else OK


def frame_levels(samples: Samples) -> NDArray[np.float64]:
    """RMS (frames,) of the frames of 20 ms that are not digital silence, sorted."""
    count = len(samples) // FRAME_SAMPLES
    energy = np.square(samples[: count * FRAME_SAMPLES], dtype=np.float64).reshape(count, FRAME_SAMPLES).mean(1)
    return np.sort(np.sqrt(energy[energy > 0]))


def check_versions(versions: Mapping[str, str | None]) -> list[Finding]:
    """By name of the distribution; None where it is not installed."""
    installed = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    found = [Finding("versions", OK, installed, values={"versions": dict(versions)})]
    tflite, numpy = versions.get("tflite-runtime"), versions.get("numpy")
    if tflite and numpy and int(numpy.partition(".")[0]) >= FIRST_NUMPY_WITHOUT_TFLITE:
        text = f"tflite-runtime {tflite} does not work with numpy {numpy}"
        found.append(Finding("versions", FAULT, text, "pip install 'numpy<2'"))
    return found


def check_headroom(cpu_share: float, p99_s: float) -> Finding:
    """`cpu_share` of one core is used in the mean, and 99 of 100 hops take at most `p99_s`."""
    text = f"{100 * cpu_share:.1f} % of a core; 99 of 100 hops of 20 ms take at most {1000 * p99_s:.1f} ms"
    values = {"cpu_share": round(cpu_share, 4), "hop_p99_ms": round(1000 * p99_s, 2)}
    remedy = "take a smaller or an int8 model (ds-cnn-int8), and end what else keeps this machine busy"
    if cpu_share >= 1:
        return Finding("headroom", FAULT, f"{text}: too slow for this model", remedy, values=values)
    if cpu_share > MUCH_CPU or p99_s > DEADLINE_S:
        return Finding("headroom", WARNING, text, remedy, values=values)
    return Finding("headroom", OK, text, values=values)


def check_dropouts(overflows: int, seconds_lost: float, seconds: float) -> Finding:
    """How often audio was lost in a recording of `seconds`."""
    values = {"overflows": overflows, "seconds_lost": round(seconds_lost, 3)}
    if not overflows:
        return Finding("dropouts", OK, "none", values=values)
    level = FAULT if seconds_lost > MUCH_LOST * seconds else WARNING
    times = "time" if overflows == 1 else "times"
    text = f"audio was lost {overflows} {times}, {seconds_lost:.2f} s of {seconds:.1f} s"
    remedy = "end what else keeps this machine busy; try another USB port"
    return Finding("dropouts", level, text, remedy, values=values)


def check_rate(arrivals: Sequence[tuple[float, int]]) -> Finding:
    """`arrivals`: the clock in seconds when a chunk came, and how many samples of 16 kHz there were with it.

    A line through them all, not the first and the last alone: sound servers hand on bursts.
    """
    settled = [(time, count) for time, count in arrivals if time > arrivals[0][0] + SETTLE_SECONDS]
    if not settled or settled[-1][0] - settled[0][0] < RATE_SECONDS:
        return Finding("rate", OK, "not judged: it takes a few seconds without a gap")
    times, counts = np.array(settled, np.float64).T
    rate = float(np.polyfit(times - times[0], counts, 1)[0])
    off = rate / SAMPLE_RATE - 1
    text = f"{rate:.0f} samples a second in place of {SAMPLE_RATE} ({100 * off:+.1f} %)"
    level = _grade(abs(off), RATE_TOLERANCE, RATE_FAULT)
    remedy = "" if level == OK else "the driver does not keep the rate that it names; take another --device"
    return Finding("rate", level, text, remedy, values={"samples_a_second": round(rate, 1)})


def check_signal(samples: Samples) -> list[Finding]:
    """All that samples (n,) tell, at least one of them. Where all are the same, that is all."""
    if samples.min() == samples.max():
        text = f"every sample is {samples[0]:g}: the microphone is muted, or it is not this device"
        remedy = "switch the microphone on (alsamixer, F4: MM is muted), or take another one with --device"
        return [Finding("silence", FAULT, text, remedy)]
    offset = float(samples.mean(dtype=np.float64))
    centred = samples - np.float32(offset)
    levels = _check_levels(frame_levels(centred))
    return [*levels, _check_clipping(samples), _check_offset(offset), _check_hum(centred)]


def _check_levels(levels: NDArray[np.float64]) -> list[Finding]:
    if len(levels) <= LOUD_FRAMES:
        return [Finding("level", WARNING, "too little sound to judge by", "record some seconds")]
    loud, noise = dbfs(float(levels[-LOUD_FRAMES])), dbfs(float(levels[int(QUIET_SHARE * len(levels))]))
    over = loud - noise
    values = {"loud_dbfs": round(loud, 1)}
    text = f"loud parts at {loud:.0f} dBFS"
    if over < STANDS_OUT_DB:
        text += ", no louder than the rest: nobody spoke, or it is not this microphone that they spoke into"
        found = Finding("level", WARNING, text, "say the words while it records; try another --device", values=values)
    elif loud < QUIET_DBFS:
        level = FAULT if loud < TOO_QUIET_DBFS else WARNING
        found = Finding("level", level, f"{text}: too quiet", LOUDER, values=values)
    else:
        found = Finding("level", OK, text, values=values)
    text, values = f"{noise:.0f} dBFS, {over:.0f} dB under the loud parts", {"noise_dbfs": round(noise, 1)}
    if STANDS_OUT_DB <= over < CLEAR_DB:
        remedy = "speak nearer to the microphone, or move it away from what makes the noise"
        return [found, Finding("noise", WARNING, text, remedy, values=values)]
    return [found, Finding("noise", OK, text, values=values)]


def _check_clipping(samples: Samples) -> Finding:
    share = float((np.abs(samples) >= FULL_SCALE).mean())
    peak = min(1.0, float(np.abs(samples).max()))  # a resampler goes beyond it where the waves were cut
    text = f"peak {peak:.2f} of full scale, {100 * share:.2g} % of the samples at it"
    level = _grade(share, SOME_CLIPPED, MUCH_CLIPPED)
    values = {"peak": round(peak, 3), "clipped_share": round(share, 5)}
    return Finding("clipping", level, text, "" if level == OK else SOFTER, values=values)


def _check_offset(offset: float) -> Finding:
    values, text = {"offset": round(offset, 4)}, f"{round(offset, 3) + 0.0:+.3f} of full scale"
    if abs(offset) < MUCH_OFFSET:
        return Finding("DC offset", OK, text, values=values)
    remedy = "the models do not hear it, but it leaves less room before clipping; try another microphone or adapter"
    return Finding("DC offset", WARNING, text, remedy, values=values)


def _check_hum(samples: Samples) -> Finding:
    """Mains hum and its harmonics in samples (n,) without DC: steady, so it is there in the quietest moments too."""
    count = max(0, 2 * (len(samples) // HUM_WINDOW) - 1)
    if not count:
        return Finding("hum", OK, "not judged: the recording is too short")
    starts = np.arange(count) * (HUM_WINDOW // 2)
    window = np.hanning(HUM_WINDOW)
    spectra = np.fft.rfft(np.stack([samples[at : at + HUM_WINDOW] for at in starts]) * window)
    power = np.quantile(np.square(np.abs(spectra)), 0.1, axis=0) * 2 / (HUM_WINDOW * np.square(window).sum())
    hum, mains = max((_tone_power(power, hz), hz) for hz in MAINS_HZ)
    level = dbfs(float(np.sqrt(hum)))
    values = {"hum_dbfs": round(level, 1)}
    if level < LOUD_HUM_DBFS:
        return Finding("hum", OK, "none that matters", values=values)
    remedy = "keep the microphone's cable away from mains, try another power supply, or a USB microphone"
    return Finding("hum", WARNING, f"mains hum of {mains} Hz at {level:.0f} dBFS", remedy, values=values)


def _tone_power(power: NDArray[np.float64], hz: int) -> float:
    """The power in a tone and its two first harmonics, of those that stand out, in a spectrum (bins,)."""
    total = 0.0
    for tone in (hz, 2 * hz, 3 * hz):
        at = round(tone * HUM_WINDOW / SAMPLE_RATE)
        beside = np.median(np.concatenate([power[at - 10 : at - 4], power[at + 5 : at + 11]]))
        here = power[at - 2 : at + 3].sum()
        total += here if here > HUM_STANDS_OUT * 5 * beside else 0.0
    return float(total)


def check_words(scores: Sequence[WordScore], signal_is_good: bool) -> Finding:
    """What was heard of the words, and how much was missing: is it the threshold or the microphone?

    `signal_is_good`: the other checks found nothing in the recording.
    """
    ranked = sorted(scores, key=lambda one: one.highest / max(one.threshold, 1e-6), reverse=True)
    width = max(len(one.word) for one in ranked)
    details = tuple(
        f"{one.word:{width}}  {one.highest:.2f} of {one.threshold:.2f}" + "  heard" * (one.heard > 0) for one in ranked
    )
    values = {"words": [asdict(one) | {"highest": round(one.highest, 3)} for one in ranked]}
    heard = [one.word for one in ranked if one.heard]
    if heard:
        return Finding("words", OK, f"heard {', '.join(heard)}", details=details, values=values)
    best = ranked[0]
    near = best.highest >= NEAR * best.threshold
    text = f"none heard, but {best.word!r} was near its threshold" if near else "none heard, and none nearly"
    if not signal_is_good:
        remedy = "see to the findings above first"
    elif near:
        remedy = f"kws-listen --threshold {best.highest - 0.005:.2f} hears it, and more that is no word"
    else:
        remedy = "say the words that the model knows, with a pause after each"
    return Finding("words", WARNING, text, remedy, details, values)
