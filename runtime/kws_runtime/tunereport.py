"""What `kws-tune` found, as figures and for people: thresholds, misses and false accepts, before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from kws_runtime.modelfile import Detection, ModelInfo
from kws_runtime.scoring import poisson_interval, share_figure
from kws_runtime.thresholds import Noise, accepts_in
from kws_runtime.tuneset import WordClips


def figures_of(noises: Sequence[Noise], clips: WordClips | None, info: ModelInfo, tuned: Detection) -> dict[str, Any]:
    """Of each word, of all words and of each noise, at the thresholds before and after; and what they cannot tell.

    `words`: threshold, false_accepts in all noises and, where there are clips of it, missed. `all`: missed over all
    clips. `noise`: budget, false accepts an hour with their interval. Each as {"before": ..., "after": ...}.
    """
    detections = {"before": info.detection, "after": tuned}
    events = {when: [accepts_in(noise, info, one) for noise in noises] for when, one in detections.items()}
    by_word = {when: Counter(event.label for found in rows for event in found) for when, rows in events.items()}
    figures: dict[str, Any] = {
        "words": {
            word: {
                "threshold": {when: one.thresholds[word] for when, one in detections.items()},
                "false_accepts": {when: counts[word] for when, counts in by_word.items()},
            }
            for word in info.words
        }
    }
    if clips:
        missed = {when: clips.missed(info, one) for when, one in detections.items()}
        totals = {word: len(peaks) for word, peaks in clips.peaks.items()}
        for word in info.words:
            if totals[word]:
                figures["words"][word]["missed"] = {
                    when: share_figure(counts[word], totals[word], "clips") for when, counts in missed.items()
                }
        figures["all"] = {
            "missed": {
                when: share_figure(sum(counts.values()), sum(totals.values()), "clips")
                for when, counts in missed.items()
            }
        }
    figures["noise"] = [
        {
            "noise": noise.name,
            "seconds": round(noise.recording.truth.seconds, 3),
            "fa_per_hour_at_most": noise.fa_per_hour,
            **{when: _accepts(len(rows[place]), noise.hours) for when, rows in events.items()},
        }
        for place, noise in enumerate(noises)
    ]
    figures["warnings"] = [_too_short(noise) for noise in noises if noise.is_too_short]
    return figures


def alternative(clips: WordClips, info: ModelInfo, detection: Detection) -> dict[str, Any]:
    """What one threshold for all words, `detection` has it, would miss."""
    missed, total = sum(clips.missed(info, detection).values()), sum(map(len, clips.peaks.values()))
    return {
        "threshold": max(detection.thresholds.values()),
        "missed": share_figure(missed, total, "clips"),
    }


def _accepts(count: int, hours: float) -> dict[str, Any]:
    interval = [round(end / hours, 3) for end in poisson_interval(count)]
    return {"false_accepts": count, "fa_per_hour": round(count / hours, 3), "interval": interval}


def _too_short(noise: Noise) -> str:
    """What can be said from so few hours."""
    most = poisson_interval(0)[1] / noise.hours
    return (
        f"{noise.name}: {_duration(noise.hours)} cannot show {noise.fa_per_hour:g} FA/h: with no false accept in it, "
        f"up to {most:.1f} FA/h are still possible (95 %); {_duration(noise.hours_to_show)} could"
    )


def _duration(hours: float) -> str:
    for unit, length in (("hours", hours), ("minutes", 60 * hours)):
        if length >= 2:
            return f"{length:.3g} {unit}"
    return f"{3600 * hours:.0f} seconds"


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """The figures as a table."""
    words = figures["words"]
    with_misses = "all" in figures
    yield f"{figures['model']} on {figures['interpreter']}"
    header = f"  {'word':12}{'threshold':20}{'false accepts':16}"
    yield (header + "missed (95 %)" if with_misses else header).rstrip()
    for word, row in words.items():
        thresholds = f"{row['threshold']['before']:g} -> {row['threshold']['after']:g}"
        line = f"  {word:12}{thresholds:20}{_pair(row['false_accepts']):16}"
        yield line.rstrip() if not with_misses else line + _missed(row.get("missed"))
    all_words = {when: sum(row["false_accepts"][when] for row in words.values()) for when in ("before", "after")}
    line = f"  {'all':32}{_pair(all_words):16}"
    yield line + _missed(figures["all"]["missed"]) if with_misses else line.rstrip()
    for row in figures["noise"]:
        yield f"  {row['noise']}, {_duration(row['seconds'] / 3600)}, at most {row['fa_per_hour_at_most']:g} FA/h:"
        yield f"  {'':12}{_rate(row['before'])} -> {_rate(row['after'])}"
    if "one_threshold" in figures:
        one = figures["one_threshold"]
        yield f"  one threshold for all words, {one['threshold']:g}, would miss {_share(one['missed'])}"
    yield from (f"warning: {warning}" for warning in figures["warnings"])
    yield "written" if figures["written"] else "nothing was written (--dry-run)"


def _pair(counts: dict[str, int]) -> str:
    return f"{counts['before']} -> {counts['after']}"


def _missed(missed: dict[str, Any] | None) -> str:
    if missed is None:
        return "no clips"
    return f"{_share(missed['before']):18} -> {_share(missed['after']):18} of {missed['after']['clips']}"


def _share(figure: dict[str, Any]) -> str:
    low, high = figure["interval"]
    return f"{100 * figure['share']:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def _rate(figure: dict[str, Any]) -> str:
    low, high = figure["interval"]
    return f"{figure['fa_per_hour']:.1f} FA/h ({low:.1f}-{high:.1f})"
