from __future__ import annotations

from durations import _merge, _total, measure_durations
from hypothesis import given
from hypothesis import strategies as st

from lirads_keras.io.atomic import write_json


def record(plan, stage, started, seconds, part="") -> None:
    write_json(plan.done_file(stage, part), {"digest": "any", "started": started, "seconds": seconds})


def test_stages_one_after_another_have_their_own_time(plan):
    record(plan, "store", 100, 10)
    record(plan, "pretrain", 111, 20)
    assert measure_durations(plan) == {"store": 10, "pretrain": 20}


def test_parts_side_by_side_count_once(plan):
    plan = with_parts(plan)
    record(plan, "folds", 0, 60, "0")
    record(plan, "folds", 5, 50, "1")
    assert measure_durations(plan) == {"folds": 60}


def test_a_stage_beside_an_earlier_one_counts_for_what_it_took_longer(plan):
    record(plan, "trunks", 0, 90)
    record(plan, "pretrain", 0, 60)
    # pretrain stands before trunks: the first minute is its own.
    assert measure_durations(plan) == {"pretrain": 60, "trunks": 30}


def test_a_record_that_is_missing_or_broken_counts_nothing(plan):
    record(plan, "store", 0, 10)
    plan.done_file("pretrain").write_text('{"seconds": ')
    write_json(plan.done_file("lesions"), {"digest": "of before", "seconds": 5})
    assert measure_durations(plan) == {"store": 10}


@given(times=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20)), min_size=4, max_size=4))
def test_the_sum_is_the_time_in_which_anything_was_at_work(times):
    moments = {second for started, seconds in times for second in range(started, started + seconds)}
    assert _total(_merge([(started, started + seconds) for started, seconds in times])) == len(moments)


def with_parts(plan):
    workflow = plan.profile.workflow.model_copy(update={"folds_per_job": 1})
    object.__setattr__(plan, "profile", plan.profile.model_copy(update={"workflow": workflow}))
    assert plan.parts("folds")[:2] == ["0", "1"]
    return plan
