"""A folder of DICOM files as a study, and a series as a volume."""
from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pydicom

from lirads_keras.entities import ENHANCED_PHASES, Phase, Series, Study, Volume
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.dicom_geometry import compute_grid, compute_positions_mm
from lirads_keras.io.dicom_headers import Header, PixelLayout, Unusable, quiet_pydicom, read_header
from lirads_keras.io.dicom_scan import Scan, SetAside, merge_problem, scan_folder
from lirads_keras.io.dicom_stacks import split_series
from lirads_keras.io.phases import PhaseChoice, find_phase, read_phase_map

_LISTED = 12
"""So many series are named in a message."""

_log = logging.getLogger(__name__)


def read_study(folder: Path, phase_map: Path | None = None, *, require: tuple[Phase, ...] = (Phase.DELAYED,)) -> Study:
    """Reads a folder of DICOM files, any names, of one examination; headers only.

    Images are grouped by SeriesInstanceUID, and a series with several time points is divided into one `Series` each. Other
    objects, localizers, colour and single images are set aside; the reasons go to the log.

    Args:
        folder: searched with its subfolders.
        phase_map: a YAML file that says what series or time point is what phase (see `read_phase_map`); it comes before the
            rules over the series' names, which give the phases that it does not name.
        require: phases without which the study is of no use.

    Raises:
        InputError: with everything that is wrong: no such folder, no MR or CT image in it, broken files, several patients or
            studies, a required phase that no series shows, two series for one phase, a phase map that does not fit.
    """
    scan = _scan(folder)
    series, alone = _gather_series(scan)
    _log_set_aside(folder, scan.set_aside + alone)
    problems = list(scan.problems)
    for kind, found in (("patient", scan.patients), ("study", scan.studies)):
        if len(found) > 1:
            problems.append(Problem(str(folder), f"files of one {kind}", f"{len(found)}: " + ", ".join(f"{uid} ({path})" for uid, path in found.items())))
    if not series and not scan.problems:
        problems.append(Problem(str(folder), "a series of MR or CT images", _count_set_aside(scan.set_aside + alone) or "an empty folder"))
    raise_if_any(problems if not series else [])

    choices = {} if phase_map is None else read_phase_map(phase_map)
    series, phase_problems = _assign_phases(series, choices, phase_map or folder)
    problems += phase_problems
    if not phase_problems:
        problems += _check_phases(series, folder, require)
    raise_if_any(problems)
    return Study(next(iter(scan.patients), "unknown"), next(iter(scan.studies), ""), folder, tuple(series))


def read_series(folder: Path) -> list[Series]:
    """The series of a folder of DICOM files, each time point by itself, with the phase that its name tells.

    Raises:
        InputError: no such folder, broken files, or no series of MR or CT images.
    """
    scan = _scan(folder)
    series, alone = _gather_series(scan)
    if not series and not scan.problems:
        scan.problems.append(Problem(str(folder), "a series of MR or CT images", _count_set_aside(scan.set_aside + alone) or "an empty folder"))
    raise_if_any(scan.problems)
    return series


def read_volume(series: Series) -> Volume:
    """Reads the voxels of one time point.

    Slices are sorted along their normal (PS3.3 C.7.6.2.1.1); RescaleSlope and RescaleIntercept are applied, so that CT is in HU.

    Returns:
        float32 (z, y, x); y is down a column of the image, x along a row, z along row direction × column direction.

    Raises:
        InputError: files that cannot be read or decoded, or slices that form no regular grid (see `compute_grid`).
    """
    name = describe_series(series)
    headers: list[Header] = []
    slices: list[np.ndarray] = []
    broken: dict[tuple[str, str], list[Path]] = {}
    with quiet_pydicom():
        for path in series.files:
            try:
                header, pixels = _read_slice(path)
            except Unusable as problem:
                broken.setdefault((problem.expected, problem.found), []).append(path)
            except OSError as error:
                broken.setdefault(("a readable file", error.strerror or str(error)), []).append(path)
            else:
                headers.append(header)
                slices.append(pixels)
    raise_if_any([merge_problem(paths, expected, found) for (expected, found), paths in broken.items()])
    if not headers:
        raise InputError(Problem(name, "at least 2 slices", "none"))

    order = np.argsort(compute_positions_mm(headers), kind="stable")
    headers = [headers[index] for index in order]
    spacing_mm, affine = compute_grid(headers, name)
    array = np.empty((len(headers), headers[0].rows, headers[0].columns), np.float32)
    for z, (index, header) in enumerate(zip(order, headers, strict=True)):
        np.multiply(slices[index], np.float32(header.slope), out=array[z])
        if header.intercept:
            array[z] += np.float32(header.intercept)
    return Volume(array, spacing_mm, affine)


def describe_series(series: Series) -> str:
    """A series in words, for messages."""
    return f"series '{series.description}' ({series.series_uid}), time point {series.temporal_index}"


def _scan(folder: Path) -> Scan:
    if not folder.is_dir():
        raise InputError(Problem(str(folder), "a folder with DICOM files", "a file" if folder.exists() else "no such folder"))
    return scan_folder(folder)


