"""Label maps beside a heap of DICOM: whose they are, and whether they lie on the delayed phase. Every file is joined, or told with the reason."""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lirads_keras.entities import Phase, Volume
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.dicom_geometry import StackGrid
from lirads_keras.io.dicom_scan import SetAside, list_files, scan_files
from lirads_keras.io.label_maps import DETACHED_SUFFIXES, check_background, find_voxel_files, read_label_map_on_grid, split_name
from lirads_keras.io.mask_names import MaskOwners
from lirads_keras.io.nifti import is_nifti, write_nifti
from lirads_keras.io.phase_choice import Key, key_of

if TYPE_CHECKING:
    from lirads_keras.io.index import Patient

FOLDER_NAME = "masks"

MOST_LABELS = 100
"""Nobody has so many lesions outlined one by one: a file with more different values is an image."""

_READ = "NIfTI, NRRD or MetaImage"
_RUBBISH = {"__macosx", "thumbs.db", "desktop.ini", ".ds_store", ".git", ".trashes", ".spotlight-v100", ".fseventsd"}
_DOCUMENTS = (".txt", ".csv", ".tsv", ".json", ".md", ".log", ".yaml", ".yml",
              ".xml", ".html", ".pdf", ".docx", ".xlsx", ".label", ".ctbl", ".itksnap", ".mrml", ".bval", ".bvec", ".py", ".key")
_OUTLINES = (".json", ".xml", ".itksnap", ".mrml")
"""Documents in which outlines may be, or that say where they are."""

_NO_MASK_OBJECTS = ("Segmentation", "RT Structure Set", "no DICOM file", "a NIfTI file", "an archive", "empty", "a link to", "a picture")
"""What the reasons of files begin with that may be meant as masks; other DICOM objects are none."""


@dataclass(frozen=True)
class JoinedMasks:
    """What a folder of masks gave.

    Attributes:
        masks: mask_path and the labels in it by patient_id; no label where nothing was drawn.
        not_joined: files that belong to nobody known, or cannot belong to the patient's delayed phase.
        waiting: patients who have a file that will be joined once it is said which of their series is the delayed phase.
        notices: lines for the user.
        files: label maps in the folder, and files that may be some.
    """

    masks: Mapping[str, tuple[str, np.ndarray]] = field(default_factory=dict)
    not_joined: tuple[SetAside, ...] = ()
    waiting: frozenset[str] = frozenset()
    notices: tuple[str, ...] = ()
    files: int = 0


def join_masks(
        folder: Path, out: Path, patients: Sequence[Patient], grids: Mapping[Key, StackGrid], *, keep_names: bool, complete: bool = False) -> JoinedMasks:
    """Finds each patient's mask.

    Args:
        folder: label maps (NIfTI, NRRD, MetaImage), named after PatientID, pseudonym, StudyInstanceUID or SeriesInstanceUID: see `MaskOwners`.
        out: manifest folder; unless names are kept, masks are written into it under the pseudonym, with a header of our own.
        grids: of the time points.
        keep_names: the manifest points to the files where they are; those that are no NIfTI files are written into it all the same.
        complete: the user says that who has no mask, or one that is all zero, has no lesion: then every file has to be joined.

    Raises:
        InputError: no such folder, two masks of a patient, or masks that cannot be read or lie on another grid; with `complete` also files that are not
            joined, or no file at all. All of them.
    """
    if not folder.is_dir():
        raise InputError(Problem(f"--masks {folder}", f"a folder with label maps ({_READ})", "a file" if folder.exists() else "no such folder"))
    files, others, hints = _list_masks(folder, out, patients)
    if complete and not files and not others:
        raise InputError(Problem(
            f"--masks {folder}", f"label maps ({_READ}), without which --masks-complete says that nobody has a lesion", "none"))
    owners = MaskOwners({patient.patient_id: patient.source_ids for patient in patients})
    by_id = {patient.patient_id: patient for patient in patients}
    notices = [] if files else [f"--masks {folder}: no label map ({_READ}) in it"]
    not_joined, waiting = list(others), set[str]()
    first: dict[str, Path] = {}
    problems: list[Problem] = []
    for path in files:
        stem = (split_name(path.name) or (path.name, ""))[0]
        place = path.relative_to(folder).parent
        patient_id, reason = owners.find(place, stem)
        if patient_id is None:
            not_joined.append(SetAside(path, reason))
        elif first.setdefault(patient_id, path) != path:
            problems.append(Problem(str(path), "one mask a patient", f"a second one beside {first[patient_id]}"))
        elif reason := _find_obstacle(by_id[patient_id], place, stem):
            not_joined.append(SetAside(path, reason))
            if by_id[patient_id].choices.questions and Phase.DELAYED not in by_id[patient_id].choices.chosen:
                waiting.add(patient_id)
    not_joined += [SetAside(path, f"no label map of {patient_id} is there, {what}")
                   for path, what in hints if (patient_id := _find_bare(path, folder, owners, first, not_joined)) is not None]
    hopeless = [aside for aside in not_joined if not any(first.get(patient_id) == aside.path for patient_id in waiting)]
    if complete:
        problems += [Problem(str(aside.path), "a mask that is joined, as --masks-complete says that there are all of them", f"one that is not: {aside.reason}")
                     for aside in hopeless]
    left_out = {aside.path for aside in not_joined}
    joined: dict[str, tuple[str, np.ndarray]] = {}
    for patient_id, path in first.items():
        if path in left_out:
            continue
        try:
            labels, names = read_label_map_on_grid(path, _delayed_grid(by_id[patient_id], grids))
            found = _find_labels(labels, path)
        except InputError as error:
            problems += error.problems
            continue
        if not found.size and not complete:
            not_joined.append(SetAside(
                path, f"all zero, nothing was drawn: if {patient_id} has no lesion, say negative in patients.csv; --masks-complete says it of all such"))
            continue
        # Where something is wrong, nothing more is written.
        joined[patient_id] = ("" if problems else _keep(path, out, patient_id, _delayed_grid(by_id[patient_id], grids), labels, keep_names)), found
        if not found.size:
            notices.append(f"{path}: all zero, nothing was drawn: {patient_id} is negative, as --masks-complete says")
        elif names:
            notices.append(f"{path}: each label is taken for a lesion: {', '.join(f'{label} ({name})' for label, name in sorted(names.items()))}")
    raise_if_any(problems)
    notices += [f"{aside.path}: mask not joined: {aside.reason}" for aside in not_joined]
    return JoinedMasks(joined, tuple(not_joined), frozenset(waiting), tuple(notices), len(files) + len(others))


