"""The hot path executes no more than it did: the guard of CI, where times mean nothing."""

from __future__ import annotations

import os
import subprocess
from typing import NoReturn

import pytest

from tests.latency import instructions
from tests.latency.instructions import MARGIN, RENEW, STAGES, Baseline, CountError


def cannot(why: str) -> NoReturn:
    """Skips, but in CI fails: a guard that slips away guards nothing."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def test_a_hop_executes_what_the_baseline_says(figures: dict[str, str]) -> None:
    """Whole and by stage, within 3 %; cheaper is told too, since without a new baseline it could be lost again."""
    baseline = Baseline.read()
    try:
        other = baseline.other_than(instructions.made_with())
    except CountError as error:
        cannot(str(error))
    if other:
        cannot(f"counts can only be compared with a baseline of the same versions; here: {other}; see {RENEW}")
    found = instructions.count()
    figures["instructions a hop"] = "; ".join(f"{stage} {count:,}" for stage, count in found.items())
    apart = [instructions.line(found, baseline, stage) for stage in instructions.out_of_margin(found, baseline)]
    remedy = f"more than {MARGIN:.0%} from the baseline; where that is meant, renew it: {RENEW}"
    assert not apart, "\n  ".join([remedy, *apart])


def test_what_start_up_costs_falls_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a billion for the start and 400 a hop are 400 a hop."""

    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        hops = [int(word) for word in command if word.isdecimal()]
        counted = [500_000_000 + 400 * number for number in hops] + [480_000_000]
        told = "".join(f"==7== \n==7== I   refs:      {number:,}\n" for number in counted)
        return subprocess.CompletedProcess(command, 0, stderr=told)

    monkeypatch.setattr(instructions, "_run", run)
    assert instructions.count() == dict.fromkeys(STAGES, 400)


@pytest.mark.parametrize(("found", "apart"), [(104, ["step"]), (96, ["step"]), (102, [])])
def test_dearer_and_cheaper_are_both_out_of_margin(found: int, apart: list[str]) -> None:
    """By more than 3 %, each stage for itself."""
    baseline = Baseline({}, dict.fromkeys(STAGES, 100))
    assert instructions.out_of_margin({**baseline.instructions_a_hop, "step": found}, baseline) == apart


def test_what_is_another_here_is_named() -> None:
    """With what it is here and what it was."""
    baseline = Baseline({"python": "3.11.7", "numpy": "1.26.4"}, {})
    assert baseline.other_than({"python": "3.11.7", "numpy": "1.26.4"}) == ""
    other = baseline.other_than({"python": "3.13.5"})
    assert other == "python 3.13.5 (baseline: 3.11.7), numpy None (baseline: 1.26.4)"
