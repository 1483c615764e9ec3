"""One study's state as the pure replay of its events: the same events always give the same state."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from lirads_keras.entities import Applicability, Category, Phase, Study
from lirads_keras.lirads.applicability import find_reason_to_withhold, is_adult
from lirads_keras.reader.findings import FINDINGS, Findings, MeasuredLesion, number_lesion
from lirads_keras.reader.journal import Event
from lirads_keras.reader.scoring import LesionScore, ReaderValues, change_values, score_lesion
from lirads_keras.reader.wording import describe_event

STEPS = ("run", "mask", "next", "edit")
"""Kinds of events that change what is read, each of which undo can take back."""

StudyField = Literal["rules", "tumor_in_vein", "high_risk", "untreated", "despite_age"]
STUDY_FIELDS: tuple[StudyField, ...] = get_args(StudyField)
"""What a reader may change that belongs to the study, not to a lesion; fields of `Reading`."""

Stage = Literal["new", "mask_edited", "characterised"]


@dataclass(frozen=True)
class ReadLesion:
    """A lesion as the network measured it, with what a reader said of it."""

    measured: MeasuredLesion
    values: ReaderValues = ReaderValues()


@dataclass(frozen=True)
class Reading:
    """What is read at one moment.

    `characterised_mask` is the mask whose lesions are listed; `machine_voxels` are the voxel digests of the network's own lesions. `rules` is empty
    before the first findings. `high_risk`, `untreated` and `despite_age` are readers' answers, as in `Applicability`; `is_adult` is known with the study
    alone (`of_study`), and in no journal.
    """

    mask_id: str | None = None
    mask_by: str = ""
    characterised_mask: str | None = None
    lesions: tuple[ReadLesion, ...] = ()
    components_ignored: int = 0
    phases: tuple[Phase, ...] = ()
    decision_threshold: float = 0.5
    rules: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    machine_voxels: frozenset[str] = frozenset()
    tumor_in_vein: bool = False
    high_risk: bool | None = None
    untreated: bool | None = None
    despite_age: bool = False
    is_adult: bool | None = None
    early_arterial: bool = False

    @property
    def stage(self) -> Stage:
        if self.mask_id is None:
            return "new"
        return "characterised" if self.mask_id == self.characterised_mask else "mask_edited"

    @property
    def applicability(self) -> Applicability:
        return Applicability(self.is_adult, self.high_risk, self.untreated, self.despite_age)

    @property
    def has_tumor_in_vein(self) -> bool:
        """Whether a reader found it, in the study or, as earlier versions took it down, at a lesion."""
        return self.tumor_in_vein or any(Category.LR_TIV in lesion.values.overrides for lesion in self.lesions)

    def of_study(self, study: Study) -> Reading:
        """The reading with the patient's age, on which it depends whether there are categories."""
        return replace(self, is_adult=is_adult(study.age_years))

    def find(self, lesion_id: str) -> ReadLesion | None:
        return next((lesion for lesion in self.lesions if lesion.measured.lesion_id == lesion_id), None)

    def score(self, lesion: ReadLesion) -> LesionScore:
        return score_lesion(
            lesion.measured, lesion.values, decision_threshold=self.decision_threshold, rules=self.rules, phases=self.phases,
            size_by="network" if lesion.measured.voxels_digest in self.machine_voxels else "reader", withheld=find_reason_to_withhold(self.applicability),
            early_arterial=self.early_arterial)

    def is_changed(self, lesion: ReadLesion) -> bool:
        """Whether a reader gave it another outline than the network, or said anything of it."""
        return lesion.values != ReaderValues() or lesion.measured.voxels_digest not in self.machine_voxels


@dataclass
class HistoryEntry:
    """An event with its words; `undone` once a later undo took it back."""

    event: Event
    summary: str
    undone: bool = False


