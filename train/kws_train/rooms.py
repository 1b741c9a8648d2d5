"""Simulated rooms: impulse responses by the image source method (Allen and Berkley, 1979), through pyroomacoustics."""

from __future__ import annotations

import numpy as np

from kws_runtime.frontend import SAMPLE_RATE, Samples

SMALLEST_M, LARGEST_M = (2.5, 2.5, 2.2), (8.0, 6.0, 3.5)
DECAY_S = (0.15, 0.6)  # time to fall by 60 dB
FROM_WALL_M = 0.4
MAX_ORDER = 17  # reflections followed; bounds the time that a long decay takes
LONGEST_S = 0.35


def room_responses(rng: np.random.Generator, count: int) -> list[Samples]:
    """`count` impulse responses (n,) from a talker to a microphone; each begins with the direct sound, of height 1."""
    if not count:
        return []
    import pyroomacoustics

    responses: list[Samples] = []
    while len(responses) < count:
        size = rng.uniform(SMALLEST_M, LARGEST_M)
        absorption, order = pyroomacoustics.inverse_sabine(rng.uniform(*DECAY_S), size)
        shoebox = pyroomacoustics.ShoeBox(
            size,
            fs=SAMPLE_RATE,
            materials=pyroomacoustics.Material(absorption),
            max_order=min(order, MAX_ORDER),
        )
        talker, microphone = (rng.uniform(FROM_WALL_M, size - FROM_WALL_M) for _ in range(2))
        shoebox.add_source(talker)
        shoebox.add_microphone(microphone)
        shoebox.compute_rir()
        response = np.asarray(shoebox.rir[0][0])
        distance = float(np.linalg.norm(talker - microphone))
        delay = pyroomacoustics.constants.get("frac_delay_length") // 2
        direct = int(distance / shoebox.c * SAMPLE_RATE) + delay
        response = response[direct : direct + int(LONGEST_S * SAMPLE_RATE)]
        responses.append((response / np.abs(response[:3]).max()).astype(np.float32))
    return responses
