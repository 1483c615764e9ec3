"""A series of 300 slices of 512 × 512 into a float32 volume, against SimpleITK's ImageSeriesReader on the same files.

python experiments/benchmarks/read_series.py [--slices N] [--side N] [--rounds N]
"""
from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from turns import Worker, format_table, median_ratio, serve, take_turns

AIMS = {1: 1.0, 2: 1.5}
"""Times as fast as SimpleITK on so many cores."""


def serve_package(folder: Path, cores: int) -> None:
    _use_cores(cores)
    from lirads_keras.io.dicom import read_volume
    from lirads_keras.io.dicom_scan import scan_folder
    from lirads_keras.io.dicom_series import gather_time_points

    series = gather_time_points(scan_folder(folder).headers)[0][0].series
    serve("lirads_keras", lambda: read_volume(series))


def serve_simpleitk(folder: Path, cores: int) -> None:
    _use_cores(cores)
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(cores)
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))

    def read() -> None:
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(names)
        reader.SetOutputPixelType(sitk.sitkFloat32)
        sitk.GetArrayViewFromImage(reader.Execute())

    serve("SimpleITK", read)


def _use_cores(cores: int) -> None:
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:cores]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        kind, folder, cores = arguments.worker
        return (serve_package if kind == "package" else serve_simpleitk)(Path(folder), int(cores))
    from synthetic_dicom import write_series

    with tempfile.TemporaryDirectory() as folder:
        write_series(Path(folder), arguments.slices, arguments.side)
        rows = []
        for cores, aim in AIMS.items():
            ours, theirs = workers = [
                Worker(f"{name}, {cores} core(s)", [sys.executable, __file__, "--worker", kind, folder, str(cores)])
                for name, kind in (("lirads_keras", "package"), ("SimpleITK", "simpleitk"))]
            times = take_turns(workers, rounds=arguments.rounds, repetitions=1)
            rows += [[ours.name, statistics.median(times[ours.name]), 1 / median_ratio(times[ours.name], times[theirs.name]), aim],
                     [theirs.name, statistics.median(times[theirs.name]), 1.0, ""]]
            for worker in workers:
                worker.close()
        print(format_table([f"{arguments.slices} × {arguments.side} × {arguments.side}, warm", "median, s", "times as fast", "aim"], rows))


if __name__ == "__main__":
    main()
