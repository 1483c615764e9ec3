"""The command `lirads`: each command stands in `commands/`, and imports what is slow to import only when it runs."""
from __future__ import annotations

import argparse
import os
import sys

from lirads_keras.commands import cohort, data, external, predict, read, score, train
from lirads_keras.errors import InputError

COMMANDS = (predict, read, score, cohort, data, train, external)


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; 0: done, 2: the input was at fault, and nothing was written but what `predict` had finished of several studies."""
    parsed = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        parsed.command(parsed)
    except InputError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lirads", description="LI-RADS from multi-phase liver MRI, after Wang et al. 2023. Research use only.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
