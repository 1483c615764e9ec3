from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

BENCHMARKS = Path(__file__).parents[2] / "experiments" / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import yardsticks  # noqa: E402
from yardsticks import MATRIX, OURS, Origin, Training, digest_settings, find_origin, list_left, read_finished, train_all  # noqa: E402

from lirads_keras.errors import InputError  # noqa: E402

ORIGIN = Origin(9000, "0123456789ab")
SHORT = (Training(OURS, "delayed", 1, (0, 1)), Training("plain_unet", "delayed", 1, (0, 1)), Training("plain_unet", "three-phase", 2.5, (2,)))


def said(dice: dict[str, float]) -> str:
    return json.dumps({"steps": 7, "parameters": 1000, "pretraining_core_s": 2.5, "training_core_s": 60, "dice_at_half": dice})


def printing(text: str, code: int = 0) -> list[str]:
    return [sys.executable, "-c", f"import sys; print('warming up'); print({text!r}); sys.exit({code})"]


def is_at_work(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def train(table: Path, command, matrix=SHORT):
    lines: list[str] = []
    rows = read_finished(table, ORIGIN)
    failed = train_all(list_left(rows, matrix), rows, ORIGIN, table, command, tell=lines.append, wait_s=0.01)
    return failed, lines


def test_finished_trainings_are_kept_and_not_done_again(tmp_path):
    table, started = tmp_path / "yardsticks.csv", []

    def command(training):
        started.append(training)
        return printing(said({"VC-0002": 0.25, "001": 0.75}), code=int(training == SHORT[1] and started.count(training) == 1))

    failed, lines = train(table, command)
    assert failed == [SHORT[1]] and len(started) == 3
    assert any(f"error: {SHORT[1]}: expected a line of JSON" in line and "exit code 1" in line for line in lines)
    assert any(line.startswith(f"{SHORT[0]}: mean Dice 0.500 of 2 patients; ") and "left, about" in line for line in lines)
    before = table.read_text().splitlines()
    assert before[0] == ("network,segmentation,core_minutes,test_folds,steps,parameters,pretrained,pretraining_core_s,training_core_s,cohort_seed,"
                         "profile_digest,patient_id,dice")
    assert before[1:] == [f"{start},{patient}" for start in ("unet_plus_plus,delayed,1,0 1,7,1000,1,2.5,60,9000,0123456789ab",
                                                             "plain_unet,three-phase,2.5,2,7,1000,0,2.5,60,9000,0123456789ab")
                          for patient in ("001,0.75", "VC-0002,0.25")]
    assert train(table, command)[0] == [] and started[3:] == [SHORT[1]]
    assert set(before) < set(table.read_text().splitlines())
    assert train(table, command) == ([], []) and len(started) == 4


@pytest.mark.parametrize("text", ["", "{", "[1]", json.dumps({"steps": 7}), said({"A": 1.5})])
def test_what_says_nothing_that_can_be_used_has_no_row(tmp_path, text):
    failed, lines = train(tmp_path / "yardsticks.csv", lambda training: printing(text), SHORT[:1])
    assert failed == [SHORT[0]] and "expected a line of JSON" in lines[0]
    assert not (tmp_path / "yardsticks.csv").exists()


def test_a_table_of_another_cohort_or_of_other_settings_is_refused(tmp_path):
    table = tmp_path / "yardsticks.csv"
    train(table, lambda training: printing(said({"A": 0.5})), SHORT[:1])
    with pytest.raises(InputError) as error:
        read_finished(table, Origin(2023, "ba9876543210"))
    assert len(error.value.problems) == 2
    assert "column cohort_seed: expected 2023, which this run has" in str(error.value) and str(error.value).splitlines()[0].endswith("found 9000")
    assert "expected ba9876543210" in str(error.value) and str(error.value).endswith("found 0123456789ab")


@pytest.mark.parametrize("old, new, complaint", [
    (",dice\n", ",overlap\n", "expected the columns network, "), (",0.5\n", ",half\n", "dice: expected a number in"),
    (",0.5\n", ",\n", "dice: expected no empty cell"),
    ("plain_unet", "nnunet", "network: expected one of unet_plus_plus, plain_unet, segmentation_models, found nnunet")])
def test_a_malformed_table_is_refused(tmp_path, old, new, complaint):
    table = tmp_path / "yardsticks.csv"
    train(table, lambda training: printing(said({"A": 0.5})), SHORT[1:2])
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(InputError, match=complaint):
        read_finished(table, ORIGIN)


def test_the_table_of_the_checkout_can_be_gone_on_with():
    rows = pd.read_csv(yardsticks.TABLE)
    assert list(rows.columns) == [column.name for column in yardsticks.COLUMNS]
    if len(rows):
        read_finished(yardsticks.TABLE, Origin(rows["cohort_seed"][0], rows["profile_digest"][0]))


def test_the_matrix_has_the_yardsticks_the_pairs_and_the_learning_curve():
    assert len(MATRIX) == len(set(MATRIX)) == 22
    for variant in ("delayed", "three-phase"):
        of = {training.key for training in MATRIX if training.segmentation == variant}
        assert of == {(OURS, variant, minutes, "0 1 2") for minutes in (1, 2, 5, 10, 20)} | {
            (network, variant, 5, "0 1 2") for network in ("plain_unet", "segmentation_models")} | {
            (network, variant, 5, folds) for network in (OURS, "plain_unet") for folds in ("3 4 5", "6 7 8")}
    assert {training.network for training in MATRIX if training.pretrained} == {OURS}
    command = yardsticks.command_of(Path("runs/dev"), MATRIX[0])
    assert command[2:] == ["--run", "runs/dev", "--network", OURS, "--variant", "delayed", "--minutes", "5", "--test-folds", "0,1,2", "--negatives", "0",
                           "--pretrained"]


def test_a_run_that_is_not_for_development_is_refused(plan):
    with pytest.raises(InputError, match="expected 9 folds, found 2"):
        find_origin(plan)
    profile = plan.profile.model_copy(update={"cohort": plan.profile.cohort.model_copy(update={"seed": 3001})})
    object.__setattr__(plan, "profile", profile)
    with pytest.raises(InputError, match="expected a development cohort: a seed of 2023, 9000, .*, found 3001"):
        find_origin(plan)


def test_a_changed_setting_gives_another_digest_and_the_order_of_variants_does_not(profile):
    def changed(section, **settings):
        return digest_settings(profile.model_copy(update={section: getattr(profile, section).model_copy(update=settings)}))

    own = digest_settings(profile)
    assert len(own) == 12 and own == digest_settings(profile)
    assert own not in {changed("segmentation", width_factor=0.5), changed("cohort", seed=9001), changed("segmentation", variants=("delayed", "three-phase"))}
    assert changed("segmentation", variants=("delayed", "three-phase")) == changed("segmentation", variants=("three-phase", "delayed"))
    assert own == changed("characterization", epochs=9)


def test_whether_the_plain_unet_is_a_yardstick(tmp_path):
    rows = pd.DataFrame({"network": "plain_unet", "segmentation": "three-phase", "core_minutes": 5, "test_folds": "0 1 2", "cohort_seed": 2023,
                         "dice": [0.5, 0.52]})
    assert yardsticks.judge_plain_unet(rows).endswith("found 0.510: a yardstick")
    assert yardsticks.judge_plain_unet(rows.assign(dice=0.5)).endswith("found 0.500: no yardstick")
    assert yardsticks.judge_plain_unet(rows.assign(cohort_seed=9000)) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone ends a process with its parent")
def test_killed_at_any_moment_it_leaves_nothing_at_work_and_goes_on(tmp_path):
    table = tmp_path / "yardsticks.csv"
    code = f"""
import sys
sys.path[:0] = {[str(BENCHMARKS), str(BENCHMARKS.parent)]!r}
from pathlib import Path
from yardsticks import Origin, Training, train_all, read_finished, list_left
origin, matrix = Origin(9000, "0123456789ab"), [Training("plain_unet", "delayed", minutes, (0,)) for minutes in (1, 2)]
rows = read_finished(Path({str(table)!r}), origin)
line = {said({"A": 0.5})!r}
sleeping = "import os, time; open({str(tmp_path / 'child')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
train_all(list_left(rows, matrix), rows, origin, Path({str(table)!r}),
          lambda training: [sys.executable, "-c", f"print({{line!r}})" if training.core_minutes == 1 else sleeping], jobs=1, wait_s=0.01)
"""
    driver = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not ((tmp_path / "child").exists() and (tmp_path / "child").read_text()) and time.monotonic() < until:
        time.sleep(0.02)
    child = int((tmp_path / "child").read_text())
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    while is_at_work(child) and time.monotonic() < until:
        time.sleep(0.02)
    assert not is_at_work(child)
    matrix = [Training("plain_unet", "delayed", minutes, (0,)) for minutes in (1, 2)]
    assert list_left(read_finished(table, ORIGIN), matrix) == matrix[1:]
