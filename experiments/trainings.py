"""Every training of a characterisation variant: its seeds, its folds, the half split, and the one on all patients."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd
from stage_data import REGIONS
from stages import Plan

from lirads_keras.preprocessing.half_split import split_half
from lirads_keras.run import NetworkFolder
from lirads_keras.variants import CHARACTERIZATION_VARIANTS, PAPER_CHARACTERIZATION, CharacterizationVariant

STREAMS = {"half": 1_000, "full": 900}
"""Random streams of the half split and of the training on all patients; fold k has stream k."""


@dataclass(frozen=True)
class Training:
    """One network. `part`: the fold that it tests, the half split, or none, trained on all patients; `folder` lies in the run."""

    variant: CharacterizationVariant
    seed: int
    part: int | Literal["half", "full"]
    folder: NetworkFolder

    @property
    def fold(self) -> int | None:
        return self.part if isinstance(self.part, int) else None

    @property
    def stream(self) -> int:
        return self.part if isinstance(self.part, int) else STREAMS[self.part]

    @property
    def label(self) -> str:
        return f"fold {self.part + 1}" if isinstance(self.part, int) else {"half": "half split", "full": "all patients"}[self.part]

    @property
    def name(self) -> str:
        """Of this training alone in the run."""
        return f"{self.variant.name}-seed-{self.seed}-{self.part if self.fold is None else f'fold-{self.fold}'}"


def list_trainings(plan: Plan, variant: str) -> list[Training]:
    """The folds of the first seed, the half split if the profile has it, of the paper's own variant the one on all patients, and further seeds' folds."""
    settings, run, which = plan.profile.characterization, plan.run, CHARACTERIZATION_VARIANTS[variant]
    first, *others = settings.seeds
    folds = range(plan.profile.segmentation.folds)
    trainings = [Training(which, first, fold, run.fold(variant, fold)) for fold in folds]
    if settings.half_split:
        trainings.append(Training(which, first, "half", run.half(variant)))
    if variant == PAPER_CHARACTERIZATION:
        trainings.append(Training(which, first, "full", run.full(variant)))
    return trainings + [Training(which, seed, fold, run.fold(variant, fold, further_seed=seed)) for seed in others for fold in folds]


def half_patients(plan: Plan, index: pd.DataFrame) -> list[str]:
    """The test patients of the half split."""
    lesions = index.loc[index["roi"] == REGIONS[0], "patient_id"]
    return split_half({str(name): int(count) for name, count in lesions.value_counts().items()}, plan.profile.seed)


def is_tested(plan: Plan, training: Training, index: pd.DataFrame) -> pd.Series:
    """Flags of the index' rows: whether the training tests the patient, and so does not train on it."""
    if training.part == "full":
        return pd.Series(False, index=index.index)
    return index["patient_id"].isin(half_patients(plan, index)) if training.part == "half" else index["fold"] == training.fold
