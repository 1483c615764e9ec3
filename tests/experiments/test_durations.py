from __future__ import annotations

import pytest
from durations import measure_durations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lirads_keras.io.atomic import write_json


def record(plan, stage, started, seconds, part="") -> None:
    write_json(plan.done(stage, part).path, {"identity": "any", "started": started, "seconds": seconds})


def test_stages_one_after_another_have_their_own_time(plan):
    record(plan, "store", 100, 10)
    record(plan, "pretrain", 111, 20)
    assert measure_durations(plan) == {"store": 10, "pretrain": 20}


def test_parts_side_by_side_count_once(plan):
    plan = with_parts(plan)
    record(plan, "folds", 0, 60, "0")
    record(plan, "folds", 5, 50, "1")
    assert measure_durations(plan) == {"folds": 60}


def test_stages_side_by_side_share_the_time(plan):
    record(plan, "trunks", 0, 90)
    record(plan, "pretrain", 0, 60)
    record(plan, "cohort", 30, 15)
    assert measure_durations(plan) == {"cohort": 5, "pretrain": 15 + 5 + 7.5, "trunks": 15 + 5 + 7.5 + 30}


def test_a_record_that_is_missing_or_broken_counts_nothing(plan):
    record(plan, "store", 0, 10)
    plan.done("pretrain").path.write_text('{"seconds": ')
    write_json(plan.done("lesions").path, {"identity": "of before", "seconds": 5})
    assert measure_durations(plan) == {"store": 10}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(times=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20)), min_size=4, max_size=4))
def test_the_sum_is_the_time_in_which_anything_was_at_work(plan, times):
    for stage, (started, seconds) in zip(("store", "pretrain", "lesions", "trunks"), times, strict=True):
        record(plan, stage, started, seconds)
    moments = {second for started, seconds in times for second in range(started, started + seconds)}
    assert sum(measure_durations(plan).values()) == pytest.approx(len(moments), abs=0.3)


def with_parts(plan):
    workflow = plan.profile.workflow.model_copy(update={"jobs": 2})
    object.__setattr__(plan, "profile", plan.profile.model_copy(update={"workflow": workflow}))
    assert plan.parts("folds")[:2] == ["0", "1"]
    return plan
