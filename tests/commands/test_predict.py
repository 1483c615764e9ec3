"""The options of `lirads predict` that change how a study is segmented; the command as a whole is tested in test_cli.py."""
from __future__ import annotations

import argparse
import json
import shutil
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydicom import dcmread

from lirads_keras.cli import _parser, main
from lirads_keras.commands import predict
from lirads_keras.commands.predict import _report_study, _with_options
from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.config.profile import read_profile
from lirads_keras.entities import Category, FeatureProbabilities, Observation, Phase, Report, ScoredLesion
from lirads_keras.errors import InputError
from lirads_keras.inference.run_files import RunFiles
from lirads_keras.io.dicom import read_study, read_volume
from lirads_keras.io.dicom_seg import read_segmentation
from lirads_keras.io.dicom_sr import read_structured_report
from lirads_keras.lesions import extract_lesions
from lirads_keras.phantom.cohort import build_cohort_table
from lirads_keras.phantom.dicom_writer import Acquisition, write_series
from lirads_keras.phantom.scan import build_scan
from lirads_keras.progress import ignore_progress
from lirads_keras.run import RunFolder
from lirads_keras.variants import CHARACTERIZATION_VARIANTS, SEGMENTATION_VARIANTS

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from conftest import cohort_of  # noqa: E402

SMOKE = Path(__file__).parents[2] / "experiments" / "profiles" / "smoke.yaml"


def parse(*options: str) -> argparse.Namespace:
    return _parser().parse_args(["predict", "STUDY", "--run", "RUN", "--out", "OUT", *options])


@pytest.mark.parametrize("options, expected", [
    ([], {}),
    (["--engine", "openvino-bf16"], {"engine": "openvino-bf16"}),
    (["--no-body-box"], {"body_box": False}),
    (["--body-box", "--flip-augmentation"], {"flip_augmentation": True}),
])
def test_options_that_are_given_replace_the_runs_and_no_others(options, expected):
    profile = read_profile(SMOKE)
    chosen = _with_options(profile, parse(*options))
    assert chosen == profile.model_copy(update={"inference": profile.inference.model_copy(update=expected)})
    assert not expected or expected.items() <= chosen.inference.model_dump().items()


def test_a_cutoff_of_zero_is_an_option_that_is_given():
    profile = read_profile(SMOKE)
    assert _with_options(profile, parse("--background-cutoff", "0")).preprocessing.background_cutoff == 0
    assert _with_options(profile, parse("--background-cutoff", "auto")).preprocessing.background_cutoff == "auto"
    assert _with_options(profile, parse()).preprocessing == profile.preprocessing


def test_the_networks_of_all_patients_are_the_default_and_the_runs_variants():
    parsed = parse()
    assert (parsed.networks, parsed.segmentation, parsed.variant) == ("full", None, None) and "fold" not in vars(parsed)
    parsed = parse("--networks", "fold-3", "--segmentation", "delayed")
    assert (parsed.networks, parsed.segmentation) == ("fold-3", "delayed")


