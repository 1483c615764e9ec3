"""Stage characterization: trains the variants of Table 5 and Fig. 15 in each fold and reads its test lesions (§2.5.2, §3)."""
from __future__ import annotations

import numpy as np
import pandas as pd
from stage import run_stage
from stage_data import REGION_KEY, REGIONS, read_table
from stages import Plan
from trainings import Training, is_tested, list_trainings

from lirads_keras.entities import HEAD_FEATURES, SCORED_CATEGORIES
from lirads_keras.inference.direct import predict_categories
from lirads_keras.inference.features import predict_features
from lirads_keras.io.atomic import write_text
from lirads_keras.models.trunk import TrunkWeights
from lirads_keras.progress import Progress, part_of
from lirads_keras.run import CropsFolder
from lirads_keras.training.characterization import CharacterizationTrainer, LesionCrops
from lirads_keras.training.direct import DirectTrainer
from lirads_keras.training.formula import TRUNK_FILE
from lirads_keras.training.queue import take_in_turn
from lirads_keras.training.runtime import configure_tensorflow
from lirads_keras.variants import TRUNK_FORWARD_TFLOP_224, CharacterizationVariant, Mode, TrunkName


def read_crops(folder: CropsFolder) -> tuple[pd.DataFrame, LesionCrops]:
    """The table of regions and their crops, row for row."""
    index = read_table(folder.index)
    features = index[[str(feature) for feature in HEAD_FEATURES]].to_numpy(np.float32)
    # A predicted lesion where none is has no category; it is never trained on.
    categories = index["category"].map({str(category): place for place, category in enumerate(SCORED_CATEGORIES)}).fillna(-1).to_numpy(np.int32)
    return index, LesionCrops(np.load(folder.images, mmap_mode="r"), np.load(folder.present), features, categories, index["diameter_mm"].to_numpy(np.float64))


class FeatureNetwork:
    """The multi-task network of one trunk, for its variants with and without adaptive learning."""

    def __init__(self, plan: Plan, variant: CharacterizationVariant, seed: int) -> None:
        self._trainer = CharacterizationTrainer(plan.profile.characterization, variant.trunk, seed=seed, weights=trunk_weights(plan, variant.trunk))

    def train(self, crops: LesionCrops, training: Training, identity: str, progress: Progress) -> None:
        self._trainer.train(crops, training.folder, identity, mode=_mode_of(training.variant), stream=training.stream, progress=progress)

    def read(self, crops: LesionCrops, variant: CharacterizationVariant) -> pd.DataFrame:
        """A row a lesion, a probability a feature."""
        probabilities = predict_features(self._trainer.model, crops.images, crops.present, _mode_of(variant))
        return pd.DataFrame([vars(of_lesion) for of_lesion in probabilities], columns=[str(feature) for feature in HEAD_FEATURES])


class DirectNetwork:
    """One direct network."""

    def __init__(self, plan: Plan, variant: CharacterizationVariant, seed: int) -> None:
        self._trainer = DirectTrainer(plan.profile.characterization, variant, seed=seed, weights=trunk_weights(plan, variant.trunk))

    def train(self, crops: LesionCrops, training: Training, identity: str, progress: Progress) -> None:
        self._trainer.train(crops, training.folder, identity, stream=training.stream, progress=progress)

    def read(self, crops: LesionCrops, variant: CharacterizationVariant) -> pd.DataFrame:
        """A row a lesion, a probability a category."""
        probabilities = predict_categories(self._trainer.model, crops.images, crops.present, crops.diameters_mm)
        return pd.DataFrame(probabilities, columns=[str(category) for category in SCORED_CATEGORIES])


def _mode_of(variant: CharacterizationVariant) -> Mode:
    if variant.mode is None:
        raise ValueError(f"{variant.name} is no network of features")
    return variant.mode


def trunk_weights(plan: Plan, trunk: TrunkName) -> TrunkWeights:
    weights = plan.profile.characterization.weights
    return plan.trunk(trunk).path / TRUNK_FILE if weights == "formula" else weights


def build_network(plan: Plan, training: Training) -> FeatureNetwork | DirectNetwork:
    return (FeatureNetwork if training.variant.reads_features else DirectNetwork)(plan, training.variant, training.seed)


def graph_of(training: Training) -> tuple[str, int]:
    """What trainings must share to be done by one network: the variants of one trunk differ in the loss' masks alone, which travel with the data."""
    return (training.variant.trunk if training.variant.reads_features else training.variant.name), training.seed


def order_queue(trainings: list[Training], worker: int) -> list[Training]:
    """The trainings of one graph together, since each graph costs its tracing; the graphs with the most work first, and each worker begins with another."""
    work: dict[tuple[str, int], float] = {}
    for training in trainings:
        work[graph_of(training)] = work.get(graph_of(training), 0.0) + _estimate_work(training.variant)
    graphs = sorted(work, key=lambda graph: -work[graph])
    first = worker % len(graphs)
    places = {graph: place for place, graph in enumerate(graphs[first:] + graphs[:first])}
    return sorted(trainings, key=lambda training: places[graph_of(training)])


def _estimate_work(variant: CharacterizationVariant) -> float:
    """Of a step, in forward passes of a trunk: a backward pass takes two, which a frozen trunk is spared."""
    return TRUNK_FORWARD_TFLOP_224[variant.trunk] * (1 if variant.frozen else 3)


def train_variants(plan: Plan, index: pd.DataFrame, crops: LesionCrops, progress: Progress, worker: int = 0) -> None:
    """Works off the trainings that are not finished and that no other worker is at; one network serves all that have its graph and its start."""
    settings = plan.profile.characterization
    trainings = [training for variant in settings.variants for training in list_trainings(plan, variant)]

    def identity_of(training: Training) -> str:
        return f"{plan.digests['characterization']}-{training.name}"

    def is_finished(training: Training) -> bool:
        return training.folder.tested.made_from(identity_of(training))

    network: FeatureNetwork | DirectNetwork | None = None
    graph = None
    for training in take_in_turn(order_queue(trainings, worker), name=lambda training: training.name, is_finished=is_finished, locks=plan.run.locks):
        before = sum(map(is_finished, trainings))
        seed = f", seed {training.seed}" if len(settings.seeds) > 1 else ""
        tell = part_of(progress, before / len(trainings), (before + 1) / len(trainings), f"{training.variant.name}{seed}, {training.label}, ")
        tell(0, f"epoch 0 of {settings.epochs}")
        if graph != graph_of(training):
            # The old one goes before the new one is built.
            network = None
            network, graph = build_network(plan, training), graph_of(training)
        assert network is not None
        tested = is_tested(plan, training, index).to_numpy()
        training_crops = crops.subset(np.flatnonzero(~tested & (index["roi"] == REGIONS[0]).to_numpy()))
        network.train(training_crops, training, identity_of(training), tell)
        if training.part != "full":
            scores = network.read(crops.subset(np.flatnonzero(tested)), training.variant)
            write_text(training.folder.scores, index.loc[tested, REGION_KEY].reset_index(drop=True).join(scores).to_csv(index=False))
        training.folder.tested.write(identity_of(training))


def work(plan: Plan, progress: Progress, part: str) -> None:
    configure_tensorflow(threads=plan.profile.workflow.threads, precision=plan.profile.segmentation.precision)
    index, crops = read_crops(plan.run.crops)
    train_variants(plan, index, crops, progress, worker=int(part))


if __name__ == "__main__":
    run_stage("characterization", work)
