"""What the reading application does, whoever asks: each method is one request of the page, without HTTP."""
from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass, replace
from typing import Any

import numpy as np

from lirads_keras.errors import InputError, Problem
from lirads_keras.lirads.diagnostic_table import RULE_SETS
from lirads_keras.lirads.steps import check_tie
from lirads_keras.reader.case import STUDY_FIELDS, ReadLesion, apply_edit
from lirads_keras.reader.errors import NotFound, Stale
from lirads_keras.reader.jobs import JobKind, JobQueue
from lirads_keras.reader.journal import Journal, compute_blob_id
from lirads_keras.reader.masks import pack_mask, unpack_mask
from lirads_keras.reader.room import BLOCKING, Room
from lirads_keras.reader.saving import Saves
from lirads_keras.reader.scoring import LESION_FIELDS
from lirads_keras.reader.state import build_state, save_to_json
from lirads_keras.reader.studies import OpenStudies, OpenStudy


class ReaderService:
    """The studies, their cases and the jobs.

    Every method that names a study may raise NotFound (no such study) and InputError (its images cannot be read, or are no longer those of its journal).
    Those that take a `revision` raise Stale where the study has changed since, or a job works on it; an edit or a mask is then kept as set aside.
    """

    def __init__(self, journal: Journal, studies: OpenStudies, jobs: JobQueue, saves: Saves) -> None:
        self.jobs = jobs
        self.studies = studies
        self._journal, self._saves = journal, saves
        self._rooms: dict[str, Room] = {}
        self._lock = threading.Lock()

    def list_studies(self) -> list[dict[str, Any]]:
        """Every study of the source with what its journal says; opens none."""
        rows = []
        for entry in self.studies.list_entries():
            room = self._find_room(entry.study_id)
            with room.lock:
                reading = room.case.reading
                rows.append({
                    "study_id": entry.study_id, "label": entry.label, "stage": reading.stage, "lesions": len(reading.lesions),
                    "updated": room.case.history[-1].event.moment if room.case.history else None, "opening": self.studies.describe_opening(entry.study_id)})
        return rows

    def read_state(self, study_id: str, who: str | None) -> dict[str, Any]:
        room, opened = self._enter(study_id)
        return self._state(room, opened, who)

    def start_run(self, study_id: str, who: str, revision: int) -> dict[str, Any]:
        """Segments the study and reads what is found."""
        room, opened = self._enter(study_id)
        with room.lock:
            self._require(room, opened, who, revision)
            self._submit(room, opened, who, "run", {})
            return self._state(room, opened, who)

    def start_next(self, study_id: str, who: str, revision: int) -> dict[str, Any]:
        """Measures and reads the lesions of the present mask."""
        room, opened = self._enter(study_id)
        with room.lock:
            self._require(room, opened, who, revision)
            mask_id = room.case.reading.mask_id
            if mask_id is None:
                raise InputError(Problem("the study", "a mask (Run, or one that you draw)", "none"))
            self._submit(room, opened, who, "next", {"mask": self._journal.read_blob(mask_id)})
            return self._state(room, opened, who)

    def start_explanation(self, study_id: str, who: str, revision: int, lesion_id: str) -> dict[str, Any]:
        """Makes the picture of where a lesion's features were read."""
        room, opened = self._enter(study_id)
        with room.lock:
            self._require(room, opened, who, revision)
            reading, lesion = room.case.reading, self._find_lesion(room, lesion_id)
            assert reading.characterised_mask is not None
            job_id = self.jobs.submit("explanation", study_id, {
                "study": opened.study, "grid": opened.grid, "mask": self._journal.read_blob(reading.characterised_mask), "lesion_id": lesion_id,
                "first_voxel": lesion.measured.first_voxel}, self._on_explained(room, who, reading.characterised_mask, lesion_id))
            room.take_job(job_id, who)
            return self._state(room, opened, who)

    def cancel_job(self, study_id: str, who: str) -> dict[str, Any]:
        """Ends the study's job, or puts away the message of one that failed."""
        room, opened = self._enter(study_id)
        with room.lock:
            if job := room.find_job(self.jobs):
                self.jobs.cancel(job.job_id)
            room.drop_job()
            return self._state(room, opened, who)

    def take_mask(self, study_id: str, who: str, revision: int, mask: np.ndarray) -> dict[str, Any]:
        """Replaces the mask (z, y, x), bool, on the study's grid; the one before stays in the journal."""
        room, opened = self._enter(study_id)
        packed = pack_mask(mask)
        with room.lock:
            before = room.case.reading.mask_id
            wanted = {"mask_id": compute_blob_id(packed), "applies": None}
            self._require(room, opened, who, revision, lambda: room.append(
                who, "set_aside", before=before, after=wanted["mask_id"], payload={"wanted": "mask", **wanted}, blobs=(packed,)).event_id)
            room.append(who, "mask", before=before, after=wanted["mask_id"], payload=wanted, blobs=(packed,))
            return self._state(room, opened, who)

    def edit(self, study_id: str, who: str, revision: int, lesion_id: str | None, field: str, value: Any) -> dict[str, Any]:
        """Changes one value of a lesion, or the rules; the categories follow at once.

        Raises:
            InputError: an override or a tie that LI-RADS does not have, or rules before there is anything to score.
        """
        room, opened = self._enter(study_id)
        with room.lock:
            wanted = {"lesion_id": lesion_id, "field": field, "value": value, "applies": None}
            before = self._check_edit(room, opened, wanted)
            self._require(room, opened, who, revision, lambda: room.append(
                who, "set_aside", before=before, after=value, payload={"wanted": "edit", **wanted}).event_id)
            room.append(who, "edit", before=before, after=value, payload=wanted)
            return self._state(room, opened, who)

    def apply_set_aside(self, study_id: str, who: str, revision: int, event_id: int) -> dict[str, Any]:
        """Does what a stale edit wanted, on top of the present state."""
        room, opened = self._enter(study_id)
        with room.lock:
            event = room.case.set_aside.get(event_id)
            if event is None:
                raise NotFound("an edit that was set aside and not applied yet")
            self._require(room, opened, who, revision, lambda: event_id)
            wanted = {name: value for name, value in event.payload.items() if name != "wanted"} | {"applies": event_id}
            if event.payload["wanted"] == "mask":
                room.append(who, "mask", before=room.case.reading.mask_id, after=wanted["mask_id"], payload=wanted)
            else:
                room.append(who, "edit", before=self._check_edit(room, opened, wanted), after=wanted["value"], payload=wanted)
            return self._state(room, opened, who)

    def undo(self, study_id: str, who: str, revision: int) -> dict[str, Any]:
        """Takes back the last step that stands."""
        room, opened = self._enter(study_id)
        with room.lock:
            self._require(room, opened, who, revision)
            last = room.case.last_step
            if last is None:
                raise InputError(Problem("undo", "a step after the network's first result", "none"))
            room.append(who, "undo", before=last.event.after, after=last.event.before, payload={"undoes": last.event.event_id})
            return self._state(room, opened, who)

    def save(self, study_id: str, who: str, revision: int) -> dict[str, Any]:
        """Writes what is read as DICOM, JSON and a page, and sends it to the PACS where the study came from one."""
        room, opened = self._enter(study_id)
        with room.lock:
            self._require(room, opened, who, revision)
            reading = room.case.reading
            if reading.stage != "characterised":
                raise InputError(Problem("the study", "lesions of the present mask (Run, or Next after an edit)", f"stage {reading.stage}"))
            assert reading.characterised_mask is not None
            mask = unpack_mask(self._journal.read_blob(reading.characterised_mask))
        # Other requests go on meanwhile: what is saved is what the reader saw.
        payload = self._saves.write(study_id, opened, reading, mask, observer=who)
        with room.lock:
            event = room.append(who, "save", after=payload["save_id"], payload={**payload, "revision": revision})
            return {"state": self._state(room, opened, who), "saved": save_to_json(event)}

    def read_mask(self, study_id: str, mask_id: str) -> tuple[OpenStudy, np.ndarray]:
        """A mask of the study's journal, bool (z, y, x)."""
        room, opened = self._enter(study_id)
        if mask_id not in room.case.masks:
            raise NotFound("a mask of this study")
        return opened, unpack_mask(self._journal.read_blob(mask_id))

    def read_explanation(self, study_id: str, lesion_id: str) -> bytes:
        """The picture of a lesion, PNG."""
        room, _ = self._enter(study_id)
        blob_id = room.case.find_explanation(lesion_id)
        if blob_id is None:
            raise NotFound("an explanation of a lesion of this study")
        return self._journal.read_blob(blob_id)

    def read_saved(self, study_id: str, save_id: str, name: str) -> bytes:
        """A file of a save."""
        self.studies.find_entry(study_id)
        for event in self._find_room(study_id).case.saved:
            if event.payload["save_id"] == save_id and name in event.payload["files"]:
                return self._saves.read(event.payload["where"], name)
        raise NotFound("a saved file of this study")

    def _find_room(self, study_id: str) -> Room:
        with self._lock:
            if study_id not in self._rooms:
                self._rooms[study_id] = Room(study_id, self._journal)
            return self._rooms[study_id]

    def _enter(self, study_id: str) -> tuple[Room, OpenStudy]:
        """The study's room, with its images opened and the same as ever."""
        opened = self.studies.open(study_id)
        room = self._find_room(study_id)
        with room.lock:
            if room.case.opened != opened.identity:
                if room.case.masks:
                    raise InputError(Problem(
                        f"study {opened.label}", f"the images that its journal is about ({_describe(room.case.opened)}); another --out starts anew",
                        f"others ({_describe(opened.identity)})"))
                room.append("", "opened", payload=opened.identity)
        return room, opened

    def _require(self, room: Room, opened: OpenStudy, who: str, revision: int, set_aside: Any = None) -> None:
        """Refuses a request that does not know the present state; `set_aside` keeps what it wanted and returns the event's number."""
        job = room.find_job(self.jobs)
        if job is not None and job.kind in BLOCKING and job.state != "failed":
            by, why = room.job_by, "a job works on this study"
        elif room.case.revision != revision:
            by, why = room.case.changed_by, "the study has changed since it was read"
        else:
            return
        event_id = None if set_aside is None else set_aside()
        raise Stale(by, why, event_id, self._state(room, opened, who))

    def _check_edit(self, room: Room, opened: OpenStudy, wanted: Mapping[str, Any]) -> Any:
        """Tries an edit, and returns the value that it replaces."""
        reading, field = room.case.reading.of_study(opened.study), wanted["field"]
        if field == "rules":
            if not reading.rules:
                raise InputError(Problem("rules", "lesions to score (Run first)", "none yet"))
        if field in STUDY_FIELDS:
            return getattr(reading, field)
        assert field in LESION_FIELDS
        lesion = self._find_lesion(room, wanted["lesion_id"])
        before = getattr(lesion.values, field)
        changed = apply_edit(reading, wanted["lesion_id"], field, wanted["value"]).find(wanted["lesion_id"])
        assert changed is not None
        if field == "tie" and changed.values.tie and RULE_SETS[reading.rules].has_reader_steps:
            # Of a withheld category no message tells either.
            check_tie(changed.values.tie, reading.score(replace(lesion, values=replace(lesion.values, tie=None))).category)
        if isinstance(before, tuple):
            return [str(item) for item in before]
        return asdict(before) if is_dataclass(before) and not isinstance(before, type) else before

    def _find_lesion(self, room: Room, lesion_id: str) -> ReadLesion:
        lesion = room.case.reading.find(lesion_id)
        if lesion is None:
            raise NotFound("a lesion of this study")
        return lesion

    def _submit(self, room: Room, opened: OpenStudy, who: str, kind: JobKind, payload: dict[str, Any]) -> None:
        """Starts a job whose result becomes an event."""
        reading = room.case.reading
        previous = None
        if reading.characterised_mask is not None:
            previous = (self._journal.read_blob(reading.characterised_mask),
                        {lesion.measured.lesion_id: lesion.measured.first_voxel for lesion in reading.lesions})

        def on_done(job_id: str, result: dict[str, Any]) -> None:
            with room.lock:
                if not room.is_job(job_id):
                    return
                packed: bytes = result["mask"] if kind == "run" else payload["mask"]
                mask_id = compute_blob_id(packed)
                room.append(who, kind, before={"mask_id": reading.mask_id, "lesions": len(reading.lesions)},
                            after={"mask_id": mask_id, "lesions": len(result["findings"]["lesions"])},
                            payload={"mask_id": mask_id, "findings": result["findings"]}, blobs=(packed,))
                room.drop_job()

        room.take_job(self.jobs.submit(kind, room.study_id, {
            "study": opened.study, "grid": opened.grid, "previous": previous, "next_number": room.case.next_number, **payload}, on_done), who)

    def _on_explained(self, room: Room, who: str, mask_id: str, lesion_id: str) -> Any:
        def on_done(job_id: str, picture: bytes) -> None:
            with room.lock:
                room.append(who, "explanation", payload={"mask_id": mask_id, "lesion_id": lesion_id, "blob": compute_blob_id(picture)}, blobs=(picture,))
                if room.is_job(job_id):
                    room.drop_job()

        return on_done

    def _state(self, room: Room, opened: OpenStudy, who: str | None) -> dict[str, Any]:
        with room.lock:
            return build_state(room.case, opened, room.study_id, room.find_job(self.jobs), room.note_reader(who))


def _describe(identity: Mapping[str, Any]) -> str:
    return f"{' × '.join(map(str, identity['shape']))} voxels; {', '.join(f'{phase} {digest}' for phase, digest in identity['series'].items())}"
