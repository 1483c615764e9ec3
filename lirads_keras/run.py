"""The run folder: what lies where. Nobody else spells out a path below it.

    profile.yaml provenance.json inputs.json trained_studies.json checksums.json MODEL_CARD.md
    store/<patient>/ store-ct/<volume>/                            preprocessed volumes
    draws/<part>/store/<patient>/                                  the same of further virtual cohorts
    draws/<part>/scores/<variant>/<patient>.json                   what the network on all patients finds in them
    segmentation/pretrain/                                         the network that was trained on CT
    segmentation/<variant>/start-<group>/                          what the folds of a group begin from, and ("full") the network on all patients
    segmentation/<variant>/fold-<k>/                               one network a fold, and what it says of its test patients
    characterization/crops/                                        the regions and their crops
    characterization/<variant>/{fold-<k>,half,seed-<s>/fold-<k>}/  one network a fold, the half split's, and those of further seeds
    results/ report/
    done/ progress/ locks/                                         the workflow's own
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from lirads_keras.config.profile import Profile, read_profile
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.records import Record
from lirads_keras.variants import SEGMENTATION_VARIANTS

T = TypeVar("T")


class _Place(Generic[T]):
    """An attribute of a folder: what lies below it under this name, as a path, a record or a folder again."""

    def __init__(self, name: str, kind: Callable[[Path], T]) -> None:
        self._name, self._kind = name, kind

    def __get__(self, folder: NetworkFolder | CropsFolder | DrawFolder | RunFolder, owner: object) -> T:
        return self._kind(folder.path / self._name)


@dataclass(frozen=True)
class NetworkFolder:
    """The folder of one network. `trained` is written when its training is complete, `tested` when its test patients were read, too."""

    path: Path

    weights = _Place("model.keras", Path)
    history = _Place("history.csv", Path)
    """A row an epoch, a column a metric."""
    state = _Place("state.npz", Path)
    """What a training that was stopped goes on from."""
    tensorboard = _Place("tensorboard", Path)
    trained = _Place("training.json", Record)
    tested = _Place("fold.json", Record)
    scores = _Place("scores.csv", Path)
    """A row a test lesion: what a characterisation network says of it."""
    choices = _Place("choices.csv", Path)
    """What a fold chose its threshold and minimum volume from: a row a pair, with the lesions that it found."""

    @property
    def threshold(self) -> float:
        """The lesion probability that a fold chose on patients it neither tests nor trains on.

        Raises:
            InputError: the fold is not finished.
        """
        return self.tested.number("threshold_chosen", "the fold's threshold")

    @property
    def minimum_volume_mm3(self) -> float:
        """The volume from which a component is a lesion, which a fold chose with its threshold.

        Raises:
            InputError: the fold is not finished.
        """
        return self.tested.number("minimum_volume_mm3", "the fold's minimum volume")

    @property
    def cut(self) -> tuple[float, float]:
        """Threshold and minimum volume in mm³ together."""
        return self.threshold, self.minimum_volume_mm3

    @property
    def validation_dice(self) -> float | None:
        """Mean Dice of the patients that the fold chose on, at its threshold and minimum volume; None where none of them has a lesion.

        Raises:
            InputError: the fold is not finished.
        """
        if self.tested.read().get("dice_validation", 0.0) is None:
            return None
        return self.tested.number("dice_validation", "the fold's validation Dice")

    def write_choice(self, identity: str, *, threshold: float, minimum_volume_mm3: float, validation_dice: float | None, **facts: Any) -> None:
        """Says that a fold is finished, what it chose, and, as facts, on whom."""
        self.tested.write(identity, threshold_chosen=threshold, minimum_volume_mm3=minimum_volume_mm3, dice_validation=validation_dice, **facts)

    def prediction(self, patient_id: str) -> Path:
        """Levels uint8 (z, y, x) of a test patient on the study's own grid."""
        return self.path / "predictions" / f"{patient_id}.npy"


@dataclass(frozen=True)
class CropsFolder:
    """Regions and their crops, row for row: `index`, `images` (n, phase, y, x, 3) and `present` (n, phase)."""

    path: Path

    record = _Place("identity.json", Record)
    index = _Place("index.csv", Path)
    images = _Place("images.npy", Path)
    present = _Place("present.npy", Path)


