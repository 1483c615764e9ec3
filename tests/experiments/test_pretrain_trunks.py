from __future__ import annotations

import dataclasses
import json

import pretrain_trunks
import pytest
from pretrain_trunks import find_published_weights, train_trunks, work

from lirads_keras.errors import InputError, Problem


def with_characterization(plan, **settings):
    section = plan.profile.characterization.model_copy(update=settings)
    return dataclasses.replace(plan, profile=plan.profile.model_copy(update={"characterization": section}))


@pytest.fixture
def trained(monkeypatch) -> list[str]:
    """The trunks that were trained, and no time spent on them."""
    names: list[str] = []

    def pretend(trunk, settings, images, labels, folder, identity, *, progress):
        assert images.shape[0] == len(labels) == settings.formula.classes * settings.formula.images_per_class
        names.append(trunk)
        for done in range(1, settings.formula.epochs + 1):
            progress(done, {"accuracy": 0.5})

    monkeypatch.setattr(pretrain_trunks, "pretrain_trunk", pretend)
    return names


def test_trunks_that_are_there_are_not_trained_again(plan, trained):
    told: list[tuple[float, str]] = []
    both = with_characterization(plan, variants=("resnet50-plain", "vgg16-plain"), weights="formula")
    train_trunks(both, ("vgg16",), lambda done, total, detail: None)
    train_trunks(both, both.trunks, lambda done, total, detail: told.append((done, detail)))
    train_trunks(both, both.trunks, lambda done, total, detail: told.append((done, detail)))
    assert trained == ["vgg16", "resnet50"]
    assert told == [(0, "making the images"), (0, "resnet50, starting"), (1, "resnet50, epoch 1 of 1, accuracy 0.50")]
    record = json.loads((both.trunk_folder / "resnet50" / "trunk.json").read_text())
    assert record["identity"] == f"{plan.digests['trunks']}-resnet50"
    (both.trunk_folder / "vgg16" / "trunk.json").write_text("{")
    train_trunks(both, both.trunks, lambda done, total, detail: None)
    assert trained == ["vgg16", "resnet50", "vgg16"]


def test_random_weights_need_nothing(plan, trained):
    told: list[float] = []
    work(plan, lambda done, total, detail: told.append(done / total), "")
    assert plan.profile.characterization.weights == "random" and trained == [] and told == [1] and not plan.trunk_folder.exists()


def test_all_imagenet_files_that_cannot_be_had_are_told_at_once(plan, monkeypatch):
    def fail(trunk):
        raise InputError(Problem(trunk, "its file", "none"))

    monkeypatch.setattr(pretrain_trunks, "find_imagenet_weights", fail)
    with pytest.raises(InputError) as caught:
        work(with_characterization(plan, variants=("resnet50-plain", "direct-frozen"), weights="imagenet"), lambda done, total, detail: None, "")
    assert [problem.where for problem in caught.value.problems] == ["vgg16", "resnet50"]
    monkeypatch.setattr(pretrain_trunks, "find_imagenet_weights", lambda trunk: None)
    find_published_weights(("vgg16", "resnet50"))
