"""From what the variants' networks said of their test lesions to rows of the results tables: features, categories, predicted lesions, seeds, half split."""
from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from stage_data import PREDICTED, REGION_KEY, REGIONS, read_table
from stages import Plan
from trainings import Training, list_trainings

from lirads_keras.config.characterization import CharacterizationSettings
from lirads_keras.entities import ENHANCED_PHASES, HEAD_FEATURES, SCORED_CATEGORIES, FeatureProbabilities
from lirads_keras.lirads.observation import categorize_probabilities
from lirads_keras.variants import CHARACTERIZATION_VARIANTS, CharacterizationVariant

Row = Mapping[Hashable, Any]
MISSED = {"category_pred": None, "reasons": "missed by the segmentation"}


def score_variants(plan: Plan, index: pd.DataFrame, present: np.ndarray) -> dict[str, list[dict[str, Any]]]:
    """Rows of features, categories, predicted_lesions, seed_accuracy and half_split; the first three are those of the first seed.

    A missed lesion has its features without a probability, and so has one whose study lacks the phase. A direct network has no features.

    Args:
        plan: of the run.
        index: the table of regions.
        present: (n, phase), which phases the study of each region had.
    """
    settings = plan.profile.characterization
    index = index.assign(phases=pd.Series([[phase for phase, there in zip(ENHANCED_PHASES, row, strict=True) if there] for row in present], index.index))
    of_reference, predicted = index[index["roi"].isin(REGIONS)], index[index["roi"] == PREDICTED]
    rows: dict[str, list[dict[str, Any]]] = {"features": [], "categories": [], "predicted_lesions": [], "seed_accuracy": [], "half_split": []}
    for name in settings.variants:
        variant, trainings = CHARACTERIZATION_VARIANTS[name], list_trainings(plan, name)
        for seed in settings.seeds:
            of_seed = [training for training in trainings if training.seed == seed and training.fold is not None]
            table = _read_scores(of_seed, of_reference)
            scored = [_score(row, variant, settings) for row in table]
            rows["seed_accuracy"] += _accuracies(name, seed, table, scored)
            if seed == settings.seeds[0]:
                for row, category in zip(table, scored, strict=True):
                    shared = {"variant": name, **{key: row[key] for key in REGION_KEY}}
                    if variant.reads_features:
                        rows["features"] += [{**shared, "feature": str(feature), "reference": row[f"{feature}_ref"], "probability": row[feature]}
                                             for feature in HEAD_FEATURES]
                    rows["categories"].append({**shared, "diameter_mm": row["diameter_mm"], "category_ref": row["category"], "detected": row["detected"],
                                               **category})
                rows["predicted_lesions"] += [_describe_predicted(row, name) | _score(row, variant, settings) for row in _read_scores(of_seed, predicted)]
        for row in _read_scores([training for training in trainings if training.part == "half"], of_reference):
            rows["half_split"].append({"variant": name, **{key: row[key] for key in REGION_KEY if key != "fold"}, "category_ref": row["category"],
                                       "category_pred": _score(row, variant, settings)["category_pred"]})
    return rows


def _read_scores(trainings: list[Training], index: pd.DataFrame) -> Sequence[Row]:
    """Rows of the index that the trainings tested, with what they said; the references' features are named aphe_ref and so on."""
    # A fold may have no lesion; empty columns have no type to be merged by.
    tables = [table for table in (read_table(training.folder.scores) for training in trainings) if len(table)]
    if not tables:
        return []
    named = index.rename(columns={str(feature): f"{feature}_ref" for feature in HEAD_FEATURES})
    return named.merge(pd.concat(tables), on=REGION_KEY, validate="one_to_one").to_dict("records")


def _score(row: Row, variant: CharacterizationVariant, settings: CharacterizationSettings) -> dict[str, Any]:
    """category_pred and reasons of a region."""
    if not row["detected"]:
        return MISSED
    if not variant.reads_features:
        return _describe_direct(row)
    probabilities = FeatureProbabilities(*(None if pd.isna(row[feature]) else row[feature] for feature in HEAD_FEATURES))
    _, category, reasons = categorize_probabilities(row["diameter_mm"], probabilities, decision_threshold=settings.decision_threshold, rules=settings.rules,
                                                    phases=row["phases"])
    # LR-NC and ranges are none of the categories that are scored: no category was found, and the reasons say why.
    return {"category_pred": str(category) if category in SCORED_CATEGORIES else None, "reasons": reasons}


def _describe_predicted(row: Row, variant: str) -> dict[str, Any]:
    """Columns of a predicted lesion without its category."""
    key = {name: row[name] for name in REGION_KEY if name != "roi"}
    return {"variant": variant, **key, "diameter_mm": row["diameter_mm"], "iou": row["iou"], "reference_lesion_id": row["reference_lesion_id"],
            "category_ref": row["category"], "finding": row["finding"]}


def _describe_direct(row: Row) -> dict[str, Any]:
    """The most probable category; of equally probable ones the lower, as in LI-RADS' tie-break."""
    probabilities = [row[str(category)] for category in SCORED_CATEGORIES]
    names, values = ", ".join(map(str, SCORED_CATEGORIES)), ", ".join(f"{value:.2f}" for value in probabilities)
    absent = "".join(f" (no {str(phase).replace('_', ' ')} phase)" for phase in ENHANCED_PHASES if phase not in row["phases"])
    return {"category_pred": str(SCORED_CATEGORIES[int(np.argmax(probabilities))]), "reasons": f"direct network: P({names}) = {values}{absent}"}


def _accuracies(variant: str, seed: int, table: Sequence[Row], scored: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Share of the reference lesions whose category was found, by region and by what found it; a missed lesion is an error."""
    right: dict[tuple[str, str | None], list[bool]] = {}
    for row, category in zip(table, scored, strict=True):
        region = (row["roi"], None if pd.isna(row["segmentation"]) else row["segmentation"])
        right.setdefault(region, []).append(category["category_pred"] == row["category"])
    return [{"variant": variant, "seed": seed, "roi": roi, "segmentation": segmentation, "accuracy": sum(found) / len(found), "n": len(found)}
            for (roi, segmentation), found in right.items()]
