"""What a finished run left for reading new studies; checked here without Keras, so that a wrong path is told before TensorFlow is imported."""
from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path

from lirads_keras.config import Profile, read_profile
from lirads_keras.errors import InputError, Problem, raise_if_any


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


def find_run_files(run: Path, *, variant: str | None = None, fold: int | None = None) -> RunFiles:
    """The profile, weights and threshold of a finished run.

    Args:
        run: run folder.
        variant: characterisation variant; the profile's first (the paper's own) by default.
        fold: one fold only; all folds by default.

    Raises:
        InputError: no run folder, an unknown variant or fold, or weights or thresholds that are missing (each is named).
    """
    if not (run / "profile.yaml").is_file():
        raise InputError(Problem(str(run), "a run folder with profile.yaml (made by `make reproduce`)", "no such file" if run.is_dir() else "no such folder"))
    profile = read_profile(run / "profile.yaml")
    variants, folds = profile.characterization.variants, range(profile.segmentation.folds)
    variant = variant or variants[0]
    problems = []
    if variant not in variants:
        problems.append(Problem("--variant", f"one of {', '.join(variants)}", variant))
    if fold is not None and fold not in folds:
        problems.append(Problem("--fold", f"0 … {folds[-1]}", str(fold)))
    raise_if_any(problems)
    chosen = tuple(folds) if fold is None else (fold,)
    segmentation = tuple(run / "segmentation" / f"fold-{k}" / "model.keras" for k in chosen)
    characterization = tuple(run / "characterization" / variant / f"fold-{k}" / "model.keras" for k in chosen)
    problems = [Problem(str(path), "weights of a finished run", "no such file") for path in (*segmentation, *characterization) if not path.is_file()]
    thresholds = []
    for weights in segmentation:
        try:
            thresholds.append(float(json.loads((weights.parent / "fold.json").read_text())["threshold_chosen"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            found = "no such file" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {error}"
            problems.append(Problem(str(weights.parent / "fold.json"), "the fold's threshold, which a finished run has", found))
    raise_if_any(problems)
    return RunFiles(run, profile, variant, chosen, segmentation, characterization, statistics.median_low(thresholds))
