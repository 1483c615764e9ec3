"""The main job on a user's manifest with everything missing that may be missing, in folders with spaces in their names."""
from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from conftest import cohort_of, start_reproduce  # noqa: E402

TABLES = ("patients", "series", "lesions")


def write_manifest(cohort: Path, folder: Path) -> list[str]:
    """The virtual cohort as somebody's own data; returns the patients whose data are incomplete.

    The first has no arterial phase, the second the delayed phase alone, the third no diameter, the fourth no reference of two features,
    the fifth no lesion; the sixth is called NA.
    """
    patients, series, lesions = (pd.read_csv(cohort / f"{name}.csv", dtype=str, keep_default_na=False) for name in TABLES)
    chosen = patients.loc[patients["group"] == "positive", "patient_id"].tolist()[:6]
    first, second, third, fourth, fifth, sixth = chosen
    patients["cohort"], patients["scanner"] = "my own cohort", ""
    patients["mask_path"] = [str(cohort / path) if path else "" for path in patients["mask_path"]]
    series["path"] = [str(cohort / path) for path in series["path"]]
    of = series["patient_id"]
    series = series[~((of == first) & (series["phase"] == "arterial")) & ~((of == second) & (series["phase"] != "delayed"))]
    lesions = lesions[["patient_id", "lesion_id", "mask_label", "diameter_mm", "aphe", "washout", "capsule", "category"]]
    lesions.loc[lesions["patient_id"] == third, "diameter_mm"] = ""
    lesions.loc[lesions["patient_id"] == fourth, ["aphe", "capsule"]] = ""
    lesions = lesions[lesions["patient_id"] != fifth]
    folder.mkdir()
    sitk.WriteImage(sitk.ReadImage(patients.loc[patients["patient_id"] == fifth, "mask_path"].item()) * 0, str(folder / "empty mask.nii.gz"))
    patients.loc[patients["patient_id"] == fifth, "mask_path"] = "empty mask.nii.gz"
    for name, table in zip(TABLES, (patients, series, lesions), strict=True):
        table.replace({"patient_id": {sixth: "NA"}}).to_csv(folder / f"{name}.csv", index=False)
    return [*chosen[:5], "NA"]


@pytest.mark.slow
def test_incomplete_data_lead_to_a_report_that_says_so(smoke_run, tmp_path):
    cohort = cohort_of(smoke_run)
    first, second, third, fourth, fifth, sixth = write_manifest(cohort, tmp_path / "my data")
    job = start_reproduce(tmp_path / "my runs", "--manifest", str(tmp_path / "my data"))
    _, err = job.communicate()
    assert job.returncode == 0, err
    run = tmp_path / "my runs" / "runs" / "smoke"
    assert "my own cohort" in (run / "report" / "report.html").read_text()

    features, categories, lesions = (
        pd.read_csv(run / "results" / f"{name}.csv", dtype={"patient_id": str}, keep_default_na=False, na_values=[""])
        for name in ("features", "categories", "lesions"))
    reference = features["roi"] == "reference_roi"
    empty = features[reference & features["probability"].isna()]
    assert set(empty["patient_id"]) == {first, second} and set(empty["feature"]) == {"aphe"} and set(empty["variant"]) == set(features["variant"])
    says = categories["reasons"].str.contains("APHE not assessed", regex=False)
    several = categories["reasons"].str.contains(r": LR-NC \(|: LR-\d(?:, LR-\d)* or LR-\d, ")
    assert set(categories.loc[says, "patient_id"]) == {first, second} and (categories["category_pred"].isna() == several)[says].all()
    alone = categories["reasons"].str.contains("(no portal venous phase: washout and capsule have the delayed phase alone)", regex=False)
    assert set(categories.loc[alone, "patient_id"]) == {second}
    assert (lesions.loc[lesions["patient_id"] == third, "diameter_mm"] > 0).all() and not lesions["diameter_mm"].isna().any()
    assert lesions.loc[lesions["patient_id"] == fourth, ["aphe_ref", "capsule_ref"]].isna().all(axis=None)
    assert fifth not in set(lesions["patient_id"]) and sixth in set(lesions["patient_id"])
    detection = pd.read_csv(run / "results" / "patient_detection.csv", dtype={"patient_id": str}, keep_default_na=False).set_index("patient_id")
    assert (detection.loc[fifth, "has_reference"] == 0).all() and (detection.loc[sixth, "has_reference"] == 1).all()
