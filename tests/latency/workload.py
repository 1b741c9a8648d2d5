"""A fixed amount of work, for counters of instructions: `workload.py STAGE HOPS [MODEL]`.

STAGE is the whole `chain`, or `front_end`, `step` or `detector` alone; HOPS are hops of 20 ms of the bundled scene,
again and again. What one hop costs is the difference between two numbers of hops: start-up falls out. It needs only
the base install.
"""

from __future__ import annotations

import sys

from kws_runtime.audio import read_wav
from kws_runtime.frontend import SAMPLE_RATE
from kws_runtime.listen import DEMO
from kws_runtime.listener import Listener
from kws_runtime.step import posteriors_of
from kws_runtime.timing import STAGES as PARTS
from kws_runtime.timing import hops_of

STAGES = ("chain", *PARTS)
STEPS_OF = 8 * SAMPLE_RATE  # samples of the scene that the step alone is given, over and over


def work(listener: Listener, stage: str, hops: int) -> None:
    """Do what `stage` does in `hops` hops. The listener is a new one."""
    audio = read_wav(DEMO)
    pieces = hops_of(audio)
    pushed = [pieces[hop % len(pieces)] for hop in range(hops)]
    if stage == "chain":
        for samples in pushed:
            listener.decisions(samples)
    elif stage == "front_end":
        for samples in pushed:
            listener.front_end.process(samples)
    else:
        size = listener.info.frames_per_step
        frames = listener.front_end.process(audio[:STEPS_OF])  # as the model is given them: may be int8 numbers
        steps = [frames[at : at + size] for at in range(0, len(frames) - size + 1, size)]
        logits = listener.step.process(steps[0])
        for step in range(hops // size):
            if stage == "step":
                listener.step.process(steps[step % len(steps)])
            else:
                scores = listener.detector.smooth(posteriors_of(logits, listener.info.activation))
                listener.detector.decide(scores, 0.0)


def main() -> None:
    """Read the arguments; wrong ones are told by a traceback."""
    stage, hops, *model = sys.argv[1:]
    if stage not in STAGES:
        raise ValueError(f"there is no stage {stage!r}; there are {', '.join(STAGES)}")
    work(Listener(*model), stage, int(hops))


if __name__ == "__main__":
    main()
