from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lirads_keras.errors import InputError
from lirads_keras.inference.run_files import find_run_files

SMOKE = Path(__file__).parents[2] / "experiments" / "profiles" / "smoke.yaml"


@pytest.fixture
def run(tmp_path) -> Path:
    """A run of four folds and two variants whose weights are empty files."""
    content = yaml.safe_load(SMOKE.read_text())
    content["segmentation"]["folds"] = 4
    content["characterization"]["variants"] = ["resnet50-plain", "vgg16-plain"]
    folder = tmp_path / "run"
    for fold, threshold in enumerate((0.7, 0.3, 0.9, 0.4)):
        parts = [f"segmentation/fold-{fold}", *(f"characterization/{variant}/fold-{fold}" for variant in content["characterization"]["variants"])]
        for part in parts:
            (folder / part).mkdir(parents=True)
            (folder / part / "model.keras").touch()
        (folder / "segmentation" / f"fold-{fold}" / "fold.json").write_text(json.dumps({"threshold_chosen": threshold}))
    (folder / "profile.yaml").write_text(yaml.safe_dump(content))
    return folder


def test_all_folds_of_the_first_variant_are_the_default(run):
    files = find_run_files(run)
    assert files.variant == "resnet50-plain" and files.folds == (0, 1, 2, 3) and files.profile.name == "smoke"
    assert files.segmentation == tuple(run / "segmentation" / f"fold-{fold}" / "model.keras" for fold in range(4))
    assert files.characterization == tuple(run / "characterization" / "resnet50-plain" / f"fold-{fold}" / "model.keras" for fold in range(4))
    # Between 0.4 and 0.7: the lower, at which masks were scored.
    assert files.threshold == 0.4


def test_one_fold_and_another_variant_can_be_chosen(run):
    files = find_run_files(run, variant="vgg16-plain", fold=2)
    assert files.folds == (2,) and files.threshold == 0.9
    assert files.segmentation == (run / "segmentation" / "fold-2" / "model.keras",)
    assert files.characterization == (run / "characterization" / "vgg16-plain" / "fold-2" / "model.keras",)


def test_the_other_folds_need_not_be_there(run):
    (run / "segmentation" / "fold-1" / "model.keras").unlink()
    (run / "segmentation" / "fold-1" / "fold.json").unlink()
    assert find_run_files(run, fold=0).threshold == 0.7


def test_no_run_is_told(tmp_path):
    with pytest.raises(InputError, match="absent: expected a run folder.*found no such folder"):
        find_run_files(tmp_path / "absent")
    with pytest.raises(InputError, match="found no such file"):
        find_run_files(tmp_path)


def test_an_unknown_variant_and_fold_are_told_together(run):
    with pytest.raises(InputError) as caught:
        find_run_files(run, variant="vgg16-adaptive", fold=4)
    assert [str(problem) for problem in caught.value.problems] == [
        "--variant: expected one of resnet50-plain, vgg16-plain, found vgg16-adaptive", "--fold: expected 0 … 3, found 4"]
    with pytest.raises(InputError, match="--fold"):
        find_run_files(run, fold=-1)


def test_every_missing_file_is_named(run):
    missing = [run / "segmentation" / "fold-1" / "model.keras", run / "segmentation" / "fold-3" / "fold.json",
               run / "characterization" / "resnet50-plain" / "fold-0" / "model.keras"]
    for path in missing:
        path.unlink()
    with pytest.raises(InputError) as caught:
        find_run_files(run)
    assert {problem.where for problem in caught.value.problems} == set(map(str, missing))
    assert all(problem.found == "no such file" for problem in caught.value.problems)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"threshold_chosen": null}', '{"threshold_chosen": "much"}'])
def test_a_broken_threshold_is_told(run, content):
    (run / "segmentation" / "fold-2" / "fold.json").write_text(content)
    with pytest.raises(InputError, match="fold-2/fold.json: expected the fold's threshold"):
        find_run_files(run)


def test_a_wrong_path_is_told_without_tensorflow():
    program = "import sys, lirads_keras.inference.run_files; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
