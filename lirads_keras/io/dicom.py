"""A folder of DICOM files as a study, and a series as a volume."""
from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from lirads_keras.entities import ENHANCED_PHASES, GRID_PHASES, READ_PHASES, AgentFinding, ArterialTiming, Phase, Series, Study, Volume
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.agent_effects import check_agent, describe_agent
from lirads_keras.io.dicom_elements import Unusable, quiet_pydicom
from lirads_keras.io.dicom_geometry import compute_positions_mm
from lirads_keras.io.dicom_headers import Header
from lirads_keras.io.dicom_pixels import read_pixels
from lirads_keras.io.dicom_resample import resample_stack
from lirads_keras.io.dicom_scan import Scan, SetAside, merge_problem, read_headers, scan_folder
from lirads_keras.io.dicom_series import TimePoint, gather_time_points
from lirads_keras.io.dicom_stacks import compute_volume_grid
from lirads_keras.io.dicom_values import VolumeValues, describe_values
from lirads_keras.io.patient_age import find_age_years
from lirads_keras.io.phase_map import ABSENT, PhaseChoice, PhaseMap, read_phase_map
from lirads_keras.io.suitability import find_obstacle
from lirads_keras.io.time_point_marks import describe_time_points
from lirads_keras.words import name_phases

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
    series, phase_problems = _assign_phases(time_points, choices, phase_map or folder)
    problems += phase_problems
    if not phase_problems:
        problems += check_agent(agent, series, phase_map or folder)
        unfit = _find_unfit_phases(time_points, series, choices, folder) if require_one_of else {}
        problems += _check_phases(time_points, series, folder, () if unfit.keys() & set(require_one_of) else require_one_of)
        problems += unfit.values()
        if axial_mr_only:
            problems += _check_kinds(time_points, series)
    raise_if_any(problems)
    notices = (*_list_overruled(time_points, series), *_describe_arterial(series), *describe_agent(agent, series), *_list_out_of_order(series),
               *_list_values(time_points, series))
    return Study(next(iter(scan.patients), "unknown"), next(iter(scan.studies), ""), folder, tuple(series), notices,
                 tuple(_describe_left_out(folder, scan.set_aside + alone, series)), find_age_years(header.examination for header in scan.headers), agent)


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


def describe_series(series: Series) -> str:
    """A series in words, for messages."""
    return f"series '{series.description}' ({series.series_uid}), time point {series.temporal_index}"


def _scan(folder: Path) -> Scan:
    if not folder.is_dir():
        raise InputError(Problem(str(folder), "a folder with DICOM files", "a file" if folder.exists() else "no such folder"))
    return scan_folder(folder)


def _assign_phases(
        time_points: Sequence[TimePoint], choices: Mapping[Phase, PhaseChoice | None], where: Path) -> tuple[list[Series], list[Problem]]:
    """The series with the phases that the phase map names; of other phases those that the names tell."""
    series = [point.series for point in time_points]
    problems: list[Problem] = []
    chosen: dict[int, Phase] = {}
    for phase, choice in choices.items():
        if choice is None:
            continue
        found = [
            index for index, item in enumerate(series)
            if choice.series in (None, item.series_uid, item.description) and choice.time_point in (None, item.temporal_index)]
        if len(found) != 1:
            wanted = "one series" if choice.series is None else f"one series '{choice.series}'"
            wanted += "" if choice.time_point is None else f" with a time point {choice.time_point}"
            listed = describe_time_points([time_points[index] for index in found] or time_points)
            problems.append(Problem(f"{where}, {phase}", wanted, f"{len(found)} of them; {'they are' if found else 'the study has'}: {listed}"))
        elif found[0] in chosen:
            problems.append(Problem(f"{where}, {phase}", "another series or time point than for " + chosen[found[0]], describe_series(series[found[0]])))
        elif (obstacle := time_points[found[0]].finding.obstacle) and obstacle.is_final:
            problems.append(Problem(f"{where}, {phase}", "a series of axial MR images", f"{describe_series(series[found[0]])}: {obstacle.reason}"))
        else:
            chosen[found[0]] = phase
    assigned = []
    for index, item in enumerate(series):
        if index in chosen:
            obstacle = time_points[index].finding.obstacle
            evidence = f"phase map, against {obstacle.reason}" if obstacle else "phase map"
            assigned.append(replace(item, phase=chosen[index], phase_evidence=evidence))
        elif item.phase is not None and item.phase in choices:
            told = f"names another series as {item.phase}" if choices[item.phase] else f"says that {item.phase} is absent"
            assigned.append(replace(item, phase=None, phase_evidence=f"{item.phase_evidence}; the phase map {told}"))
        else:
            assigned.append(item)
    return assigned, problems


