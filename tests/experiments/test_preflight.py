from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import preflight
import pytest
from preflight import check_paper_profile, estimate_cost, gpu_memory_gb, list_weight_files
from stage_changes import with_setting

from lirads_keras.config.profile import Profile, read_profile
from lirads_keras.config.segmentation import SharedStartSettings
from lirads_keras.errors import InputError
from lirads_keras.models import resnet, vgg

PROFILES = Path(__file__).parents[2] / "experiments" / "profiles"


@pytest.fixture(scope="module")
def paper() -> Profile:
    return read_profile(PROFILES / "paper.yaml")


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A workstation that meets all demands, and may be made smaller."""
    machine = SimpleNamespace(gpu_gb=24.0, disk_gb=10_000.0, memory_gb=256.0)
    monkeypatch.setattr(preflight, "gpu_memory_gb", lambda: machine.gpu_gb)
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda folder: SimpleNamespace(free=machine.disk_gb * 1e9))
    monkeypatch.setattr(preflight.psutil, "virtual_memory", lambda: SimpleNamespace(total=machine.memory_gb * 1e9))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return machine


@pytest.mark.parametrize("setting, value, what", [
    ("cohort.patients_positive", 222, {"hours", "disk_gb"}),
    ("cohort.slices", 400, {"hours", "disk_gb", "memory_gb"}),
    ("cohort.slices_interpolated", 300, {"hours", "disk_gb", "memory_gb"}),
    ("cohort.matrix_px", 1024, {"disk_gb", "memory_gb"}),
    ("ct.patients", 400, {"disk_gb"}),
    ("preprocessing.matrix_px", 1024, {"hours", "disk_gb"}),
    ("segmentation.variants", ("delayed", "three-phase"), {"hours", "disk_gb"}),
    ("segmentation.width_factor", 2.0, {"hours"}),
    ("segmentation.training_crop_px", 1024, {"hours"}),
    ("segmentation.stem", "full_resolution", {"hours"}),
    ("segmentation.pretrain.epochs", 1000, {"hours"}),
    ("segmentation.finetune.samples_per_epoch", 10**6, {"hours"}),
    ("segmentation.folds", 20, {"hours"}),
    ("draws.patients_positive", 222, {"hours", "disk_gb"}),
    ("characterization.epochs", 1000, {"hours"}),
    ("characterization.seeds", (1, 2, 3, 4), {"hours"}),
    ("characterization.crop_px", 448, {"hours"}),
])
def test_more_costs_more(paper, setting, value, what):
    before, after = (estimate_cost(profile, 1.0) for profile in (paper, with_setting(paper, setting, value)))
    assert {name for name in before if after[name] > before[name]} == what
    assert all(after[name] >= before[name] for name in before)


def test_curves_cost_where_a_network_has_several_phases(paper):
    """60 patients: two phases by five distances and each of three missing; and scanned again at four times, as files and in the store."""
    plain = with_setting(paper, "segmentation.variants", ("delayed", "three-phase"))
    none = with_setting(plain, "draws.curve_patients", 1)
    few, many = estimate_cost(none, 1.0), estimate_cost(plain, 1.0)
    assert (many["hours"] - few["hours"]) * 3600 == pytest.approx(59 * 48 * (2 * 5 + 3 + 4) * 0.147)
    assert many["disk_gb"] - few["disk_gb"] == pytest.approx(59 * 4 * 14 * 512 * 512 * 48 / 1e9)
    alone = [estimate_cost(with_setting(paper, "draws.curve_patients", count), 1.0) for count in (1, 60)]
    assert alone[0] == alone[1]


def test_fewer_variants_and_a_faster_machine_cost_less(paper):
    before = estimate_cost(paper, 1.0)
    assert estimate_cost(with_setting(paper, "characterization.variants", ("vgg16-adaptive",)), 1.0)["hours"] < before["hours"]
    assert estimate_cost(paper, 2.0)["hours"] == pytest.approx(before["hours"] / 2)


def test_profiles_rise_in_cost(paper):
    hours = [estimate_cost(read_profile(PROFILES / f"{name}.yaml"), 1.0)["hours"] for name in ("smoke", "cpu", "gpu")]
    assert hours == sorted(hours) and hours[-1] < estimate_cost(paper, 1.0)["hours"]


def test_the_paper_profile_against_a_hand_count(paper):
    """40 × 4000 + 10 × 60 × 4000 windows of 512² are trained on, by nine folds and the network on all patients, 48 × (203 + 9 × 0.1 × 111) slices predicted,
    and those of two draws of 203; 522 crops × 50 epochs × 9 folds × 3 seeds go through five VGG16 (two with heads, three direct) and two ResNet-50. 609
    patients have three phases of 2 bytes twice and 2 bytes more, 203 of them a prediction of 1 byte, 131 CT volumes 6 bytes."""
    tflop = 3 * (40 + 10 * 60) * 4000 * 0.147 + 48 * (3 * 203 + 99.9) * 0.147 + 3 * 522 * 50 * 9 * 3 * (5 * 0.031 + 2 * 0.008)
    cost = estimate_cost(paper, 20.0)
    assert cost["hours"] == pytest.approx(tflop / 20 / 3600)
    assert cost["disk_gb"] == pytest.approx((609 * 14 + 203 + 131 * 6) * 512 * 512 * 48 / 1e9)


def test_training_alone_is_the_counted_operations(paper):
    """One patient, one window a step and no crops to speak of: three forward passes of 0.147 TFLOP each, in two folds, on all patients, in two shared starts
    and on all patients again, and prediction of 44 slices in one of two folds, and of a patient of either draw."""
    profile = paper
    for setting, value in {
            "cohort.patients_positive": 1, "cohort.patients_negative": 0, "cohort.slices": 44, "segmentation.folds": 2, "segmentation.validation_fraction": 0.5,
            "segmentation.pretrain.epochs": 1, "segmentation.pretrain.samples_per_epoch": 10, "segmentation.finetune.epochs": 1,
            "segmentation.finetune.samples_per_epoch": 5, "characterization.variants": (),
            "draws.patients_positive": 1, "draws.patients_negative": 0, "draws.curve_patients": 1}.items():
        profile = with_setting(profile, setting, value)
    assert estimate_cost(profile, 1.0)["hours"] * 3600 == pytest.approx(0.147 * (3 * (10 + 3 * 5) + 44 * (1 + 2 * 0.5 + 2)))
    stage = SharedStartSettings(groups=2, epochs=2, samples_per_epoch=7, batch_size=1, learning_rate=1e-3, validation_samples=1, patience_epochs=1)
    more = estimate_cost(with_setting(profile, "segmentation.shared_start", stage), 1.0)["hours"] - estimate_cost(profile, 1.0)["hours"]
    assert more * 3600 == pytest.approx(0.147 * 3 * 3 * 2 * 7)


@pytest.mark.parametrize("settings, gpu_gb", [
    ({}, 20.0),
    ({"segmentation.stem": "full_resolution", "segmentation.decoder_filters": (256, 128, 64, 32)}, 20.0 * 706 / 208.5),
    ({"segmentation.training_crop_px": 256}, 5.0),
    ({"segmentation.precision": "float32"}, 40.0),
    ({"segmentation.finetune.batch_size": 12}, 40.0),
    ({"segmentation.finetune.batch_size": 3}, 20.0),
])
def test_the_gpus_memory_rises_with_the_values_that_training_keeps(paper, machine, tmp_path, settings, gpu_gb):
    for setting, value in settings.items():
        paper = with_setting(paper, setting, value)
    assert preflight.estimate_gpu_gb(paper) == pytest.approx(gpu_gb)
    machine.gpu_gb = gpu_gb - 0.1
    with pytest.raises(InputError, match=f"a GPU with {gpu_gb:.0f} GB of memory or more"):
        check_paper_profile(paper, tmp_path, tmp_path / "run", force=False)


def test_lits_and_weights_that_are_there_are_found(paper, machine, tmp_path, capsys):
    (tmp_path / "data" / "lits").mkdir(parents=True)
    (tmp_path / "data" / "lits" / "volume-0.nii").touch()
    for path in list_weight_files(paper):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    check_paper_profile(paper, tmp_path / "data", tmp_path / "run", force=False)
    told = capsys.readouterr().out
    assert f"LiTS: found in {tmp_path / 'data' / 'lits'}" in told and told.count(f"found in {tmp_path / 'keras' / 'models'}") == 3
    assert "virtual CT set" not in told and "not in" not in told
    assert "hours on this GPU" in told and "GB of disk (10,000 GB free)" in told and "(256 GB here)" in told


def test_what_stands_in_for_what_is_missing_is_said(paper, machine, tmp_path, capsys):
    check_paper_profile(paper, tmp_path / "data", tmp_path / "run", force=False)
    told = capsys.readouterr().out
    assert f"LiTS: not found in {tmp_path / 'data' / 'lits'}" in told and "the virtual CT set is used for pre-training instead" in told
    assert told.count("Keras downloads them. Where it cannot, put the file there") == 3


def test_only_weights_that_the_profile_asks_for_are_named(paper, monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert [path.name for path in list_weight_files(paper)] == [
        "resnet34_imagenet_1000_no_top.h5", "resnet50_imagenet_1000_no_top.h5", "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"]
    random = with_setting(with_setting(paper, "segmentation.encoder_weights", "random"), "characterization.variants", ("vgg16-plain",))
    assert list_weight_files(random) == [tmp_path / "models" / vgg.IMAGENET_FILE.name]
    assert list_weight_files(with_setting(random, "characterization.weights", "random")) == []


def test_the_names_are_those_that_the_models_load():
    assert preflight.TRUNK_FILES == {"vgg16": vgg.IMAGENET_FILE.name, "resnet50": resnet.IMAGENET_FILES["resnet50"].name}
    assert {preflight.RESNET_FILE.format(depth) for depth in resnet.IMAGENET_FILES} == {file.name for file in resnet.IMAGENET_FILES.values()}


@pytest.mark.parametrize("small, words", [
    ({"gpu_gb": 10.0}, ["PROFILE=paper: expected a GPU with 20 GB of memory or more, found 10 GB"]),
    ({"disk_gb": 1.0}, ["disk of", "GB free, found 1 GB"]),
    ({"memory_gb": 2.0}, ["memory: expected", "found 2 GB"]),
    ({"gpu_gb": 0.0, "disk_gb": 1.0, "memory_gb": 2.0}, ["a GPU with", "disk of", "memory: expected"]),
])
def test_a_machine_that_is_too_small_is_refused_without_force(paper, machine, tmp_path, capsys, small, words):
    vars(machine).update(small)
    with pytest.raises(InputError) as caught:
        check_paper_profile(paper, tmp_path, tmp_path / "run", force=False)
    assert all(word in str(caught.value) for word in (*words, "FORCE=1 to start all the same, found no FORCE"))
    assert len(caught.value.problems) == len(small) + 1
    assert ("on this CPU" in capsys.readouterr().out) == ("gpu_gb" in small)
    check_paper_profile(paper, tmp_path, tmp_path / "run", force=True)


@pytest.mark.parametrize("answer, memory_gb", [("24576\n", 24.0), ("8192\n24576\n", 24.0), ("", 0.0), ("No devices were found\n", 0.0)])
def test_the_largest_gpu_counts(monkeypatch, answer, memory_gb):
    monkeypatch.setattr(preflight.subprocess, "run", lambda *arguments, **keywords: SimpleNamespace(stdout=answer))
    assert gpu_memory_gb() == memory_gb


@pytest.mark.parametrize("error", [FileNotFoundError(), subprocess.CalledProcessError(9, "nvidia-smi")])
def test_no_driver_is_no_gpu(monkeypatch, error):
    def fail(*arguments, **keywords):
        raise error

    monkeypatch.setattr(preflight.subprocess, "run", fail)
    assert gpu_memory_gb() == 0
