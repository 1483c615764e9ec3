"""`lirads data index`: from a heap of DICOM files to a manifest."""
from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from lirads_keras.entities import ENHANCED_PHASES, ArterialTiming, ContrastAgent, Phase
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.contrast_agent import AMBIGUOUS
from lirads_keras.io.dicom_geometry import StackGrid
from lirads_keras.io.dicom_scan import Scan, SetAside, list_files, scan_files
from lirads_keras.io.dicom_series import TimePoint, gather_time_points
from lirads_keras.io.dicom_stacks import compute_volume_grid
from lirads_keras.io.file_index import write_file_index
from lirads_keras.io.index_masks import JoinedMasks, join_masks
from lirads_keras.io.index_tables import check_tables, describe_kept_groups, write_set_aside, write_tables
from lirads_keras.io.phase_choice import NAME, Key, PhaseChoices, check_overrides, choose_phases, key_of, read_overrides
from lirads_keras.io.pseudonyms import OLDEST_WRITTEN_AGE, Pseudonyms
from lirads_keras.io.questions import build_questions, check_answers_fit
from lirads_keras.io.read_series import describe_series
from lirads_keras.io.thumbnails import remove_other_thumbnails
from lirads_keras.progress import Progress, ignore_progress

ONLY_IMAGE = "; in series.csv without a phase, as the only image of its patient"
"""Said of a CT that is set aside from the phases."""

_UNSAFE = set("/\\:\0\n\r\t")


@dataclass
class Patient:
    """What the heap holds of one patient. `source_ids` are the names under which masks may come: PatientID, study and series UIDs; `only_image` is enough to
    train a segmentation, whatever its phase."""

    patient_id: str
    points: list[TimePoint] = field(default_factory=list)
    source_ids: set[str] = field(default_factory=set)
    choices: PhaseChoices = PhaseChoices({}, ())
    only_image: TimePoint | None = None


@dataclass(frozen=True)
class IndexSummary:
    """What an index run found; `files`, `set_aside`, `mask_files` and `masks_joined` count files, `notices` are lines for the user."""

    files: int
    patients: int
    time_points: int
    questions: int
    set_aside: int
    notices: tuple[str, ...]
    mask_files: int = 0
    masks_joined: int = 0


def index_folder(
        folder: Path, out: Path, open_pseudonyms: Callable[[], Pseudonyms] | None, *, cohort: str, masks: Path | None = None, masks_complete: bool = False,
        progress: Progress = ignore_progress) -> IndexSummary:
    """Writes a manifest of a heap of DICOM files; only headers are read, and one slice of each time point whose phase is asked for.

    patients.csv, series.csv and lesions.csv are as `io.manifests` says; what the user filled into them is kept when the heap is indexed
    again. files.csv says which files are which time point, set_aside.csv what was left out and why, phase_overrides.csv asks for the
    phases that the rules leave open, with a thumbnail for each, and is read by the next run.

    Args:
        folder: searched with its subfolders.
        out: manifest folder, new or from an earlier run.
        open_pseudonyms: gives those for PatientID, once there is something to write; None keeps it.
        cohort: the manifest's name for these patients.
        masks: folder with label maps named after PatientID, pseudonym, StudyInstanceUID or SeriesInstanceUID.
        masks_complete: every file there is joined, and patients without a mask have no lesion; otherwise their group is left for the user to fill in.
        progress: told each file whose header was read, from the first on.

    Raises:
        InputError: no such folder or no series in it, an `out` that holds another manifest, answers or tables that cannot be read, or masks as `join_masks`
            tells them.
    """
    if not folder.is_dir():
        raise InputError(Problem(str(folder), "a folder with DICOM files", "a file" if folder.exists() else "no such folder"))
    check_tables(out)
    answers = read_overrides(out)
    paths = list_files(folder, leave_out=out)
    scan = scan_files(paths, progress)
    points, alone = gather_time_points(scan.headers)
    left_out = scan.set_aside + alone + [
        SetAside(path, f"broken: expected {expected}, found {found}") for (expected, found), broken in scan.broken.items() for path in broken]
    readable, grids, refused, notices = _check_grids(points, answers)
    left_out += refused
    if not points:
        raise InputError(Problem(str(folder), "a series of MR or CT images", _reasons(left_out) or "an empty folder"))
    pseudonyms = open_pseudonyms() if open_pseudonyms else None
    patients = _group_patients(points, pseudonyms)
    check_overrides(out, answers, {patient.patient_id: patient.points for patient in patients})
    check_answers_fit(out, points)
    for patient in patients:
        volumes = [point for point in patient.points if key_of(point) in readable]
        patient.choices = choose_phases(volumes, answers)
        patient.only_image = _find_only_image(volumes, patient.choices)
    left_out += [
        _leave_out(point, f"no contrast phase: {point.finding.evidence}" + ONLY_IMAGE * (point is patient.only_image))
        for patient in patients for point in patient.points
        if point.finding.phase is Phase.OTHER and key_of(point) in readable and key_of(point) not in answers]

    folders = _find_folders(points)
    joined = join_masks(masks, out, patients, grids, keep_names=pseudonyms is None, complete=masks_complete) if masks else JoinedMasks()
    left_out += joined.not_joined
    without_mask = {patient.patient_id: "negative" if masks_complete and patient.patient_id not in joined.waiting else "" for patient in patients}
    out.mkdir(parents=True, exist_ok=True)
    write_file_index(out, ((folders[point.series.series_uid], point.series) for point in points))
    write_set_aside(out, folder, left_out)
    patient_rows = _patient_rows(patients, cohort, joined.masks, without_mask)
    kept = describe_kept_groups(out, patient_rows)
    asked = build_questions(out, ((patient.patient_id, _number_studies(patient.points), patient.points, patient.choices) for patient in patients), answers)
    write_tables(out, patient_rows, _series_rows(patients, folders, out, notices), _lesion_rows(joined.masks), asked)
    remove_other_thumbnails(out, (row.get("thumbnail", "") for row in asked.rows))
    questions = sum(len(patient.choices.questions) for patient in patients)
    lines = [f"{series}: {notice}" for series, notice in notices.values()]
    lines += [*joined.notices, *kept] + _scan_notices(scan, refused) + _describe_frames(patients) + _describe_unfinished(patients) + _describe_gated(patients)
    lines += _describe_early(patients) + _describe_agents(patients) + asked.notices
    return IndexSummary(
        len(paths), len(patients), len(points), questions, sum(aside.files for aside in left_out), tuple(lines), joined.files, len(joined.masks))


