"""The recipe of the training sounds: what comes how often, how loud and how disturbed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How items are made and put together. Shares are of the items; pairs are the ends of a uniform choice."""

    # What comes. What remains of the shares is near silence.
    word_share: float = 0.38
    other_share: float = 0.15
    joined_share: float = 0.06  # pieces of other words end to end: speech of more people than read any
    speech_share: float = 0.22
    snippet_share: float = 0.07  # a piece of speech as short as a word
    noise_share: float = 0.09  # noise with nothing said in it
    synthetic_word_weight: float = 0.3  # a synthesized clip of a word comes so often as this many recorded ones
    synthetic_other_share: float = 0.3  # of the other words, likewise
    speech_s: tuple[float, float] = (1.5, 5.0)
    snippet_s: tuple[float, float] = (0.2, 0.8)
    joined_pieces: tuple[int, int] = (3, 8)
    joined_s: tuple[float, float] = (0.15, 0.6)  # of a piece
    joined_synthetic_share: float = 0.4  # of the pieces, where synthesized words lie with the recordings
    noise_s: tuple[float, float] = (1.0, 5.0)
    silence_s: tuple[float, float] = (0.2, 1.5)
    pause_share: float = 0.5
    pause_s: float = 0.5
    trim_s: float = 0.2  # a clip loses up to this much of the quiet before and after its sound
    cut_share: float = 0.08  # words broken off; they count as background
    cut_at: tuple[float, float] = (0.2, 0.5)  # of the word's length
    # How it sounds.
    gain_db: tuple[float, float] = (-32.0, 6.0)  # of a peak of 0.5; one clip of a hundred is as quiet as the lowest
    noise_db: tuple[float, float] = (-55.0, -12.0)  # noise alone, dBFS
    speed_share: float = 0.6
    speed: tuple[float, float] = (0.8, 1.3)  # of the words to be heard; higher voices, too
    other_speed: tuple[float, float] = (0.75, 1.35)  # of all other speech; the pitch moves too: other speakers
    room_share: float = 0.25
    tilt_share: float = 0.3
    tilt: tuple[float, float] = (-0.6, 0.6)
    bed_share: float = 0.75  # stretches of a few items that lie on noise
    bed_items: tuple[int, int] = (1, 5)
    bed_snr_db: tuple[float, float] = (-5.0, 25.0)
    coloured_share: float = 0.2  # of all noises
    babble_share: float = 0.2
    floor_db: tuple[float, float] = (-85.0, -60.0)  # noise under everything, dBFS
    mask_share: float = 0.5  # of the chunks
    mask_bands: int = 6
    mask_frames: int = 4
    # What is to be said of it.
    target_delay_s: float = 0.14  # what follows a word's end tells "no" from "now"
    target_s: float = 0.22  # how long a word is then to be named; longer, it is still named when the next one is heard
    target_weight: float = 2.0
    # Clips one at a time instead of a stream.
    clip_background_share: float = 0.3
    clip_shift_s: float = 0.1  # a clip lies up to this much early or late in its second
    clip_target_s: float = 0.12  # its last steps are to name it
