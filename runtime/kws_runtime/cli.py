"""What every command shares: one line for an error that a user can mend, and the exit codes.

0 done; 1 an error, said in one line on standard error; 2 wrong usage; 130 ended by Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from kws_runtime.commands import leave_interrupted
from kws_runtime.errors import KwsError, MissingError

EXIT_ERROR = 1


def command_parser(name: str, text: str, examples: str) -> argparse.ArgumentParser:
    """A parser with `--version` and examples under the options."""
    parser = argparse.ArgumentParser(
        prog=name,
        description=text,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    return parser


class _Version(argparse.Action):
    """Looks the version up when it is asked for: that imports as much as half of numpy does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"kws-edge {version('kws-edge')}")
        parser.exit()


def run_command(main: Callable[[], None]) -> int:
    """Run a command's body and turn what goes wrong into an exit code and at most one line."""
    try:
        main()
        sys.stdout.flush()
        return 0
    except KwsError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_ERROR
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_ERROR
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        return leave_interrupted()


def need_extra(module: str, extra: str) -> MissingError:
    """The error for a library of an extra that is not installed."""
    return MissingError(f'{module} is not installed; install it with: pip install "kws-edge[{extra}]"')