def _gather_series(scan: Scan) -> tuple[list[Series], list[SetAside]]:
    """The series of a scan in order of UID and time, and single images, which are no volume."""
    by_uid: dict[str, list[Header]] = {}
    for header in scan.headers:
        by_uid.setdefault(header.series_uid, []).append(header)
    series: list[Series] = []
    alone: list[SetAside] = []
    for uid, headers in sorted(by_uid.items()):
        stacks = split_series(headers)
        alone += [
            SetAside(stack.headers[0].path, f"a single image ({'/'.join(stack.headers[0].image_type)})") for stack in stacks if len(stack.headers) < 2]
        for index, stack in enumerate(stack for stack in stacks if len(stack.headers) > 1):
            first = stack.headers[0]
            phase, evidence = find_phase(first.description, first.protocol)
            if stack.told_apart_by:
                evidence += f"; time points told apart by {stack.told_apart_by}"
            series.append(Series(uid, tuple(header.path for header in stack.headers), phase, evidence, first.description, index))
    return series, alone


def _assign_phases(series: list[Series], choices: dict[Phase, PhaseChoice], where: Path) -> tuple[list[Series], list[Problem]]:
    """The series with the phases that the phase map names; of other phases those that the names tell."""
    problems: list[Problem] = []
    chosen: dict[int, Phase] = {}
    for phase, choice in choices.items():
        found = [
            index for index, item in enumerate(series)
            if choice.series in (None, item.series_uid, item.description) and choice.time_point in (None, item.temporal_index)]
        if len(found) != 1:
            wanted = "one series" if choice.series is None else f"one series '{choice.series}'"
            wanted += "" if choice.time_point is None else f" with a time point {choice.time_point}"
            listed = _listed([series[index] for index in found] or series)
            problems.append(Problem(f"{where}, {phase}", wanted, f"{len(found)} of them; {'they are' if found else 'the study has'}: {listed}"))
        elif found[0] in chosen:
            problems.append(Problem(f"{where}, {phase}", "another series or time point than for " + chosen[found[0]], describe_series(series[found[0]])))
        else:
            chosen[found[0]] = phase
    assigned = []
    for index, item in enumerate(series):
        if index in chosen:
            assigned.append(replace(item, phase=chosen[index], phase_evidence="phase map"))
        elif item.phase in choices:
            assigned.append(replace(item, phase=None, phase_evidence=f"{item.phase_evidence}; the phase map names another series as {item.phase}"))
        else:
            assigned.append(item)
    return assigned, problems


def _check_phases(series: list[Series], folder: Path, require: tuple[Phase, ...]) -> list[Problem]:
    problems = []
    for phase in ENHANCED_PHASES:
        found = [item for item in series if item.phase == phase]
        if len(found) > 1:
            problems.append(Problem(str(folder), f"one series for the phase {phase} (a phase map can name it)", f"{len(found)}: {_listed(found)}"))
    for phase in require:
        if not any(item.phase == phase for item in series):
            problems.append(Problem(
                str(folder), f"a series of the phase {phase} (where the names do not tell, a phase map can name it)", f"none in: {_listed(series)}"))
    return problems


def _read_slice(path: Path) -> tuple[Header, np.ndarray]:
    with open(path, "rb") as file:
        header = read_header(path, file)
        if header.pixels is None:
            return header, _decode(file, header)
        file.seek(header.pixels.offset)
        return header, _unpack(file.read(header.rows * header.columns * header.pixels.bits_allocated // 8), header.pixels).reshape(header.rows, header.columns)


def _unpack(stored: bytes, layout: PixelLayout) -> np.ndarray:
    """Uncompressed pixels (PS3.5, 8.1.1): unused bits are cleared, signed values extended."""
    bits = layout.bits_allocated
    pixels = np.frombuffer(stored, np.dtype(f"{'i' if layout.signed else 'u'}{bits // 8}").newbyteorder("<" if layout.little_endian else ">"))
    if layout.bits_stored < bits:
        # Up to the top and down again: the type's own shift fills with the sign.
        pixels = (pixels << (bits - 1 - layout.high_bit)) >> (bits - layout.bits_stored)
    return pixels


def _decode(file: BinaryIO, header: Header) -> np.ndarray:
    file.seek(0)
    try:
        pixels: np.ndarray = pydicom.dcmread(file).pixel_array
    except Exception as error:  # noqa: B902  decoders raise many kinds of exceptions on broken pixels
        found = f"pixels that cannot be decoded ({type(error).__name__}: {' '.join(str(error).split())[:300]})"
        raise Unusable(f"PixelData of {header.rows} rows × {header.columns} columns", found) from error
    if pixels.shape != (header.rows, header.columns):
        raise Unusable(f"one grey image of {header.rows} rows × {header.columns} columns", f"an array of {pixels.shape}")
    return pixels


def _listed(series: list[Series]) -> str:
    """Series with their time points, for messages."""
    time_points: dict[tuple[str, str, str, int], list[int]] = {}
    for item in series:
        time_points.setdefault((item.description, item.series_uid, item.phase_evidence, len(item.files)), []).append(item.temporal_index)
    words = [
        f"series '{description}' ({uid}), time point{'s' * (len(indices) > 1)} {', '.join(map(str, indices))}, {slices} slices ({evidence})"
        for (description, uid, evidence, slices), indices in time_points.items()]
    return "; ".join(words[:_LISTED]) + (f"; and {len(words) - _LISTED} more" if len(words) > _LISTED else "")


def _count_set_aside(set_aside: list[SetAside]) -> str:
    return ", ".join(f"{count} × {reason}" for reason, count in Counter(aside.reason for aside in set_aside).most_common())


def _log_set_aside(folder: Path, set_aside: list[SetAside]) -> None:
    if set_aside:
        _log.info("%s: set aside %s", folder, _count_set_aside(set_aside))
