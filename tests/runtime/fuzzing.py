"""How many cases a fuzz test has, and how hypothesis makes them."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("KWS_FUZZ_EXAMPLES", "0"))


def fuzzed(examples: int, *unchecked: HealthCheck) -> settings:
    """`examples` cases, the same each time; where KWS_FUZZ_EXAMPLES is set, so many, and others each time."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, *unchecked],
    )
