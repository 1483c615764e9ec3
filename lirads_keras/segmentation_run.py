"""The segmentation stage alone: trains and cross-validates on images with one label, no phases and no LI-RADS needed."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lirads_keras.config import Profile
from lirads_keras.cross_validation import train_fold
from lirads_keras.inference.predictors import build_predictor
from lirads_keras.io.records import is_finished
from lirads_keras.preprocessing.store import StoredStudy
from lirads_keras.training.runtime import configure_tensorflow
from lirads_keras.training.segmentation import MR_CLASSES, SegmentationTrainer


def train_all_folds(studies: Mapping[str, StoredStudy], positives: Sequence[str], fold_of: Mapping[str, int], profile: Profile, out: Path,
                    identity: str, tell: Callable[[float, str], None]) -> None:
    """Trains every fold that is not finished, from the profile's encoder weights; see `train_fold` for what it leaves in `out/fold-<k>`.

    Args:
        studies: of all patients.
        positives: those with the label.
        fold_of: the test fold of every patient.
        profile: its section `finetune` is what is trained.
        out: folder of the folds.
        identity: what the result depends on.
        tell: called with the number of folds that are done, in parts, and what is being done.
    """
    settings = profile.segmentation
    unfinished = [fold for fold in range(settings.folds) if not is_finished(out / f"fold-{fold}" / "fold.json", f"{identity}-{fold}")]
    if not unfinished:
        return
    configure_tensorflow(threads=profile.workflow.cores, precision=settings.precision)
    trainer = SegmentationTrainer(settings, settings.finetune, classes=MR_CLASSES, seed=profile.seed, pretrained=None)
    predictor = build_predictor(trainer.model, profile.inference.engine, profile.workflow.cores)
    for fold in unfinished:
        def tell_fold(share: float, detail: str) -> None:
            tell(fold + share, f"fold {fold + 1} of {settings.folds}, {detail}")

        train_fold(trainer, predictor, profile, studies, positives, fold_of, fold, out / f"fold-{fold}", f"{identity}-{fold}", tell_fold)
