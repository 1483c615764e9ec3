"""LiverHccSeg: 17 patients of TCGA-LIHC with multi-phase contrast-enhanced MR, 14 of them with HCC (Gross et al., Data in Brief 2023;51:109662).

To be had at https://doi.org/10.5281/zenodo.8179129 (`nifti_and_segms.zip`, version 1.1); CC BY 4.0. Layout:
`nifti_and_segms/TCGA-…/MM-DD-YYYY/` with `pre`, `art`, `pv`, `del` as acquired, `art_pre`, `art_pv`, `art_del` registered to the arterial phase,
on which two radiologists drew `rater1_liver`, `rater1_tumorK` and `rater2_…` (all .nii.gz). Here the registered phases and the first rater are
taken, and the masks are joined to one label map: 1 liver, 2 tumour. An exam whose masks lie on another grid than its images is listed with that
reason and not used. An exam without delayed phase has its grid from the portal venous one; what is to be trained needs the delayed phase.
"""
from __future__ import annotations

from pathlib import Path

import numpy as np

from lirads_keras.entities import GRID_PHASES, Phase, find_grid_phase
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.datasets.common import ImportedCase, ImportedSet, find_folder, image_files, natural_order
from lirads_keras.io.datasets.lits import LABELS
from lirads_keras.io.nifti import read_mask_on_grid, read_nifti, write_nifti
from lirads_keras.progress import Progress, tell_count

PHASES = {Phase.PRECONTRAST: "art_pre", Phase.ARTERIAL: "art", Phase.PORTAL_VENOUS: "art_pv", Phase.DELAYED: "art_del"}
LIVER, TUMOUR = 1, 2


def read_liverhccseg(folder: Path, out: Path, progress: Progress) -> ImportedSet:
    """LiverHccSeg's registered phases; writes the joined label maps to `out/masks`.

    Raises:
        InputError: another layout, exams without liver mask or without a phase on whose grid a study is read, or such a phase that cannot be read; all of
            them.
    """
    exams = _find_exams(folder)
    problems: list[Problem] = []
    cases = []
    for done, (patient_id, exam) in enumerate(exams.items(), start=1):
        files = image_files(exam)
        grids = [f"{PHASES[phase]}.nii.gz" for phase in GRID_PHASES]
        lacking = [] if any(PHASES[phase] in files for phase in GRID_PHASES) else [" or ".join(grids)]
        lacking += [] if "rater1_liver" in files else ["rater1_liver.nii.gz"]
        problems += [Problem(str(exam), name, ", ".join(sorted(files)) or "no NIfTI file") for name in lacking]
        if not lacking:
            try:
                cases.append(_read_case(patient_id, files, out))
            except InputError as error:
                problems += error.problems
        tell_count(progress, "case", done, len(exams))
    raise_if_any(problems)
    return ImportedSet("LiverHccSeg", "MR", tuple(cases), LABELS)


def _find_exams(folder: Path) -> dict[str, Path]:
    """The exam folder of each patient."""
    if not folder.is_dir():
        raise InputError(Problem(str(folder), "the data set's folder", "a file" if folder.exists() else "no such folder"))
    root = folder if any(folder.glob("TCGA-*")) else find_folder(folder, "nifti_and_segms") / "nifti_and_segms"
    patients = sorted(path for path in root.glob("TCGA-*") if path.is_dir())
    exams = {patient.name: sorted(path for path in patient.iterdir() if path.is_dir()) for patient in patients}
    problems = [] if patients else [Problem(str(root), "folders named TCGA-…, one a patient", "none")]
    problems += [Problem(str(root / name), "one exam", f"{len(found)}") for name, found in exams.items() if len(found) != 1]
    raise_if_any(problems)
    return {name: found[0] for name, found in exams.items()}


def _read_case(patient_id: str, files: dict[str, Path], out: Path) -> ImportedCase:
    phases = [phase for phase, name in PHASES.items() if name in files]
    images = {str(phase): files[PHASES[phase]] for phase in phases}
    further = {"exam_date": files["rater1_liver"].parent.name}
    grid = read_nifti(images[find_grid_phase(phases)])
    labels = np.zeros(grid.shape, np.uint8)
    try:
        labels[read_mask_on_grid(files["rater1_liver"], grid) > 0] = LIVER
        for name in sorted((name for name in files if name.startswith("rater1_tumor")), key=natural_order):
            labels[read_mask_on_grid(files[name], grid) > 0] = TUMOUR
    except InputError as error:
        return ImportedCase(patient_id, {}, None, further, "; ".join(str(problem) for problem in error.problems))
    mask = out / "masks" / f"{patient_id}.nii.gz"
    write_nifti(mask, grid.with_array(labels))
    return ImportedCase(patient_id, images, mask, further)
