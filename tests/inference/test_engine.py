"""Networks of a run whose weights give known constants."""
from __future__ import annotations

import json
import shutil
from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import pytest
import yaml

from lirads_keras.config.profile import Profile, read_profile
from lirads_keras.entities import ENHANCED_PHASES, HEAD_FEATURES, FeatureProbabilities, Phase, Study, Volume
from lirads_keras.errors import InputError
from lirads_keras.inference import engine
from lirads_keras.inference.engine import read_run_models
from lirads_keras.inference.notices import TRAINED_ON
from lirads_keras.inference.run_files import find_run_files
from lirads_keras.io.trained_studies import compute_study_hash
from lirads_keras.models.unet_plus_plus import HEAD
from lirads_keras.preprocessing.intensity import IntensityScale
from lirads_keras.preprocessing.segmentation_input import ScaledImage, SegmentationInput
from lirads_keras.preprocessing.slices import MR_CLASSES
from lirads_keras.provenance import compute_sha256
from lirads_keras.training.characterization import build_characterization_network
from lirads_keras.training.segmentation import build_segmentation_network
from lirads_keras.variants import SEGMENTATION_VARIANTS

SMOKE = Path(__file__).parents[2] / "experiments" / "profiles" / "smoke.yaml"
LESION = (0.25, 0.75)
"""Lesion probability that the network of each fold gives everywhere."""
FEATURES = ((0.125, 0.5, 0.875), (0.375, 0.5, 0.625))
"""Feature probabilities that the network of each fold gives for every crop."""
STUDY = Study("P7", "1.2.3", Path("nowhere"), ())
SCALE = IntensityScale(80.0, 880.0, 0.4, 0.25)


def log_odds(probability: float) -> float:
    return log(probability / (1 - probability))


def set_constant(layer, bias) -> None:
    kernel, old = layer.get_weights()
    layer.set_weights([np.zeros_like(kernel), np.reshape(bias, old.shape)])


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of two folds and one variant."""
    folder = tmp_path_factory.mktemp("run")
    content = yaml.safe_load(SMOKE.read_text())
    content["segmentation"] |= {"variants": ["delayed"], "folds": 2, "decoder_filters": [8, 8, 8, 8, 8]}
    content["characterization"]["variants"] = ["vgg16-adaptive"]
    (folder / "profile.yaml").write_text(yaml.safe_dump(content))
    profile: Profile = read_profile(folder / "profile.yaml")
    segmentation = build_segmentation_network(profile.segmentation, MR_CLASSES, "random")
    characterization = build_characterization_network(profile.characterization, "vgg16")
    for fold in range(2):
        set_constant(segmentation.get_layer(HEAD), [0.0, log_odds(LESION[fold])])
        for feature, probability in zip(HEAD_FEATURES, FEATURES[fold], strict=True):
            set_constant(characterization.get_layer(str(feature)), log_odds(probability))
        for model, part in ((segmentation, "segmentation/delayed"), (characterization, "characterization/vgg16-adaptive")):
            (folder / part / f"fold-{fold}").mkdir(parents=True)
            model.save(folder / part / f"fold-{fold}" / "model.keras")
        (folder / "segmentation" / "delayed" / f"fold-{fold}" / "fold.json").write_text(json.dumps(
            {"threshold_chosen": (0.6, 0.4)[fold], "minimum_volume_mm3": (100, 250)[fold]}))
    return folder


@pytest.fixture(scope="module")
def models(run):
    return read_run_models(find_run_files(run, networks="ensemble"))


def make_input() -> SegmentationInput:
    """A body that touches every border: its box is the whole image."""
    array = np.random.default_rng(0).integers(81, 1000, (3, 32, 32)).astype(np.uint16)
    return SegmentationInput(Volume(array, (4.0, 2.0, 2.0), np.diag([4.0, 2.0, 2.0, 1.0])), (ScaledImage(array, SCALE),))


def test_probabilities_are_the_mean_over_the_folds(models):
    found = models.predict_probability(make_input(), batch_size=3)
    np.testing.assert_allclose(found.array, np.full((3, 32, 32), np.mean(LESION)), rtol=1e-6)
    assert found.array.dtype == np.float32


def test_the_network_is_that_of_the_runs_segmentation_variant(run, models):
    assert models.segmentation.input.shape[-1] == 3 and models.segmented_phases == (Phase.DELAYED,)
    wide = read_run_models(replace(models.files, segmentation=SEGMENTATION_VARIANTS["three-phase"]))
    assert wide.segmentation.input.shape[-1] == 9 and wide.segmented_phases == ENHANCED_PHASES
    versions, notices = wide.describe_result(STUDY, (Phase.PORTAL_VENOUS, Phase.ARTERIAL))
    assert (versions["segmentation variant"], versions["segmented phases"]) == ("three-phase", "arterial portal_venous") and len(notices) == 2


def test_a_study_that_was_trained_on_is_told(models):
    versions, notices = models.describe_result(STUDY, ENHANCED_PHASES)
    assert "trained on this study" not in versions and len(notices) == 1
    knowing = replace(models, files=replace(models.files, trained_studies={compute_study_hash("1.2.3"): 1}))
    versions, notices = knowing.describe_result(STUDY, ENHANCED_PHASES)
    assert versions["trained on this study"] == "yes" and notices[0] == TRAINED_ON


def test_how_the_phases_were_told_stands_among_the_notices(models):
    sentence = "The phase map names series 'SUB ART' as arterial, against SeriesDescription 'SUB ART': computed image ('sub')."
    assert models.describe_result(replace(STUDY, notices=(sentence,)), ENHANCED_PHASES)[1] == (sentence, *models.describe_result(STUDY, ENHANCED_PHASES)[1])


def test_maps_are_the_mean_over_the_folds(models, monkeypatch):
    """A stand-in tells the network's APHE bias, which differs between the folds."""
    def tell_bias(network, images, present, mode):
        assert mode == "adaptive"
        bias = network.get_layer("aphe").bias.numpy()[0]
        return np.full((*images.shape[:2], 3, *images.shape[2:4]), bias, np.float32)

    monkeypatch.setattr(engine, "compute_activation_maps", tell_bias)
    images, present = np.zeros((2, 3, 32, 32, 3), np.float32), np.ones((2, 3), bool)
    maps = models.explain_features(images, present)
    np.testing.assert_allclose(maps, np.full((2, 3, 3, 32, 32), np.mean([log_odds(of_fold[0]) for of_fold in FEATURES])), rtol=1e-6)
    assert models.explain_features(images[:0], present[:0]).shape == (0, 3, 3, 32, 32)


