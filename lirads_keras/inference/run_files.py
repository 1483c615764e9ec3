"""What a finished run left for reading new studies; checked here without Keras, so that a wrong path is told before TensorFlow is imported."""
from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lirads_keras.config import FEATURE_VARIANTS, Profile, read_profile
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.phantom.cohort import COHORT_LABEL


@dataclass(frozen=True)
class RunFiles:
    """The chosen folds of a run.

    `segmentation` and `characterization` are weights, one file a fold. `threshold` is the median of those that the folds chose on their
    early-stopping patients; of an even number of folds the lower of the middle two, so that it is one of the thresholds at which masks were scored.
    """

    run: Path
    profile: Profile
    variant: str
    folds: tuple[int, ...]
    segmentation: tuple[Path, ...]
    characterization: tuple[Path, ...]
    threshold: float


def find_run_files(run: Path, *, variant: str | None = None, fold: int | Literal["all", "best"] | None = None) -> RunFiles:
    """The profile, weights and threshold of a finished run.

    Args:
        run: run folder.
        variant: characterisation variant; the profile's first (the paper's own) by default.
        fold: its number, "all", or "best" (the highest Dice on its own early-stopping patients; of equals the first); the profile's by default.

    Raises:
        InputError: no run folder, an unknown variant or fold, or weights or thresholds that are missing (each is named).
    """
    if not (run / "profile.yaml").is_file():
        raise InputError(Problem(str(run), "a run folder with profile.yaml (made by `make reproduce`)", "no such file" if run.is_dir() else "no such folder"))
    profile = read_profile(run / "profile.yaml")
    # A direct network has no features to report.
    variants, folds = [name for name in profile.characterization.variants if name in FEATURE_VARIANTS], range(profile.segmentation.folds)
    variant = variant or next(iter(variants), "a run of direct networks only")
    problems = []
    if variant not in variants:
        problems.append(Problem("--variant", f"one of {', '.join(variants or FEATURE_VARIANTS)}", variant))
    wanted = profile.inference.folds if fold is None else fold
    if isinstance(wanted, int) and wanted not in folds:
        problems.append(Problem("--fold", f"all, best or 0 … {folds[-1]}", str(fold)))
    raise_if_any(problems)
    chosen = _find_best_fold(run, folds) if wanted == "best" else tuple(folds) if wanted == "all" else (wanted,)
    segmentation = tuple(run / "segmentation" / f"fold-{k}" / "model.keras" for k in chosen)
    characterization = tuple(run / "characterization" / variant / f"fold-{k}" / "model.keras" for k in chosen)
    problems = [Problem(str(path), "weights of a finished run", "no such file") for path in (*segmentation, *characterization) if not path.is_file()]
    thresholds = _read_of_folds(run, chosen, "threshold_chosen", "threshold", problems)
    raise_if_any(problems)
    return RunFiles(run, profile, variant, chosen, segmentation, characterization, statistics.median_low(thresholds))


def read_training_cohort(run: Path) -> str:
    """"virtual cohort" where a run was trained on it, else nothing."""
    try:
        inputs = json.loads((run / "inputs.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return COHORT_LABEL if isinstance(inputs, dict) and inputs.get("manifest", "") is None else ""


def _find_best_fold(run: Path, folds: range) -> tuple[int]:
    problems: list[Problem] = []
    dice = _read_of_folds(run, tuple(folds), "dice_validation", "validation Dice", problems)
    raise_if_any(problems)
    return (max(folds, key=lambda fold: dice[fold]),)


def _read_of_folds(run: Path, folds: tuple[int, ...], key: str, name: str, problems: list[Problem]) -> list[float]:
    """A number of each fold's record; what cannot be read is appended to the problems."""
    numbers = []
    for fold in folds:
        path = run / "segmentation" / f"fold-{fold}" / "fold.json"
        try:
            numbers.append(float(json.loads(path.read_text())[key]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            found = "no such file" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {error}"
            problems.append(Problem(str(path), f"the fold's {name}, which a finished run has", found))
    return numbers
