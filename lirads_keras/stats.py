"""The R analysis from Python: the same functions on pandas frames, through rpy2.

What R computes for the report is what is computed here; nothing is written a second time. R's sources are those of the checkout's `r_analysis/`, or of
the folder that the environment variable LIRADS_R names; base R is enough for the functions below. R runs inside of this process and knows one thread:
every function has to be called from the main thread, and none belongs into a server.
"""
from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from lirads_keras.errors import InputError, Problem, raise_if_any

ENVIRONMENT_VARIABLE = "LIRADS_R"

RESAMPLES = 10_000
"""Of the bootstrap, as in the report."""

INSTALL_R = "R 4.1 or newer (Debian and Ubuntu: sudo apt-get install -y r-base-core; elsewhere: https://cran.r-project.org)"


def find_r_sources() -> Path:
    """The folder with the R functions, `R/` of LIRADS_R or of the checkout's `r_analysis`.

    Raises:
        InputError: there is no such folder, or it holds no R function.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    folder = (Path(named) if named else Path(__file__).resolve().parents[1] / "r_analysis") / "R"
    if not any(folder.glob("*.R")):
        raise InputError(Problem(str(folder), f"the R functions of r_analysis (a checkout, or {ENVIRONMENT_VARIABLE}=its r_analysis folder)", "none"))
    return folder


def compute_wilson_interval(proportion: Sequence[float], trials: Sequence[float], *, level: float = 0.95) -> pd.DataFrame:
    """Wilson score intervals.

    Args:
        proportion: in [0, 1].
        trials: as many, above 0; an effective number need not be whole.
        level: of confidence, in (0, 1).

    Returns:
        Columns `low` and `high`, a row a proportion.

    Raises:
        InputError: a value lies outside of its range; as all functions here, also if there is no R or no R function.
        RuntimeError: as all functions here, if called from another thread than the main one.
    """
    shares, numbers = np.asarray(proportion, float), np.asarray(trials, float)
    problems = [] if shares.shape == numbers.shape and shares.ndim == 1 else [Problem("trials", "one a proportion", f"{numbers.shape} for {shares.shape}")]
    problems += _find_outside("proportion", shares, (shares >= 0) & (shares <= 1), "numbers from 0 to 1")
    problems += _find_outside("trials", numbers, (numbers > 0) & np.isfinite(numbers), "finite numbers above 0") + _check_level(level)
    raise_if_any(problems)
    return _to_frame(_call("compute_wilson_interval", shares, numbers, level))


def compute_clustered_proportion(lesions: pd.DataFrame, *, level: float = 0.95) -> pd.Series:
    """A proportion of lesions with an interval that respects the patient: Wilson with n divided by the design effect.

    Args:
        lesions: `patient_id` and `success` (bool, or 0 and 1), a row a lesion.
        level: of confidence, in (0, 1).

    Returns:
        `patients`, `n`, `successes`, `proportion`, `low`, `high`, `design_effect`, `n_effective`.
    """
    raise_if_any(_check_frame(lesions, "lesions", names=("patient_id",), flags=("success",)) + _check_level(level))
    return _to_row(_call("compute_clustered_proportion", _numbers(lesions, "success"), _texts(lesions, "patient_id"), level))


def compute_weighted_kappa(lesions: pd.DataFrame, patients: pd.DataFrame, *, categories: Sequence[str], weighting: Literal["linear", "quadratic"],
                           resamples: int = RESAMPLES) -> pd.Series:
    """Weighted κ of two readings with a patient-bootstrap interval.

    Args:
        lesions: `patient_id`, `reference` and `predicted`, a row a lesion.
        patients: `patient_id` and `group`, within which whole patients are resampled; patients without a lesion are among them, too.
        categories: all of them, in their order.
        weighting: of the disagreements.
        resamples: of the bootstrap.

    Returns:
        `value`, `low`, `high`, `se`; NaN where κ is not defined.
    """
    problems = _check_frame(lesions, "lesions", names=("patient_id", "reference", "predicted")) + _check_patients(patients, lesions)
    if not problems:
        problems = [Problem(f"lesions, {name}, row {row}", " or ".join(categories), repr(value)) for name in ("reference", "predicted")
                    for row, value in enumerate(_texts(lesions, name)) if value not in categories]
    raise_if_any(problems)
    readings = [pd.Categorical(_texts(lesions, name), categories=list(categories)) for name in ("reference", "predicted")]
    return _to_row(_call("compute_kappa", *readings, _texts(lesions, "patient_id"), _draw_weights(patients, resamples), weighting))


def compute_auc(lesions: pd.DataFrame, patients: pd.DataFrame, *, resamples: int = RESAMPLES) -> pd.Series:
    """Area under the ROC curve over the pairs of lesions of the same fold, ties as half, with a patient-bootstrap interval.

    Args:
        lesions: `patient_id`, `fold`, `reference` (bool, or 0 and 1) and `probability`, a row a lesion; one fold for all compares all.
        patients: as for `compute_weighted_kappa`.
        resamples: of the bootstrap.

    Returns:
        `value`, `low`, `high`; NaN without a pair, and limits NaN where all resamples agree.
    """
    raise_if_any(_check_frame(lesions, "lesions", names=("patient_id", "fold"), flags=("reference",), numbers=("probability",))
                 + _check_patients(patients, lesions))
    table = {"patient_id": _texts(lesions, "patient_id"), "reference": _numbers(lesions, "reference"), "probability": _numbers(lesions, "probability")}
    return _to_row(_call("compute_auc", table, _texts(lesions, "fold"), _draw_weights(patients, resamples)))


def compute_mcnemar(only_first: int, only_second: int) -> float:
    """p of McNemar's exact test, two-sided, from the numbers of lesions that one of two methods alone is right about.

    It ignores that lesions come in patients; `compute_paired_difference` doesn't.
    """
    counts = np.array([only_first, only_second], float)
    raise_if_any(_find_outside("discordant lesions", counts, (counts >= 0) & (counts == np.rint(counts)) & np.isfinite(counts), "whole numbers from 0"))
    return float(np.asarray(_call("compute_mcnemar", counts[:1], counts[1:]))[0])


def compute_paired_difference(lesions: pd.DataFrame, patients: pd.DataFrame, *, resamples: int = RESAMPLES) -> pd.Series:
    """Difference of two accuracies over the same lesions: patient-bootstrap interval, patient-level sign-flip test, McNemar's test beside it.

    Args:
        lesions: `patient_id`, `lesion_id`, `first` and `second` (bool, or 0 and 1: whether that method is right), a row a lesion.
        patients: as for `compute_weighted_kappa`.
        resamples: of the bootstrap.

    Returns:
        `patients`, `n`, `accuracy_first`, `accuracy_second`, `difference`, `low`, `high`, `p`, `only_first`, `only_second`, `p_mcnemar`.
    """
    problems = _check_frame(lesions, "lesions", names=("patient_id", "lesion_id"), flags=("first", "second")) + _check_patients(patients, lesions)
    if not problems:
        doubled = lesions.duplicated(["patient_id", "lesion_id"]).to_numpy()
        problems = [Problem("lesions, patient_id + lesion_id", "each once", f"{int(doubled.sum())} again")] if doubled.any() else []
    raise_if_any(problems)
    # R tells the patient from the lesion's name by the first bar.
    numbers = {patient_id: str(number) for number, patient_id in enumerate(_texts(patients, "patient_id"))}
    names = [f"{numbers[patient_id]} | {row}" for row, patient_id in enumerate(_texts(lesions, "patient_id"))]
    renamed = patients.assign(patient_id=list(numbers.values()))
    right = [pd.Series(_numbers(lesions, name) == 1, index=names) for name in ("first", "second")]
    return _to_row(_call("compute_paired_difference", *right, _draw_weights(renamed, resamples)))


@lru_cache(maxsize=2)
def _source(folder: Path) -> Any:
    """An R environment of its own with all functions of a folder; nothing lands in R's global one."""
    import rpy2.robjects as robjects

    environment = robjects.r["new.env"]()
    for path in sorted(folder.glob("*.R")):
        robjects.r["source"](str(path), local=environment, encoding="UTF-8")
    return environment