def test_features_are_the_mean_over_the_folds_and_what_is_not_shown_stays_unknown(models):
    images = np.zeros((2, 3, 32, 32, 3), np.float32)
    whole, without_arterial = models.predict_features(images, np.array([[True, True, True], [False, False, True]]))
    assert [whole.aphe, whole.washout, whole.capsule] == pytest.approx([0.25, 0.5, 0.75], rel=1e-6)
    assert without_arterial == FeatureProbabilities(None, whole.washout, whole.capsule)
    assert models.predict_features(images[:0], np.zeros((0, 3), bool)) == []


def test_one_fold_is_that_fold(run, models):
    of_fold = replace(models, files=find_run_files(run, networks="fold-1"))
    np.testing.assert_allclose(of_fold.predict_probability(make_input(), batch_size=3).array, LESION[1], rtol=1e-6)
    (features,) = of_fold.predict_features(np.zeros((1, 3, 32, 32, 3), np.float32), np.ones((1, 3), bool))
    assert [features.aphe, features.washout, features.capsule] == pytest.approx(FEATURES[1], rel=1e-6)


def test_the_report_will_name_profile_networks_what_they_chose_and_weights(run, models):
    assert models.threshold == 0.4 and models.minimum_volume_mm3 == 100
    versions = models.versions
    assert (versions["profile"], versions["characterisation variant"], versions["networks"], versions["rules"]) == (
        "smoke", "vgg16-adaptive", "ensemble", "paper")
    assert (versions["segmentation threshold"], versions["minimum volume mm3"], versions["background_cutoff"]) == ("0.4", "100", "80.0") and versions["keras"]
    paths = [f"{part}/fold-{fold}/model.keras" for part in ("segmentation/delayed", "characterization/vgg16-adaptive") for fold in range(2)]
    assert {f"weights sha256 {path}": compute_sha256(run / path) for path in paths}.items() <= versions.items()


def test_the_report_will_name_how_the_segmentation_was_computed(run, models):
    assert [models.versions[name] for name in ("segmentation engine", "body box", "flip augmentation")] == ["keras", "yes", "no"]


def test_the_report_will_say_that_the_networks_know_simulated_patients_alone(run, models, tmp_path):
    assert "trained on" not in models.versions
    virtual = shutil.copytree(run, tmp_path / "virtual")
    (virtual / "inputs.json").write_text('{"virtual": true}')
    assert read_run_models(find_run_files(virtual, networks="fold-0")).versions["trained on"] == "virtual cohort"


def test_an_engine_that_is_not_installed_is_told(run, monkeypatch):
    monkeypatch.setattr("lirads_keras.inference.openvino_predictor.find_spec", lambda name: None)
    files = find_run_files(run, networks="fold-0")
    profile = files.profile.model_copy(update={"inference": files.profile.inference.model_copy(update={"engine": "openvino-bf16"})})
    with pytest.raises(InputError, match="inference.engine: expected the package openvino, for openvino-bf16 .pip install.*found no such package"):
        read_run_models(replace(files, profile=profile))


@pytest.mark.parametrize("damage", ["truncated", "empty", "of another network"])
def test_damaged_weights_are_named_in_one_sentence(run, models, tmp_path, damage, recwarn):
    source = models.files.segmentation_weights[0]
    broken = tmp_path / "model.keras"
    if damage == "of another network":
        broken.write_bytes(models.files.characterization_weights[0].read_bytes())
    else:
        broken.write_bytes(source.read_bytes()[:5000 if damage == "truncated" else 0])
    damaged = replace(models, files=replace(models.files, segmentation_weights=(source, broken), characterization_weights=(broken,)))
    with pytest.raises(InputError, match=f"{broken}: expected the weights of this run's network"):
        damaged.predict_probability(make_input(), batch_size=3)
    if damage != "of another network":
        with pytest.raises(InputError, match=f"{broken}: expected the weights"):
            damaged.predict_features(np.zeros((1, 3, 32, 32, 3), np.float32), np.ones((1, 3), bool))
    assert not [warning for warning in recwarn if issubclass(warning.category, UserWarning)]
