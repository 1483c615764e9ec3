"""A folder of DICOM files as a study, and a series as a volume."""
from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from lirads_keras.entities import GRID_PHASES, AgentFinding, Phase, Series, Study, Volume
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.agent_effects import check_agent, describe_agent
from lirads_keras.io.dicom_elements import Unusable, quiet_pydicom
from lirads_keras.io.dicom_geometry import compute_positions_mm
from lirads_keras.io.dicom_headers import Header
from lirads_keras.io.dicom_pixels import read_pixels
from lirads_keras.io.dicom_resample import resample_stack
from lirads_keras.io.dicom_scan import Scan, SetAside, merge_problem, read_headers, scan_folder
from lirads_keras.io.dicom_series import gather_time_points
from lirads_keras.io.dicom_stacks import compute_volume_grid
from lirads_keras.io.dicom_values import VolumeValues, describe_values
from lirads_keras.io.patient_age import find_age_years
from lirads_keras.io.phase_assignment import assign_phases, check_kinds, check_phases, find_unfit_phases
from lirads_keras.io.phase_map import PhaseMap, read_phase_map
from lirads_keras.io.phase_notices import describe_arterial, describe_left_out, list_out_of_order, list_overruled, list_values
from lirads_keras.io.read_series import describe_series

_LISTED = 12
"""So many patients or studies are described in a message."""

_log = logging.getLogger(__name__)


def read_study(
        folder: Path, phase_map: Path | None = None, *, require_one_of: tuple[Phase, ...] = GRID_PHASES, axial_mr_only: bool = False) -> Study:
    """Reads a folder of DICOM files, any names, of one examination; headers only.

    Images are grouped by SeriesInstanceUID, and a series with several time points is divided into one `Series` each. Other
    objects, localizers, colour and single images are set aside; the reasons go to the log. What `suitability` says to be no phase
    has the phase `other`.

    Args:
        folder: searched with its subfolders.
        phase_map: a YAML file that says what series or time point is what phase, and perhaps the contrast agent (see `read_phase_map`); it comes before the
            rules over the series' names, which give the phases that it does not name. It may name what the rules take for a
            computed image or another contrast, which the study's notices then tell, but neither CT nor another plane.
        require_one_of: phases without any of which the study is of no use; none: it is read whatever it has.
        axial_mr_only: as the networks need; a study of CT, coronal or sagittal images alone, whose phases a phase map may tell otherwise, is refused.

    Raises:
        InputError: with everything that is wrong: no such folder, no MR or CT image in it, broken files, several patients or
            studies, no series of any of the required phases, a phase of which there is only what cannot be read as one, or only what may be another, two
            series for one phase, two contrast agents on which a phase depends, a phase map that does not fit.
    """
    phase_map_read = PhaseMap() if phase_map is None else read_phase_map(phase_map)
    scan = _scan(folder)
    time_points, alone = gather_time_points(scan.headers, phase_map_read.agent)
    series = [point.series for point in time_points]
    _log_set_aside(folder, scan.set_aside + alone)
    problems = scan.problems
    for kind, found in (("patient", scan.patients), ("study", scan.studies)):
        if len(found) > 1:
            # Not the identifiers: what is printed may be passed on.
            problems.append(Problem(str(folder), f"files of one {kind}", f"{len(found)}: {', '.join(map(str, list(found.values())[:_LISTED]))}"))
    if not series and not scan.broken:
        problems.append(Problem(str(folder), "a series of MR or CT images", _count_set_aside(scan.set_aside + alone) or "an empty folder"))
    raise_if_any(problems if not series else [])

    choices, agent = phase_map_read.choices, next((point.agent for point in time_points), AgentFinding())
    series, phase_problems = assign_phases(time_points, choices, phase_map or folder)
    problems += phase_problems
    if not phase_problems:
        problems += check_agent(agent, series, phase_map or folder)
        unfit = find_unfit_phases(time_points, series, choices, folder) if require_one_of else {}
        problems += check_phases(time_points, series, folder, () if unfit.keys() & set(require_one_of) else require_one_of)
        problems += unfit.values()
        if axial_mr_only:
            problems += check_kinds(time_points, series)
    raise_if_any(problems)
    notices = (*list_overruled(time_points, series), *describe_arterial(series), *describe_agent(agent, series), *list_out_of_order(series),
               *list_values(time_points, series))
    return Study(next(iter(scan.patients), "unknown"), next(iter(scan.studies), ""), folder, tuple(series), notices,
                 tuple(describe_left_out(folder, scan.set_aside + alone, series)), find_age_years(header.examination for header in scan.headers), agent)