def _check_grids(
        points: Sequence[TimePoint], answers: Mapping[Key, Phase]) -> tuple[set[Key], dict[Key, StackGrid], list[SetAside], dict[Key, tuple[str, str]]]:
    """Time points that can be read as volumes, their grids, those that cannot, and notices of resampling."""
    readable: set[Key] = set()
    grids: dict[Key, StackGrid] = {}
    refused: list[SetAside] = []
    notices: dict[Key, tuple[str, str]] = {}
    for point in points:
        if point.finding.phase is Phase.OTHER and key_of(point) not in answers and point.headers[0].modality == "MR":
            readable.add(key_of(point))
            continue
        try:
            grid = compute_volume_grid(point.headers, describe_series(point.series))
        except InputError as error:
            reason = "; ".join(f"expected {problem.expected}, found {problem.found}" for problem in error.problems[:3])
            refused.append(_leave_out(point, f"no regular volume: {reason}"))
            continue
        readable.add(key_of(point))
        grids[key_of(point)] = grid
        if grid.notice:
            notices[key_of(point)] = describe_series(point.series), grid.notice
    return readable, grids, refused, notices


def _leave_out(point: TimePoint, reason: str) -> SetAside:
    return SetAside(point.headers[0].path, reason, point.series.series_uid, point.series.description, len(set(point.series.files)))


def _group_patients(points: Sequence[TimePoint], pseudonyms: Pseudonyms | None) -> list[Patient]:
    """Patients in order of their ids; a study without PatientID is a patient of its own."""
    patients: dict[str, Patient] = {}
    problems = []
    for point in points:
        examination = point.headers[0].examination
        source = point.headers[0].owner
        patient_id = source if pseudonyms is None else pseudonyms.patient(source)
        if patient_id not in patients and (set(patient_id) & _UNSAFE or patient_id in (".", "..") or len(patient_id) > 100):
            problems.append(Problem(f"{point.headers[0].path}, PatientID", "an id without slashes, colons and tabs, which --keep-ids needs", "another one"))
        patient = patients.setdefault(patient_id, Patient(patient_id))
        patient.points.append(point)
        patient.source_ids |= {source, patient_id, examination.study_uid, point.series.series_uid}
    raise_if_any(problems)
    for patient in patients.values():
        patient.points = _sort_points(patient.points)
    return [patients[patient_id] for patient_id in sorted(patients)]


