"""The architectures: their sizes, what a step of them costs, and that they learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.export.keras_side import apart
from tests.train.models_side import everything

NAMES = ("gru", "gru2", "crnn", "raw-gru", "bc-resnet", "trigger-gru", "ds-cnn")


@pytest.fixture(scope="module")
def found() -> Any:
    return apart(everything)


@pytest.mark.parametrize("name", NAMES)
def test_three_sizes_grow(found: Any, name: str) -> None:
    """Each larger than the one before, in parameters and in work."""
    sizes = found[0][name]
    assert list(sizes) == ["s", "m", "l"]
    assert sizes["s"][0] < sizes["m"][0] < sizes["l"][0]
    assert sizes["s"][1] < sizes["m"][1] < sizes["l"][1]


@pytest.mark.parametrize(
    ("name", "size", "least", "most"),
    [
        ("gru", "s", 45_000, 55_000),
        ("gru", "m", 105_000, 110_000),
        ("gru", "l", 185_000, 200_000),
        ("gru2", "l", 150_000, 200_000),
        ("crnn", "l", 150_000, 200_000),
        ("raw-gru", "m", 100_000, 200_000),
        ("bc-resnet", "s", 9_000, 30_000),
        ("bc-resnet", "l", 9_000, 30_000),
        ("ds-cnn", "m", 25_000, 30_000),
    ],
)
def test_presets_have_the_size_that_is_said_of_them(found: Any, name: str, size: str, least: int, most: int) -> None:
    """Parameters, all of them."""
    assert least <= found[0][name][size][0] <= most


def test_our_gru_is_that_of_keras_with_its_products_held(found: Any) -> None:
    """The same where nothing is held."""
    differences = found[3]
    assert differences["quiet"] < 1e-5
    assert 0 < differences["loud"] < 1.0


def test_macs_of_a_gru_are_those_counted_by_hand(found: Any) -> None:
    """Convolution 5 x 40 x 96, three gates of 96 + 128 by 128, head 128 x 9; 25 steps a second."""
    macs = 5 * 40 * 96 + 3 * 128 * (96 + 128) + 128 * 9
    assert found[0]["gru"]["m"][1:] == (macs, 25 * macs)


def test_macs_of_ds_cnn_are_those_counted_by_hand(found: Any) -> None:
    """25 x 5 places: the first convolution 10 x 8, then four times 3 x 3 of each channel and 64 x 64; head 64 x 9."""
    places = 25 * 5
    macs = places * 64 * 10 * 8 + 4 * places * 64 * (9 + 64) + 64 * 9
    assert found[0]["ds-cnn"]["m"][1:] == (macs, 25 * macs)


def test_macs_of_bc_resnet_count_each_block(found: Any) -> None:
    """First convolution, then by block: widening, three taps over rows, three over time, mixing; head."""
    c, macs, rows, before = 12, 20 * 24 * 5 * 5, 20, 24
    for width, stride in ((c, 1), (18, 2), (24, 2), (30, 1)):
        macs += rows * before * width  # widening, before the stride
        rows //= stride
        macs += 2 * (rows * width * 3 + width * 3 + width * width)
        before = width
    macs += 5 * 30 + 30 * 48 + 48 * 9
    assert found[0]["bc-resnet"]["m"][1] == macs


def test_a_step_of_trigger_gru_is_32_ms(found: Any) -> None:
    """Four frames of 128 samples."""
    _, a_step, a_second = found[0]["trigger-gru"]["m"]
    assert a_second == round(a_step / 0.032)


@pytest.mark.parametrize("name", [*NAMES, "tutorial-cnn", "question-gru"])
def test_every_architecture_learns_in_the_loop(found: Any, name: str) -> None:
    """One batch again and again: the loss falls, and statistics of the batches are kept for the step."""
    learned = found[1][name]
    assert learned["losses"][-1] < 0.97 * learned["losses"][0]
    assert np.isfinite(list(learned["figures"].values())).all()
    assert learned["moved"]


def test_a_sigmoid_is_taught_each_label_by_itself(found: Any) -> None:
    """Minus the logarithms of what each answer was given, summed."""
    logits = np.array([[1.0, -2.0, 0.5], [0.0, 0.0, 3.0]])
    yes = 1 / (1 + np.exp(-logits))
    answers = np.eye(3, dtype=bool)[[0, 2]]
    expected = -np.log(np.where(answers, yes, 1 - yes)).sum(1)
    np.testing.assert_allclose(found[2], expected, rtol=1e-5)
