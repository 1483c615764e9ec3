"""Stage characterization: trains the variants of Table 5 in each fold and reads the features of its test lesions (§2.5.2)."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from stage import REGION_KEY, Progress, is_finished, read_table, run_stage
from stages import Plan

from lirads_keras.entities import HEAD_FEATURES
from lirads_keras.inference.features import predict_features
from lirads_keras.io.atomic import write_json, write_text
from lirads_keras.training.characterization import CharacterizationTrainer, LesionCrops, split_variant
from lirads_keras.training.runtime import configure_tensorflow


def read_crops(folder: Path) -> tuple[pd.DataFrame, LesionCrops]:
    """The table of regions and their crops, row for row."""
    index = read_table(folder / "index.csv")
    features = index[[str(feature) for feature in HEAD_FEATURES]].to_numpy(np.float32)
    return index, LesionCrops(np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "present.npy"), features)


def train_variant(plan: Plan, variant: str, index: pd.DataFrame, crops: LesionCrops, tell: Progress, start: float, share: float) -> None:
    settings, folds = plan.profile.characterization, plan.profile.segmentation.folds
    trainer = CharacterizationTrainer(settings, variant, seed=plan.profile.seed)
    for fold in range(folds):
        folder, identity = plan.run / "characterization" / variant / f"fold-{fold}", f"{plan.digests['characterization']}-{variant}-{fold}"
        if is_finished(folder / "fold.json", identity):
            continue

        def show(done: int, fold: int = fold) -> None:
            tell(start + share * (fold + done / settings.epochs) / folds, 1, f"{variant}, fold {fold + 1} of {folds}, epoch {done} of {settings.epochs}")

        show(0)
        in_fold = (index["fold"] == fold).to_numpy()
        training = crops.subset(np.flatnonzero(~in_fold & (index["roi"] == "reference_roi").to_numpy()))
        trainer.train(training, folder, identity, fold=fold, progress=lambda done, logs: show(done))
        test = crops.subset(np.flatnonzero(in_fold))
        probabilities = predict_features(trainer.model, test.images, test.present, split_variant(variant)[1])
        read = pd.DataFrame([vars(of_lesion) for of_lesion in probabilities], columns=[str(feature) for feature in HEAD_FEATURES])
        write_text(folder / "features.csv", index.loc[in_fold, REGION_KEY].reset_index(drop=True).join(read).to_csv(index=False))
        write_json(folder / "fold.json", {"identity": identity})


def work(plan: Plan, progress: Progress, part: str) -> None:
    configure_tensorflow(threads=plan.profile.workflow.threads, precision=plan.profile.segmentation.precision)
    index, crops = read_crops(plan.run / "characterization" / "crops")
    variants = plan.variant_groups[int(part)]
    for number, variant in enumerate(variants):
        train_variant(plan, variant, index, crops, progress, number / len(variants), 1 / len(variants))


if __name__ == "__main__":
    run_stage("characterization", work)
