"""Every setting of a run, with its unit and where it comes from; an unknown key is an error.

A profile is a YAML file (`experiments/profiles/`). "Methods §x" points into Wang et al. 2023; "not reported: our choice" marks what
the paper leaves open. Profiles differ in numbers only: there is one code path.
"""
from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from lirads_keras.config.base import NonNegativeInt, PositiveFloat, PositiveInt, Settings
from lirads_keras.config.characterization import CharacterizationSettings
from lirads_keras.config.cohorts import CohortSettings, CtSettings, DrawSettings
from lirads_keras.config.evaluation import EvaluationSettings, LesionSettings
from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.config.segmentation import InferenceSettings, SegmentationSettings
from lirads_keras.errors import InputError, Problem


class WorkflowSettings(Settings):
    """How the workflow spreads over the machine; changes no result."""

    jobs: PositiveInt = Field(1, description="workflow jobs at a time; so many processes share out the folds, and then the characterisation networks")
    threads: PositiveInt = Field(2, description="threads of a job: of TensorFlow, where they are part of what bit-identity depends on, or processes")
    tensorboard: bool = Field(False, description="TensorBoard's event files beside each history.csv; needs the package tensorboard")
    expected_seconds: dict[str, PositiveFloat] = Field(description="usual duration of each stage; of what runs side by side, its share of the time")

    @property
    def cores(self) -> int:
        """What all jobs together may use, and a stage that runs alone."""
        return self.jobs * self.threads


class Profile(Settings):
    """All settings of a run."""

    name: str = Field(pattern=r"^\w[\w.-]*$", description="also of the run's folder, unless RUN names another")
    seed: NonNegativeInt = Field(description="of the splits: folds, early-stopping patients, half split; what is trained has seeds of its own")
    cohort: CohortSettings
    ct: CtSettings
    preprocessing: PreprocessingSettings
    segmentation: SegmentationSettings
    inference: InferenceSettings
    lesions: LesionSettings
    characterization: CharacterizationSettings
    evaluation: EvaluationSettings
    draws: DrawSettings
    workflow: WorkflowSettings

    @model_validator(mode="after")
    def _check(self) -> Profile:
        if self.segmentation.training_crop_px > self.preprocessing.matrix_px:
            raise ValueError("segmentation.training_crop_px is larger than preprocessing.matrix_px")
        if not set(self.lesions.thresholds) <= set(self.evaluation.thresholds):
            raise ValueError(f"lesions.thresholds are among evaluation.thresholds, where masks are scored, not {', '.join(map(str, self.lesions.thresholds))}")
        seeds = (self.cohort.seed, self.draws.fresh_seed, self.draws.shifted_seed)
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"cohort.seed, draws.fresh_seed and draws.shifted_seed differ from each other, not {', '.join(map(str, seeds))}")
        if self.draws.curve_patients > (patients := sum(self.draws.patients(self.cohort))):
            raise ValueError(f"draws.curve_patients are some of the fresh draw's {patients} patients, not {self.draws.curve_patients}")
        return self


_INSTEAD = {("inference", "folds"): "`lirads predict` and `lirads read` take --networks full|ensemble|fold-K instead"}
"""Settings that there were, and what does their work."""


def read_profile(path: Path) -> Profile:
    """Reads and checks a profile.

    Raises:
        InputError: the file is absent or no YAML mapping, or settings are missing, unknown or out of range (all of them at once).
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(Problem(str(path), "a readable profile", error.strerror or str(error))) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(Problem(str(path), "a YAML file", " ".join(str(error).split()))) from error
    if not isinstance(content, dict):
        raise InputError(Problem(str(path), "a mapping of settings", f"a {type(content).__name__}"))
    try:
        return Profile.model_validate(content)
    except ValidationError as error:
        raise InputError(*(
            Problem(f"{path}, {'.'.join(str(part) for part in item['loc']) or 'profile'}", _expected(item), repr(item["input"])[:80])
            for item in error.errors())) from error


def _expected(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return f"no such key ({_INSTEAD.get(item['loc'], 'unknown setting')})"
    return str(item["msg"])
