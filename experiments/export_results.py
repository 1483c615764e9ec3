"""Stage results: scores masks, lesions, features and categories, and writes the tidy tables that R reads."""
from __future__ import annotations

import json
import platform
from collections.abc import Hashable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from extract_lesions import predicted_lesions
from stage import Progress, fold_of_patients, run_stage
from stages import Plan

from lirads_keras.config import Profile
from lirads_keras.entities import HEAD_FEATURES, FeatureProbabilities
from lirads_keras.evaluation.detection import detect_patient, match_lesions
from lirads_keras.evaluation.export import TABLES, build_results_table, write_results_table
from lirads_keras.evaluation.overlap import compute_pixel_counts
from lirads_keras.io.manifests import Manifest, read_manifest
from lirads_keras.lesions import measure_lesions
from lirads_keras.lirads.observation import categorize_probabilities
from lirads_keras.preprocessing.store import read_stored_study

Rows = dict[str, list[dict[str, Any]]]


def score_patient(store: Path, prediction: Path, profile: Profile, reference_ids: dict[str, str]) -> Rows:
    """Rows of a patient for the tables of pixels and of detection, without the columns that every row of the patient shares."""
    study = read_stored_study(store)
    labels = np.asarray(study.mask())
    counts = compute_pixel_counts(np.load(prediction, mmap_mode="r"), labels > 0)
    rows: Rows = {"pixel_counts": [], "dice_by_threshold": [], "lesion_detection": [], "patient_detection": []}
    for threshold in np.linspace(0, 1, profile.evaluation.pixel_thresholds):
        rows["pixel_counts"].append({"threshold": threshold, **counts.at(float(threshold))})
    reference = measure_lesions(labels, study.grid())
    for threshold in profile.evaluation.thresholds:
        if reference:
            rows["dice_by_threshold"].append({"threshold": threshold, "dice": counts.dice(threshold)})
        predicted = predicted_lesions(study, prediction, threshold, profile)
        matches = match_lesions(reference, predicted, minimum_overlap_iou=profile.lesions.minimum_overlap_iou)
        for kind, lesions, matched in (("reference", reference, matches.reference_matched), ("predicted", predicted, matches.predicted_matched)):
            rows["lesion_detection"] += [
                {"threshold": threshold, "kind": kind, "lesion_id": reference_ids[lesion.lesion_id] if kind == "reference" else lesion.lesion_id,
                 "diameter_mm": lesion.diameter_mm, "matched": flag} for lesion, flag in zip(lesions, matched, strict=True)]
        rows["patient_detection"].append({"threshold": threshold, **vars(detect_patient(matches))})
    return rows


def score_patients(plan: Plan, manifest: Manifest, fold_of: dict[str, int], progress: Progress) -> Rows:
    rows: Rows = {}
    lesions = manifest.lesions.astype({"patient_id": str, "lesion_id": str, "mask_label": str})
    tasks = []
    for patient_id, fold in fold_of.items():
        own = lesions[lesions["patient_id"] == patient_id]
        tasks.append(partial(score_patient, plan.run / "store" / patient_id,
                             plan.run / "segmentation" / f"fold-{fold}" / "predictions" / f"{patient_id}.npy", plan.profile,
                             dict(zip(own["mask_label"], own["lesion_id"]))))
    groups = dict(zip(manifest.patients["patient_id"].astype(str), manifest.patients["group"]))
    with ProcessPoolExecutor(plan.profile.workflow.threads, mp_context=get_context("forkserver")) as pool:
        for done, (patient_id, future) in enumerate(zip(fold_of, [pool.submit(task) for task in tasks], strict=True), start=1):
            for table, found in future.result().items():
                shared = {"patient_id": patient_id, "fold": fold_of[patient_id], "group": groups[patient_id]}
                wanted = {column.name for column in TABLES[table]}
                rows.setdefault(table, []).extend({name: value for name, value in (shared | row).items() if name in wanted} for row in found)
            progress(done, len(tasks), f"scoring patient {done} of {len(tasks)}")
    return rows


def score_features(plan: Plan) -> Rows:
    """Rows of features.csv and categories.csv."""
    profile = plan.profile
    index = pd.read_csv(plan.run / "characterization" / "crops" / "index.csv", dtype={"patient_id": str, "lesion_id": str})
    rows: Rows = {"features": [], "categories": []}
    for variant in profile.characterization.variants:
        read = pd.concat(pd.read_csv(plan.run / "characterization" / variant / f"fold-{fold}" / "features.csv", dtype={"patient_id": str, "lesion_id": str})
                         for fold in range(profile.segmentation.folds))
        table = index.merge(read, on=["roi", "patient_id", "lesion_id", "fold"], suffixes=("_ref", ""), validate="one_to_one")
        for row in table.to_dict("records"):
            shared = {"variant": variant, **{name: row[name] for name in ("roi", "fold", "patient_id", "lesion_id")}}
            rows["features"] += [{**shared, "feature": str(feature), "reference": row[f"{feature}_ref"], "probability": row[feature]}
                                 for feature in HEAD_FEATURES]
            rows["categories"].append({**shared, "diameter_mm": row["diameter_mm"], "category_ref": row["category"], "detected": row["detected"],
                                       **_category(row, profile)})
    return rows


