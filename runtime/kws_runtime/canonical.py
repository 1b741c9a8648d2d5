"""The canonical test set of Speech Commands, scored over all labels of a model that has `_unknown_` and `_silence_`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.accuracy import Item, hear_items, in_stream_order, share_right
from kws_runtime.clips import BACKGROUND_THRESHOLD
from kws_runtime.corpus import SILENCE, UNKNOWN, clips_listed
from kws_runtime.errors import DataError
from kws_runtime.listener import Listener

# Most of a training stream is speech, so noise is easily taken for it: by 0.5 half of the noise of the validation part
# was, by 0.8 a tenth, and no more of its other words were missed.
UNKNOWN_THRESHOLD = 0.8


def canonical_items(list_file: Path, folder: Path, labels: Sequence[str]) -> list[Item]:
    """The clips that a list names (a path below `folder`, `.../label/name.wav`, a line).

    Raises DataError where a clip is missing, or where its label, `_unknown_` or `_silence_` is none of the model's.
    """
    clips = clips_listed(list_file, folder)
    foreign = sorted({UNKNOWN, SILENCE, *(clip.word for clip in clips)} - set(labels))
    if foreign:
        raise DataError(f"{list_file}: needs {', '.join(foreign)}, which the model has no label for")
    return [Item(clip.path, clip.word) for clip in clips]


def answer(smoothed: NDArray[np.float32], labels: Sequence[str]) -> str:
    """The label of a clip, from its smoothed posteriors (steps, labels).

    The word with the highest smoothed posterior, if that reaches one half; else `_unknown_` if its own reaches
    UNKNOWN_THRESHOLD: then something was said; else `_silence_`.
    """
    is_word = np.array([not label.startswith("_") for label in labels])
    highest = smoothed.max(0)
    words = np.where(is_word, highest, -1.0)
    if words.max() >= BACKGROUND_THRESHOLD:
        return labels[int(words.argmax())]
    return UNKNOWN if highest[labels.index(UNKNOWN)] >= UNKNOWN_THRESHOLD else SILENCE


def evaluate_canonical(listener: Listener, list_file: Path, folder: Path) -> dict[str, Any]:
    """Accuracy over all labels, the state reset before each clip and carried through all of them."""
    labels = listener.info.labels
    items = canonical_items(list_file, folder, labels)

    def share(items: list[Item], carried: bool) -> dict[str, Any]:
        answers = [answer(smoothed, labels) for _, smoothed in hear_items(listener, items, carried)]
        return share_right(np.array([said == item.label for said, item in zip(answers, items, strict=True)]))

    return {
        "accuracy_canonical_reset": share(items, carried=False),
        "accuracy_canonical_carried": share(in_stream_order(items, folder), carried=True),
    }
