"""The virtual cohort as somebody's heap of files: indexed, completed and run, it gives what the cohort itself gives."""
from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from build_store import store_patient
from results_tables import COHORT_TABLES

from lirads_keras.io.manifests import read_manifest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from conftest import cohort_of, results_of, start_reproduce  # noqa: E402


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)


def shuffle_files(cohort: Path, heap: Path) -> None:
    """All DICOM files of a cohort in one folder, with names that mean nothing."""
    heap.mkdir()
    files = sorted(path for path in (cohort / "dicom").rglob("*") if path.is_file())
    random.Random(2023).shuffle(files)
    for number, path in enumerate(files):
        shutil.copyfile(path, heap / f"{number:08x}")


def index_heap(heap: Path, masks: Path, out: Path) -> None:
    finished = subprocess.run([sys.executable, "-m", "lirads_keras", "data", "index", str(heap), "--out", str(out), "--keep-ids", "--masks", str(masks)],
                              capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr


def fill_in(manifest: Path, cohort: Path) -> None:
    """What no DICOM file says is filled in by hand: the group, the readers' features and categories."""
    for name, key in (("patients", ["patient_id"]), ("lesions", ["patient_id", "mask_label"])):
        known = read(cohort, name)
        columns = [column for column in known if column not in (*key, "mask_path")]
        table = read(manifest, name).drop(columns=columns, errors="ignore").merge(known[[*key, *columns]], on=key, how="left", validate="one_to_one")
        assert len(table) == len(known) and not table[columns[0]].isna().any()
        table.to_csv(manifest / f"{name}.csv", index=False)


@pytest.fixture(scope="module")
def cohort(smoke_run: Path) -> Path:
    return cohort_of(smoke_run)


@pytest.fixture(scope="module")
def manifest(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heap")
    shuffle_files(cohort, folder / "heap")
    index_heap(folder / "heap", cohort / "masks", folder / "manifest")
    fill_in(folder / "manifest", cohort)
    return folder / "manifest"


@pytest.mark.slow
def test_a_heap_is_stored_bit_by_bit_as_the_cohort_is(smoke_run, cohort, manifest, profile, tmp_path):
    """15 s idle, after the smoke run."""
    indexed, direct = read_manifest(manifest), read_manifest(cohort)
    assert sorted(indexed.patients["patient_id"]) == sorted(direct.patients["patient_id"])
    for patient_id in direct.patients["patient_id"]:
        folders = [tmp_path / kind / patient_id for kind in ("indexed", "direct")]
        for folder, of in zip(folders, (indexed, direct), strict=True):
            store_patient(folder, of, patient_id, profile.preprocessing)
        stored = [{path.name: path.read_bytes() for path in folder.iterdir() if path.name != "source.json"} for folder in folders]
        assert stored[0] == stored[1], patient_id


@pytest.mark.slow
def test_a_heap_gives_the_results_that_the_cohort_gives(smoke_run, manifest, tmp_path):
    """As long as a smoke run: 4 min idle on two cores."""
    shutil.copytree(smoke_run.parent.parent / "data", tmp_path / "data")
    _, err = (job := start_reproduce(tmp_path, "--manifest", str(manifest))).communicate()
    assert job.returncode == 0, err
    results = [results_of(run) for run in (tmp_path / "runs" / "smoke", smoke_run)]
    # What the phantom alone knows of its patients does not come with their DICOM.
    assert results[1].keys() - results[0].keys() == {"cohort_montage.png", *(f"{name}.csv" for name in COHORT_TABLES)}
    # Nor are there further draws of somebody's own patients, nor is it known what a false lesion of theirs lies on.
    assert {name for name in results[0] if results[0][name] != results[1][name]} == {"draws.csv", "predicted_lesions.csv"}
    own, virtual = (pd.read_csv(run / "results" / "predicted_lesions.csv", dtype=str) for run in (tmp_path / "runs" / "smoke", smoke_run))
    assert own["finding"].isna().all() and virtual["finding"].notna().any()
    pd.testing.assert_frame_equal(own.drop(columns="finding"), virtual.drop(columns="finding"))
    assert len(pd.read_csv(tmp_path / "runs" / "smoke" / "results" / "draws.csv")) == 0
