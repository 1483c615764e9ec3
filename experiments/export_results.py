"""Stage results: scores masks, lesions, features and categories, and writes the tidy tables that R reads."""
from __future__ import annotations

import json
import platform
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from describe_cohort import describe_cohort
from draw_rows import read_draw_rows
from durations import measure_durations
from extract_lesions import predicted_lesions
from overlay_figures import write_overlay_figures
from results_tables import COHORT_TABLES, TABLES, build_results_table, write_results_table
from score_baseline import score_intensity_baseline
from score_surface import score_surfaces
from score_variants import score_variants
from stage import run_stage
from stage_data import REGIONS, fold_of_patients, read_table
from stages import STAGES, Plan
from trainings import list_trainings

from lirads_keras.config.profile import Profile
from lirads_keras.entities import HEAD_FEATURES
from lirads_keras.evaluation.detection import detect_patient, match_lesions
from lirads_keras.evaluation.overlap import compute_pixel_counts
from lirads_keras.io.atomic import write_json
from lirads_keras.io.manifests import COLUMNS, Manifest, read_manifest
from lirads_keras.lesions import measure_lesions
from lirads_keras.preprocessing.store import read_stored_study
from lirads_keras.progress import Progress, tell_count
from lirads_keras.provenance import compute_sha256
from lirads_keras.run import NetworkFolder
from lirads_keras.variants import list_variants

Rows = dict[str, list[dict[str, Any]]]


def score_patient(store: Path, prediction: Path, minimum_volume_mm3: float, profile: Profile, reference_ids: dict[str, str],
                  diameters_mm: dict[str, float]) -> Rows:
    """Rows of a patient for the tables of pixels and of detection, without the columns that every row of the patient shares.

    Args:
        store: the patient's folder.
        prediction: levels (z, y, x) on the delayed grid.
        minimum_volume_mm3: smaller components are no lesions, at every threshold.
        profile: thresholds.
        reference_ids: lesion_id of each label of the mask.
        diameters_mm: reference diameter of each lesion_id, as in lesions.csv.
    """
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
        predicted = predicted_lesions(study, prediction, threshold, minimum_volume_mm3)
        matches = match_lesions(reference, predicted, minimum_overlap_iou=0)
        names = [reference_ids[lesion.lesion_id] for lesion in reference]
        rows["lesion_detection"] += [
            {"threshold": threshold, "kind": "reference", "lesion_id": name, "diameter_mm": diameters_mm[name], "matched": flag, "iou": iou}
            for name, flag, iou in zip(names, matches.reference_matched, matches.reference_iou, strict=True)]
        rows["lesion_detection"] += [
            {"threshold": threshold, "kind": "predicted", "lesion_id": lesion.lesion_id, "diameter_mm": lesion.diameter_mm, "matched": flag, "iou": iou}
            for lesion, flag, iou in zip(predicted, matches.predicted_matched, matches.predicted_iou, strict=True)]
        rows["patient_detection"].append({"threshold": threshold, **vars(detect_patient(matches))})
    return rows


def score_patients(plan: Plan, manifest: Manifest, fold_of: dict[str, int], diameters_mm: dict[tuple[str, str], float], progress: Progress) -> Rows:
    """Rows of `score_patient` of every segmentation variant and patient."""
    rows: Rows = {}
    volumes = {key: folder.minimum_volume_mm3 for key, folder in list_folds(plan).items()}
    lesions = manifest.lesions.astype({"patient_id": str, "lesion_id": str, "mask_label": str})
    tasks = {}
    for patient_id, fold in fold_of.items():
        own = lesions[lesions["patient_id"] == patient_id]
        reference_ids, own_mm = dict(zip(own["mask_label"], own["lesion_id"])), {name: diameters_mm[patient_id, name] for name in own["lesion_id"]}
        for segmentation in plan.segmentations:
            tasks[segmentation, patient_id] = partial(score_patient, plan.run.store(patient_id), plan.run.prediction(segmentation, fold, patient_id),
                                                      volumes[segmentation, fold], plan.profile, reference_ids, own_mm)
    groups = dict(zip(manifest.patients["patient_id"].astype(str), manifest.patients["group"]))
    with ProcessPoolExecutor(plan.profile.workflow.cores, mp_context=get_context("forkserver")) as pool:
        futures = {key: pool.submit(task) for key, task in tasks.items()}
        for done, ((segmentation, patient_id), future) in enumerate(futures.items(), start=1):
            for table, found in future.result().items():
                shared = {"segmentation": segmentation, "patient_id": patient_id, "fold": fold_of[patient_id], "group": groups[patient_id]}
                wanted = {column.name for column in TABLES[table]}
                rows.setdefault(table, []).extend({name: value for name, value in (shared | row).items() if name in wanted} for row in found)
            tell_count(progress, "scoring patient", done, len(tasks))
    return rows


