"""What the report's models are run over, as frames: clips, scenes, an hour; made once for each front end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_runtime.accuracy import Item, clip_layer, in_stream_order, items_in
from kws_runtime.audio import read_wav
from kws_runtime.clips import ITEM_SAMPLES
from kws_runtime.frontend import SAMPLE_RATE, FrontEnd, FrontEndConfig, frames_of
from kws_runtime.scoring import Truth, read_truth

Frames = NDArray[np.float32]
HOUR_S, PART_S = 3600, 600  # an hour that ends with the ten minutes that it began with
PIECE = 60 * SAMPLE_RATE
PART = "testing"


@dataclass
class Streams:
    """Frames (n, features) of everything, through one front end."""

    config: FrontEndConfig
    frames_per_step: int
    data: Path
    words: tuple[str, ...]
    scenes: list[Path]
    _scene_frames: dict[str, tuple[Frames, Truth]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        items = items_in(self.data, PART, self.words)
        self.reset_items: list[Item] = items
        self.carried_items: list[Item] = in_stream_order(items, self.data)
        lay = clip_layer()
        a_clip = [frames_of(lay(read_wav(item.path)), self.config) for item in items]
        whole = len(a_clip[0]) // self.frames_per_step * self.frames_per_step
        self.steps_a_clip = whole // self.frames_per_step
        self.reset: Frames = np.concatenate([frames[:whole] for frames in a_clip])
        front_end, lay = FrontEnd(self.config), clip_layer()
        self.carried: Frames = np.concatenate(
            [front_end.process(lay(read_wav(item.path))) for item in self.carried_items]
        )

    def carried_ends(self) -> NDArray[np.int64]:
        """For each clip of the carried stream the steps done when its last sample has come."""
        samples = ITEM_SAMPLES * np.arange(1, len(self.carried_items) + 1)
        return ((samples - self.config.window) // self.config.hop + 1) // self.frames_per_step

    def scene(self, wav: Path) -> tuple[Frames, Truth]:
        """The frames of a scene and what is said in it, of the model's words."""
        if wav.stem not in self._scene_frames:
            truth = read_truth(wav.with_suffix(".json"))
            words = tuple(word for word in truth.words if word.label in self.words)
            self._scene_frames[wav.stem] = (
                frames_of(read_wav(wav), self.config),
                Truth(truth.name, truth.seconds, words),
            )
        return self._scene_frames[wav.stem]

    def hour(self, kind: str, agreement: Frames) -> Frames:
        """An hour of `clips` (the run's agreement stream, in rounds), `speech` or `silence`; its last ten minutes are
        its first again."""
        per_second = SAMPLE_RATE / self.config.hop
        size, part = int(HOUR_S * per_second), int(PART_S * per_second)
        if kind == "silence":
            rng = np.random.default_rng(0)
            begin = frames_of(0.0003 * rng.standard_normal(size * self.config.hop).astype(np.float32), self.config)
        elif kind == "speech":
            begin = self._speech(size)
        else:
            begin = agreement
        body = np.resize(begin, (size - part, begin.shape[1]))
        return np.concatenate([body, body[:part]]).astype(np.float32)

    def _speech(self, size: int) -> Frames:
        found: list[Frames] = []
        for wav in sorted((self.data / "speech" / "dev").rglob("*.wav")):
            found.append(frames_of(read_wav(wav), self.config))
            if sum(map(len, found)) >= size:
                break
        return np.concatenate(found)
