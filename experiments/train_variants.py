"""Stage characterization: trains the variants of Table 5 and Fig. 15 in each fold and reads its test lesions (§2.5.2, §3)."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from stage import Progress, run_stage
from stage_data import REGION_KEY, read_table
from stages import Plan
from trainings import Training, is_tested, list_trainings

from lirads_keras.config import DIRECT_VARIANTS, DirectVariant
from lirads_keras.entities import HEAD_FEATURES, SCORED_CATEGORIES
from lirads_keras.inference.direct import predict_categories
from lirads_keras.inference.features import predict_features
from lirads_keras.io.atomic import write_json, write_text
from lirads_keras.io.records import is_finished
from lirads_keras.models.trunk import TrunkWeights
from lirads_keras.training.characterization import CharacterizationTrainer, LesionCrops, split_variant
from lirads_keras.training.direct import DirectTrainer
from lirads_keras.training.formula import TRUNK_FILE
from lirads_keras.training.resumable import EpochProgress
from lirads_keras.training.runtime import configure_tensorflow


def read_crops(folder: Path) -> tuple[pd.DataFrame, LesionCrops]:
    """The table of regions and their crops, row for row."""
    index = read_table(folder / "index.csv")
    features = index[[str(feature) for feature in HEAD_FEATURES]].to_numpy(np.float32)
    categories = index["category"].map({str(category): place for place, category in enumerate(SCORED_CATEGORIES)}).to_numpy(np.int32)
    return index, LesionCrops(np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "present.npy"), features, categories,
                              index["diameter_mm"].to_numpy(np.float64))


class FeatureNetwork:
    """The multi-task network of one trunk, for its variants with and without adaptive learning."""

    def __init__(self, plan: Plan, variant: str, seed: int) -> None:
        trunk, _ = split_variant(variant)
        self._trainer = CharacterizationTrainer(plan.profile.characterization, trunk, seed=seed, weights=trunk_weights(plan, trunk))

    def train(self, crops: LesionCrops, training: Training, identity: str, progress: EpochProgress) -> None:
        self._trainer.train(crops, training.folder, identity, mode=split_variant(training.variant)[1], stream=training.stream, progress=progress)

    def read(self, crops: LesionCrops, variant: str) -> pd.DataFrame:
        """A row a lesion, a probability a feature."""
        probabilities = predict_features(self._trainer.model, crops.images, crops.present, split_variant(variant)[1])
        return pd.DataFrame([vars(of_lesion) for of_lesion in probabilities], columns=[str(feature) for feature in HEAD_FEATURES])


class DirectNetwork:
    """One direct network."""

    def __init__(self, plan: Plan, variant: DirectVariant, seed: int) -> None:
        self._trainer = DirectTrainer(plan.profile.characterization, variant, seed=seed, weights=trunk_weights(plan, "vgg16"))

    def train(self, crops: LesionCrops, training: Training, identity: str, progress: EpochProgress) -> None:
        self._trainer.train(crops, training.folder, identity, stream=training.stream, progress=progress)

    def read(self, crops: LesionCrops, variant: str) -> pd.DataFrame:
        """A row a lesion, a probability a category."""
        probabilities = predict_categories(self._trainer.model, crops.images, crops.present, crops.diameters_mm)
        return pd.DataFrame(probabilities, columns=[str(category) for category in SCORED_CATEGORIES])


def trunk_weights(plan: Plan, trunk: str) -> TrunkWeights:
    weights = plan.profile.characterization.weights
    return plan.trunk_folder / trunk / TRUNK_FILE if weights == "formula" else weights


def build_network(plan: Plan, variant: str, seed: int) -> FeatureNetwork | DirectNetwork:
    for direct in DIRECT_VARIANTS:
        if variant == direct:
            return DirectNetwork(plan, direct, seed)
    return FeatureNetwork(plan, variant, seed)


def train_variants(plan: Plan, variants: tuple[str, ...], index: pd.DataFrame, crops: LesionCrops, progress: Progress) -> None:
    """Works off the trainings of `variants` that are not finished; one network serves all that have its graph and its start."""
    settings = plan.profile.characterization
    trainings = [training for variant in variants for training in list_trainings(plan, variant)]
    graphs = list(dict.fromkeys(map(graph_of, trainings)))
    trainings.sort(key=lambda training: graphs.index(graph_of(training)))
    network: FeatureNetwork | DirectNetwork | None = None
    for number, training in enumerate(trainings):
        identity = f"{plan.digests['characterization']}-{training.variant}-{training.seed}-{training.fold}"
        if number and graph_of(training) != graph_of(trainings[number - 1]):
            network = None
        if is_finished(training.folder / "fold.json", identity):
            continue

        def show(done: int, number: int = number, training: Training = training) -> None:
            seed = f", seed {training.seed}" if len(settings.seeds) > 1 else ""
            progress(number + done / settings.epochs, len(trainings), f"{training.variant}{seed}, {training.label}, epoch {done} of {settings.epochs}")

        show(0)
        network = network or build_network(plan, training.variant, training.seed)
        tested = is_tested(plan, training, index).to_numpy()
        training_crops = crops.subset(np.flatnonzero(~tested & (index["roi"] == "reference_roi").to_numpy()))
        network.train(training_crops, training, identity, lambda done, logs: show(done))
        scores = network.read(crops.subset(np.flatnonzero(tested)), training.variant)
        write_text(training.scores, index.loc[tested, REGION_KEY].reset_index(drop=True).join(scores).to_csv(index=False))
        write_json(training.folder / "fold.json", {"identity": identity})


def graph_of(training: Training) -> tuple[str, int]:
    """What trainings must share to be done by one network: the variants of one trunk differ in the loss' masks alone, which travel with the data."""
    variant = training.variant
    return (variant if variant in DIRECT_VARIANTS else split_variant(variant)[0]), training.seed


def work(plan: Plan, progress: Progress, part: str) -> None:
    configure_tensorflow(threads=plan.profile.workflow.threads, precision=plan.profile.segmentation.precision)
    index, crops = read_crops(plan.run / "characterization" / "crops")
    train_variants(plan, plan.variant_groups[int(part)], index, crops, progress)


if __name__ == "__main__":
    run_stage("characterization", work)