def list_folds(plan: Plan) -> dict[tuple[str, int], NetworkFolder]:
    """The folder of each segmentation variant and fold."""
    return {(name, fold): plan.run.fold(name, fold) for name in plan.segmentations for fold in range(plan.profile.segmentation.folds)}


def list_histories(plan: Plan) -> list[tuple[str, str | None, int | None, NetworkFolder]]:
    """Stage, variant, fold and folder of every network whose history is told: the half split and further seeds are not."""
    settings = plan.profile.characterization
    return [("pretrain", None, None, plan.run.pretraining),
            *(("start", name, group, plan.run.start(name, group)) for name in plan.segmentations for group in range(plan.profile.segmentation.start_groups)),
            *(("finetune", name, fold, folder) for (name, fold), folder in list_folds(plan).items()),
            *(("characterization", variant, training.fold, training.folder) for variant in settings.variants
              for training in list_trainings(plan, variant) if training.fold is not None and training.seed == settings.seeds[0])]


def read_history(plan: Plan) -> list[dict[str, Any]]:
    """Rows of training_history.csv."""
    return [{"stage": stage, "variant": variant, "fold": fold, "epoch": row["epoch"], "metric": metric, "value": row[metric]}
            for stage, variant, fold, folder in list_histories(plan)
            for row in pd.read_csv(folder.history).to_dict("records") for metric in row if metric != "epoch"]


def compute_checksums(plan: Plan) -> dict[str, dict[str, str]]:
    """SHA-256 of the manifest's tables and of the weights of every network that the results are of."""
    folders = [folder for stage, _, _, folder in list_histories(plan) if stage != "characterization"]
    folders += [plan.run.full(variant) for variant in plan.segmentations]
    folders += [training.folder for variant in plan.profile.characterization.variants for training in list_trainings(plan, variant)]
    return {"manifest": {f"{table}.csv": compute_sha256(plan.manifest / f"{table}.csv") for table in COLUMNS},
            "weights": {str(folder.weights.relative_to(plan.run.path)): compute_sha256(folder.weights) for folder in folders}}


def describe_run(plan: Plan, manifest: Manifest) -> list[dict[str, Any]]:
    """Rows of run.csv; nothing in it changes when the same run is made again."""
    provenance = json.loads(plan.run.provenance.read_text())
    settings = plan.profile.characterization
    cohort = " + ".join(sorted(set(manifest.patients["cohort"].astype(str))))
    values = {
        "run": plan.run.name, "cohort": cohort, "profile": plan.profile.name, "profile_digest": plan.profile.digest(), "commit": provenance["commit"],
        "dirty": {True: 1, False: 0}.get(provenance["dirty"]), "seed": plan.profile.seed, "folds": plan.profile.segmentation.folds,
        "rules": settings.rules, "decision_threshold": settings.decision_threshold, "python": platform.python_version(),
        "tensorflow": provenance["versions"].get("tensorflow-cpu") or provenance["versions"].get("tensorflow"), "keras": metadata.version("keras"),
        "pretraining": "LiTS" if plan.lits else "virtual CT", "segmentation": " ".join(plan.segmentations),
        "segmentation_seeds": " ".join(map(str, plan.profile.segmentation.seeds)),
        "trunk_weights": settings.weights, "seeds": " ".join(map(str, settings.seeds)),
    }
    return [{"key": key, "value": None if value is None else str(value)} for key, value in values.items()]