def _list_masks(folder: Path, out: Path, patients: Sequence[Patient]) -> tuple[list[Path], list[SetAside], list[tuple[Path, str]]]:
    """Label maps in order of their paths, files that may be meant as such but are of no kind that is read, and what else may speak of a patient's mask."""
    images = {path.absolute() for patient in patients for point in patient.points for path in point.series.files}
    files: list[Path] = []
    candidates: list[Path] = []
    others: list[tuple[Path, str]] = []
    hints: list[tuple[Path, str]] = []
    for path in list_files(folder, leave_out=out):
        names = [part.lower() for part in path.relative_to(folder).parts]
        if any(name.startswith("._") or name in _RUBBISH for name in names) or path.absolute() in images:
            continue
        if any(name.startswith(".") for name in names):
            others += [(path, "hidden by the dot before its name or its folder's")] if split_name(path.name) else []
        elif split_name(path.name) and path.is_file():
            files.append(path)
        elif names[-1].endswith(_OUTLINES):
            hints.append((path, "and this file may hold or name one"))
        elif not names[-1].endswith(_DOCUMENTS):
            candidates.append(path)
    voxels = {place.absolute() for path in files if path.name.lower().endswith(DETACHED_SUFFIXES) for place in find_voxel_files(path)}
    scan = scan_files([path for path in candidates if path.absolute() not in voxels])
    others += [(aside.path, aside.reason) for aside in scan.set_aside if aside.reason.startswith(_NO_MASK_OBJECTS)]
    others += [(path, found) for (_, found), paths in scan.broken.items() for path in paths]
    if not any(path.is_relative_to(folder.absolute()) for path in images):
        hints += [(path, "though there is a folder for it") for path in _list_folders(folder, out)]
    return files, [SetAside(path, f"no label map that is read ({_READ}): {reason}") for path, reason in sorted(others)], hints


def _list_folders(folder: Path, out: Path) -> list[Path]:
    found = []
    for root, names, _ in os.walk(folder):  # Not through links: what they lead to is told file by file.
        names[:] = sorted(name for name in names if not name.startswith(".") and name.lower() not in _RUBBISH and Path(root, name).absolute() != out.absolute())
        found += [Path(root, name) for name in names]
    return found


def _find_bare(path: Path, folder: Path, owners: MaskOwners, with_mask: Mapping[str, Path], told: Sequence[SetAside]) -> str | None:
    """The patient whom a folder or a document is named after, if no label map is that patient's, and nothing in the folder was told already."""
    stem = (split_name(path.name) or (path.name if path.is_dir() else path.stem, ""))[0]
    patient_id, _ = owners.find(path.relative_to(folder).parent, stem)
    return None if patient_id in with_mask or any(aside.path.is_relative_to(path) for aside in told) else patient_id


def _find_obstacle(patient: Patient, place: Path, stem: str) -> str:
    """Why a patient's mask cannot be joined; "" if nothing speaks against it."""
    delayed = patient.choices.chosen.get(Phase.DELAYED)
    if delayed is None:
        asked = ", say in phase_overrides.csv which it is" if patient.choices.questions else ""
        return f"no delayed phase is known of {patient.patient_id}{asked}"
    studies = {point.headers[0].examination.study_uid for point in patient.points}
    named, _ = MaskOwners({uid: [uid] for uid in studies}).find(place, stem)
    if named not in (None, delayed.headers[0].examination.study_uid):
        return f"it is named after another study of {patient.patient_id} than that of the delayed phase"
    series = {point.series.series_uid for point in patient.points}
    named, _ = MaskOwners({uid: [uid] for uid in series}).find(place, stem)
    if named not in (None, delayed.series.series_uid):
        return f"it is named after another series of {patient.patient_id} than that of the delayed phase"
    return ""


def _delayed_grid(patient: Patient, grids: Mapping[Key, StackGrid]) -> Volume:
    return grids[key_of(patient.choices.chosen[Phase.DELAYED])].without_voxels()


def _find_labels(labels: np.ndarray, path: Path) -> np.ndarray:
    found = np.unique(labels)
    if found.size > MOST_LABELS:
        raise InputError(Problem(str(path), f"a label map of lesions, with at most {MOST_LABELS} values", f"{found.size} values, as an image has them"))
    check_background(labels, path)
    return found[found > 0]


def _keep(path: Path, out: Path, patient_id: str, grid: Volume, labels: np.ndarray, keep_names: bool) -> str:
    """mask_path of the manifest."""
    if keep_names and is_nifti(path):
        return str(path.absolute())
    write_nifti(out / FOLDER_NAME / f"{patient_id}.nii.gz", grid.with_array(labels))
    return f"{FOLDER_NAME}/{patient_id}.nii.gz"
