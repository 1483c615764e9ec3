"""What is asked of a user's manifest before anything is made of it; changes nothing."""
from __future__ import annotations

from stage_data import fold_of_patients
from stages import Plan

from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.manifest_checks import find_box_problems
from lirads_keras.io.manifests import read_manifest


def check_user_manifest(plan: Plan) -> int:
    """How many patients it has.

    Raises:
        InputError: what training could not use: no lesion, masks that are boxes, too few patients for the folds.
    """
    manifest = read_manifest(plan.manifest)
    if manifest.lesions.empty:
        raise InputError(Problem(str(manifest.folder / "lesions.csv"), "a row for each lesion", "none"))
    raise_if_any(find_box_problems(manifest.folder, manifest.patients))
    # That there are enough patients for the folds should not be found out after hours of training.
    fold_of_patients(plan)
    return len(manifest.patients)
