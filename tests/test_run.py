from __future__ import annotations

from pathlib import Path

import pytest

from lirads_keras.errors import InputError
from lirads_keras.run import NetworkFolder, RunFolder
from lirads_keras.variants import CHARACTERIZATION_VARIANTS, SEGMENTATION_VARIANTS

RUN = RunFolder(Path("runs/cpu"))


def test_folders_lie_where_the_readme_says():
    paths = {
        "profile.yaml": RUN.profile_file, "provenance.json": RUN.provenance, "checksums.json": RUN.checksums, "MODEL_CARD.md": RUN.model_card,
        "trained_studies.json": RUN.trained_studies.path,
        "store/VC-0001": RUN.store("VC-0001"), "store-ct": RUN.ct_stores, "segmentation/pretrain/model.keras": RUN.pretraining.weights,
        "segmentation/delayed/fold-3/history.csv": RUN.fold("delayed", 3).history,
        "segmentation/delayed/fold-3/predictions/VC-0001.npy": RUN.prediction("delayed", 3, "VC-0001"),
        "segmentation/delayed/full": RUN.full("delayed").path, "characterization/vgg16-adaptive/full": RUN.full("vgg16-adaptive").path,
        "characterization/vgg16-plain/fold-0/model.keras": RUN.fold("vgg16-plain", 0).weights,
        "characterization/vgg16-plain/seed-7/fold-0": RUN.fold("vgg16-plain", 0, further_seed=7).path,
        "characterization/direct-frozen/half/scores.csv": RUN.half("direct-frozen").scores, "characterization/crops/index.csv": RUN.crops.index,
        "results": RUN.results, "report": RUN.report, "done/folds-1.json": RUN.done("folds", "1").path, "done/store.json": RUN.done("store", "").path,
        "progress/folds-1.json": RUN.progress("folds", "1")}
    assert {str(path.relative_to("runs/cpu")) for path in paths.values()} == set(paths)
    assert all(str(path) == f"runs/cpu/{name}" for name, path in paths.items())


def test_no_two_networks_share_a_folder():
    folders = [RUN.pretraining.path]
    for variant in (*SEGMENTATION_VARIANTS, *CHARACTERIZATION_VARIANTS):
        folders += [RUN.full(variant).path, *(RUN.fold(variant, fold, seed).path for fold in range(3) for seed in (None, 1, 2))]
        if variant in CHARACTERIZATION_VARIANTS:
            folders.append(RUN.half(variant).path)
    assert len(set(folders)) == len(folders) and RUN.crops.path not in folders


@pytest.mark.parametrize("content, is_virtual", [
    ('{"virtual": true}', True), ('{"virtual": false}', False), ('{"manifest": null}', False), ("[]", False), ('{"virt', False), (None, False)])
def test_only_a_run_on_simulated_patients_is_said_to_be_one(tmp_path, content, is_virtual):
    if content is not None:
        (tmp_path / "inputs.json").write_text(content)
    assert RunFolder(tmp_path).is_virtual is is_virtual


def test_what_a_fold_chose_is_read_or_told(tmp_path):
    fold = NetworkFolder(tmp_path / "fold-0")
    with pytest.raises(InputError, match="fold-0/fold.json: expected the fold's threshold, which a finished run has, found no such file"):
        print(fold.threshold)
    with pytest.raises(InputError, match="expected the fold's validation Dice"):
        print(fold.validation_dice)
    fold.write_choice("a", threshold=0.3, minimum_volume_mm3=250, validation_dice=0.25, choice_patients=["P1"])
    assert (fold.cut, fold.validation_dice) == ((0.3, 250), 0.25)
    fold.write_choice("a", threshold=0.3, minimum_volume_mm3=250, validation_dice=None)
    assert fold.validation_dice is None


def test_a_folder_that_holds_no_run_is_told(tmp_path):
    with pytest.raises(InputError, match="absent: expected a run folder.*found no such folder"):
        RunFolder(tmp_path / "absent").read_profile()
    with pytest.raises(InputError, match="found no such file"):
        RunFolder(tmp_path).read_profile()
