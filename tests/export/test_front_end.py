"""The graph of the front end."""

from __future__ import annotations

from kws_runtime.melgraph import GRAPH
from tests.export.keras_side import apart, front_end_graphs


def test_the_graph_in_the_package_is_what_is_made_and_a_window_that_does_not_fit_is_refused() -> None:
    """Byte for byte, by script/make-front-end."""
    made, refusal = apart(front_end_graphs)
    assert made == GRAPH.read_bytes()
    assert "400" in refusal
