"""A report as `kws-report` makes it, with made-up figures of the size that is to be expected."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

CLIPS = 3429
STEPS = 30000

# Architecture: kind, parameters, float's words right, bytes as float, the points that int8 costs.
ARCHITECTURES = {
    "gru": ("RNN", 188_969, 0.9452, 764_512, -0.05),
    "gru2": ("RNN", 152_330, 0.9410, 618_204, -0.31),
    "crnn": ("RNN", 96_410, 0.9365, 398_100, -0.22),
    "ds-cnn": ("CNN", 26_777, 0.9113, 118_020, -0.26),
    "bc-resnet": ("CNN", 54_330, 0.9540, 236_410, -0.34),
}

# Scheme: size against fp32's, share of the points, agreement, agreement on words, widths.
SCHEMES = {
    "fp32": (1.0, 0.0, 1.0, 1.0, "float32 throughout"),
    "fp16": (0.51, 0.0, 0.9999, 0.9995, "float16 weights, float32 products"),
    "dynamic": (0.29, 0.3, 0.9995, 0.9945, "int8 weights, float32 activations"),
    "int8": (0.302, 1.0, 0.9988, 0.985, "int8 weights and products, int16 state"),
    "int8-narrow": (0.297, 2.4, 0.9974, 0.963, "int8 weights, products and state"),
    "int16x8": (0.31, 0.2, 0.9996, 0.9955, "int8 weights, int16 products and state"),
}


def _share(value: float, count: int, of: str = "clips") -> dict[str, Any]:
    half = 1.96 * math.sqrt(max(value * (1 - value), 1e-6) / count)
    return {"share": round(value, 5), "interval": [round(value - half, 5), round(min(1.0, value + half), 5)], of: count}


def _scenes(architecture: str, share: float) -> dict[str, Any]:
    quiet, noisy = 1.5 * (1 - share), 4.2 * (1 - share)
    accepts = 4.0 if architecture == "gru" else 5.0
    return {
        "dev-quiet": {"frr": quiet, "frr_interval": [0.75 * quiet, 1.35 * quiet], "words": 459},
        "dev-snr10": {"frr": noisy, "frr_interval": [0.85 * noisy, 1.17 * noisy], "words": 457},
        "dev-reading": {"fa_per_hour": accepts, "fa_per_hour_interval": [0.27 * accepts, 2.56 * accepts]},
        "dev-ambience": {"fa_per_hour": 0.0, "fa_per_hour_interval": [0.0, 6.0]},
    }


def _latency(parameters: int, scheme: str, form: str) -> dict[str, Any]:
    base = parameters / 20_000
    factor = {"fp32": 1.0, "fp16": 1.02, "dynamic": 0.9, "int8": 0.8, "int8-narrow": 0.72, "int16x8": 5.6}[scheme]
    if form == "onnx":
        return {"onnxruntime": {"p50_us": 8 + 1.4 * base * factor, "p99_us": 11 + 1.9 * base * factor}}
    old = base * factor * (3.1 if scheme.startswith("int8") else 1.1)
    return {
        "tflite-runtime": {"p50_us": old + 1.6, "p99_us": 1.3 * old + 2.5},
        "litert": {"p50_us": base * factor + 1.2, "p99_us": 1.25 * base * factor + 2.0},
    }


def _model(architecture: str, scheme: str, form: str, taught: bool = False) -> dict[str, Any]:
    kind, parameters, in_float, size, cost = ARCHITECTURES[architecture]
    smaller, part, agreement, on_words, widths = SCHEMES[scheme]
    points = round(cost * part * (0.4 if taught else 1.0), 3)
    share = in_float + points / 100
    model: dict[str, Any] = {
        "name": f"{architecture}-{scheme}{'-qat' if taught else ''}{'.onnx' if form == 'onnx' else ''}",
        "architecture": architecture,
        "kind": kind,
        "scheme": scheme,
        "format": form,
        "taught": taught,
        "bytes": round(size * smaller * (1.03 if form == "onnx" else 1.0)),
        "parameters": parameters,
        "widths": widths,
        "accuracy_words_reset": _share(share + 0.0008, CLIPS),
        "accuracy_words_carried": _share(share, CLIPS),
        "scenes": _scenes(architecture, share),
        "latency": _latency(parameters, scheme, form),
        "memory_bytes": round(0.2 * parameters),
    }
    if scheme != "fp32":
        lost = 12 + round(-20 * points)
        model["difference"] = {
            "points": points,
            "interval": [round(points - 0.17, 3), round(points + 0.16, 3)],
            "lost": lost,
            "won": lost + round(points * CLIPS / 100),
            "p": 0.8 if points > -0.2 else 0.012,
        }
        model["agreement"] = _share(1 - (1 - agreement) * (0.5 if taught else 1), STEPS, "steps")
        model["agreement_on_words"] = _share(1 - (1 - on_words) * (0.4 if taught else 1), 2080, "steps")
        model["growth"] = 1.02 if kind == "RNN" else 1.0
    return model


def _models() -> Iterator[dict[str, Any]]:
    for architecture in ARCHITECTURES:
        for scheme in SCHEMES:
            yield _model(architecture, scheme, "tflite")
            if scheme == "int8" and architecture in ("gru", "ds-cnn"):
                yield _model(architecture, scheme, "tflite", taught=True)
        yield _model(architecture, "fp32", "onnx")
        yield _model(architecture, "int8", "onnx")


def _calibration() -> Iterator[dict[str, Any]]:
    on_words = {"stream": 0.972, "clips": 0.951, "random": 0.604, "zero": 0.035}
    carried = {"stream": 0.9447, "clips": 0.942, "random": 0.818, "zero": 0.373}
    for trained_on, worse in (("streams", 1.0), ("clips", 0.93)):
        for where, share in on_words.items():
            yield {
                "architecture": "gru",
                "trained_on": trained_on,
                "calibrated_on": where,
                "method": "PTQ",
                "agreement_on_words": _share(worse * share, 2080, "steps"),
                "agreement": _share(0.878 + 0.12 * share, STEPS, "steps"),
                "accuracy_words_carried": _share(worse * carried[where], CLIPS),
                "accuracy_words_reset": _share(max(0.82, carried[where]), CLIPS),
            }
        yield {
            "architecture": "gru",
            "trained_on": trained_on,
            "calibrated_on": "stream",
            "method": "QAT",
            "agreement_on_words": _share(worse * 0.994, 2080, "steps"),
            "agreement": _share(0.9991, STEPS, "steps"),
            "accuracy_words_carried": _share(worse * 0.9452, CLIPS),
        }


def _layers(dice: random.Random) -> dict[str, list[dict[str, Any]]]:
    recurrent = ["normalize", "conv1d", "relu", "gru/input/MatMul", "gru/recurrent/MatMul", "gru/gates/add"]
    recurrent += ["gru/z/sigmoid", "gru/r/sigmoid", "gru/r_times_h", "gru/candidate/tanh", "gru/one_minus_z"]
    recurrent += ["gru/z_times_h", "gru/u_times_n", "gru/new_state", "dense/BiasAdd", "state_frames_concatenated_new"]
    convolutional = ["conv_0"] + [f"block_{i}/{part}" for i in range(1, 5) for part in ("depthwise", "pointwise")]
    convolutional += ["average_pool", "dense/BiasAdd"]

    def op(name: str, start: float) -> dict[str, Any]:
        kind = "FULLY_CONNECTED" if "MatMul" in name or "dense" in name else "CONV_2D" if "conv" in name else "MUL"
        width = "int16" if name in ("gru/z_times_h", "gru/u_times_n", "gru/new_state") else "int8"
        return {"name": name, "kind": kind, "width": width, "sqnr_db": round(start + dice.uniform(-6, 6), 2)}

    layers = {
        "gru": [op(name, 34 - 0.4 * place) for place, name in enumerate(recurrent)],
        "ds-cnn": [op(name, 36 - 1.2 * place) for place, name in enumerate(convolutional)],
    }
    layers["gru"].append({"name": "reshape", "kind": "RESHAPE", "width": "int8", "sqnr_db": None})
    return layers


def _drift(dice: random.Random) -> dict[str, Any]:
    def hour(level: float) -> list[float]:
        return [round(level * dice.uniform(0.85, 1.15), 5) for _ in range(60)]

    levels = {"clips": 1.0, "speech": 1.12, "silence": 0.45}

    def streams(state: float | None, logits: float) -> dict[str, Any]:
        return {
            kind: {
                "minutes": list(range(1, 61)),
                "state": None if state is None else hour(state * level),
                "logits": hour(logits * level),
            }
            for kind, level in levels.items()
        }

    return {"gru-int8": streams(0.016, 0.11), "ds-cnn-int8": streams(None, 0.16)}


def _histograms(dice: random.Random) -> dict[str, Any]:
    def one(tensor: str, what: str, width: float, end: float) -> dict[str, Any]:
        low, high = -1.1 * end, 1.1 * end
        centres = [low + (place + 0.5) * (high - low) / 64 for place in range(64)]
        counts = [int(1e5 * math.exp(-(abs(x / width) ** 1.3)) * dice.uniform(0.8, 1.2)) for x in centres]
        return {"tensor": tensor, "what": what, "low": low, "high": high, "counts": counts, "range": [-end, end]}

    return {
        "gru-int8": [
            one("gru/recurrent/MatMul", "activations", 1.1, 8.0),
            one("gru/recurrent/kernel", "weights", 0.12, 0.9),
            one("dense/BiasAdd", "activations", 4.0, 16.0),
        ],
        "ds-cnn-int8": [one("block_4/pointwise", "activations", 0.8, 6.0), one("conv_0/kernel", "weights", 0.2, 1.1)],
    }


def sample_report() -> dict[str, Any]:
    """The same at each call; free to be changed."""
    dice = random.Random(0)
    return {
        "made": "2026-11-24",
        "command": "kws-report runs/gru runs/gru2 runs/crnn runs/ds-cnn runs/bc-resnet --data DATA --out report",
        "machine": "x86_64, 2 cores",
        "versions": {"kws-edge": "0.1.0", "tflite-runtime": "2.14.0", "ai-edge-litert": "2.3.0", "numpy": "1.26.4"},
        "models": list(_models()),
        "calibration": list(_calibration()),
        "layers": _layers(dice),
        "drift": _drift(dice),
        "states": {
            "gru-int8": [
                {"name": "gru_state", "saturated": 0.001, "dead": 0.21},
                {"name": "conv_frames", "saturated": 0.0, "dead": None},
            ],
            "gru2-int8": [{"name": "gru_state", "saturated": 0.0004, "dead": 0.27}],
        },
        "histograms": _histograms(dice),
    }
