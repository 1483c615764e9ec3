"""A study gives the same report however it is stored."""
from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from lirads_keras.cli import main
from lirads_keras.entities import ENHANCED_PHASES

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from conftest import cohort_of  # noqa: E402

WAYS = 6


def store_otherwise(study: Path, folder: Path, random: np.random.Generator) -> None:
    """Each phase with its rows and columns in another order and direction, each slice with a slope of its own, under names that say nothing, compressed or not;
    one time in two all phases have one SeriesInstanceUID."""
    folder.mkdir()
    merged = random.random() < 0.5
    names = iter(random.permutation(10_000).tolist())
    uid = ""
    for phase in ENHANCED_PHASES:
        exchange, reverse_rows, reverse_columns, compress = random.random(4) < 0.5
        for path in sorted((study / phase).iterdir()):
            dataset = pydicom.dcmread(path)
            pixels, (row, column) = dataset.pixel_array, np.reshape(np.array(dataset.ImageOrientationPatient, float), (2, 3))
            place, (down, along) = np.array(dataset.ImagePositionPatient, float), map(float, dataset.PixelSpacing)
            if reverse_rows:
                place, row, pixels = place + row * along * (pixels.shape[1] - 1), -row, pixels[:, ::-1]
            if reverse_columns:
                place, column, pixels = place + column * down * (pixels.shape[0] - 1), -column, pixels[::-1]
            if exchange:
                row, column, down, along, pixels = column, row, along, down, pixels.T
            factor = int(random.choice([1, 2, 4, 8]))
            assert int(pixels.max()) * factor < 2 ** 16
            dataset.Rows, dataset.Columns = pixels.shape
            dataset.PixelSpacing, dataset.ImageOrientationPatient = [down, along], [*row, *column]
            dataset.ImagePositionPatient = [f"{value:.6g}" for value in place]
            dataset.PixelData = np.ascontiguousarray(pixels * np.uint16(factor)).tobytes()
            dataset.RescaleSlope, dataset.RescaleIntercept = 1 / factor, 0
            if dataset.BitsStored != 16:
                dataset.BitsStored, dataset.HighBit = 16, 15
            uid = uid or dataset.SeriesInstanceUID
            dataset.SeriesInstanceUID = uid if merged else dataset.SeriesInstanceUID
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            if compress:
                dataset.compress(RLELossless, generate_instance_uid=False)
            dataset.save_as(folder / f"{next(names):04d}", enforce_file_format=True)


@pytest.mark.slow
def test_a_study_that_is_stored_otherwise_has_the_same_report(smoke_run: Path, tmp_path: Path) -> None:
    """About 10 s. The networks of the smoke run find something in every patient."""
    study = next(iter(sorted((cohort_of(smoke_run) / "dicom").iterdir())))
    random = np.random.default_rng(18)
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "original").symlink_to(study)
    for way in range(WAYS):
        store_otherwise(study, tmp_path / "studies" / f"way {way}", random)
    assert main(["predict", "--studies", str(tmp_path / "studies"), "--run", str(smoke_run), "--out", str(tmp_path / "out")]) == 0
    expected, *others = (json.loads((tmp_path / "out" / name / "report.json").read_text()) for name in ("original", *(f"way {way}" for way in range(WAYS))))
    assert expected["lesions"]
    for other in others:
        assert other["notices"] == expected["notices"] and other["study_uid"] == expected["study_uid"]
        assert [(row["category"], row["reasons"], row["largest_slice"]) for row in other["lesions"]] == [
            (row["category"], row["reasons"], row["largest_slice"]) for row in expected["lesions"]]
        for found, row in zip(other["lesions"], expected["lesions"], strict=True):
            for name in ("diameter_mm", "volume_ml", "mean_probability", "centroid_lps_mm"):
                assert found[name] == pytest.approx(row[name], abs=1e-2, rel=1e-3)
            for feature, value in row["features"].items():
                assert found["features"][feature]["present"] == value["present"]
                assert found["features"][feature]["probability"] == pytest.approx(value["probability"], abs=1e-3)
