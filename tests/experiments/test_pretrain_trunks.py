from __future__ import annotations

import dataclasses
import json

import pretrain_trunks
import pytest
from pretrain_trunks import find_published_weights, train_trunks, work

from lirads_keras.errors import InputError, Problem
from lirads_keras.progress import ignore_progress


def with_characterization(plan, **settings):
    section = plan.profile.characterization.model_copy(update=settings)
    return dataclasses.replace(plan, profile=plan.profile.model_copy(update={"characterization": section}))


@pytest.fixture
def trained(monkeypatch) -> list[str]:
    """The trunks that were trained, and no time spent on them."""
    names: list[str] = []

    def pretend(trunk, settings, images, labels, folder, identity, progress):
        assert images.shape[0] == len(labels) == settings.formula.classes * settings.formula.images_per_class
        names.append(trunk)
        for done in range(1, settings.formula.epochs + 1):
            progress(done / settings.formula.epochs, f"epoch {done}")

    monkeypatch.setattr(pretrain_trunks, "pretrain_trunk", pretend)
    return names


def test_trunks_that_are_there_are_not_trained_again(plan, trained):
    told: list[tuple[float, str]] = []
    both = with_characterization(plan, variants=("resnet50-plain", "vgg16-plain"), weights="formula")
    train_trunks(both, ("vgg16",), ignore_progress)
    train_trunks(both, both.trunks, lambda fraction, message: told.append((fraction, message)))
    train_trunks(both, both.trunks, lambda fraction, message: told.append((fraction, message)))
    assert trained == ["vgg16", "resnet50"]
    assert told == [(0, "making the images"), (0, "resnet50, starting"), (1, "resnet50, epoch 1")]
    record = json.loads((both.trunk_folder / "resnet50" / "trunk.json").read_text())
    assert record["identity"] == f"{plan.digests['trunks']}-resnet50"
    (both.trunk_folder / "vgg16" / "trunk.json").write_text("{")
    train_trunks(both, both.trunks, ignore_progress)
    assert trained == ["vgg16", "resnet50", "vgg16"]


def test_random_weights_need_nothing(plan, trained):
    told: list[float] = []
    work(plan, lambda fraction, message: told.append(fraction), "")
    assert plan.profile.characterization.weights == "random" and trained == [] and told == [1] and not plan.trunk_folder.exists()


def test_all_imagenet_files_that_cannot_be_had_are_told_at_once(plan, monkeypatch):
    def fail(trunk):
        raise InputError(Problem(trunk, "its file", "none"))

    monkeypatch.setattr(pretrain_trunks, "find_imagenet_weights", fail)
    with pytest.raises(InputError) as caught:
        work(with_characterization(plan, variants=("resnet50-plain", "direct-frozen"), weights="imagenet"), ignore_progress, "")
    assert [problem.where for problem in caught.value.problems] == ["vgg16", "resnet50"]
    monkeypatch.setattr(pretrain_trunks, "find_imagenet_weights", lambda trunk: None)
    find_published_weights(("vgg16", "resnet50"))
