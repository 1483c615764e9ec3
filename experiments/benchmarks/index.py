"""`lirads data index` on one core: files a second with the files in the cache; pydicom reading the same attributes stands beside.

python experiments/benchmarks/index.py [--files N] [--rounds N]
"""
from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from turns import Worker, format_table, median_ratio, serve, take_turns

AIM_FILES_S = 1500
SLICES, SIDE = 60, 64


def serve_index(folder: Path) -> None:
    from lirads_keras.io.index import index_folder
    from lirads_keras.io.pseudonyms import Pseudonyms

    _use_one_core()
    with tempfile.TemporaryDirectory() as out:
        serve("lirads data index", lambda: index_folder(folder, Path(out), lambda: Pseudonyms(bytes(32)), cohort="synthetic"))


def serve_pydicom(folder: Path) -> None:
    import pydicom

    from lirads_keras.io.dicom_elements import WANTED, quiet_pydicom

    def read() -> None:
        with quiet_pydicom():
            for path in sorted(folder.iterdir()):
                pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(WANTED))

    _use_one_core()
    serve("pydicom", read)


def _use_one_core() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return (serve_index if arguments.worker[0] == "index" else serve_pydicom)(Path(arguments.worker[1]))
    from synthetic_dicom import write_series

    with tempfile.TemporaryDirectory() as folder:
        for series in range(1, arguments.files // SLICES + 1):
            write_series(Path(folder), SLICES, SIDE, series=series)
        files = arguments.files // SLICES * SLICES
        workers = [Worker(name, [sys.executable, __file__, "--worker", kind, folder])
                   for name, kind in (("lirads data index, tables written", "index"), ("pydicom, headers alone", "pydicom"))]
        times = take_turns(workers, rounds=arguments.rounds, repetitions=1)
        print(format_table([f"{files} files, one core, warm", "files/s", "times as fast", "aim, files/s"], [
            [worker.name, files / statistics.median(times[worker.name]), 1 / median_ratio(times[worker.name], times[workers[1].name]),
             AIM_FILES_S if worker is workers[0] else ""] for worker in workers]))
        for worker in workers:
            worker.close()


if __name__ == "__main__":
    main()
