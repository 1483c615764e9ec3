"""A study's state is the replay of its events, and undo goes back to the network's first result, step by step."""
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lirads_keras.entities import ENHANCED_PHASES, FeatureProbabilities
from lirads_keras.reader.case import Case, replay
from lirads_keras.reader.findings import FINDINGS, Findings, MeasuredLesion
from lirads_keras.reader.journal import Event


def measured(number: int, digest: str = "", diameter_mm: float = 23.0) -> MeasuredLesion:
    return MeasuredLesion(f"P{number}", number, digest or f"{number:016x}", diameter_mm, 1.0, 3, (3.0, 4.0, 5.0), 0.5, FeatureProbabilities(0.75, 0.25, 0.125))


class Story:
    """Events as the server would store them."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, kind: str, payload: dict[str, Any], who: str = "Ann", before: Any = None, after: Any = None) -> Event:
        self.events.append(Event(len(self.events) + 1, "s", "2026-01-01T00:00:00.000Z", who, kind, before, after, payload))
        return self.events[-1]

    def find(self, kind: str, mask_id: str, *lesions: MeasuredLesion) -> Event:
        findings = FINDINGS.dump_python(Findings(lesions, 0, ENHANCED_PHASES, 0.5, "paper", {"v": kind}), mode="json")
        return self.tell(kind, {"mask_id": mask_id, "findings": findings})

    def edit(self, lesion_id: str | None, field: str, value: Any, applies: int | None = None) -> Event:
        return self.tell("edit", {"lesion_id": lesion_id, "field": field, "value": value, "applies": applies}, before=None, after=value)

    def mask(self, mask_id: str, who: str = "Ann") -> Event:
        return self.tell("mask", {"mask_id": mask_id, "applies": None}, who)

    def undo(self) -> Event:
        last = replay(self.events).last_step
        assert last is not None
        return self.tell("undo", {"undoes": last.event.event_id})

    @property
    def case(self) -> Case:
        return replay(self.events)


@pytest.fixture
def story() -> Story:
    return Story()


def test_nothing_yet(story):
    assert (story.case.reading.stage, story.case.revision, story.case.last_step, story.case.history) == ("new", 0, None, [])


def test_the_stages(story):
    story.find("run", "m1", measured(1), measured(2))
    assert story.case.reading.stage == "characterised" and story.case.reading.mask_by == "network"
    story.mask("m2", "Bob")
    reading = story.case.reading
    assert (reading.stage, reading.mask_by, reading.characterised_mask, len(reading.lesions)) == ("mask_edited", "Bob", "m1", 2)
    story.find("next", "m2", measured(1, "changed"))
    assert story.case.reading.stage == "characterised" and story.case.reading.mask_by == "Bob" and story.case.masks == {"m1", "m2"}


def test_what_a_reader_switched_stays_on_a_lesion_that_keeps_its_id(story):
    story.find("run", "m1", measured(1), measured(2))
    story.edit("P1", "washout", True)
    story.edit("P2", "capsule", True)
    story.edit(None, "rules", "v2018")
    story.mask("m2")
    story.find("next", "m2", measured(3), measured(1, "changed"))
    reading = story.case.reading
    assert [(lesion.measured.lesion_id, lesion.values.washout, lesion.values.capsule) for lesion in reading.lesions] == [("P1", True, None), ("P3", None, None)]
    assert reading.rules == "v2018" and story.case.next_number == 4
    # A second run starts from the network's word alone.
    story.find("run", "m1", measured(1), measured(2))
    assert story.case.reading.find("P1").values.washout is None and story.case.reading.rules == "paper"
    story.undo()
    assert story.case.reading.find("P1").values.washout is True


def test_a_number_is_never_given_twice(story):
    story.find("run", "m1", measured(1))
    story.mask("m2")
    story.find("next", "m2", measured(1), measured(2))
    story.undo()
    assert story.case.reading.find("P2") is None and story.case.next_number == 3


def test_changed_means_another_outline_or_anything_said(story):
    story.find("run", "m1", measured(1, "one"), measured(2, "two"))
    assert not any(story.case.reading.is_changed(lesion) for lesion in story.case.reading.lesions)
    story.edit("P2", "aphe", True)
    story.mask("m2")
    story.find("next", "m2", measured(1, "other"), measured(2, "two"))
    one, two = story.case.reading.lesions
    assert story.case.reading.is_changed(one) and story.case.reading.is_changed(two)
    story.edit("P2", "aphe", None)
    assert not story.case.reading.is_changed(story.case.reading.find("P2"))


def test_undo_goes_back_to_the_networks_first_result_and_no_further(story):
    story.find("run", "m1", measured(1))
    first = story.case.reading
    story.edit("P1", "washout", True)
    story.mask("m2")
    story.find("next", "m2", measured(1, "x"))
    story.find("run", "m1", measured(1))
    summaries = []
    while (last := story.case.last_step) is not None:
        summaries.append(last.summary)
        story.undo()
    assert summaries == ["Run: the network found 1 lesion", "Next: 1 lesion measured and read again", "Mask edited", "P1 washout: the network's → present"]
    assert story.case.reading == first and story.case.masks == {"m1", "m2"}
    assert [entry.undone for entry in story.case.history] == [False, True, True, True, True] + [False] * 4
    assert story.case.history[-1].summary == "Undo: P1 washout: the network's → present"


def test_an_undo_of_something_else_is_no_history(story):
    story.find("run", "m1", measured(1))
    first = story.edit("P1", "washout", True)
    story.edit("P1", "washout", False)
    for undoes in (first.event_id, 1, 99):
        story.tell("undo", {"undoes": undoes})
        with pytest.raises(ValueError, match="not the last step"):
            replay(story.events)
        story.events.pop()


def test_what_changes_nothing_leaves_the_revision(story):
    story.find("run", "m1", measured(1))
    story.tell("opened", {"shape": [1, 2, 3]}, who="")
    aside = story.tell("set_aside", {"wanted": "edit", "lesion_id": "P1", "field": "washout", "value": True, "applies": None}, "Bob", False, True)
    story.tell("save", {"save_id": "1", "where": "x/1", "files": [], "stored": None, "store_error": None, "revision": 1})
    story.tell("explanation", {"mask_id": "m1", "lesion_id": "P1", "blob": "b"})
    case = story.case
    assert (case.revision, case.changed_by, case.reading.find("P1").values.washout) == (1, "Ann", None)
    assert set(case.set_aside) == {aside.event_id} and case.find_explanation("P1") == "b" and case.find_explanation("P2") is None
    assert [entry.event.kind for entry in case.history] == ["run", "set_aside", "save", "explanation"]
    assert "Set aside" in case.history[1].summary and "P1 washout: absent → present" in case.history[1].summary
    story.edit("P1", "washout", True, applies=aside.event_id)
    assert story.case.set_aside == {} and story.case.history[-1].summary.endswith("(had been set aside)")
    story.mask("m2")
    story.find("next", "m2", measured(1))
    assert story.case.find_explanation("P1") is None, "the picture is of another mask"


def test_a_mask_that_was_set_aside_can_be_seen(story):
    story.find("run", "m1", measured(1))
    story.tell("set_aside", {"wanted": "mask", "mask_id": "m9", "applies": None})
    assert "m9" in story.case.masks and story.case.reading.mask_id == "m1"


EDITS = st.one_of(
    st.tuples(st.just("edit"), st.sampled_from(["P1", "P2"]), st.sampled_from(["aphe", "washout", "capsule"]), st.sampled_from([True, False, None])),
    st.tuples(st.just("edit"), st.sampled_from(["P1", "P2"]), st.sampled_from(["threshold_growth", "ancillary_benign"]), st.booleans()),
    st.tuples(st.just("edit"), st.just("P1"), st.just("overrides"), st.lists(st.sampled_from(["LR-NC", "LR-M"]), unique=True)),
    st.tuples(st.just("edit"), st.none(), st.just("rules"), st.sampled_from(["paper", "v2018"])),
    st.tuples(st.just("mask"), st.sampled_from(["m2", "m3"])),
    st.tuples(st.just("next")), st.tuples(st.just("run")), st.tuples(st.just("undo")))


@settings(max_examples=80)
@given(st.lists(EDITS, max_size=25))
def test_undo_is_the_exact_opposite_of_any_steps(steps):
    story, live = Story(), Case()
    live.apply(story.find("run", "m1", measured(1), measured(2)))
    readings, revisions = [live.reading], [live.revision]
    for step in steps:
        if step[0] == "undo":
            if live.last_step is None:
                assert len(readings) == 1
                continue
            live.apply(story.undo())
            readings.pop()
        else:
            kind, *rest = step
            told = {"edit": lambda: story.edit(*rest), "mask": lambda: story.mask(*rest),
                    "next": lambda: story.find("next", live.reading.mask_id, measured(1, "n"), measured(2)),
                    "run": lambda: story.find("run", "m1", measured(1), measured(2))}[kind]()
            live.apply(told)
            readings.append(live.reading)
        assert live.reading == readings[-1] and live.revision > revisions[-1]
        revisions.append(live.revision)
    again = replay(story.events)
    assert (again.reading, again.revision, again.history, again.masks, again.next_number) == (
        live.reading, live.revision, live.history, live.masks, live.next_number)