def _sort_points(points: Sequence[TimePoint]) -> list[TimePoint]:
    """Study by study, then by series number and time: an order that the UIDs, which are others in de-identified copies, hardly touch."""
    numbers = _number_studies(points)
    begin = _find_begin(points, lambda point: point.series.series_uid)

    def key(point: TimePoint) -> tuple[float, float, float, str, int]:
        uid, number = point.series.series_uid, point.headers[0].series_number
        return numbers[point.headers[0].examination.study_uid], inf if number is None else number, begin[uid], uid, point.series.temporal_index

    return sorted(points, key=key)


def _number_studies(points: Sequence[TimePoint]) -> dict[str, int]:
    """The studies of a patient, counted from 1 in order of date and time."""
    begin = _find_begin(points, lambda point: point.headers[0].examination.study_uid)
    dates: dict[str, str] = {}
    for point in points:
        examination = point.headers[0].examination
        dates[examination.study_uid] = min(dates.get(examination.study_uid, examination.study_date), examination.study_date)
    return {uid: number for number, uid in enumerate(sorted(dates, key=lambda uid: (dates[uid], begin[uid], uid)), start=1)}


def _find_begin(points: Sequence[TimePoint], name_of: Callable[[TimePoint], str]) -> dict[str, float]:
    """The earliest AcquisitionTime of all points of one name."""
    begin: dict[str, float] = {}
    for point in points:
        times = [header.acquired for header in point.headers if header.acquired is not None]
        begin[name_of(point)] = min(begin.get(name_of(point), inf), *times, inf)
    return begin


def _find_folders(points: Sequence[TimePoint]) -> dict[str, Path]:
    """The deepest folder that holds all files of a series."""
    files: dict[str, set[Path]] = {}
    for point in points:
        files.setdefault(point.series.series_uid, set()).update(path.parent.absolute() for path in point.series.files)
    return {uid: Path(os.path.commonpath(folders)) for uid, folders in files.items()}


def _patient_rows(
        patients: Sequence[Patient], cohort: str, masks: Mapping[str, tuple[str, np.ndarray]], without_mask: Mapping[str, str]) -> list[dict[str, Any]]:
    rows = []
    for patient in patients:
        point = patient.choices.chosen.get(Phase.DELAYED) or patient.points[0]
        examination = point.headers[0].examination
        age = examination.age_years
        mask_path, labels = masks.get(patient.patient_id, ("", np.zeros(0)))
        rows.append({
            "patient_id": patient.patient_id, "group": ("positive" if labels.size else "negative") if mask_path else without_mask[patient.patient_id],
            "cohort": cohort, "age_years": "" if age is None else f"{min(age, OLDEST_WRITTEN_AGE):g}", "sex": examination.sex,
            "scanner": examination.scanner, "diagnosis_method": "", "mask_path": mask_path})
    return rows


def _series_rows(patients: Sequence[Patient], folders: Mapping[str, Path], out: Path, notices: Mapping[Key, tuple[str, str]]) -> list[dict[str, Any]]:
    rows = []
    for patient in patients:
        found = [(str(phase), patient.choices.chosen[phase]) for phase in Phase if phase in patient.choices.chosen]
        if patient.only_image:
            found = [("", patient.only_image)]
        for phase, point in found:
            place = folders[point.series.series_uid]
            inside = place.is_relative_to(out.absolute())
            by_rule = point.finding.phase is not None and phase == point.finding.phase
            rows.append({
                "patient_id": patient.patient_id, "phase": phase, "path": str(place.relative_to(out.absolute()) if inside else place),
                "series_uid": point.series.series_uid, "time_point": point.series.temporal_index, "modality": point.headers[0].modality,
                "phase_evidence": point.finding.evidence if by_rule or not phase else _describe_answer(point),
                "geometry": notices.get(key_of(point), ("", ""))[1]})
    return rows


def _find_only_image(volumes: Sequence[TimePoint], choices: PhaseChoices) -> TimePoint | None:
    """The only image of a patient without phases, be its phase open or be it CT."""
    images = [question.time_point for question in choices.questions]
    asked = {key_of(point) for point in images}
    images += [point for point in volumes if point.headers[0].modality == "CT" and key_of(point) not in asked]
    return images[0] if len(images) == 1 and not choices.chosen else None