def read_series(folder: Path) -> list[Series]:
    """The series of a folder of DICOM files, each time point by itself, with the phase that its name tells.

    Raises:
        InputError: no such folder, broken files, or no series of MR or CT images.
    """
    scan = _scan(folder)
    time_points, alone = gather_time_points(scan.headers)
    problems = scan.problems
    if not time_points and not problems:
        problems.append(Problem(str(folder), "a series of MR or CT images", _count_set_aside(scan.set_aside + alone) or "an empty folder"))
    raise_if_any(problems)
    return [point.series for point in time_points]


def read_volume(series: Series) -> Volume:
    """Reads the voxels of one time point.

    Slices are sorted along their normal (PS3.3 C.7.6.2.1.1); RescaleSlope and RescaleIntercept are applied, so that CT is in HU. MR images
    in MONOCHROME1 are inverted, so that no signal is the lowest value; padding becomes 0, or the lowest value of the image if that is below 0.
    Philips slices whose scale slopes differ are brought to the scale of the first. Slices of a tilted gantry, or at slightly uneven
    distances, are resampled to a regular grid, which is logged as a warning (see `compute_volume_grid`).

    Returns:
        float32 (z, y, x); y is down a column of the image, x along a row, z along row direction × column direction.

    Raises:
        InputError: files that cannot be read or decoded, slices that form no regular grid, or nothing but padding.
    """
    name = describe_series(series)
    headers = _read_slice_headers(series)
    positions = compute_positions_mm(headers)
    headers = [headers[index] for index in np.argsort(positions, kind="stable")]
    grid = compute_volume_grid(headers, name)
    values = VolumeValues(headers)
    of_file: dict[Path, list[int]] = {}
    for z, header in enumerate(headers):
        of_file.setdefault(header.path, []).append(z)
    broken = _Broken()
    with quiet_pydicom():
        for path, places in of_file.items():
            with broken.catching(path), open(path, "rb", buffering=0) as file:
                for z, pixels in zip(places, read_pixels(file, [headers[z] for z in places]), strict=True):
                    values.put(z, pixels)
    broken.raise_if_any()
    array = values.finish(name)
    if told := describe_values(headers):
        _log.warning("%s %s", name, told)
    if grid.notice:
        _log.warning("%s: %s", name, grid.notice)
    return Volume(resample_stack(array, grid), grid.spacing_mm, grid.affine, headers[0].frame_of_reference_uid)


def read_grid(series: Series) -> Volume:
    """The grid of `read_volume`, from the headers alone; its voxels are 0, and take no memory.

    Raises:
        InputError: as `read_volume`, but for pixels.
    """
    headers = _read_slice_headers(series)
    positions = compute_positions_mm(headers)
    return compute_volume_grid([headers[index] for index in np.argsort(positions, kind="stable")], describe_series(series)).without_voxels()


def _scan(folder: Path) -> Scan:
    if not folder.is_dir():
        raise InputError(Problem(str(folder), "a folder with DICOM files", "a file" if folder.exists() else "no such folder"))
    return scan_folder(folder)


def _read_slice_headers(series: Series) -> list[Header]:
    """One header for each slice of the series."""
    broken = _Broken()
    found: dict[Path, dict[int, Header]] = {}
    slices: list[Header] = []
    with quiet_pydicom():
        for path, frame in zip(series.files, series.frames or [0] * len(series.files), strict=True):
            if path not in found:
                found[path] = {}
                with broken.catching(path):
                    headers = read_headers(path)
                    if headers[0].series_uid != series.series_uid:
                        raise Unusable(f"an image of series {series.series_uid} (index the folder again?)", f"one of series {headers[0].series_uid}")
                    found[path] = {header.frame: header for header in headers}
            if found[path] and frame not in found[path]:
                broken.add(path, f"a frame {frame + 1}", f"{len(found[path])} frames")
            elif found[path]:
                slices.append(found[path][frame])
    broken.raise_if_any()
    if not slices:
        raise InputError(Problem(describe_series(series), "at least 2 slices", "none"))
    return slices


class _Broken:
    """What is wrong with files, collected: files that share a fault share a line."""

    def __init__(self) -> None:
        self._faults: dict[tuple[str, str], list[Path]] = {}

    def add(self, path: Path, expected: str, found: str) -> None:
        self._faults.setdefault((expected, found), []).append(path)

    @contextmanager
    def catching(self, path: Path) -> Iterator[None]:
        try:
            yield
        except Unusable as problem:
            self.add(path, problem.expected, problem.found)
        except OSError as error:
            self.add(path, "a readable file", error.strerror or str(error))

    def raise_if_any(self) -> None:
        raise_if_any([merge_problem(paths, expected, found) for (expected, found), paths in self._faults.items()])


def _count_set_aside(set_aside: list[SetAside]) -> str:
    return ", ".join(f"{count} × {reason}" for reason, count in Counter(aside.reason for aside in set_aside).most_common())


def _log_set_aside(folder: Path, set_aside: list[SetAside]) -> None:
    if set_aside:
        _log.info("%s: set aside %s", folder, _count_set_aside(set_aside))
