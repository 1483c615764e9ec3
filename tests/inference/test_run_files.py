from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lirads_keras.entities import ENHANCED_PHASES, Phase, Series, Study
from lirads_keras.errors import InputError
from lirads_keras.inference.run_files import find_run_files
from lirads_keras.io.trained_studies import compute_study_hash
from lirads_keras.run import RunFolder

SMOKE = Path(__file__).parents[2] / "experiments" / "profiles" / "smoke.yaml"


FOLDS = ((0.7, 40.0), (0.3, 100.0), (0.9, 0.0), (0.4, 250.0))
"""Threshold and minimum volume of each fold."""


@pytest.fixture
def run(tmp_path) -> Path:
    """A run of four folds, two segmentation and two characterisation variants, whose weights are empty files."""
    content = yaml.safe_load(SMOKE.read_text())
    content["segmentation"] |= {"folds": 4, "variants": ["delayed", "three-phase"]}
    content["characterization"]["variants"] = ["resnet50-plain", "vgg16-plain"]
    folder = tmp_path / "run"
    networks = {**{f"fold-{fold}": chosen for fold, chosen in enumerate(FOLDS)}, "full": (0.45, 120.0)}
    for name, (threshold, volume_mm3) in networks.items():
        for part in ("segmentation/delayed", "segmentation/three-phase", "characterization/resnet50-plain", "characterization/vgg16-plain"):
            (folder / part / name).mkdir(parents=True)
            (folder / part / name / "model.keras").touch()
            if part.startswith("segmentation"):
                (folder / part / name / "fold.json").write_text(json.dumps({"threshold_chosen": threshold, "minimum_volume_mm3": volume_mm3}))
    (folder / "profile.yaml").write_text(yaml.safe_dump(content))
    return folder


def edit_profile(run: Path, section: str, **changes) -> None:
    content = yaml.safe_load((run / "profile.yaml").read_text())
    content[section] |= changes
    (run / "profile.yaml").write_text(yaml.safe_dump(content))


def test_the_networks_that_saw_all_patients_and_read_most_phases_are_the_default(run):
    files = find_run_files(run)
    assert files.characterization.name == "resnet50-plain" and files.segmentation.phases == ENHANCED_PHASES
    assert files.networks == "full" and files.profile.name == "smoke"
    assert files.segmentation_weights == (run / "segmentation" / "three-phase" / "full" / "model.keras",)
    assert files.characterization_weights == (run / "characterization" / "resnet50-plain" / "full" / "model.keras",)
    assert (files.threshold, files.minimum_volume_mm3) == (0.45, 120)


def test_an_ensemble_is_all_folds_with_their_lower_medians(run):
    files = find_run_files(run, networks="ensemble")
    assert files.segmentation_weights == tuple(run / "segmentation" / "three-phase" / f"fold-{fold}" / "model.keras" for fold in range(4))
    assert files.characterization_weights == tuple(run / "characterization" / "resnet50-plain" / f"fold-{fold}" / "model.keras" for fold in range(4))
    # Between 0.4 and 0.7, and between 40 and 100: the lower, with which masks were scored.
    assert (files.networks, files.threshold, files.minimum_volume_mm3) == ("ensemble", 0.4, 40)


def test_one_fold_and_other_variants_can_be_chosen(run):
    files = find_run_files(run, variant="vgg16-plain", segmentation="delayed", networks="fold-2")
    assert (files.networks, files.threshold, files.minimum_volume_mm3) == ("fold-2", 0.9, 0) and files.segmentation.name == "delayed"
    assert files.segmentation_weights == (run / "segmentation" / "delayed" / "fold-2" / "model.keras",)
    assert files.characterization_weights == (run / "characterization" / "vgg16-plain" / "fold-2" / "model.keras",)


def test_a_run_of_the_papers_variant_reads_with_that(run):
    edit_profile(run, "segmentation", variants=["delayed"])
    assert find_run_files(run).segmentation.name == "delayed"
    with pytest.raises(InputError, match="^--segmentation: expected one of this run's, delayed, found three-phase$"):
        find_run_files(run, segmentation="three-phase")


@pytest.mark.parametrize("variants, asked, default", [
    (["direct-frozen", "vgg16-plain"], "direct-frozen", "vgg16-plain"), (["direct-finetuned-size"], None, None)])
def test_a_direct_network_has_no_features_to_report(run, variants, asked, default):
    edit_profile(run, "characterization", variants=variants)
    with pytest.raises(InputError, match="--variant: expected one of"):
        find_run_files(run, variant=asked)
    if default:
        assert find_run_files(run).characterization.name == default


def make_study(*phases: Phase) -> Study:
    return Study("P7", "1.2.3", Path("studies/mine"), tuple(Series(f"1.{phase}", (), phase, "test") for phase in (Phase.PRECONTRAST, *phases)))


