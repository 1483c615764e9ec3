"""R's functions from Python, against scikit-learn, SciPy and plain arithmetic."""
from __future__ import annotations

import os
import subprocess
import sys
import threading
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from lirads_keras import stats
from lirads_keras.errors import InputError

CHECKOUT = Path(__file__).resolve().parents[1]
FEW = 20
CATEGORIES = ("LR-3", "LR-4", "LR-5")


@pytest.fixture(scope="module")
def lesions() -> pd.DataFrame:
    """60 lesions of 40 patients in three folds; the second method is worse, some probabilities are equal."""
    rng = np.random.default_rng(1)
    patient = np.sort(rng.integers(0, 40, 60))
    reference = rng.integers(0, 2, 60)
    return pd.DataFrame({
        "patient_id": [f"P | {number}" for number in patient], "lesion_id": [f"L{row}" for row in range(60)], "fold": patient % 3,
        "reference": reference, "probability": np.round(np.clip(rng.normal(0.4 + 0.25 * reference, 0.2), 0, 1), 1),
        "success": rng.integers(0, 2, 60), "first": rng.random(60) < 0.8, "second": rng.random(60) < 0.5})


@pytest.fixture(scope="module")
def patients() -> pd.DataFrame:
    return pd.DataFrame({"patient_id": [f"P | {number}" for number in range(45)], "group": ["positive"] * 40 + ["negative"] * 5})


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95, 0.99]))
@settings(max_examples=60)
def test_wilson_equals_scipy(counts, level):
    successes, trials = counts
    found = stats.compute_wilson_interval([successes / trials], [trials], level=level).iloc[0]
    expected = binomtest(successes, trials).proportion_ci(level, method="wilson")
    assert (found["low"], found["high"]) == (pytest.approx(expected.low, abs=1e-8), pytest.approx(expected.high, abs=1e-8))


@given(st.integers(0, 80), st.integers(0, 80))
@settings(max_examples=60)
def test_mcnemar_equals_scipy(only_first, only_second):
    expected = binomtest(only_first, only_first + only_second).pvalue if only_first + only_second else 1.0
    assert stats.compute_mcnemar(only_first, only_second) == pytest.approx(expected, abs=1e-8)


@given(st.lists(st.tuples(st.sampled_from([0, 1]), st.integers(0, 5)), min_size=2, max_size=40).filter(lambda rows: len({row[0] for row in rows}) == 2))
@settings(max_examples=30)
def test_auc_of_one_fold_equals_scikit_learn(rows):
    reference, score = (list(column) for column in zip(*rows, strict=True))
    table = pd.DataFrame({"patient_id": range(len(rows)), "fold": 0, "reference": reference, "probability": np.array(score) / 7})
    found = stats.compute_auc(table, pd.DataFrame({"patient_id": range(len(rows)), "group": "all"}), resamples=FEW)
    assert found["value"] == pytest.approx(roc_auc_score(reference, score), abs=1e-8)


def test_auc_compares_lesions_of_the_same_fold_only(lesions, patients):
    """The mean of the folds' areas, each counted by its number of pairs."""
    areas, pairs = [], []
    for _, part in lesions.groupby("fold"):
        areas.append(roc_auc_score(part["reference"], part["probability"]))
        pairs.append((part["reference"] == 1).sum() * (part["reference"] == 0).sum())
    found = stats.compute_auc(lesions, patients)
    assert found["value"] == pytest.approx(np.average(areas, weights=pairs), abs=1e-8) and found["low"] < found["value"] < found["high"]
    assert found["value"] != pytest.approx(roc_auc_score(lesions["reference"], lesions["probability"]), abs=1e-4)
    alone = stats.compute_auc(lesions.assign(reference=lesions["fold"] > 0), patients, resamples=FEW)
    assert np.isnan(alone["value"])


@pytest.mark.parametrize("weighting", ["linear", "quadratic"])
@given(st.lists(st.tuples(st.sampled_from(CATEGORIES), st.sampled_from(CATEGORIES)), min_size=2, max_size=40).filter(
    lambda rows: len({row[0] for row in rows}) > 1))