def take_over_manifest(manifest: Manifest, fold_of: dict[str, int], diameters_mm: dict[tuple[str, str], float]) -> Rows:
    """Rows of patients and lesions: what the run found out, and of the manifest's own columns, by their names, those that the schema asks for.

    Args:
        manifest: all patients of the run.
        fold_of: test fold of each patient.
        diameters_mm: of each (patient_id, lesion_id), also where the manifest has none.
    """
    counts = manifest.lesions["patient_id"].value_counts()
    patients = [{**row, "fold": fold_of[row["patient_id"]], "n_lesions_ref": counts.get(row["patient_id"], 0)}
                for row in manifest.patients.to_dict("records")]
    lesions = [{**row, "fold": fold_of[row["patient_id"]], "diameter_mm": diameters_mm[row["patient_id"], row["lesion_id"]], "category_ref": row["category"],
                **{f"{name}_ref": row[name] for name in HEAD_FEATURES}}
               for row in manifest.lesions.to_dict("records")]
    return {name: [{column.name: row.get(column.name) for column in TABLES[name]} for row in found]
            for name, found in (("patients", patients), ("lesions", lesions))}


def work(plan: Plan, progress: Progress, part: str) -> None:
    manifest = read_manifest(plan.manifest)
    _, fold_of = fold_of_patients(plan)
    index = read_table(plan.run.crops.index)
    # The manifest's diameter, or the mask's where it has none: chosen once, when the lesions were cut out.
    diameters_mm = {(row["patient_id"], row["lesion_id"]): row["diameter_mm"] for row in index.to_dict("records") if row["roi"] == REGIONS[0]}
    present = np.load(plan.run.crops.present)
    rows = score_patients(plan, manifest, fold_of, diameters_mm, progress) | score_variants(plan, index, present)
    rows["training_history"] = read_history(plan)
    rows["run"] = describe_run(plan, manifest)
    rows["variants"] = list_variants()
    folds = list_folds(plan)
    rows["fold_thresholds"] = [
        {"segmentation": name, "fold": fold, "threshold_chosen": folder.threshold, "minimum_volume_mm3": folder.minimum_volume_mm3,
         "dice_validation": folder.validation_dice} for (name, fold), folder in folds.items()]
    rows["fold_choices"] = [{"segmentation": name, "fold": fold} | {str(column): value for column, value in row.items()}
                            for (name, fold), folder in folds.items() for row in read_table(folder.choices).to_dict("records")]
    rows |= take_over_manifest(manifest, fold_of, diameters_mm)
    rows["baseline_segmentation"] = score_intensity_baseline(plan, fold_of)
    rows["surface"] = score_surfaces(plan, fold_of)
    rows["draws"] = read_draw_rows(plan)
    # Of the stages before this one: the only table that changes when the same run is made again.
    durations = measure_durations(plan)
    rows["durations"] = [{"stage": stage, "seconds": durations[stage]} for stage in STAGES if stage not in {"results", "report"}]
    dice = read_table(plan.run.pretraining_dice)
    rows["pretrain_dice"] = [{str(name): value for name, value in row.items()} for row in dice.to_dict("records")]
    # Imported here: the pools' workers import this script, too, and have no use for TensorFlow.
    from diagrams.tables import list_diagrams
    rows |= list_diagrams(plan.profile)
    for name in TABLES:
        if name not in COHORT_TABLES:
            write_results_table(plan.run.results, name, build_results_table(name, rows.get(name, [])))
    describe_cohort(plan)
    write_overlay_figures(plan, rows, {(row["patient_id"], row["lesion_id"]): row["mask_label"] for row in manifest.lesions.to_dict("records")})
    write_json(plan.run.checksums, compute_checksums(plan))


if __name__ == "__main__":
    run_stage("results", work)