def _call(name: str, *arguments: Any) -> Any:
    """Calls an R function; what it returns stays R's."""
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("R runs in the main thread only: call lirads_keras.stats from there")
    folder = find_r_sources()
    _start_r()
    return _source(folder)[name](*map(_to_r, arguments))


def _start_r() -> None:
    """Loads R, and leaves the path of shared libraries as it was: with R's own a subprocess of this one may load another Python's library."""
    before = os.environ.get("LD_LIBRARY_PATH")
    try:
        import rpy2.robjects  # noqa: F401
    except Exception as error:  # rpy2 raises many kinds where R is missing or another one than it was built for
        raise InputError(Problem("R", INSTALL_R, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'none'}")) from error
    finally:
        os.environ.pop("LD_LIBRARY_PATH", None)
        if before is not None:
            os.environ["LD_LIBRARY_PATH"] = before


def _to_r(value: Any) -> Any:
    """Text, numbers, factors, named flags and columns of these as R has them; no converter of rpy2's is switched on for the whole process."""
    import rpy2.robjects as robjects

    if isinstance(value, dict):
        return robjects.DataFrame({name: _to_r(column) for name, column in value.items()})
    if isinstance(value, pd.Categorical):
        return robjects.FactorVector(robjects.StrVector(list(map(str, value))), levels=robjects.StrVector(list(map(str, value.categories))))
    if isinstance(value, pd.Series):
        vector = robjects.BoolVector(value.to_numpy(bool).tolist())
        vector.names = robjects.StrVector(list(map(str, value.index)))
        return vector
    if isinstance(value, np.ndarray):
        return robjects.FloatVector(value.astype(float))
    return robjects.StrVector(value) if isinstance(value, list) else value


def _to_frame(table: Any) -> pd.DataFrame:
    return pd.DataFrame({str(name): np.asarray(column) for name, column in zip(table.names, table, strict=True)})


def _to_row(table: Any) -> pd.Series:
    return _to_frame(table).iloc[0]


def _draw_weights(patients: pd.DataFrame, resamples: int) -> Any:
    """R's matrix (patients, resamples), whose row names have to stay with it."""
    return _call("draw_patient_weights", {name: _texts(patients, name) for name in ("patient_id", "group")}, float(resamples))


def _texts(frame: pd.DataFrame, name: str) -> list[str]:
    return [str(value) for value in frame[name]]


def _numbers(frame: pd.DataFrame, name: str) -> np.ndarray:
    return frame[name].to_numpy(float)


def _check_patients(patients: pd.DataFrame, lesions: pd.DataFrame) -> list[Problem]:
    problems = _check_frame(patients, "patients", names=("patient_id", "group"))
    if not problems and "patient_id" in lesions:
        known = _texts(patients, "patient_id")
        problems += [Problem(f"patients, {patient_id}", "one row", str(known.count(patient_id))) for patient_id in sorted(set(known))
                     if known.count(patient_id) > 1]
        problems += [Problem(f"patients, {patient_id}", "one row", "none") for patient_id in sorted(set(_texts(lesions, "patient_id")) - set(known))]
    return problems


def _check_frame(frame: pd.DataFrame, where: str, *, names: tuple[str, ...], flags: tuple[str, ...] = (), numbers: tuple[str, ...] = ()) -> list[Problem]:
    """All that is wrong with a frame: no row, columns that are missing, cells that are empty or no number."""
    problems = [] if len(frame) else [Problem(where, "at least one row", "none")]
    for name in (*names, *flags, *numbers):
        if name not in frame:
            problems.append(Problem(where, f"a column {name}", ", ".join(map(str, frame.columns)) or "none"))
            continue
        values = pd.Series(frame[name].to_numpy())
        bad = values.isna()
        if name not in names:
            read = pd.to_numeric(values, errors="coerce")
            bad |= ~np.isfinite(read.astype(float)) | (~read.isin([0, 1]) if name in flags else False)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            expected = "0 or 1" if name in flags else "a number" if name in numbers else "a value"
            problems.append(Problem(f"{where}, {name}, row {row}", expected, f"{values[row]} ({int(bad.sum())} such cells)"))
    return problems


def _find_outside(where: str, values: np.ndarray, fits: np.ndarray, expected: str) -> list[Problem]:
    return [] if fits.all() else [Problem(where, expected, ", ".join(f"{value:g}" for value in values[~fits][:5]))]


def _check_level(level: float) -> list[Problem]:
    return [] if 0 < level < 1 else [Problem("level", "a number between 0 and 1", f"{level:g}")]
