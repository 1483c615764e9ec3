"""Every training of a characterisation variant: its seeds, its folds, and the half split."""
from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from stage_data import REGIONS
from stages import Plan

from lirads_keras.preprocessing.half_split import split_half
from lirads_keras.run import NetworkFolder
from lirads_keras.variants import CHARACTERIZATION_VARIANTS, CharacterizationVariant

HALF_STREAM = 1_000
"""Random stream of the half split; fold k has stream k."""


@dataclass(frozen=True)
class Training:
    """One network. `fold` is None for the half split; `folder` lies in the run."""

    variant: CharacterizationVariant
    seed: int
    fold: int | None
    folder: NetworkFolder

    @property
    def stream(self) -> int:
        return HALF_STREAM if self.fold is None else self.fold

    @property
    def label(self) -> str:
        return "half split" if self.fold is None else f"fold {self.fold + 1}"

    @property
    def name(self) -> str:
        """Of this training alone in the run."""
        return f"{self.variant.name}-seed-{self.seed}-{'half' if self.fold is None else f'fold-{self.fold}'}"


def list_trainings(plan: Plan, variant: str) -> list[Training]:
    """The folds of the first seed, the half split if the profile has it, and the folds of the other seeds."""
    settings, run, which = plan.profile.characterization, plan.run, CHARACTERIZATION_VARIANTS[variant]
    first, *others = settings.seeds
    folds = range(plan.profile.segmentation.folds)
    trainings = [Training(which, first, fold, run.fold(variant, fold)) for fold in folds]
    if settings.half_split:
        trainings.append(Training(which, first, None, run.half(variant)))
    return trainings + [Training(which, seed, fold, run.fold(variant, fold, further_seed=seed)) for seed in others for fold in folds]


def half_patients(plan: Plan, index: pd.DataFrame) -> list[str]:
    """The test patients of the half split."""
    lesions = index.loc[index["roi"] == REGIONS[0], "patient_id"]
    return split_half({str(name): int(count) for name, count in lesions.value_counts().items()}, plan.profile.seed)


def is_tested(plan: Plan, training: Training, index: pd.DataFrame) -> pd.Series:
    """Flags of the index' rows: whether the training tests the patient, and so does not train on it."""
    return index["patient_id"].isin(half_patients(plan, index)) if training.fold is None else index["fold"] == training.fold