def _category(row: Mapping[Hashable, Any], profile: Profile) -> dict[str, Any]:
    if not row["detected"]:
        return {"category_pred": None, "reasons": "missed by the segmentation"}
    probabilities = FeatureProbabilities(*(None if pd.isna(row[feature]) else row[feature] for feature in HEAD_FEATURES))
    settings = profile.characterization
    _, category, reasons = categorize_probabilities(row["diameter_mm"], probabilities, decision_threshold=settings.decision_threshold, rules=settings.rules)
    return {"category_pred": str(category), "reasons": reasons}


def read_history(plan: Plan) -> list[dict[str, Any]]:
    """Rows of training_history.csv."""
    sources: list[tuple[str, str | None, int | None, Path]] = [("pretrain", None, None, plan.run / "segmentation" / "pretrain")]
    folds = range(plan.profile.segmentation.folds)
    sources += [("finetune", None, fold, plan.run / "segmentation" / f"fold-{fold}") for fold in folds]
    sources += [("characterization", variant, fold, plan.run / "characterization" / variant / f"fold-{fold}")
                for variant in plan.profile.characterization.variants for fold in folds]
    return [{"stage": stage, "variant": variant, "fold": fold, "epoch": row["epoch"], "metric": metric, "value": row[metric]}
            for stage, variant, fold, folder in sources
            for row in pd.read_csv(folder / "history.csv").to_dict("records") for metric in row if metric != "epoch"]


def describe_run(plan: Plan, manifest: Manifest) -> list[dict[str, Any]]:
    """Rows of run.csv; nothing in it changes when the same run is made again."""
    provenance = json.loads((plan.run / "provenance.json").read_text())
    settings = plan.profile.characterization
    cohort = " + ".join(sorted(set(manifest.patients["cohort"].astype(str))))
    values = {
        "run": plan.run.name, "cohort": cohort, "profile": plan.profile.name, "profile_digest": plan.profile.digest(), "commit": provenance["commit"],
        "dirty": {True: 1, False: 0}.get(provenance["dirty"]), "seed": plan.profile.seed, "folds": plan.profile.segmentation.folds,
        "rules": settings.rules, "decision_threshold": settings.decision_threshold, "python": platform.python_version(),
        "tensorflow": provenance["versions"].get("tensorflow-cpu") or provenance["versions"].get("tensorflow"), "keras": metadata.version("keras"),
        "pretraining": "LiTS" if plan.lits else "virtual CT",
    }
    return [{"key": key, "value": None if value is None else str(value)} for key, value in values.items()]


def work(plan: Plan, progress: Progress, part: str) -> None:
    manifest = read_manifest(plan.manifest)
    _, fold_of = fold_of_patients(plan)
    rows = score_patients(plan, manifest, fold_of, progress) | score_features(plan)
    rows["training_history"] = read_history(plan)
    rows["run"] = describe_run(plan, manifest)
    rows["fold_thresholds"] = [
        {"fold": fold, **{name: json.loads((plan.run / "segmentation" / f"fold-{fold}" / "fold.json").read_text())[name]
                          for name in ("threshold_chosen", "dice_validation")}} for fold in range(plan.profile.segmentation.folds)]
    lesions = manifest.lesions.astype({"patient_id": str})
    counts = lesions["patient_id"].value_counts()
    rows["patients"] = [
        {"patient_id": row["patient_id"], "group": row["group"], "fold": fold_of[str(row["patient_id"])],
         "n_lesions_ref": counts.get(str(row["patient_id"]), 0), **{name: row.get(name) for name in ("age_years", "sex", "scanner")}}
        for row in manifest.patients.to_dict("records")]
    rows["lesions"] = [
        {"patient_id": row["patient_id"], "lesion_id": row["lesion_id"], "fold": fold_of[row["patient_id"]], "diameter_mm": row["diameter_mm"],
         "category_ref": row["category"], "category_true": row.get("category_true"), **{f"{name}_ref": row[name] for name in HEAD_FEATURES}}
        for row in lesions.to_dict("records")]
    for name in TABLES:
        write_results_table(plan.run / "results", name, build_results_table(name, rows.get(name, [])))


if __name__ == "__main__":
    run_stage("results", work)
