"""Thresholds for the false accepts that can be borne: one for all words, or one for each of them.

One threshold is the lowest from which on the false accepts that are counted keep every budget. To choose one for each
word by counts fails: a recording holds a handful of false accepts, and thresholds that dodge just these let others
through elsewhere. So words are parted by smoothed curves. In logit(posterior), the tail of the bursts of each word in
the noise is taken as exponential, and the misses of its clips as their smoothed distribution; both are shrunk towards
those of all words. At a price of a false accept, in misses, each word has its best threshold on its own (Lagrange), and
only the price is left to be counted out, as one threshold is: the lowest from which on every budget is kept.
docs/thresholds.md has what this is worth on recordings that were not used.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kws_runtime.det import THRESHOLDS, Recording, false_accepts
from kws_runtime.detector import Event, events_in
from kws_runtime.modelfile import Detection, ModelInfo
from kws_runtime.scoring import ONE_BURST_S, counted, poisson_interval

FIT_FROM = 0.25  # bursts whose peak lies below say little about those that count
PRIOR_BURSTS = 20  # as if each word had that many more, like those of all words; 10 and 50 do about as well
PRIOR_CLIPS = 20  # likewise
TYPICAL_EXCESS = 1.2  # mean logit above FIT_FROM of the bundled models' bursts: counts as one burst more
KERNEL = 0.25  # scale of the logistic that smooths the clips' distribution, in logits
# Share of words missed that one false accept an hour is worth; from the dearest, where hardly anything is accepted.
PRICES = np.geomspace(10.0, 1e-5, 120)


@dataclass(frozen=True)
class Noise:
    """A recording without words as a model hears it, and how many false accepts an hour are bearable in it."""

    name: str
    recording: Recording
    fa_per_hour: float

    @property
    def hours(self) -> float:
        return self.recording.truth.seconds / 3600

    @property
    def allowed(self) -> float:
        """False accepts in the whole recording."""
        return self.fa_per_hour * self.hours

    @property
    def hours_to_show(self) -> float:
        """How long noise must be so that the 95 % interval of no false accept at all ends at the budget."""
        return poisson_interval(0)[1] / self.fa_per_hour if self.fa_per_hour else np.inf

    @property
    def is_too_short(self) -> bool:
        """Whether it could not show that the budget is kept, were there no false accept in it. A budget of 0 asks for
        none in this recording, and no more."""
        return self.fa_per_hour > 0 and self.hours < self.hours_to_show


def accepts_in(noise: Noise, info: ModelInfo, detection: Detection) -> list[Event]:
    """The false accepts that count."""
    return counted(events_in(noise.recording.smoothed, noise.recording.times, info.labels, detection))


def one_threshold(noises: Sequence[Noise], info: ModelInfo) -> dict[str, float] | None:
    """The lowest threshold for all words from which on every budget is kept; None where even the highest keeps not."""
    return _last_kept(np.repeat(np.array(THRESHOLDS)[::-1, None], len(info.words), 1), noises, info)


def threshold_per_word(
    noises: Sequence[Noise], clips: Sequence[NDArray[np.float32]], info: ModelInfo
) -> dict[str, float] | None:
    """The thresholds of the lowest price from which on every budget is kept; None where even the highest keeps not.

    `clips` holds for each word the highest smoothed posteriors (clips,) in its clips, and may be empty for some.
    """
    return _last_kept(thresholds_by_price(noises, clips, info), noises, info)


def _last_kept(falling: NDArray[np.float64], noises: Sequence[Noise], info: ModelInfo) -> dict[str, float] | None:
    """The last of `falling` thresholds (choices, words) up to which every budget is kept, counted from above as
    `det.lowest_place` does."""
    kept = None
    for row in falling:
        thresholds = dict(zip(info.words, row.tolist(), strict=True))
        detection = dataclasses.replace(info.detection, thresholds=thresholds)
        if any(len(accepts_in(noise, info, detection)) > noise.allowed for noise in noises):
            break
        kept = thresholds
    return kept


def thresholds_by_price(
    noises: Sequence[Noise], clips: Sequence[NDArray[np.float32]], info: ModelInfo
) -> NDArray[np.float64]:
    """For each of PRICES the thresholds that cost least: (prices, words), falling with the price."""
    bursts = [
        np.concatenate([burst_peaks(noise.recording, info.labels.index(word)) for noise in noises])
        for word in info.words
    ]
    rates = tail_rates(bursts, sum(noise.hours for noise in noises))
    cost = missed_shares(clips) / len(info.words) + PRICES[:, None, None] * rates
    return np.array(THRESHOLDS)[cost.argmin(2)]


def burst_peaks(recording: Recording, column: int) -> NDArray[np.float32]:
    """The highest posteriors (bursts,) of a label's bursts over FIT_FROM; pauses up to ONE_BURST_S do not part them."""
    posteriors = recording.smoothed[:, column]
    over = np.flatnonzero(posteriors >= FIT_FROM)
    if not len(over):
        return np.zeros(0, np.float32)
    first = np.concatenate([[0], np.flatnonzero(np.diff(recording.times[over]) > ONE_BURST_S) + 1])
    return np.maximum.reduceat(posteriors[over], first)


