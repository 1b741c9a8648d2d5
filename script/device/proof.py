"""What is proved on an emulated machine: the demo is heard as here, and the runtime's tests pass."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from device.build import Fault, run
from device.machines import Machine

WORDS = 8  # in the demo
SAME_SCORE = 0.01  # a score of integers moves in steps of about so much
TOOLS = ("pytest", "hypothesis", "soundfile", "scipy")  # of the tests, beside the base install
TESTS = "tests/runtime"

# What is not run there, and why. What is skipped besides says its reason itself.
LEFT_OUT = {
    "a sound card, if only a virtual one, which QEMU's programs do not reach": (
        "test_microphone.py",
        "test_doctor.py::test_words_played_into_a_real_microphone_are_heard",
        "test_doctor.py::test_a_silent_microphone_is_a_fault",
        "test_listen.py::test_no_microphone_is_one_clear_line",
        "test_service.py::test_a_microphone_that_is_gone_is_no_hang",
    ),
    "extras, which a device need not have: onnx, wyoming, plot": (
        "test_onnxfile.py",
        "test_wyoming.py",
        "test_wyoming_command.py",
        "test_wyoming_faults.py",
        "test_wyoming_fuzz.py",
        "test_det.py::test_kws_eval_tells_and_draws_the_curve",
        "test_tune.py::test_words_noise_and_a_picture",
        "test_bench.py::test_the_picture_is_a_png",
        "test_bench.py::test_ctrl_c_in_the_middle_ends_it_with_130",
    ),
    "both interpreters": ("test_listener.py::test_interpreters_agree_to_a_rounding_in_float",),
    "memory, which is QEMU's where there is one": (
        "test_faults.py::test_memory_is_flat_over_ten_minutes_of_audio",
        "test_footprint.py::test_kws_listen_is_measured_in_a_process_of_its_own",
    ),
}
LEFT_OUT_ON = {  # some machines only, by architecture or interpreter
    "armv7": {
        "soxr, which has no wheel for 32 bit": (
            "test_audio.py",
            "test_devices.py::test_a_48_khz_stereo_microphone_hears_the_demo_as_the_file_is_heard",
            "test_devices.py::test_a_microphone_that_refuses_16_khz_mono_is_opened_as_it_wants[its rate]",
            "test_devices.py::test_a_microphone_that_refuses_16_khz_mono_is_opened_as_it_wants[its rate and channels]",
            "test_doctor.py::test_json_is_one_object_and_a_fault_is_exit_code_1",
        ),
    },
    "tflite-runtime": {
        # Subnormal ones; hypothesis will not draw floats then.
        "numbers that tflite-runtime for ARM lets the processor flush to zero": ("test_fuzz.py",),
    },
    "litert": {
        "scores of tflite-runtime, to the last digit": (
            "test_faults.py::test_a_command_is_run_for_each_event_with_what_was_heard_in_its_environment",
        ),
    },
}
PACKAGE = {"tflite-runtime": "tflite-runtime", "litert": "ai-edge-litert"}
OTHER_INTERPRETER = {"tflite-runtime": "litert", "litert": "tflite-runtime"}


def versions(python: Path, machine: Machine) -> list[str]:
    """Of what the listener runs on there."""
    packages = (PACKAGE[machine.interpreter], "numpy")
    program = "import sys, platform, importlib.metadata as m; print('Python', platform.python_version())\n"
    program += "for name in sys.argv[1:]: print(name, m.version(name))"
    return run(python, "-c", program, *packages, seconds=60).stdout.splitlines()


def hears_the_demo(machine: Machine, python: Path) -> dict[str, Any]:
    """Run `kws-listen --demo` there and here. Raises Fault unless every word is heard there, and as here."""
    listen = python.parent / "kws-listen"
    summary = run(listen, "--demo", seconds=120).stderr.splitlines()[-1]
    if summary != f"{WORDS} of {WORDS} words heard, 0 false accepts":
        raise Fault(f"kws-listen --demo: {summary}")
    here = _events(Path(sys.executable).parent / "kws-listen", machine.interpreter)
    there = _events(listen, machine.interpreter)
    if [(event["time"], event["label"]) for event in here] != [(event["time"], event["label"]) for event in there]:
        raise Fault(f"kws-listen --demo: other events than here\nthere {there}\nhere  {here}")
    apart = max(abs(ours["score"] - theirs["score"]) for ours, theirs in zip(here, there, strict=True))
    if apart > SAME_SCORE:
        raise Fault(f"kws-listen --demo: a score is {apart:.3f} from what it is here")
    return {"heard": len(there), "words": WORDS, "scores_apart": round(apart, 3)}


def _events(listen: Path, interpreter: str) -> list[dict[str, Any]]:
    """The detections in the demo."""
    lines = run(listen, "--demo", "--json", "--interpreter", interpreter, seconds=120).stdout.splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == "detection"]


def left_out_on(machine: Machine) -> dict[str, tuple[str, ...]]:
    """What each reason leaves out on this machine."""
    return LEFT_OUT | LEFT_OUT_ON.get(machine.architecture, {}) | LEFT_OUT_ON.get(machine.interpreter, {})


def passes_the_tests(machine: Machine, python: Path) -> dict[str, Any]:
    """Run the runtime's tests there; returns how many passed and were skipped, and why others were left out.

    Raises Fault where one fails.
    """
    left_out = [test for tests in left_out_on(machine).values() for test in tests]
    options = [f"--{'deselect' if '::' in test else 'ignore'}={TESTS}/{test}" for test in left_out]
    options += ["-k", f"not {OTHER_INTERPRETER[machine.interpreter]}", "-p", "no:cacheprovider", "--quiet"]
    done = run(python, "-m", "pytest", TESTS, *options, seconds=1200, PYTHONDONTWRITEBYTECODE="1")
    return counted(done.stdout) | {"left_out": list(left_out_on(machine))}


def counted(printed: str) -> dict[str, int]:
    """pytest's last line, as numbers."""
    last = printed.splitlines()[-1]
    return {word: int(number) for number, word in re.findall(r"(\d+) (passed|skipped|deselected)", last)}
