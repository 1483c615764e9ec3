"""Masks that come as NIfTI label maps beside a heap of DICOM: whose they are, and whether they lie on the delayed phase."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lirads_keras.entities import Phase
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.dicom_geometry import StackGrid
from lirads_keras.io.nifti import SUFFIXES, read_mask_on_grid, write_nifti
from lirads_keras.io.phase_choice import Key, key_of

if TYPE_CHECKING:
    from lirads_keras.io.index import Patient

FOLDER_NAME = "masks"


def join_masks(
        folder: Path, out: Path, patients: Sequence[Patient], grids: Mapping[Key, StackGrid], *, keep_names: bool) -> tuple[
            dict[str, tuple[str, np.ndarray]], list[str]]:
    """Finds each patient's mask.

    Args:
        folder: NIfTI files, named after PatientID, pseudonym, StudyInstanceUID or SeriesInstanceUID.
        out: manifest folder; unless names are kept, masks are written into it under the pseudonym, with a header of our own.
        grids: of the time points.
        keep_names: the manifest points to the files where they are.

    Returns:
        mask_path and the labels in it by patient_id, and notices about masks that belong to nobody or to a patient without a delayed phase.

    Raises:
        InputError: no such folder, two masks of a patient, or masks that cannot be read or lie on another grid; all of them.
    """
    if not folder.is_dir():
        raise InputError(Problem(f"--masks {folder}", "a folder with NIfTI files", "a file" if folder.exists() else "no such folder"))
    owners = {source: patient for patient in patients for source in patient.source_ids if source}
    joined: dict[str, tuple[str, np.ndarray]] = {}
    first: dict[str, Path] = {}
    problems: list[Problem] = []
    strangers = []
    notices = []
    for path in sorted(path for path in folder.rglob("*") if path.name.endswith(SUFFIXES)):
        patient = owners.get(next(path.name.removesuffix(suffix) for suffix in reversed(SUFFIXES) if path.name.endswith(suffix)))
        if patient is None:
            strangers.append(path)
            continue
        if first.setdefault(patient.patient_id, path) != path:
            problems.append(Problem(str(path), "one mask a patient", f"a second one beside {first[patient.patient_id]}"))
            continue
        delayed = patient.choices.chosen.get(Phase.DELAYED)
        if delayed is None:
            notices.append(f"{path}: not joined, no delayed phase is known of {patient.patient_id}")
            continue
        try:
            joined[patient.patient_id] = _join(path, out, patient.patient_id, grids[key_of(delayed)], keep_names)
        except InputError as error:
            problems += error.problems
    raise_if_any(problems)
    if strangers:
        notices.append(f"{len(strangers)} mask(s) of no patient of the folder, the first is {strangers[0]}")
    return joined, notices


def _join(path: Path, out: Path, patient_id: str, grid: StackGrid, keep_names: bool) -> tuple[str, np.ndarray]:
    volume = grid.without_voxels()
    labels = read_mask_on_grid(path, volume)
    found = np.unique(labels)
    if keep_names:
        return str(path.absolute()), found[found > 0]
    write_nifti(out / FOLDER_NAME / f"{patient_id}.nii.gz", volume.with_array(labels))
    return f"{FOLDER_NAME}/{patient_id}.nii.gz", found[found > 0]