@pytest.mark.parametrize("command", [["predict", "STUDY", "--run", "RUN", "--out", "OUT"], ["read", "--studies", "DIR"]])
def test_who_still_names_a_fold_is_told_the_new_word(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--fold", "best"])
    assert stopped.value.code == 2
    assert "argument --fold: expected --networks full|ensemble|fold-K instead, found --fold best" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([command[0], "--help"])
    assert "--fold " not in capsys.readouterr().out


def test_an_unknown_engine_is_refused(capsys):
    with pytest.raises(SystemExit):
        parse("--engine", "torch")
    assert "openvino-bf16" in capsys.readouterr().err


@pytest.fixture()
def small_study(tmp_path):
    """A study with one lesion on the disk, and the result that the networks would give."""
    settings = CohortSettings(patients_positive=4, patients_negative=4, matrix_px=64, pixel_spacing_mm=5.1, slices=14, slice_spacing_mm=9.3, seed=3)
    plan = build_cohort_table(settings)[0]
    scan = build_scan(plan, settings, np.random.default_rng(5))
    voxels = np.random.default_rng(0).integers(0, 900, scan.grid.shape).astype(np.uint16)
    for phase, seconds in ((Phase.ARTERIAL, 30), (Phase.DELAYED, 180)):
        write_series(tmp_path / "study" / phase, plan, Acquisition(phase, seconds, voxels), scan.affine, scan.grid.spacing_mm, "digest", datetime(2012, 3, 6))
    study = read_study(tmp_path / "study")
    grid = read_volume(study.phases()[Phase.DELAYED])
    probability = np.zeros(grid.shape, np.float32)
    probability[4:7, 20:26, 30:35] = 0.8
    (lesion,) = extract_lesions(grid.with_array(probability), 0.5, minimum_volume_mm3=0)
    scored = ScoredLesion(lesion, FeatureProbabilities(0.9, 0.2, 0.1), Observation(lesion.diameter_mm, True, False, False), Category.LR_4, "by hand")
    report = Report("mine", study.study_uid, (scored,), {"lirads-keras": "9.9", "segmented phases": "arterial"}, ("Segmented by hand.",))
    return study, SimpleNamespace(report=report, volumes={Phase.ARTERIAL: grid, Phase.DELAYED: grid}, probability=grid.with_array(probability))


def report_study(small_study, out, monkeypatch, *options):
    from lirads_keras import pipeline

    study, result = small_study
    monkeypatch.setattr(pipeline, "analyse_study", lambda *given, **named: result)
    return _report_study(study, out, SimpleNamespace(threshold=0.5, minimum_volume_mm3=0.0), ignore_progress, profile=None, parsed=parse(*options))


def test_objects_and_page_stand_beside_the_report_when_asked_for(small_study, tmp_path, monkeypatch):
    report_study(small_study, tmp_path / "plain", monkeypatch)
    report_study(small_study, tmp_path / "out", monkeypatch, "--dicom-out")
    assert sorted(path.name for path in (tmp_path / "plain").iterdir()) == ["P1.png", "report.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["P1.png", "report.html", "report.json", "seg.dcm", "sr.dcm"]
    probability = small_study[1].probability
    np.testing.assert_array_equal(read_segmentation(tmp_path / "out" / "seg.dcm", probability), probability.array >= 0.5)
    (lesion,) = read_structured_report(tmp_path / "out" / "sr.dcm")
    of_json = json.loads((tmp_path / "out" / "report.json").read_text())["lesions"][0]
    assert (lesion.lesion_id, lesion.category, lesion.reasons) == (of_json["lesion_id"], of_json["category"], of_json["reasons"])
    assert (lesion.diameter_mm, lesion.volume_ml) == (of_json["diameter_mm"], of_json["volume_ml"])
    assert lesion.observer is None and lesion.algorithm == "lirads_keras 9.9"
    assert "segmented phases arterial" in dcmread(tmp_path / "out" / "seg.dcm").SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[
        0].AlgorithmParameters and b"segmented phases arterial" in (tmp_path / "out" / "sr.dcm").read_bytes()
    assert "Segmented by hand." in (tmp_path / "out" / "report.html").read_text()
    assert "Patient mine" in (tmp_path / "out" / "report.html").read_text() and "no reader has edited it" in (tmp_path / "out" / "report.html").read_text()


def test_a_study_whose_objects_failed_is_not_finished(small_study, tmp_path, monkeypatch):
    """report.json is what later calls take for a finished study."""
    for path in small_study[0].phases()[Phase.DELAYED].files:
        path.unlink()
    with pytest.raises(InputError, match="No such file"):
        report_study(small_study, tmp_path / "out", monkeypatch, "--dicom-out")
    assert not (tmp_path / "out" / "report.json").exists()


def test_a_study_that_the_variant_cannot_read_is_refused_before_the_networks_are_loaded(small_study, tmp_path, monkeypatch, capsys):
    study = small_study[0]
    shutil.rmtree(study.folder / Phase.DELAYED)
    profile = read_profile(SMOKE)
    profile = profile.model_copy(update={"segmentation": profile.segmentation.model_copy(update={"variants": ("delayed", "three-phase")})})
    files = RunFiles(RunFolder(tmp_path), profile, SEGMENTATION_VARIANTS["delayed"], CHARACTERIZATION_VARIANTS["vgg16-adaptive"], "full", (), (), 0.5, 0.0)
    monkeypatch.setattr("lirads_keras.inference.run_files.find_run_files", lambda *given, **named: files)
    monkeypatch.setattr(predict, "_load_models", lambda files: pytest.fail("loaded"))

    def told() -> str:
        assert main(["predict", str(study.folder), "--run", "RUN", "--out", str(tmp_path / "out")]) == 2
        return capsys.readouterr().err

    assert "expected a series of the phase delayed or portal_venous (" in told()
    (tmp_path / "map.yaml").write_text("portal_venous: {time_point: 0}")
    assert main(["predict", str(study.folder), "--run", "RUN", "--out", str(tmp_path / "out"), "--phase-map", str(tmp_path / "map.yaml")]) == 2
    assert (f"error: {study.folder}: expected a series of the delayed phase, which the segmentation variant delayed reads, or --segmentation three-phase, "
            "which reads a study without it, found portal_venous\n") in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_command_writes_what_the_report_says(smoke_run, tmp_path):
    """About a minute after the smoke run, most of it for the pictures of the many lesions that its networks find."""
    study, out = sorted((cohort_of(smoke_run) / "dicom").iterdir())[0], tmp_path / "out"
    assert main(["predict", str(study), "--run", str(smoke_run), "--out", str(out), "--dicom-out"]) == 0
    found = json.loads((out / "report.json").read_text())["lesions"]
    reported = read_structured_report(out / "sr.dcm")
    assert [(lesion.lesion_id, lesion.category, lesion.diameter_mm) for lesion in reported] == [
        (lesion["lesion_id"], lesion["category"], lesion["diameter_mm"]) for lesion in found]
    assert (out / "seg.dcm").exists() == bool(found) and (out / "report.html").exists()