@settings(max_examples=20)
def test_kappa_equals_scikit_learn(weighting, rows):
    reference, predicted = (list(column) for column in zip(*rows, strict=True))
    table = pd.DataFrame({"patient_id": range(len(rows)), "reference": reference, "predicted": predicted})
    found = stats.compute_weighted_kappa(table, pd.DataFrame({"patient_id": range(len(rows)), "group": "all"}), categories=CATEGORIES,
                                         weighting=weighting, resamples=FEW)
    assert found["value"] == pytest.approx(cohen_kappa_score(reference, predicted, labels=list(CATEGORIES), weights=weighting), abs=1e-8)


def test_a_clustered_proportion_by_its_formula(lesions):
    """Rao and Scott's design effect, then Wilson's interval with n divided by it."""
    found = stats.compute_clustered_proportion(lesions)
    sums = lesions.groupby("patient_id")["success"].agg(["sum", "count"])
    m, n, share = len(sums), len(lesions), lesions["success"].mean()
    variance = m / (m - 1) * ((sums["sum"] - share * sums["count"]) ** 2).sum() / n ** 2
    effect = max(1.0, variance / (share * (1 - share) / n))
    assert effect > 1 and (found["patients"], found["n"], found["successes"]) == (m, n, lesions["success"].sum())
    assert (found["proportion"], found["design_effect"]) == (pytest.approx(share, abs=1e-12), pytest.approx(effect, abs=1e-10))
    z, trials = 1.959963984540054, n / effect
    centre, half = (share + z ** 2 / (2 * trials)), z * np.sqrt(share * (1 - share) / trials + z ** 2 / (4 * trials ** 2))
    assert found["low"] == pytest.approx((centre - half) / (1 + z ** 2 / trials), abs=1e-10)
    assert found["high"] == pytest.approx((centre + half) / (1 + z ** 2 / trials), abs=1e-10)


def test_paired_differences_by_arithmetic(lesions, patients):
    found = stats.compute_paired_difference(lesions, patients)
    first, second = lesions["first"], lesions["second"]
    b, c = int((first & ~second).sum()), int((second & ~first).sum())
    assert (found["patients"], found["n"], found["only_first"], found["only_second"]) == (lesions["patient_id"].nunique(), 60, b, c)
    assert found["difference"] == pytest.approx((b - c) / 60, abs=1e-12) == pytest.approx(found["accuracy_first"] - found["accuracy_second"])
    assert found["p_mcnemar"] == pytest.approx(binomtest(b, b + c).pvalue, abs=1e-8) and found["low"] < found["difference"] < found["high"]


def test_the_sign_flip_is_that_of_patients():
    """Three patients and five lesions: 8 flips in all, of which those as far from 0 as the observed sum are counted."""
    table = pd.DataFrame({"patient_id": list("aabcc"), "lesion_id": range(5), "first": [1, 1, 1, 0, 1], "second": [0, 0, 0, 0, 0]})
    sums = table.assign(difference=table["first"] - table["second"]).groupby("patient_id")["difference"].sum()
    flips = [abs(np.dot(signs, sums)) >= abs(sums.sum()) for signs in product((-1, 1), repeat=3)]
    found = stats.compute_paired_difference(table, pd.DataFrame({"patient_id": list("abc"), "group": "all"}), resamples=FEW)
    assert found["p"] == pytest.approx(np.mean(flips), abs=0.02)


