from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "experiments" / "benchmarks"))

from network_choice import OURS, check_request, parse_folds, share_pretraining  # noqa: E402

from lirads_keras.errors import InputError  # noqa: E402


def request(**changes) -> argparse.Namespace:
    return argparse.Namespace(**{"network": OURS, "pretrained": True, "test_folds": (0, 1, 2), "minutes": 5.0, "steps": None} | changes)


def test_folds_are_numbers_in_order():
    assert parse_folds("3,4,5") == (3, 4, 5) and parse_folds("7") == (7,)
    for text in ("", "a", "1,1", "2,1", "-1,2", "1,,2"):
        with pytest.raises(ValueError):
            parse_folds(text)


def test_each_network_that_starts_from_the_pretraining_bears_its_share(plan):
    with pytest.raises(InputError, match="expected a finished pre-training, as --pretrained asks for, found none"):
        share_pretraining(plan)
    plan.done("pretrain").write(plan.identity("pretrain"), started=100.0, seconds=300.0)
    # Whatever runs beside it: each thread has a core of its own.
    plan.done("store").write(plan.identity("store"), started=100.0, seconds=300.0)
    assert plan.profile.workflow.threads == 1 and share_pretraining(plan) == 300 / 2
    settings = plan.profile.segmentation.model_copy(update={"folds": 9, "variants": ("delayed", "three-phase")})
    workflow = plan.profile.workflow.model_copy(update={"threads": 2})
    larger = dataclasses.replace(plan, profile=plan.profile.model_copy(update={"segmentation": settings, "workflow": workflow}))
    larger.done("pretrain").write(larger.identity("pretrain"), started=100.0, seconds=300.0)
    assert share_pretraining(larger) == 300 * 2 / (9 * 2)


def test_what_cannot_be_trained_is_refused_at_once():
    check_request(request(), 9, 16.7)
    check_request(request(test_folds=(6, 7, 8), network="plain_unet", pretrained=False), 9, 0.0)
    check_request(request(minutes=0.1, steps=5), 9, 16.7)
    with pytest.raises(InputError) as error:
        check_request(request(test_folds=(8, 9), network="plain_unet", minutes=0.25), 9, 16.8)
    assert [str(problem) for problem in error.value.problems] == [
        "--pretrained: expected the network unet_plus_plus, which alone is pre-trained, found plain_unet",
        "--test-folds: expected some of the folds 0 to 8, with others left to train on, found 8,9",
        "--minutes: expected more than 0.28, the network's share of the pre-training, found 0.25"]
    with pytest.raises(InputError, match="with others left to train on, found 0,1"):
        check_request(request(test_folds=(0, 1)), 2, 0.0)