class Case:
    """The fold over a study's events. `apply` is the only way to change it.

    `revision` is the number of the last event that changed what is read; saving, explaining and setting aside leave it.
    """

    def __init__(self) -> None:
        self.reading = Reading()
        self.revision = 0
        self.changed_by = ""
        self.opened: Any = None
        self.history: list[HistoryEntry] = []
        self.masks: set[str] = set()
        self.set_aside: dict[int, Event] = {}
        self.saved: list[Event] = []
        self.explanations: dict[tuple[str, str], str] = {}
        self.next_number = 1
        self._done: list[tuple[HistoryEntry, Reading]] = []
        self._first_run: HistoryEntry | None = None

    @property
    def last_step(self) -> HistoryEntry | None:
        """What undo would take back: the last step that stands, but never the network's first result."""
        entry = self._done[-1][0] if self._done else None
        return None if entry is self._first_run else entry

    def find_entry(self, event_id: int) -> HistoryEntry | None:
        return next((entry for entry in reversed(self.history) if entry.event.event_id == event_id), None)

    def find_explanation(self, lesion_id: str) -> str | None:
        """The blob with a lesion's picture, if it was made of the present mask."""
        return self.explanations.get((self.reading.characterised_mask or "", lesion_id))

    def apply(self, event: Event) -> None:
        """Takes the next event.

        Raises:
            ValueError: an event that cannot follow on those before.
        """
        entry = HistoryEntry(event, self._describe(event))
        payload = event.payload
        if event.kind in STEPS:
            before, self.reading = self.reading, self._step(event)
            self._done.append((entry, before))
            if event.kind == "run" and self._first_run is None:
                self._first_run = entry
        elif event.kind == "undo":
            last = self.last_step
            if last is None or last.event.event_id != payload["undoes"]:
                raise ValueError(f"event {event.event_id} takes back {payload['undoes']}, which is not the last step")
            _, self.reading = self._done.pop()
            last.undone = True
        elif event.kind == "opened":
            self.opened = payload
        elif event.kind == "set_aside":
            self.set_aside[event.event_id] = event
            if payload["wanted"] == "mask":
                self.masks.add(payload["mask_id"])
        elif event.kind == "save":
            self.saved.append(event)
        elif event.kind == "explanation":
            self.explanations[payload["mask_id"], payload["lesion_id"]] = payload["blob"]
        else:
            raise ValueError(f"event {event.event_id} of an unknown kind, {event.kind}")
        if event.kind in (*STEPS, "undo"):
            self.revision, self.changed_by = event.event_id, event.who
        if event.kind != "opened":
            self.history.append(entry)

    def _step(self, event: Event) -> Reading:
        payload = event.payload
        if (applied := payload.get("applies")) is not None:
            self.set_aside.pop(applied, None)
        if event.kind == "mask":
            self.masks.add(payload["mask_id"])
            return replace(self.reading, mask_id=payload["mask_id"], mask_by=event.who)
        if event.kind == "edit":
            return apply_edit(self.reading, payload["lesion_id"], payload["field"], payload["value"])
        findings = FINDINGS.validate_python(payload["findings"])
        self.masks.add(payload["mask_id"])
        self.next_number = max([self.next_number, *(number_lesion(lesion.lesion_id) + 1 for lesion in findings.lesions)])
        return _take_findings(self.reading, event.kind, payload["mask_id"], findings)

    def _describe(self, event: Event) -> str:
        if event.kind == "undo" and (undone := self.find_entry(event.payload["undoes"])):
            return f"Undo: {undone.summary}"
        return describe_event(event)


def replay(events: Iterable[Event]) -> Case:
    """The case after all of its events, oldest first."""
    case = Case()
    for event in events:
        case.apply(event)
    return case


def apply_edit(reading: Reading, lesion_id: str | None, field_name: str, value: Any) -> Reading:
    """A reading with one value changed.

    Raises:
        InputError: an override or a tie that LI-RADS does not have.
        KeyError: no such lesion.
    """
    if field_name in STUDY_FIELDS:
        return replace(reading, **{field_name: value})
    if lesion_id is None or (lesion := reading.find(lesion_id)) is None:
        raise KeyError(lesion_id)
    changed = replace(lesion, values=change_values(lesion.values, field_name, value))  # type: ignore[arg-type]
    return replace(reading, lesions=tuple(changed if other is lesion else other for other in reading.lesions))


def _take_findings(reading: Reading, kind: str, mask_id: str, findings: Findings) -> Reading:
    """A run starts from the network's word alone; after an edited mask, readers' values stay on the lesions that kept their ids, and so do the rules;
    what readers said of the study stays anyway."""
    kept = {} if kind == "run" else {lesion.measured.lesion_id: lesion.values for lesion in reading.lesions}
    lesions = sorted(findings.lesions, key=lambda lesion: number_lesion(lesion.lesion_id))
    return replace(
        reading,
        mask_id=mask_id,
        mask_by="network" if kind == "run" else reading.mask_by,
        characterised_mask=mask_id,
        lesions=tuple(ReadLesion(measured, kept.get(measured.lesion_id, ReaderValues())) for measured in lesions),
        components_ignored=findings.components_ignored,
        phases=findings.phases,
        decision_threshold=findings.decision_threshold,
        rules=findings.rules if kind == "run" or not reading.rules else reading.rules,
        versions=findings.versions,
        notices=findings.notices,
        machine_voxels=frozenset(lesion.voxels_digest for lesion in lesions) if kind == "run" else reading.machine_voxels,
        early_arterial=findings.early_arterial)
