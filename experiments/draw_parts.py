"""The further virtual cohorts of a run: which patients, under which name, built where."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stages import Plan, compute_code_digest

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.config.profile import Profile
from lirads_keras.evaluation.conditions import AS_ACQUIRED, Condition, acquire_arterial_later
from lirads_keras.io.manifests import read_manifest
from lirads_keras.phantom.cohort import build_cohort_table, choose_patients
from lirads_keras.variants import SEGMENTATION_VARIANTS

CROSS_VALIDATION = "cross_validation"
"""In the place of a draw: the run's own patients, each by its fold's network."""

Groups = dict[str, str]
"""Group of each patient_id."""


@dataclass(frozen=True)
class DrawPart:
    """Patients that are built and scored together.

    `name` is that of their folder in the run. `draw` is `fresh` or `shifted`: patients of the fresh draw who were scanned again are the same patients.
    `patients`: so many of the cohort, None: all. `condition`: under which they were acquired. `curves`: whether some of them are scored with changed phases.
    """

    name: str
    draw: str
    settings: CohortSettings
    condition: Condition = AS_ACQUIRED
    patients: int | None = None
    curves: bool = False

    def folder(self, data: Path) -> Path:
        """The cohort's folder, for all runs that share it."""
        parts = [self.settings.model_dump(mode="json"), self.patients, compute_code_digest("cohort")]
        return data / "cohorts" / hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def list_draw_parts(profile: Profile) -> Iterator[DrawPart]:
    """The fresh and the shifted draw, then the fresh draw's patients scanned again, if a network of several phases reads the arterial one."""
    draws = profile.draws
    positive, negative = draws.patients(profile.cohort)
    size = {"patients_positive": positive, "patients_negative": negative}
    fresh = profile.cohort.model_copy(update={**size, "seed": draws.fresh_seed})
    yield DrawPart("fresh", "fresh", fresh, curves=True)
    yield DrawPart("shifted", "shifted", profile.cohort.model_copy(update={**size, "seed": draws.shifted_seed, "shift": "shifted"}))
    if any(reads_condition(name, acquire_arterial_later(0)) for name in profile.segmentation.variants):
        for seconds in draws.arterial_later_s:
            yield DrawPart(f"fresh-arterial{seconds:+g}s", "fresh", fresh.model_copy(update={"arterial_moved_s": seconds}),
                           acquire_arterial_later(seconds), draws.curve_patients)


def reads_condition(variant: str, condition: Condition) -> bool:
    """Whether a segmentation variant's network can tell this condition from the patients as they were acquired."""
    return condition == AS_ACQUIRED or len(SEGMENTATION_VARIANTS[variant].phases) > 1


def list_curve_patients(plan: Plan, part: DrawPart) -> set[str]:
    """Those of a part whose phases are moved or left out."""
    return {chosen.patient_id for chosen in choose_patients(build_cohort_table(part.settings), plan.profile.draws.curve_patients)} if part.curves else set()


def list_scorings(plan: Plan) -> list[tuple[str, DrawPart]]:
    """Each segmentation variant with each part that its network can tell from the others; the variants with the most phases, which take longest, first."""
    parts = list(list_draw_parts(plan.profile))
    variants = sorted(plan.segmentations, key=lambda name: -len(SEGMENTATION_VARIANTS[name].phases))
    return [(variant, part) for variant in variants for part in parts if reads_condition(variant, part.condition)]


def draw_groups(plan: Plan, part: DrawPart) -> Groups:
    """Groups of a part's patients, which must have been built."""
    return read_groups(part.folder(plan.data))


def read_groups(manifest: Path) -> Groups:
    """Groups of the patients of a manifest's folder."""
    patients = read_manifest(manifest).patients
    return dict(zip(patients["patient_id"].astype(str), patients["group"].astype(str), strict=True))