def test_a_study_without_a_delayed_phase_is_refused_by_the_variant_that_reads_it_alone(run):
    study = make_study(Phase.ARTERIAL, Phase.PORTAL_VENOUS)
    find_run_files(run).check_study(study)
    files = find_run_files(run, segmentation="delayed")
    files.check_study(make_study(Phase.DELAYED))
    with pytest.raises(InputError) as caught:
        files.check_study(study)
    assert str(caught.value) == (
        "studies/mine: expected a series of the delayed phase, which the segmentation variant delayed reads, or --segmentation three-phase, which reads a "
        "study without it, found precontrast, arterial, portal_venous")
    edit_profile(run, "segmentation", variants=["delayed"])
    with pytest.raises(InputError, match="which the segmentation variant delayed reads, found precontrast"):
        find_run_files(run).check_study(study)


def test_studies_that_were_trained_on_are_known(run):
    assert not find_run_files(run).was_trained_on("1.2.3")
    RunFolder(run).trained_studies.write("test", fold_of_study={compute_study_hash("1.2.3"): 2})
    known = {networks: [find_run_files(run, networks=networks).was_trained_on(uid) for uid in ("1.2.3", "1.2.4", "")]
             for networks in ("full", "ensemble", "fold-1", "fold-2")}
    # Fold 2 tests the study.
    assert known == {"full": [True, False, False], "ensemble": [True, False, False], "fold-1": [True, False, False], "fold-2": [False] * 3}


def test_other_networks_need_not_be_there(run):
    for name in ("fold-1", "full"):
        (run / "segmentation" / "three-phase" / name / "model.keras").unlink()
        (run / "segmentation" / "three-phase" / name / "fold.json").unlink()
    assert find_run_files(run, networks="fold-0").threshold == 0.7
    assert find_run_files(run, segmentation="delayed").threshold == 0.45


def test_a_run_without_networks_of_all_patients_is_told_what_works(run):
    missing = run / "characterization" / "vgg16-plain" / "full" / "model.keras"
    missing.unlink()
    with pytest.raises(InputError) as caught:
        find_run_files(run, variant="vgg16-plain")
    assert str(caught.value) == (
        f"{missing}: expected weights that were trained on all patients (--networks ensemble takes the folds' instead), found no such file")
    assert find_run_files(run, variant="vgg16-plain", networks="ensemble").threshold == 0.4


def test_no_run_is_told(tmp_path):
    with pytest.raises(InputError, match="absent: expected a run folder.*found no such folder"):
        find_run_files(tmp_path / "absent")
    with pytest.raises(InputError, match="found no such file"):
        find_run_files(tmp_path)


def test_all_that_is_unknown_is_told_together(run):
    with pytest.raises(InputError) as caught:
        find_run_files(run, variant="vgg16-adaptive", segmentation="arterial", networks="fold-4")
    assert [str(problem) for problem in caught.value.problems] == [
        "--segmentation: expected one of this run's, delayed, three-phase, found arterial",
        "--variant: expected one of resnet50-plain, vgg16-plain, found vgg16-adaptive",
        "--networks: expected full, ensemble or fold-0 … fold-3, found fold-4"]


@pytest.mark.parametrize("networks", ["", "best", "all", "0", "fold-", "fold--1", "fold-1 ", "Full", "fold-1x", "fold-¹"])
def test_anything_else_names_no_networks(run, networks):
    with pytest.raises(InputError, match="^--networks: expected full, ensemble or fold-0"):
        find_run_files(run, networks=networks)


def test_every_missing_file_is_named_once(run):
    missing = [run / "segmentation" / "three-phase" / "fold-1" / "model.keras", run / "segmentation" / "three-phase" / "fold-3" / "fold.json",
               run / "characterization" / "resnet50-plain" / "fold-0" / "model.keras"]
    for path in missing:
        path.unlink()
    with pytest.raises(InputError) as caught:
        find_run_files(run, networks="ensemble")
    assert sorted(problem.where for problem in caught.value.problems) == sorted(map(str, missing))
    assert all(problem.found == "no such file" for problem in caught.value.problems)


@pytest.mark.parametrize("content, what", [
    *((content, "threshold") for content in ("", "{", "[]", "{}", '{"threshold_chosen": null}', '{"threshold_chosen": "much"}')),
    ('{"threshold_chosen": 0.5}', "minimum volume"), ('{"threshold_chosen": 0.5, "minimum_volume_mm3": null}', "minimum volume")])
def test_a_broken_record_is_told(run, content, what):
    (run / "segmentation" / "three-phase" / "full" / "fold.json").write_text(content)
    with pytest.raises(InputError, match=f"^[^\n]*full/fold.json: expected the fold's {what}[^\n]*$"):
        find_run_files(run)


def test_a_wrong_path_is_told_without_tensorflow():
    program = "import sys, lirads_keras.inference.run_files; sys.exit('keras' in sys.modules or 'tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
