"""`lirads data …`: from a heap of files to a manifest, and what is done with manifests."""
from __future__ import annotations

import argparse

from lirads_keras.commands import data_files, data_tables

MODULES = (data_files, data_tables)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the group of commands to the parser's commands."""
    group = commands.add_parser("data", help="your own data: files, manifests, public data sets").add_subparsers(required=True, metavar="COMMAND")
    for module in MODULES:
        module.add_parsers(group)
