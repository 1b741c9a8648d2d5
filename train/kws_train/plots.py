"""Pictures of a run: learning.png and confusion.png."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray

from kws_runtime.files import write_atomically

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

TRAINING_COLOUR, VALIDATION_COLOUR = "#3465a4", "#cc5500"


def plot_learning(history: list[dict[str, float]], title: str, path: Path) -> None:
    """Loss and word accuracy over the epochs."""
    epochs = [row["epoch"] for row in history]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.plot(epochs, [row["loss"] for row in history], color=TRAINING_COLOUR, label="training")
    left.plot(epochs, [row["val_loss"] for row in history], color=VALIDATION_COLOUR, label="validation")
    left.set(xlabel="epoch", ylabel="loss a step", ylim=(0, None))
    left.legend(frameon=False)
    right.plot(epochs, [100 * row["val_word_accuracy"] for row in history], color=VALIDATION_COLOUR)
    right.set(xlabel="epoch", ylabel="words right a step, validation (%)", ylim=(None, 100))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    figure.suptitle(title)
    _save(figure, path)


def plot_confusion(counts: NDArray[np.int64], labels: list[str], title: str, path: Path) -> None:
    """Counts (truth, answer) as shares of the truth."""
    shares = 100 * counts / np.maximum(1, counts.sum(1, keepdims=True))
    names = ["other" if label.startswith("_") else label for label in labels]
    figure, axes = plt.subplots(figsize=(6.4, 5.8), layout="constrained")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for (row, column), share in np.ndenumerate(shares):
        if counts[row, column]:
            colour = "white" if share > 50 else "black"
            text = f"{share:.1f}" if share < 99.95 else "100"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(names)), names, rotation=45)
    axes.set_yticks(range(len(names)), [f"{name} ({count})" for name, count in zip(names, counts.sum(1), strict=True)])
    axes.set(xlabel="heard", ylabel="said (clips)")
    axes.set_title(title, fontsize=11)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    write_atomically(path, lambda unfinished: figure.savefig(unfinished, dpi=120, format="png"))
    plt.close(figure)