@dataclass(frozen=True)
class DrawFolder:
    """Of a further virtual cohort, or some patients of one: what was stored of its patients and how the run's networks fare on them."""

    path: Path

    stores = _Place("store", Path)

    def store(self, patient_id: str) -> Path:
        """A patient's preprocessed volumes."""
        return self.stores / patient_id

    def score(self, variant: str, patient_id: str) -> Record:
        """What a segmentation variant's network found in a patient, under each condition."""
        return Record(self.path / "scores" / variant / f"{patient_id}.json")


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps what; nothing is made or read before it is asked for."""

    path: Path

    profile_file = _Place("profile.yaml", Path)
    inputs = _Place("inputs.json", Record)
    """The run's patients and what its stages were made from."""
    trained_studies = _Place("trained_studies.json", Record)
    """The hashes of the studies that the networks were trained on, with their test folds; see `io.trained_studies`."""
    lock = _Place(".lock", Path)
    """Held by the one process that may work on the run."""
    provenance = _Place("provenance.json", Path)
    checksums = _Place("checksums.json", Path)
    model_card = _Place("MODEL_CARD.md", Path)
    stores = _Place("store", Path)
    ct_stores = _Place("store-ct", Path)
    pretraining = _Place("segmentation/pretrain", NetworkFolder)
    crops = _Place("characterization/crops", CropsFolder)
    results = _Place("results", Path)
    report = _Place("report", Path)
    reader = _Place("reader", Path)
    """What the reading application saves, unless it is told another folder."""
    progress_folder = _Place("progress", Path)
    locks = _Place("locks", Path)
    """Locks of the trainings that processes are at."""
    problems = _Place("problems.json", Path)
    """What was wrong with the input, for the wrapper to tell."""
    workflow_log = _Place("workflow.log", Path)

    @property
    def name(self) -> str:
        return self.path.name

    def read_profile(self) -> Profile:
        """The run's settings.

        Raises:
            InputError: there is no such run, or its profile is not as it was written.
        """
        if not self.profile_file.is_file():
            found = "no such file" if self.path.is_dir() else "no such folder"
            raise InputError(Problem(str(self.path), "a run folder with profile.yaml (made by `make reproduce`)", found))
        return read_profile(self.profile_file)

    @property
    def is_virtual(self) -> bool:
        """Whether the run says that its patients are the virtual cohort; a folder that does not say is not."""
        return self.inputs.read().get("virtual") is True

    def store(self, patient_id: str) -> Path:
        """A patient's preprocessed volumes."""
        return self.stores / patient_id

    @property
    def pretraining_dice(self) -> Path:
        """Dice of the CT volumes that stopped the pre-training."""
        return self.pretraining.path / "dice.csv"

    def fold(self, variant: str, fold: int, further_seed: int | None = None) -> NetworkFolder:
        """The network of a variant that is tested on a fold's patients; `further_seed` where it is not the first of the profile's seeds."""
        folder = self._of_variant(variant)
        return NetworkFolder((folder if further_seed is None else folder / f"seed-{further_seed}") / f"fold-{fold}")

    def start(self, variant: str, group: int | str) -> NetworkFolder:
        """The network that the folds of a group begin from, or ("full") the one on all patients."""
        return NetworkFolder(self._of_variant(variant) / f"start-{group}")

    def half(self, variant: str) -> NetworkFolder:
        """The network of a characterisation variant that is tested on half of the patients."""
        return NetworkFolder(self._of_variant(variant) / "half")

    def full(self, variant: str) -> NetworkFolder:
        """The network of a variant that is trained on all patients."""
        return NetworkFolder(self._of_variant(variant) / "full")

    def draw(self, part: str) -> DrawFolder:
        return DrawFolder(self.path / "draws" / part)

    def prediction(self, variant: str, fold: int, patient_id: str) -> Path:
        """As `NetworkFolder.prediction`, of the first seed."""
        return self.fold(variant, fold).prediction(patient_id)

    @property
    def report_page(self) -> Path:
        return self.report / "report.html"

    def report_table(self, name: str) -> Path:
        """A table that the report shows."""
        return self.report / "tables" / f"{name}.csv"

    def done(self, stage: str, part: str) -> Record:
        """Says that a part of a stage is finished."""
        return Record(self.path / "done" / f"{_of_part(stage, part)}.json")

    def progress(self, stage: str, part: str) -> Path:
        """How far a part of a stage is."""
        return self.progress_folder / f"{_of_part(stage, part)}.json"

    def _of_variant(self, variant: str) -> Path:
        return self.path / ("segmentation" if variant in SEGMENTATION_VARIANTS else "characterization") / variant


def _of_part(stage: str, part: str) -> str:
    return f"{stage}-{part}" if part else stage
