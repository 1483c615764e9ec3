"""What is cross-validated: whom each fold tests, trains on and holds out, and where what it leaves lies."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lirads_keras.config.profile import Profile
from lirads_keras.preprocessing.splits import HeldOut, hold_out
from lirads_keras.preprocessing.store import StoredStudy
from lirads_keras.run import NetworkFolder, RunFolder
from lirads_keras.variants import SegmentationVariant


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What is cross-validated.

    `studies` and `fold_of` (the test fold) are of all patients by id, `positives` those with lesions, the only ones that are trained on. `pretrained` is the
    network that the folds start from, None for the profile's encoder weights. `identity` names all that the results depend on.
    """

    run: RunFolder
    profile: Profile
    variant: SegmentationVariant
    studies: Mapping[str, StoredStudy]
    positives: Sequence[str]
    fold_of: Mapping[str, int]
    pretrained: Path | None
    identity: str
    threads: int

    @property
    def folds(self) -> range:
        return range(self.profile.segmentation.folds)

    @property
    def groups(self) -> list[tuple[int, ...]]:
        """Folds for which the same patients are held out: those with a shared start together, else each alone."""
        count = self.profile.segmentation.start_groups or len(self.folds)
        return [tuple(self.folds[group::count]) for group in range(count)]

    def group_of(self, fold: int) -> int:
        return fold % len(self.groups)

    def hold_out(self, fold: int) -> HeldOut:
        """Who stops the training of a fold, and on whom it chooses."""
        settings = self.profile.segmentation
        return hold_out(self.positives, self.fold_of, self.groups[self.group_of(fold)], fraction=settings.validation_fraction,
                        negatives=settings.validation_negatives, seed=self.profile.seed)

    def start_folder(self, group: int | str) -> NetworkFolder:
        return self.run.start(self.variant.name, group)

    def folder(self, fold: int) -> NetworkFolder:
        return self.run.fold(self.variant.name, fold)

    @property
    def full_folder(self) -> NetworkFolder:
        return self.run.full(self.variant.name)

    def identity_of(self, fold: int) -> str:
        return f"{self.identity}-{self.variant.name}-{fold}"

    def is_finished(self, fold: int) -> bool:
        return self.folder(fold).tested.made_from(self.identity_of(fold))
