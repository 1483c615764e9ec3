"""The stage scripts are no package: their folder is put on the path once, and this one with what tests share."""
from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
sys.path[:0] = [str(EXPERIMENTS), str(Path(__file__).parent)]

from lirads_keras.config.profile import Profile, read_profile  # noqa: E402
from lirads_keras.entities import Volume  # noqa: E402
from lirads_keras.preprocessing.store import write_stored_study  # noqa: E402


@pytest.fixture(scope="session")
def profile() -> Profile:
    """The smoke profile at a matrix of 32 pixels, with two folds, three thresholds, one segmentation and two characterisation variants, no trained trunk."""
    smoke = read_profile(EXPERIMENTS / "profiles" / "smoke.yaml")
    return smoke.model_copy(update={
        "preprocessing": smoke.preprocessing.model_copy(update={"matrix_px": 32}),
        "segmentation": smoke.segmentation.model_copy(update={"variants": ("delayed",), "training_crop_px": 32, "folds": 2}),
        "characterization": smoke.characterization.model_copy(update={"variants": ("vgg16-adaptive", "vgg16-plain"), "weights": "random", "epochs": 1}),
        "lesions": smoke.lesions.model_copy(update={"thresholds": (0.3, 0.5, 0.7)}),
        "evaluation": smoke.evaluation.model_copy(update={"thresholds": (0.3, 0.5, 0.7), "pixel_thresholds": 3})})


@pytest.fixture
def plan(profile, tmp_path):
    """The plan of a run in tmp_path/run with a virtual cohort in tmp_path/data; nothing is built."""
    from stages import write_plan

    return write_plan(tmp_path / "run", profile, tmp_path / "data", None)


@pytest.fixture
def store_study(profile, tmp_path):
    """Writes a stored study (6, 32, 32) of noise with the given mask and phases."""
    def store(patient_id: str, mask, phases=("arterial", "portal_venous", "delayed")) -> Path:
        volumes = {phase: Volume(np.random.default_rng(number).uniform(100, 900, (6, 32, 32)).astype(np.float32), (4.0, 2.0, 2.0),
                                 np.diag([4.0, 2.0, 2.0, 1.0])) for number, phase in enumerate(phases)}
        write_stored_study(tmp_path / "run" / "store" / patient_id, volumes, mask, profile.preprocessing)
        return tmp_path / "run" / "store" / patient_id

    return store


@pytest.fixture(scope="session")
def checkout(tmp_path_factory) -> Path:
    """A copy of the sources; only `edit` changes it."""
    copy = tmp_path_factory.mktemp("checkout")
    for room in ("lirads_keras", "experiments", "r_analysis", "data_manifests"):
        shutil.copytree(EXPERIMENTS.parent / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(EXPERIMENTS.parent / "CITATION.cff", copy)
    return copy


@pytest.fixture
def edit(checkout, monkeypatch) -> Iterator[Callable[[str, Callable[[str], str]], None]]:
    """Puts what a function makes of a source's text ("" for a new one) in its place, for this test; digests are computed from the copy."""
    monkeypatch.setattr("stages.CHECKOUT", checkout)
    originals: dict[Path, bytes | None] = {}

    def change(source: str, make: Callable[[str], str]) -> None:
        path = checkout / source
        content = path.read_bytes() if path.exists() else None
        originals.setdefault(path, content)
        path.write_text(make((content or b"").decode()), encoding="utf-8")

    yield change
    for path, content in originals.items():
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)


@pytest.fixture
def manifest(tmp_path) -> Path:
    """A user's manifest of two patients, one with a lesion; its files hold nothing that is read here."""
    folder = tmp_path / "manifest"
    for patient_id in ("P1", "P2"):
        (folder / "dicom" / patient_id).mkdir(parents=True)
        (folder / "dicom" / patient_id / "1.dcm").write_bytes(b"image")
    (folder / "P1.nii.gz").write_bytes(b"mask")
    (folder / "patients.csv").write_text("patient_id,group,cohort,age_years,sex,scanner,diagnosis_method,mask_path\n"
                                         "P1,positive,mine,50,M,,,P1.nii.gz\nP2,negative,mine,,,,,\n")
    (folder / "series.csv").write_text("patient_id,phase,path,series_uid,time_point\nP1,delayed,dicom/P1,,\nP2,delayed,dicom/P2,,\n")
    (folder / "lesions.csv").write_text("patient_id,lesion_id,mask_label,diameter_mm,aphe,washout,capsule,category\nP1,L1,1,12,1,0,,LR-4\n")
    return folder