def _find_unfit_phases(
        time_points: Sequence[TimePoint], series: Sequence[Series], choices: Mapping[Phase, PhaseChoice | None], folder: Path) -> dict[Phase, Problem]:
    """The enhanced phases that are missing although there is something of them, which the gate keeps out, or which may show another phase."""
    problems = {}
    for phase in ENHANCED_PHASES:
        if phase in choices or any(item.phase == phase for item in series):
            continue
        unfit = [point for point in time_points if point.finding.obstacle and point.finding.obstacle.replaces_phase and phase in point.finding.candidates]
        unclear = [
            replace(point, series=item) for point, item in zip(time_points, series, strict=True) if item.phase is None and phase in point.finding.candidates]
        if unclear:
            expected = f"one series that is of the phase {phase} (a phase map can name it, or say '{phase}: {ABSENT}')"
            problems[phase] = Problem(str(folder), expected, f"what may be it, or another phase: {describe_time_points(unclear)}")
        elif unfit:
            of_user = "" if any(point.finding.obstacle and point.finding.obstacle.is_final for point in unfit) else "name one, or "
            expected = f"a T1-weighted axial MR series of the phase {phase} (a phase map can {of_user}say '{phase}: {ABSENT}')"
            problems[phase] = Problem(str(folder), expected, f"only {describe_time_points(unfit)}")
    return problems


def _check_kinds(time_points: Sequence[TimePoint], series: Sequence[Series]) -> list[Problem]:
    return [
        Problem(describe_series(item), f"axial MR images for the phase {item.phase}", obstacle.reason)
        for point, item in zip(time_points, series, strict=True) if item.phase in ENHANCED_PHASES
        and (obstacle := find_obstacle(point.headers[0].modality, point.headers[0].orientation, ())) and obstacle.is_final]


def _list_overruled(time_points: Sequence[TimePoint], series: Sequence[Series]) -> tuple[str, ...]:
    """What the phase map names against the rules, as sentences."""
    overruled = [(point.finding, item) for point, item in zip(time_points, series, strict=True) if item.phase not in (None, Phase.OTHER, point.finding.phase)]
    return tuple(
        f"The phase map names series '{item.description}' as {item.phase}, against {finding.obstacle.reason if finding.obstacle else finding.evidence}."
        for finding, item in overruled if finding.obstacle or finding.phase not in (None, Phase.OTHER))


def _describe_arterial(series: Sequence[Series]) -> tuple[str, ...]:
    """Which of early and late arterial series is used, and what follows where there is but an early one."""
    used = next((item for item in series if item.phase is Phase.ARTERIAL), None)
    early = [item for item in series if item.arterial_timing is ArterialTiming.EARLY]
    if used is None or not early:
        return ()
    if used in early:
        return (f"The arterial phase, series '{used.description}', is an early one: APHE that it does not show is not assessed.",)
    names = " and ".join(f"'{item.description}'" for item in early)
    return (f"The arterial phase is series '{used.description}', and not the early arterial {names}.",)


def _list_values(time_points: Sequence[TimePoint], series: Sequence[Series]) -> list[str]:
    """What is done to the values of the phases, as sentences."""
    return [f"Series '{item.description}' {told}." for point, item in zip(time_points, series, strict=True)
            if item.phase not in (None, Phase.OTHER) and (told := describe_values(point.headers))]


def _list_out_of_order(series: Sequence[Series]) -> list[str]:
    """Sentences on phases whose times of acquisition run against their order."""
    # Phase has them in order of time.
    timed = [(phase, item.acquired_s) for phase in Phase for item in series if item.phase == phase is not Phase.OTHER and item.acquired_s is not None]
    return [
        f"The {name_phases([earlier])} was acquired {before - after:.0f} s after the {name_phases([later])}: one of the series may show another phase."
        for (earlier, before), (later, after) in pairwise(timed) if before > after]


def _describe_left_out(folder: Path, set_aside: Sequence[SetAside], series: Sequence[Series]) -> list[str]:
    """Files by their reason, then series that are read as no phase."""
    by_reason: dict[str, list[SetAside]] = {}
    for aside in set_aside:
        by_reason.setdefault(aside.reason, []).append(aside)
    lines = []
    for reason, found in by_reason.items():
        count = sum(aside.files for aside in found)
        lines.append(f"{found[0].path.relative_to(folder)}{f' and {count - 1} more' if count > 1 else ''}: {reason}")
    unread = {Phase.OTHER: "", None: "no phase is told: ", Phase.PRECONTRAST: "precontrast, which nothing is read from: "}
    return lines + [f"{describe_series(item)}: {unread.get(item.phase, f'{item.phase}: ')}{item.phase_evidence}"
                    for item in series if item.phase not in READ_PHASES]


def _check_phases(time_points: Sequence[TimePoint], series: Sequence[Series], folder: Path, require_one_of: tuple[Phase, ...]) -> list[Problem]:
    told = [replace(point, series=item) for point, item in zip(time_points, series, strict=True)]
    problems = []
    for phase in ENHANCED_PHASES:
        found = [point for point in told if point.series.phase == phase]
        if len(found) > 1:
            expected = f"one series for the phase {phase} (a phase map can name it)"
            problems.append(Problem(str(folder), expected, f"{len(found)}: {describe_time_points(found)}"))
    if require_one_of and not any(item.phase in require_one_of for item in series):
        expected = f"a series of the phase {' or '.join(require_one_of)} (where the names do not tell, a phase map can name it)"
        problems.append(Problem(str(folder), expected, f"none in: {describe_time_points(told)}"))
    return problems


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