def tail_rates(bursts: Sequence[NDArray[np.float32]], hours: float) -> NDArray[np.float64]:
    """Bursts an hour that reach each of THRESHOLDS, as fitted: (words, thresholds).

    A rate and a mean excess over FIT_FROM a word, each shrunk as if PRIOR_BURSTS of all words' bursts were its own.
    """
    excesses = [_logit(peaks) - _logit(FIT_FROM) for peaks in bursts]
    counts = np.array([len(excess) for excess in excesses])
    sums = np.array([excess.sum() for excess in excesses])
    mean_count = (counts.sum() + 0.5) / len(counts)  # half a burst more: a rate of 0 would be a promise
    mean_excess = (sums.sum() + TYPICAL_EXCESS) / (counts.sum() + 1)
    rates = (counts + PRIOR_BURSTS) / (hours * (1 + PRIOR_BURSTS / mean_count))
    scales = (sums + PRIOR_BURSTS * mean_excess) / (counts + PRIOR_BURSTS)
    above = _logit(THRESHOLDS) - _logit(FIT_FROM)
    return np.asarray(rates[:, None] * np.exp(-above / scales[:, None]))


def missed_shares(clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """The share of each word's clips that do not reach each of THRESHOLDS, smoothed: (words, thresholds).

    Shrunk as if PRIOR_CLIPS of all words' clips were its own; all words weigh the same.
    """
    grid = _logit(THRESHOLDS)
    own = [(1 / (1 + np.exp((_logit(peaks) - grid[:, None]) / KERNEL))).sum(1) for peaks in clips]
    counts = np.array([len(peaks) for peaks in clips])
    heard = np.flatnonzero(counts)
    of_all = np.mean([own[word] / counts[word] for word in heard], 0)
    return np.array([(row + PRIOR_CLIPS * of_all) / (n + PRIOR_CLIPS) for row, n in zip(own, counts, strict=True)])


def tuning_curves(
    noises: Sequence[Noise], clips: Mapping[str, NDArray[np.float32]], info: ModelInfo
) -> dict[str, dict[str, list[float]]]:
    """Over all THRESHOLDS, misses against false accepts an hour in the worst of the noises: of "all" words with one
    threshold, and of each that has clips with its own false accepts, as if it were the only word."""
    recordings = [noise.recording for noise in noises]
    hours = np.array([noise.hours for noise in noises])
    curves = {"all": (false_accepts(recordings, info), np.concatenate(list(clips.values())))}
    for word, peaks in clips.items():
        if len(peaks):
            alone = dataclasses.replace(info.detection, thresholds={word: 0.0})
            curves[word] = (false_accepts(recordings, dataclasses.replace(info, detection=alone)), peaks)
    return {
        name: {
            "fa_per_hour": (counts / hours).max(1).round(3).tolist(),
            "missed": [round(float((peaks < threshold).mean()), 4) for threshold in THRESHOLDS],
        }
        for name, (counts, peaks) in curves.items()
    }


def _logit(posteriors: object) -> NDArray[np.float64]:
    """ln(p / (1 - p)), for posteriors of exactly 0 and 1 too."""
    shares = np.clip(np.asarray(posteriors, np.float64), 1e-7, 1 - 1e-7)
    return np.asarray(np.log(shares / (1 - shares)))
