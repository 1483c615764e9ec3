"""The process with the networks: the only one of the reading application that imports TensorFlow."""
from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from lirads_keras.errors import InputError

if TYPE_CHECKING:
    from lirads_keras.inference.run_files import RunFiles
    from lirads_keras.progress import Progress

NICE = 10
"""The page answers first: on two cores a job otherwise takes both."""


def serve_jobs(connection: Connection, files: RunFiles) -> None:
    """Loads the networks, then does one job after another, until the server is gone.

    Each job comes as (kind, payload) and is answered with ("progress", (fraction, message)) and then ("result", …) or ("problems", …).

    Args:
        connection: to the server.
        files: of the run whose networks are used.
    """
    # Ctrl-C goes to all processes of a terminal; the server ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    # Libraries write into standard error what they please; names of files must not get into a log.
    from lirads_keras.reader.tasks import Tasks

    tasks: Tasks | None = None
    unusable: InputError | None = None
    try:
        tasks = Tasks(files)
    except InputError as error:
        unusable = error
    while True:
        try:
            kind, payload = connection.recv()
        except EOFError:
            return
        try:
            connection.send(_do(tasks, unusable, kind, payload, lambda fraction, message: connection.send(("progress", (fraction, message)))))
        except BrokenPipeError:
            return


def _do(tasks: Any, unusable: InputError | None, kind: str, payload: Mapping[str, Any], progress: Progress) -> tuple[str, Any]:
    try:
        if unusable is not None:
            raise unusable
        return "result", getattr(tasks, kind)(progress=progress, **payload)
    except InputError as error:
        return "problems", error.problems
    except BrokenPipeError:
        raise
    # A defect ends this process, and a new one takes over. Its message may name a file, and so is not printed; its place in the code is.
    except Exception as error:
        print(f"job {kind}: {type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}", file=sys.stderr, flush=True)
        raise SystemExit(1) from None
