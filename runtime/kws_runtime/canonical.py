"""The canonical test set of Speech Commands, scored over all labels of a model that has `_unknown_` and `_silence_`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_runtime.accuracy import Item, hear_items, in_stream_order, share_right
from kws_runtime.clips import BACKGROUND_THRESHOLD
from kws_runtime.corpus import clips_listed
from kws_runtime.errors import DataError
from kws_runtime.listener import Listener


def canonical_items(list_file: Path, folder: Path, labels: Sequence[str]) -> list[Item]:
    """The clips that a list names (a path below `folder`, `.../label/name.wav`, a line).

    Raises DataError where a clip is missing, or where its label is none of the model's.
    """
    clips = clips_listed(list_file, folder)
    foreign = sorted({clip.word for clip in clips} - set(labels))
    if foreign:
        raise DataError(f"{list_file}: holds {', '.join(foreign)}, which the model has no label for")
    return [Item(clip.path, clip.word) for clip in clips]


def answer(posteriors: NDArray[np.float32], smoothed: NDArray[np.float32], labels: Sequence[str]) -> str:
    """The label of a clip, from its posteriors and its smoothed posteriors, both (steps, labels).

    The word with the highest smoothed posterior, if that reaches one half; else the label that is no word and has
    the highest mean posterior: near a word's end a stream names the word for a moment only, all else lasts.
    """
    is_word = np.array([not label.startswith("_") for label in labels])
    highest = np.where(is_word, smoothed.max(0), -1.0)
    if highest.max() >= BACKGROUND_THRESHOLD or is_word.all():
        return labels[int(highest.argmax())]
    return labels[int(np.where(is_word, -1.0, posteriors.mean(0)).argmax())]


def evaluate_canonical(listener: Listener, list_file: Path, folder: Path) -> dict[str, Any]:
    """Accuracy over all labels, the state reset before each clip and carried through all of them."""
    labels = listener.info.labels
    items = canonical_items(list_file, folder, labels)

    def share(items: list[Item], carried: bool) -> dict[str, Any]:
        answers = [answer(*heard, labels) for heard in hear_items(listener, items, carried)]
        return share_right(np.array([said == item.label for said, item in zip(answers, items, strict=True)]))

    return {
        "accuracy_canonical_reset": share(items, carried=False),
        "accuracy_canonical_carried": share(in_stream_order(items, folder), carried=True),
    }
