"""The rows of docs/cnn-to-gru.md: the tutorial's CNN, the question's GRU, and its faults mended one after another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import keras

from kws_runtime.corpus import WORDS
from kws_runtime.frontend import LogMel, Stft
from kws_train.models.gru import Gru, GruConfig
from kws_train.models.question_gru import QuestionGru, QuestionGruConfig
from kws_train.models.tutorial_cnn import TutorialCnn, TutorialCnnConfig

Config = TutorialCnnConfig | QuestionGruConfig | GruConfig

CLIP_FRAMES = 49  # log-mel frames of a clip of one second
LOG_MEL_BANDS = LogMel().bands


@dataclass(frozen=True)
class Row:
    """One network, what it is fed, and how it is taught."""

    name: str
    what: str  # in plain words: what differs from the row `after`
    config: Config
    features: str  # a key of question_data.FEATURES
    after: str | None = None  # the row that it is compared with
    every_step: bool = False  # each step is given the clip's label, as in the question; else the last alone
    stops_early: bool = False  # EarlyStopping(patience=2), last weights kept; else all epochs and the best weights
    stopped_is: str | None = None  # the row that is this very run, but stopped early: it needs no training of its own
    aside: bool = False  # a side row: the next row does not build on it

    @property
    def macs_a_clip(self) -> int:
        """Multiplications of one answer where a window of one second is looked at afresh."""
        c = self.config
        if isinstance(c, TutorialCnnConfig):
            return 30 * 30 * 9 * 32 + 28 * 28 * 9 * 32 * 64 + 14 * 14 * 64 * 128 + 128 * c.labels
        if isinstance(c, GruConfig):
            return CLIP_FRAMES // c.stride * self._macs_a_step()
        return ((c.window_frames - c.kernel) // c.conv_stride + 1) * self._macs_a_step()

    @property
    def macs_a_second(self) -> int:
        """Multiplications of a second of stream with an answer each 40 ms: windows slide, `gru` carries its state."""
        return 25 * (self._macs_a_step() if isinstance(self.config, GruConfig) else self.macs_a_clip)

    def _macs_a_step(self) -> int:
        c = self.config
        assert not isinstance(c, TutorialCnnConfig)
        macs = c.kernel * c.features * c.filters + 3 * c.units * (c.filters + c.units) + c.units * c.labels
        return macs + (3 * c.units * 2 * c.units if isinstance(c, QuestionGruConfig) else 0)


def build(config: Config) -> keras.Model:
    """The network of a row, untrained."""
    if isinstance(config, TutorialCnnConfig):
        return TutorialCnn(config)
    return Gru(config) if isinstance(config, GruConfig) else QuestionGru(config)


def _rows() -> tuple[Row, ...]:
    labels, stft = len(WORDS), Stft().features
    asked = QuestionGruConfig(labels=labels, features=stft)
    dry = replace(asked, dropout=0.2)
    plain = replace(dry, activation="softmax")
    normalized = replace(plain, normalized=True)
    small = replace(normalized, features=LOG_MEL_BANDS, window_frames=CLIP_FRAMES, stride=2, kernel=5)
    rows = [
        Row(
            "tutorial-cnn",
            "the tutorial's CNN",
            TutorialCnnConfig(labels=labels, features=stft),
            "stft",
            stops_early=True,
        ),
        Row("question-gru", "the question's GRU", asked, "stft", "tutorial-cnn", every_step=True, stops_early=True),
        Row("dropout", "Dropout 0.8 → 0.2", dry, "stft", "question-gru", every_step=True, stops_early=True),
        Row("one-label", "55 labels → one, at the end", dry, "stft", "dropout", stops_early=True),
        Row("softmax", "sigmoid → softmax", plain, "stft", "one-label", stops_early=True),
        Row("log", "magnitudes → their normalized logarithm", normalized, "log-stft", "softmax", stops_early=True),
        Row("patience", "patience 2 → all epochs, best weights kept", normalized, "log-stft", "log", stopped_is="log"),
        Row("40-bands", "129 bins each 8 ms → 40 mel bands each 20 ms", small, "log-mel", "patience"),
        Row("gru", "two GRUs → one, without BatchNormalization", GruConfig(labels=labels), "log-mel", "40-bands"),
        Row(
            "dropout-again",
            "`40-bands` with Dropout 0.8 put back",
            replace(small, dropout=0.8),
            "log-mel",
            "40-bands",
            aside=True,
        ),
        Row(
            "cnn-log",
            "the tutorial's CNN with the logarithm, all epochs, best weights kept",
            TutorialCnnConfig(labels=labels, features=stft),
            "log-stft",
            "tutorial-cnn",
            aside=True,
        ),
    ]
    return tuple(rows)


ROWS = _rows()
