"""Three sentences made from the figures: what they may say depends on the intervals, and a missing figure is said."""

from __future__ import annotations

from kws_export.report.figures import (
    GROWTH_BOUND,
    INT8,
    NO_BREAK,
    Tree,
    dig,
    entries,
    fixed,
    growth_of,
    interval,
    kilobytes,
    named,
    number,
    numbers,
    percent,
    share_text,
    signed,
    span,
    word,
)

HOLDS_POINTS = 0.5  # a loss is called none only where its interval leaves no room for a larger one
POINTS = f"{NO_BREAK}points"


def verdict(report: Tree) -> list[str]:
    """Whether the RNN keeps its words in int8, whether it loses more than the CNN, whether its error grows."""
    rnn, cnn = representative(report, "RNN"), representative(report, "CNN")
    return [_keeps(report, rnn), _loses_more(rnn, cnn), _grows(report, rnn, cnn)]


def representative(report: Tree, kind: str) -> Tree | None:
    """The int8 file that stands for its kind: of the first such architecture in the report, TFLite before ONNX,
    `int8` before its variants, and of several the one that agrees best with float on words, which is not measured on
    the test part."""
    models = [
        model
        for model in entries(report, "models")
        if word(model, "kind").upper() == kind and word(model, "scheme") in INT8
    ]
    of_one = [model for model in models if word(model, "architecture") == word(models[0], "architecture")]

    def rank(model: Tree) -> tuple[bool, int, float]:
        agrees = number(model, "agreement_on_words", "share") or 0.0
        return word(model, "format") == "onnx", INT8.index(word(model, "scheme")), -agrees

    return min(of_one, key=rank, default=None)


def float_of(report: Tree, model: Tree) -> Tree | None:
    """The float file of the same architecture, TFLite before ONNX."""
    same = [
        other
        for other in entries(report, "models")
        if word(other, "scheme") == "fp32" and word(other, "architecture") == word(model, "architecture")
    ]
    return min(same, key=lambda other: word(other, "format") == "onnx", default=None)


def _keeps(report: Tree, rnn: Tree | None) -> str:
    if rnn is None or (number(rnn, "accuracy_words_carried", "share") is None and _points(rnn) is None):
        return "Whether an RNN in int8 keeps its words on an endless stream was not measured."
    carried = dig(rnn, "accuracy_words_carried")
    in_float = dig(float_of(report, rnn), "accuracy_words_carried")
    shares = f"{share_text(carried)} are right with the state never reset"
    if number(in_float, "share") is not None:
        shares += f", against {share_text(in_float)} in float"
    points, ends, p = _points(rnn), interval(rnn, "difference", "interval"), number(rnn, "difference", "p")
    name = f"In int8 the RNN, {word(rnn, 'name')},"
    if points is None:
        return f"{name} was not compared with its float clip by clip: {shares}."
    measured = f"{signed(points)}{POINTS}{_bracket(ends)}"
    if ends is None and p is None:
        return f"{name} differs from its float by {measured}, of which no interval is known: {shares}."
    if _is_chance(ends, p):
        if ends is not None and ends[0] >= -HOLDS_POINTS:
            return f"{name} keeps its words: {shares}, a difference of {measured} that is within chance."
        at_worst = f"one of {fixed(-ends[0], 1)}{POINTS}" if ends else "a small one"
        shown = f"shows no loss beyond chance, though {at_worst} is not ruled out"
        return f"{name} {shown}: {shares}, a difference of {measured}."
    verb = "loses" if points < 0 else "gains"
    return f"{name} {verb} words, more than chance explains: {shares}, a difference of {measured}."


def _loses_more(rnn: Tree | None, cnn: Tree | None) -> str:
    one, other = _points(rnn), _points(cnn)
    if rnn is None or cnn is None or one is None or other is None:
        missing = [kind for kind, points in (("RNN", one), ("CNN", other)) if points is None]
        unknown = f"the loss of the {_and(missing)} was not measured"
        return f"Whether int8 costs the RNN or the CNN more cannot be said: {unknown}."
    figures = f"the RNN changes by {_cost(rnn)}; the CNN, {word(cnn, 'name')}, by {_cost(cnn)}"
    margin = _margin(interval(rnn, "difference", "interval"), interval(cnn, "difference", "interval"))
    if margin is None:
        if one == other:
            return f"Int8 costs the RNN and the CNN the same, as far as figures without intervals can say: {figures}."
        more, less = ("RNN", "CNN") if one < other else ("CNN", "RNN")
        return f"Int8 seems to cost the {more} more than the {less}, though no interval tells if by chance: {figures}."
    if abs(one - other) <= margin:
        return f"Whether int8 costs the RNN or the CNN more, these clips cannot tell: {figures}."
    more, less = ("RNN", "CNN") if one < other else ("CNN", "RNN")
    return f"Int8 costs the {more} more than the {less}, by more than chance explains: {figures}."


def _cost(model: Tree) -> str:
    """A model's difference to float, its share of words and its size."""
    ends = interval(model, "difference", "interval")
    text = f"{signed(_points(model))}{POINTS}{_bracket(ends)}"
    carried, size = number(model, "accuracy_words_carried", "share"), number(model, "bytes")
    if carried is not None:
        text += f" to {percent(carried)}{NO_BREAK}%"
    return text if size is None else f"{text} in {kilobytes(size)}{NO_BREAK}kB"


def _grows(report: Tree, rnn: Tree | None, cnn: Tree | None) -> str:
    growth, other = growth_in(report, rnn), growth_in(report, cnn)
    steps, words = (share_text(dig(rnn, key), 2) for key in ("agreement", "agreement_on_words"))
    agrees = ""
    if number(rnn, "agreement", "share") is not None:
        agrees = f"it names the same as float at {steps} of the steps"
        if number(rnn, "agreement_on_words", "share") is not None:
            agrees += f" and at {words} of those with a word"
    if growth is None:
        return f"Whether the RNN's error grows over an hour was not measured{'; ' + agrees if agrees else ''}."
    verb = "does not grow" if growth <= GROWTH_BOUND else "grows"
    beside = "" if other is None else f" (the CNN's {fixed(other, 2)} times)"
    measured = f"in the last ten minutes it is {fixed(growth, 2)} times what it was in the first{beside}"
    return f"Over an hour without a reset the RNN's error {verb}: {measured}{'; ' + agrees if agrees else ''}."


def growth_in(report: Tree, model: Tree | None) -> float | None:
    """Error growth as measured, or else the largest of the streams in the report."""
    growth = number(model, "growth")
    if growth is not None or model is None:
        return growth
    streams = named(report, "drift", word(model, "name"))
    return max((found for _, one in streams if (found := growth_of(numbers(one, "logits"))) is not None), default=None)


def _points(model: Tree | None) -> float | None:
    return number(model, "difference", "points")


def _bracket(ends: tuple[float, float] | None) -> str:
    return f" ({span(ends, 2)})" if ends else ""


def _and(kinds: list[str]) -> str:
    return " and of the ".join(kinds)


def _is_chance(ends: tuple[float, float] | None, p: float | None) -> bool:
    """The interval decides; without one, p."""
    return ends[0] <= 0 <= ends[1] if ends else p is None or p >= 0.05


def _margin(one: tuple[float, float] | None, other: tuple[float, float] | None) -> float | None:
    """Half the interval of the difference of two differences, taken as independent of each other."""
    if one is None or other is None:
        return None
    return (((one[1] - one[0]) / 2) ** 2 + ((other[1] - other[0]) / 2) ** 2) ** 0.5
