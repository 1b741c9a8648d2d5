"""Several workloads for a counter of instructions, each in a fork of one process: `workloads.py MODEL STAGE HOPS ...`.

Under valgrind, start-up takes seconds; so there is one, which counts in each fork alike.
"""

from __future__ import annotations

import os
import sys

from workload import work

from kws_runtime.listener import Listener


def main() -> None:
    """One after the other, in the order that was asked for; the exit code of the first that fails."""
    model, *arguments = sys.argv[1:]
    listener = Listener(model)  # each fork has it as it is here
    for stage, hops in zip(arguments[::2], arguments[1::2], strict=True):
        child = os.fork()
        if child == 0:
            work(listener, stage, int(hops))
            os._exit(0)  # without the end of Python, which is none of the work
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
