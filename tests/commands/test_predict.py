"""The options of `lirads predict` that change how a study is segmented; the command as a whole is tested in test_cli.py."""
from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from lirads_keras.cli import _parser
from lirads_keras.commands.arguments import parse_fold
from lirads_keras.commands.predict import _with_options
from lirads_keras.config import read_profile

SMOKE = Path(__file__).parents[2] / "experiments" / "profiles" / "smoke.yaml"


def parse(*options: str) -> argparse.Namespace:
    return _parser().parse_args(["predict", "STUDY", "--run", "RUN", "--out", "OUT", *options])


@pytest.mark.parametrize("options, expected", [
    ([], {}),
    (["--engine", "openvino-bf16"], {"engine": "openvino-bf16"}),
    (["--no-body-box"], {"body_box": False}),
    (["--body-box", "--flip-augmentation"], {"flip_augmentation": True}),
])
def test_options_that_are_given_replace_the_runs_and_no_others(options, expected):
    profile = read_profile(SMOKE)
    chosen = _with_options(profile, parse(*options))
    assert chosen == profile.model_copy(update={"inference": profile.inference.model_copy(update=expected)})
    assert not expected or expected.items() <= chosen.inference.model_dump().items()


def test_a_cutoff_of_zero_is_an_option_that_is_given():
    profile = read_profile(SMOKE)
    assert _with_options(profile, parse("--background-cutoff", "0")).preprocessing.background_cutoff == 0
    assert _with_options(profile, parse("--background-cutoff", "auto")).preprocessing.background_cutoff == "auto"
    assert _with_options(profile, parse()).preprocessing == profile.preprocessing


@pytest.mark.parametrize("text, fold", [("all", "all"), ("best", "best"), ("0", 0), ("12", 12)])
def test_a_fold_is_a_number_or_a_word(text, fold):
    assert parse_fold(text) == fold and parse("--fold", text).fold == fold


@pytest.mark.parametrize("text", ["worst", "-1", "1.0", "", "Best"])
def test_anything_else_is_no_fold(text, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse(f"--fold={text}")
    assert stopped.value.code == 2 and f"expected all, best or a fold's number, found {text!r}" in capsys.readouterr().err


def test_an_unknown_engine_is_refused(capsys):
    with pytest.raises(SystemExit):
        parse("--engine", "torch")
    assert "openvino-bf16" in capsys.readouterr().err