def test_the_numbers_are_those_of_r_alone(lesions, patients, tmp_path):
    """Intervals too: the same streams of random numbers, in another process."""
    lesions.to_csv(tmp_path / "lesions.csv", index=False)
    patients.to_csv(tmp_path / "patients.csv", index=False)
    code = ('for (file in list.files("r_analysis/R", full.names = TRUE)) source(file, encoding = "UTF-8"); folder <- commandArgs(TRUE);'
            'lesions <- read.csv(file.path(folder, "lesions.csv")); weights <- draw_patient_weights(read.csv(file.path(folder, "patients.csv")));'
            'cat(sprintf("%.15g", unlist(compute_auc(lesions, lesions$fold, weights))))')
    alone = subprocess.run(["Rscript", "-e", code, str(tmp_path)], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    assert stats.compute_auc(lesions, patients).tolist() == pytest.approx([float(word) for word in alone.split()], abs=1e-12)


def test_no_converter_is_left_switched_on(lesions):
    stats.compute_clustered_proportion(lesions)
    import rpy2.robjects as robjects

    assert type(robjects.r("c(1, 2)")) is robjects.FloatVector
    assert not [name for name in robjects.r("ls(globalenv())") if name.startswith("compute_")]


def test_another_thread_is_refused():
    raised: list[BaseException] = []

    def call() -> None:
        try:
            stats.compute_mcnemar(3, 1)
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert len(raised) == 1 and "main thread" in str(raised[0])


def test_r_leaves_subprocesses_their_own_libraries():
    code = ("import os, subprocess, sys\nfrom lirads_keras import stats\nbefore = os.environ.get('LD_LIBRARY_PATH')\nstats.compute_mcnemar(3, 1)\n"
            "assert os.environ.get('LD_LIBRARY_PATH') == before\nsubprocess.run([sys.executable, '-c', 'import ssl'], check=True)")
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True)


def test_a_folder_without_r_functions_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("LIRADS_R", str(tmp_path))
    with pytest.raises(InputError, match="LIRADS_R=its r_analysis folder"):
        stats.compute_mcnemar(3, 1)
    monkeypatch.setenv("LIRADS_R", str(CHECKOUT / "r_analysis"))
    assert stats.compute_mcnemar(3, 1) == pytest.approx(0.625)


def test_without_r_it_says_what_to_install(tmp_path):
    code = ("from lirads_keras import stats\nfrom lirads_keras.errors import InputError\n"
            "try:\n    stats.compute_mcnemar(3, 1)\nexcept InputError as error:\n    print(error)")
    environment = {name: value for name, value in os.environ.items() if name not in ("R_HOME", "LD_LIBRARY_PATH")}
    finished = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, env={**environment, "PATH": str(tmp_path)}, capture_output=True, text=True)
    assert finished.returncode == 0 and finished.stdout.startswith("R: expected R 4.1 or newer") and "apt-get install" in finished.stdout, finished.stderr


@pytest.mark.parametrize(("change", "words"), [
    ({"probability": np.nan}, "lesions, probability, row 0: expected a number, found nan \\(60 such cells\\)"),
    ({"reference": 2}, "lesions, reference, row 0: expected 0 or 1, found 2"),
    ({"patient_id": "X"}, "patients, X: expected one row, found none"),
    ({"fold": None}, "lesions, fold, row 0: expected a value"),
])
def test_cells_that_do_not_fit_are_named(lesions, patients, change, words):
    with pytest.raises(InputError, match=words):
        stats.compute_auc(lesions.assign(**change), patients)


def test_all_problems_come_at_once(lesions, patients):
    with pytest.raises(InputError) as raised:
        stats.compute_auc(lesions.drop(columns=["fold", "reference"]), pd.concat([patients, patients[:1]]))
    assert [problem.where for problem in raised.value.problems] == ["lesions", "lesions", "patients, P | 0"]
    with pytest.raises(InputError) as raised:
        stats.compute_wilson_interval([0.5, 1.2], [10, 0], level=1)
    assert [problem.where for problem in raised.value.problems] == ["proportion", "trials", "level"]


@pytest.mark.parametrize("call", [
    lambda lesions, patients: stats.compute_auc(lesions[:0], patients),
    lambda lesions, patients: stats.compute_clustered_proportion(lesions[:0]),
    lambda lesions, patients: stats.compute_paired_difference(lesions.assign(lesion_id="L1"), patients),
    lambda lesions, patients: stats.compute_weighted_kappa(lesions.assign(predicted="LR-4", reference="LR-2"), patients, categories=CATEGORIES,
                                                           weighting="linear"),
    lambda lesions, patients: stats.compute_mcnemar(-1, 2),
    lambda lesions, patients: stats.compute_mcnemar(1.5, 2),
    lambda lesions, patients: stats.compute_wilson_interval([0.5], [10, 20]),
])
def test_what_r_could_not_answer_is_refused(lesions, patients, call):
    with pytest.raises(InputError):
        call(lesions, patients)