def _describe_answer(point: TimePoint) -> str:
    return "phase_overrides.csv" + (f", against {point.finding.obstacle.reason}" if point.finding.obstacle else "")


def _lesion_rows(masks: Mapping[str, tuple[str, np.ndarray]]) -> list[dict[str, Any]]:
    return [
        {"patient_id": patient_id, "lesion_id": f"L{label}", "mask_label": int(label), "diameter_mm": "", "aphe": "", "washout": "", "capsule": "",
         "category": ""}
        for patient_id, (_, labels) in masks.items() for label in labels]


def _scan_notices(scan: Scan, refused: Sequence[SetAside]) -> list[str]:
    archives = [str(aside.path) for aside in scan.set_aside if aside.reason.startswith("an archive")]
    lines = [f"{problem}: set aside" for problem in scan.problems]
    lines += [f"{aside.path}, series '{aside.description}' ({aside.series_uid}): {aside.reason}: set aside" for aside in refused]
    return lines + ([f"{len(archives)} archive(s) not looked into, the first is {archives[0]}"] if archives else [])


def _describe_frames(patients: Sequence[Patient]) -> list[str]:
    lines = []
    for patient in patients:
        frames: dict[str, list[str]] = {}
        for phase in ENHANCED_PHASES:
            point = patient.choices.chosen.get(phase)
            if point is not None and (uid := point.headers[0].frame_of_reference_uid):
                frames.setdefault(uid, []).append(str(phase))
        if len(frames) > 1:
            apart = "; ".join(", ".join(phases) for phases in frames.values())
            lines.append(f"{patient.patient_id}: phases of {len(frames)} frames of reference (FrameOfReferenceUID): {apart}: to be registered "
                         "(preprocessing.registration), or assumed to be aligned")
    return lines


def _describe_unfinished(patients: Sequence[Patient]) -> list[str]:
    without = [patient.patient_id for patient in patients if Phase.DELAYED not in patient.choices.chosen]
    listed = ", ".join(without[:8]) + (" …" if len(without) > 8 else "")
    return [f"{len(without)} patient(s) without a delayed phase: {listed}"] if without else []


def _describe_early(patients: Sequence[Patient]) -> list[str]:
    return [
        f"{patient.patient_id} has an early arterial phase alone, in which APHE may not be seen yet: series.csv calls it arterial" for patient in patients
        if (arterial := patient.choices.chosen.get(Phase.ARTERIAL)) and arterial.series.arterial_timing is ArterialTiming.EARLY]


def _describe_agents(patients: Sequence[Patient]) -> list[str]:
    """Patients whose contrast agent decides on their late phases, or should."""
    lines = []
    for patient in patients:
        agents = {point.agent for point in patient.points}
        delayed = patient.choices.chosen.get(Phase.DELAYED)
        for agent in sorted(agents, key=lambda found: found.evidence):
            if agent.agent is ContrastAgent.GADOXETATE:
                answered = delayed is not None and delayed.agent == agent
                lines.append(f"{patient.patient_id}: contrast agent gadoxetate ({agent.evidence}): " + (
                    f"{describe_series(delayed.series)} is delayed by {NAME} nevertheless" if answered and delayed else "no delayed phase"))
            elif agent.evidence.startswith(AMBIGUOUS):
                lines.append(f"{patient.patient_id}: contrast agent {agent.evidence}: a delayed phase with gadoxetate would be a transitional one")
    return lines


def _describe_gated(patients: Sequence[Patient]) -> list[str]:
    """Phases that only an image which is none would show, and answers of the user that make one a phase."""
    lines = []
    for patient in patients:
        chosen = patient.choices.chosen
        lines += [
            f"{patient.patient_id}: {describe_series(point.series)} is {phase} by {_describe_answer(point)}"
            for phase, point in chosen.items() if point.finding.obstacle]
        lines += [
            f"{patient.patient_id}: no {phase} phase but {describe_series(point.series)}, set aside: {point.finding.obstacle.reason}"
            for phase in ENHANCED_PHASES if phase not in chosen for point in patient.points
            if point.finding.obstacle and point.finding.obstacle.replaces_phase and phase in point.finding.candidates]
    return lines


def _reasons(left_out: Sequence[SetAside]) -> str:
    counts: dict[str, int] = {}
    for aside in left_out:
        counts[aside.reason] = counts.get(aside.reason, 0) + 1
    return "; ".join(f"{count} × {reason}" for reason, count in sorted(counts.items(), key=lambda item: -item[1])[:12])
