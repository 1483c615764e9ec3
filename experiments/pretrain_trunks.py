"""Stage trunks: the weights that the characterisation networks start from, pre-trained on formula-generated images or found (§2.5.2)."""
from __future__ import annotations

from filelock import FileLock
from stage import run_stage
from stages import Plan

from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.records import Record
from lirads_keras.models.trunk import find_imagenet_weights
from lirads_keras.progress import Progress, part_of
from lirads_keras.training.formula import build_training_images, pretrain_trunk
from lirads_keras.training.runtime import configure_tensorflow
from lirads_keras.variants import TrunkName


def find_published_weights(trunks: tuple[TrunkName, ...]) -> None:
    """Has ImageNet's weights in Keras' cache, or tells which files are missing, all of them."""
    problems: list[Problem] = []
    for trunk in trunks:
        try:
            find_imagenet_weights(trunk)
        except InputError as error:
            problems += error.problems
    raise_if_any(problems)


def work(plan: Plan, progress: Progress, part: str) -> None:
    settings, trunks = plan.profile.characterization, plan.trunks
    if settings.weights == "imagenet":
        find_published_weights(trunks)
    elif settings.weights == "formula":
        configure_tensorflow(threads=plan.profile.workflow.threads, precision=plan.profile.segmentation.precision)
        plan.trunk_folder.mkdir(parents=True, exist_ok=True)
        # Runs share trunks; a second run waits for the first to finish training.
        with FileLock(plan.trunk_folder.with_suffix(".lock")):
            train_trunks(plan, trunks, progress)
    progress(1, settings.weights)


def train_trunks(plan: Plan, trunks: tuple[TrunkName, ...], progress: Progress) -> None:
    """Pre-trains the trunks that are not there yet."""
    identities = {trunk: f"{plan.digests['trunks']}-{trunk}" for trunk in trunks}
    missing = [trunk for trunk in trunks if not _record(plan, trunk).made_from(identities[trunk])]
    if not missing:
        return
    progress(0, "making the images")
    images, labels = build_training_images(plan.profile.characterization)
    for number, trunk in enumerate(missing):
        tell = part_of(progress, number / len(missing), (number + 1) / len(missing), f"{trunk}, ")
        tell(0, "starting")
        pretrain_trunk(trunk, plan.profile.characterization, images, labels, plan.trunk(trunk), identities[trunk], tell)
        _record(plan, trunk).write(identities[trunk])


def _record(plan: Plan, trunk: TrunkName) -> Record:
    """Written when the trunk's own weights are there, too, without the classes that it was trained on."""
    return Record(plan.trunk(trunk).path / "trunk.json")


if __name__ == "__main__":
    run_stage("trunks", work)
