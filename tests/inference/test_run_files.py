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
        parts = [f"segmentation/delayed/fold-{fold}", *(f"characterization/{variant}/fold-{fold}" for variant in content["characterization"]["variants"])]
        for part in parts:
            (folder / part).mkdir(parents=True)
            (folder / part / "model.keras").touch()
        (folder / "segmentation" / "delayed" / f"fold-{fold}" / "fold.json").write_text(json.dumps({"minimum_volume_mm3": 250, "threshold_chosen": threshold}))
    (folder / "profile.yaml").write_text(yaml.safe_dump(content))
    return folder


def test_all_folds_of_the_first_variant_are_the_default(run):
    files = find_run_files(run)
    assert files.characterization.name == "resnet50-plain" and files.segmentation.name == "delayed"
    assert files.folds == (0, 1, 2, 3) and files.profile.name == "smoke"
    assert files.segmentation_weights == tuple(run / "segmentation" / "delayed" / f"fold-{fold}" / "model.keras" for fold in range(4))
    assert files.characterization_weights == tuple(run / "characterization" / "resnet50-plain" / f"fold-{fold}" / "model.keras" for fold in range(4))
    # Between 0.4 and 0.7: the lower, at which masks were scored.
    assert files.threshold == 0.4


@pytest.mark.parametrize("variants, asked, default", [
    (["direct-frozen", "vgg16-plain"], "direct-frozen", "vgg16-plain"), (["direct-finetuned-size"], None, None)])
def test_a_direct_network_has_no_features_to_report(run, variants, asked, default):
    content = yaml.safe_load((run / "profile.yaml").read_text())
    content["characterization"]["variants"] = variants
    (run / "profile.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match="--variant: expected one of"):
        find_run_files(run, variant=asked)
    if default:
        assert find_run_files(run).characterization.name == default


def test_one_fold_and_another_variant_can_be_chosen(run):
    files = find_run_files(run, variant="vgg16-plain", fold=2)
    assert files.folds == (2,) and files.threshold == 0.9
    assert files.segmentation_weights == (run / "segmentation" / "delayed" / "fold-2" / "model.keras",)
    assert files.characterization_weights == (run / "characterization" / "vgg16-plain" / "fold-2" / "model.keras",)


def test_the_best_fold_is_that_with_the_highest_validation_dice_and_of_equals_the_first(run):
    for fold, dice in enumerate((0.5, 0.75, 0.25, 0.75)):
        (run / "segmentation" / "delayed" / f"fold-{fold}" / "fold.json").write_text(
            json.dumps({"minimum_volume_mm3": 250, "threshold_chosen": 0.1 * fold, "dice_validation": dice}))
    assert find_run_files(run, fold="best").folds == (1,) and find_run_files(run, fold="best").threshold == 0.1
    assert find_run_files(run, fold="all").folds == (0, 1, 2, 3)
    (run / "segmentation" / "delayed" / "fold-1" / "model.keras").unlink()
    with pytest.raises(InputError, match="fold-1/model.keras"):
        find_run_files(run, fold="best")
    (run / "segmentation" / "delayed" / "fold-2" / "fold.json").write_text('{"minimum_volume_mm3": 250, "threshold_chosen": 0.5}')
    with pytest.raises(InputError, match="fold-2/fold.json: expected the fold's validation Dice"):
        find_run_files(run, fold="best")


def test_the_profile_says_which_folds_read_a_new_study(run):
    content = yaml.safe_load((run / "profile.yaml").read_text())
    content["inference"]["folds"] = "best"
    (run / "profile.yaml").write_text(yaml.safe_dump(content))
    for fold in range(4):
        (run / "segmentation" / "delayed" / f"fold-{fold}" / "fold.json").write_text(
            json.dumps({"minimum_volume_mm3": 250, "threshold_chosen": 0.5, "dice_validation": 0.1 * fold}))
    assert find_run_files(run).folds == (3,) and find_run_files(run, fold=0).folds == (0,) and len(find_run_files(run, fold="all").folds) == 4


def test_the_other_folds_need_not_be_there(run):
    (run / "segmentation" / "delayed" / "fold-1" / "model.keras").unlink()
    (run / "segmentation" / "delayed" / "fold-1" / "fold.json").unlink()
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
        "--variant: expected one of resnet50-plain, vgg16-plain, found vgg16-adaptive", "--fold: expected all, best or 0 … 3, found 4"]
    with pytest.raises(InputError, match="--fold"):
        find_run_files(run, fold=-1)


def test_every_missing_file_is_named(run):
    missing = [run / "segmentation" / "delayed" / "fold-1" / "model.keras", run / "segmentation" / "delayed" / "fold-3" / "fold.json",
               run / "characterization" / "resnet50-plain" / "fold-0" / "model.keras"]
    for path in missing:
        path.unlink()
    with pytest.raises(InputError) as caught:
        find_run_files(run)
    assert {problem.where for problem in caught.value.problems} == set(map(str, missing))
    assert all(problem.found == "no such file" for problem in caught.value.problems)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"threshold_chosen": null}', '{"threshold_chosen": "much"}'])
def test_a_broken_threshold_is_told(run, content):
    (run / "segmentation" / "delayed" / "fold-2" / "fold.json").write_text(content)
    with pytest.raises(InputError, match="fold-2/fold.json: expected the fold's threshold"):
        find_run_files(run)


def test_a_wrong_path_is_told_without_tensorflow():
    program = "import sys, lirads_keras.inference.run_files; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
