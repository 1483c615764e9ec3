"""Every training of a characterisation variant: its seeds, its folds, and the half split."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from stages import Plan

from lirads_keras.preprocessing.half_split import split_half

HALF_STREAM = 1_000
"""Random stream of the half split; fold k has stream k."""


@dataclass(frozen=True)
class Training:
    """One network. `fold` is None for the half split; `folder` lies below the run."""

    variant: str
    seed: int
    fold: int | None
    folder: Path

    @property
    def stream(self) -> int:
        return HALF_STREAM if self.fold is None else self.fold

    @property
    def label(self) -> str:
        return "half split" if self.fold is None else f"fold {self.fold + 1}"

    @property
    def scores(self) -> Path:
        """The table of what the network says about its test lesions."""
        return self.folder / ("categories.csv" if self.variant.startswith("direct-") else "features.csv")


def list_trainings(plan: Plan, variant: str) -> list[Training]:
    """The folds of the first seed, the half split if the profile has it, and the folds of the other seeds."""
    settings, folder = plan.profile.characterization, plan.run / "characterization" / variant
    first, *others = settings.seeds
    folds = range(plan.profile.segmentation.folds)
    trainings = [Training(variant, first, fold, folder / f"fold-{fold}") for fold in folds]
    if settings.half_split:
        trainings.append(Training(variant, first, None, folder / "half"))
    return trainings + [Training(variant, seed, fold, folder / f"seed-{seed}" / f"fold-{fold}") for seed in others for fold in folds]


def half_patients(plan: Plan, index: pd.DataFrame) -> list[str]:
    """The test patients of the half split."""
    lesions = index.loc[index["roi"] == "reference_roi", "patient_id"]
    return split_half({str(name): int(count) for name, count in lesions.value_counts().items()}, plan.profile.seed)


def is_tested(plan: Plan, training: Training, index: pd.DataFrame) -> pd.Series:
    """Flags of the index' rows: whether the training tests the patient, and so does not train on it."""
    return index["patient_id"].isin(half_patients(plan, index)) if training.fold is None else index["fold"] == training.fold
