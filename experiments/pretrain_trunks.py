"""Stage trunks: the weights that the characterisation networks start from, pre-trained on formula-generated images or found (§2.5.2)."""
from __future__ import annotations

from filelock import FileLock
from stage import Progress, run_stage
from stages import Plan

from lirads_keras.config import TrunkName
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.atomic import write_json
from lirads_keras.io.records import is_finished
from lirads_keras.models.trunk import find_imagenet_weights
from lirads_keras.training.formula import build_training_images, pretrain_trunk
from lirads_keras.training.runtime import configure_tensorflow


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
    progress(1, 1, settings.weights)


def train_trunks(plan: Plan, trunks: tuple[TrunkName, ...], tell: Progress) -> None:
    """Pre-trains the trunks that are not there yet."""
    settings, epochs = plan.profile.characterization, plan.profile.characterization.formula.epochs
    identities = {trunk: f"{plan.digests['trunks']}-{trunk}" for trunk in trunks}
    missing = [trunk for trunk in trunks if not is_finished(plan.trunk_folder / trunk / "trunk.json", identities[trunk])]
    if not missing:
        return
    tell(0, 1, "making the images")
    images, labels = build_training_images(settings)
    for number, trunk in enumerate(missing):
        def show(done: int, logs: dict[str, float], number: int = number, trunk: TrunkName = trunk) -> None:
            tell((number + done / epochs) / len(missing), 1, f"{trunk}, epoch {done} of {epochs}, accuracy {logs['accuracy']:.2f}")

        tell(number / len(missing), 1, f"{trunk}, starting")
        pretrain_trunk(trunk, settings, images, labels, plan.trunk_folder / trunk, identities[trunk], progress=show)
        write_json(plan.trunk_folder / trunk / "trunk.json", {"identity": identities[trunk]})


if __name__ == "__main__":
    run_stage("trunks", work)
