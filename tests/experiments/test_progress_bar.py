from __future__ import annotations

import json

import progress_bar
import pytest
from progress_bar import LINE_EVERY_S, ProgressBar, format_duration

from lirads_keras.io.atomic import write_json


@pytest.mark.parametrize("seconds, words", [
    (0, "0 s"), (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3599.4, "59 min 59 s"), (3600, "1 h 00 min"), (7500, "2 h 05 min"),
    (90000, "25 h 00 min")])
def test_durations_are_told_in_two_units_at_most(seconds, words):
    assert format_duration(seconds) == words


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved; a list of the seconds."""
    now = [1000.0]
    monkeypatch.setattr(progress_bar.time, "time", lambda: now[0])
    return now


@pytest.fixture
def short(plan):
    """The plan with two parts of 50 usual seconds for folds and 100 for lesions."""
    workflow = plan.profile.workflow.model_copy(update={"jobs": 2, "expected_seconds": {"folds": 100.0, "lesions": 100.0}})
    object.__setattr__(plan, "profile", plan.profile.model_copy(update={"workflow": workflow}))
    return plan


STAGES = ["folds", "lesions"]


def run(plan, stage, part, fraction, detail="") -> None:
    write_json(plan.run.path / "progress" / f"{stage}{'-' + part if part else ''}.json",
               {"stage": stage, "fraction": fraction, "detail": detail, "started": 0})


def finish(plan, stage, part="") -> None:
    (plan.run.path / "progress" / f"{stage}{'-' + part if part else ''}.json").unlink(missing_ok=True)
    write_json(plan.done(stage, part).path, {"identity": plan.identity(stage, part)})


def line_of(bar, capsys, clock) -> str:
    """The line that the bar prints now."""
    capsys.readouterr()
    clock[0] += LINE_EVERY_S + 1
    bar.update()
    return capsys.readouterr().err.strip()


def test_a_line_names_stage_detail_share_and_times(short, clock, capsys):
    with ProgressBar(short, STAGES) as bar:
        run(short, "folds", "0", 0.5, "fold 1 of 2, epoch 3 of 6")
        # 25 of 200 usual seconds are done.
        assert line_of(bar, capsys, clock) == "12 % about 2 min 55 s left · folds: fold 1 of 2, epoch 3 of 6 · 16 s gone"
        finish(short, "folds", "0")
        run(short, "folds", "1", 0.0)
        # 50 usual seconds took 32, and 150 are left.
        assert line_of(bar, capsys, clock) == "25 % about 1 min 36 s left · folds: starting · 32 s gone"


def test_parts_that_run_together_are_named_together(short, clock, capsys):
    with ProgressBar(short, STAGES) as bar:
        run(short, "folds", "0", 0.5, "fold 1 of 2")
        run(short, "folds", "1", 0.5, "fold 2 of 2")
        assert " left · folds: fold 1 of 2; folds: fold 2 of 2 · " in line_of(bar, capsys, clock)


def test_the_time_left_follows_this_machines_pace(short, clock, capsys):
    with ProgressBar(short, STAGES) as bar:
        clock[0] += 150 - LINE_EVERY_S - 1
        finish(short, "folds", "0")
        run(short, "folds", "1", 0.0, "x")
        # 150 usual seconds are left, at three times the usual duration.
        line = line_of(bar, capsys, clock)
        assert "about 7 min 30 s left" in line and line.endswith("2 min 30 s gone")


def test_parts_side_by_side_share_the_time_that_is_left(short, clock, capsys):
    with ProgressBar(short, STAGES) as bar:
        clock[0] += 45 - LINE_EVERY_S - 1
        finish(short, "folds", "0")
        run(short, "folds", "1", 0.8, "x")
        # 90 usual seconds took 45: the 110 that are left take 55.
        line = line_of(bar, capsys, clock)
        assert "about 55 s left" in line and line.endswith("45 s gone")


def test_what_was_finished_before_tells_nothing_of_this_machine(short, clock, capsys):
    finish(short, "folds", "0")
    with ProgressBar(short, STAGES) as bar:
        run(short, "folds", "1", 0.0, "x")
        line = line_of(bar, capsys, clock)
        assert line.startswith("25 %") and "about 2 min 30 s left" in line
        clock[0] += 100 - 2 * (LINE_EVERY_S + 1)
        finish(short, "folds", "1")
        run(short, "lesions", "", 0.0, "y")
        # Only the 50 usual seconds since the start were measured: 100 for them, 200 for the rest.
        assert "about 3 min 20 s left" in line_of(bar, capsys, clock)


def test_a_line_comes_with_each_stage_and_else_seldom(short, clock, capsys):
    with ProgressBar(short, STAGES) as bar:
        run(short, "folds", "0", 0.1, "a")
        bar.update()
        run(short, "folds", "0", 0.2, "b")
        clock[0] += LINE_EVERY_S - 1
        bar.update()
        assert capsys.readouterr().err.count("\n") == 1
        finish(short, "folds", "0")
        finish(short, "folds", "1")
        run(short, "lesions", "", 0.1, "c")
        bar.update()
        assert "lesions: c" in capsys.readouterr().err


def test_nothing_is_printed_of_nothing_and_a_broken_file_stops_nobody(short, clock, capsys):
    with ProgressBar(short, STAGES) as bar:
        clock[0] += 100
        bar.update()
        (short.run.path / "progress").mkdir(parents=True, exist_ok=True)
        (short.run.path / "progress" / "folds-0.json").write_text('{"fra')
        bar.update()
        finish(short, "folds", "0")
        finish(short, "folds", "1")
        finish(short, "lesions")
        bar.update()
    assert capsys.readouterr().err == ""


def test_a_terminal_is_drawn_over(short, clock, capsys, monkeypatch):
    monkeypatch.setattr(progress_bar.sys.stderr, "isatty", lambda: True, raising=False)
    with ProgressBar(short, STAGES) as bar:
        bar.update()
        run(short, "folds", "0", 1.0, "fold 1 of 2")
        bar.update()
        finish(short, "folds", "0")
        finish(short, "folds", "1")
        finish(short, "lesions")
        bar.update()
    shown = capsys.readouterr().err
    assert "folds: starting" in shown and " 25 % |" in shown and "folds: fold 1 of 2" in shown
    last = shown.split("\r")[-1]
    assert "100 % |" in last and "finished · " in last


def test_shares_follow_the_profile(short):
    bar = ProgressBar(short, ["folds", "results"])
    # A stage without a usual duration counts as a minute.
    assert bar._shares == {("folds", "0"): 50.0, ("folds", "1"): 50.0, ("results", ""): 60.0}
    assert json.loads((short.run.path / "inputs.json").read_text())
