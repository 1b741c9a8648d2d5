"""`kws-eval`: how well a model hears, on clips and on scenes, by the very code that listens."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.audio import read_wav
from kws_runtime.cli import command_parser, native_chatter_shut, run_command
from kws_runtime.clips import BACKGROUND_THRESHOLD, ITEM_SAMPLES, lay_clip
from kws_runtime.corpus import clips_in
from kws_runtime.detector import moving_mean
from kws_runtime.interpreter import INTERPRETERS
from kws_runtime.listener import Listener
from kws_runtime.scoring import read_truth, score_scene, wilson_interval

EXAMPLES = """\
  kws-eval --data DATA                               clips of the test part, state reset and carried
  kws-eval MODEL --data DATA --part validation       the same on the validation part
  kws-eval MODEL --scene dev-quiet.wav dev-reading.wav   scenes; the truth lies beside each as .json
  kws-eval MODEL --data DATA --json > figures.json

DATA holds words/<word>/*.wav and, for the labels that are no word, canonical/_unknown_ and
canonical/_silence_ (Speech Commands' canonical test set)."""

NOISE_SEED = ORDER_SEED = 0


@dataclass(frozen=True)
class Item:
    """A clip to be heard: a word's label, or None for one that is none of the words."""

    path: Path
    label: str | None


def items_in(folder: Path, part: str, words: tuple[str, ...]) -> list[Item]:
    """All clips of the words of a part; with the testing part also the canonical background clips."""
    items = [Item(clip.path, clip.word) for clip in clips_in(folder / "words", part, words)]
    if part == "testing":
        for kind in ("_unknown_", "_silence_"):
            items += [Item(path, None) for path in sorted((folder / "canonical" / kind).glob("*.wav"))]
    return items


def word_scores(listener: Listener, items: list[Item], carried: bool) -> NDArray[np.float32]:
    """For each item the maximum of each word's smoothed posterior, (items, words).

    Reset: everything is new before each item. Carried: the items are one stream, never reset.
    """
    info = listener.info
    columns = [info.labels.index(word) for word in info.words]
    rng = np.random.default_rng(NOISE_SEED)
    size = info.detection.smoothing_steps
    scores = np.zeros((len(items), len(columns)), np.float32)
    recent = np.zeros((0, len(info.labels)), np.float32)  # the last posteriors of the item before
    listener.reset()
    for number, item in enumerate(items):
        if not carried:
            listener.reset()
            recent = recent[:0]
        posteriors = listener.posteriors(lay_clip(read_wav(item.path), rng))
        window = np.concatenate([recent, posteriors])
        scores[number] = moving_mean(window, size)[len(recent) :, columns].max(0)
        recent = window[len(window) - (size - 1) :]
    return scores


def accuracies(scores: NDArray[np.float32], items: list[Item], words: tuple[str, ...]) -> dict[str, Any]:
    """`words`: the right word leads, over the clips of words. `all`: with background, over all clips."""
    truth = np.array([-1 if item.label is None else words.index(item.label) for item in items])
    leading = scores.argmax(1)
    answer = np.where(scores.max(1) >= BACKGROUND_THRESHOLD, leading, -1)
    is_word = truth >= 0
    figures = {"words": _share(leading[is_word] == truth[is_word])}
    if not is_word.all():
        figures["all"] = _share(answer == truth)
    return figures


def _share(right: NDArray[np.bool_]) -> dict[str, Any]:
    count, total = int(right.sum()), len(right)
    low, high = wilson_interval(count, total)
    return {"share": round(count / total, 4), "interval": [round(low, 4), round(high, 4)], "clips": total}


def evaluate_clips(listener: Listener, folder: Path, part: str) -> dict[str, Any]:
    """The four accuracies of the design. The carried stream holds the clips in a random, fixed order."""
    items = items_in(folder, part, listener.info.words)
    words = listener.info.words
    reset = accuracies(word_scores(listener, items, carried=False), items, words)
    by_path = sorted(items, key=lambda item: str(item.path.relative_to(folder)))
    order = np.random.default_rng(ORDER_SEED).permutation(len(by_path))
    stream = [by_path[place] for place in order]
    carried = accuracies(word_scores(listener, stream, carried=True), stream, words)
    named = {"words": "accuracy_words", "all": "accuracy"}
    return {
        f"{named[kind]}_{state}": figures[kind]
        for kind in named
        for state, figures in (("reset", reset), ("carried", carried))
        if kind in figures
    }


def evaluate_scene(listener: Listener, wav: Path) -> dict[str, Any]:
    """FRR, false accepts and delay of a scene at the model's operating point."""
    truth = read_truth(wav.with_suffix(".json"))
    listener.reset()
    samples = read_wav(wav)
    pieces = (samples[at : at + 60 * ITEM_SAMPLES] for at in range(0, len(samples), 60 * ITEM_SAMPLES))
    events = [event for piece in pieces for event in listener.process(piece)]
    return score_scene(events, truth).to_json()


def _lines(figures: dict[str, Any]) -> Iterator[str]:
    """The figures for people."""
    yield f"{figures['model']} on {figures['interpreter']}"
    for name, figure in figures.get("clips", {}).items():
        low, high = figure["interval"]
        yield f"  {name:24}{figure['share']:7.2%}   [{low:.2%}, {high:.2%}]   {figure['clips']} clips"
    for name, figure in figures.get("scenes", {}).items():
        low, high = figure["fa_per_hour_interval"]
        line = f"  {name:16}FA/h {figure['fa_per_hour']:6.2f} [{low:.2f}, {high:.2f}]"
        if "frr" in figure:
            low, high = figure["frr_interval"]
            line += f"   FRR {figure['frr']:6.2%} [{low:.2%}, {high:.2%}] of {figure['words']} words"
        if "delay_p50" in figure:
            line += f"   delay p50 {figure['delay_p50']:.2f} s, p95 {figure['delay_p95']:.2f} s"
        yield line


def _evaluate(args: argparse.Namespace) -> None:
    with native_chatter_shut():
        listener = Listener(args.model, interpreter=args.interpreter)
    figures: dict[str, Any] = {"model": listener.info.name, "interpreter": listener.interpreter}
    if args.data:
        figures["clips"] = evaluate_clips(listener, args.data, args.part)
    if args.scene:
        figures["scenes"] = {wav.stem: evaluate_scene(listener, wav) for wav in args.scene}
    print(json.dumps(figures) if args.json else "\n".join(_lines(figures)))


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `kws-eval`; returns the exit code."""
    parser = command_parser("kws-eval", "Measure how well a model hears, on clips and on scenes.", EXAMPLES)
    parser.add_argument("model", nargs="?", metavar="MODEL", help="model file or bundled model (default: gru-int8)")
    parser.add_argument("--data", type=Path, metavar="DATA", help="folder of clips (see below)")
    parser.add_argument("--part", choices=("validation", "testing"), default="testing", help="default: %(default)s")
    parser.add_argument("--scene", type=Path, nargs="+", metavar="WAV", help="scenes with their truth beside them")
    parser.add_argument("--interpreter", choices=sorted(INTERPRETERS), help="default: the first that is installed")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    args = parser.parse_args(arguments)
    if not args.data and not args.scene:
        parser.error("nothing to evaluate: give --data or --scene")
    return run_command(lambda: _evaluate(args))
