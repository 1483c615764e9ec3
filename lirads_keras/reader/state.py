"""STATE, the answer to nearly every request of the page, as JSON values."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lirads_keras.entities import ENHANCED_PHASES, FEATURE_PHASES, HEAD_FEATURES, READ_PHASES
from lirads_keras.io.agent_effects import tell_agent
from lirads_keras.io.read_series import describe_read, series_to_json
from lirads_keras.lirads.applicability import TUMOR_IN_VEIN, describe_applicability
from lirads_keras.lirads.categorize import FEATURE_WORDS
from lirads_keras.reader.case import Case, HistoryEntry, Reading, ReadLesion
from lirads_keras.reader.jobs import Job
from lirads_keras.reader.journal import Event
from lirads_keras.reader.scoring import list_decided
from lirads_keras.reader.studies import OpenStudy

HISTORY_MAX = 200
"""So many of the latest events are told; all are in the journal."""


def build_state(case: Case, opened: OpenStudy, study_id: str, job: Job | None, readers: Sequence[str]) -> dict[str, Any]:
    """All that the page shows of a study."""
    reading, last = case.reading.of_study(opened.study), case.last_step
    return {
        "study_id": study_id,
        "label": opened.label,
        "revision": case.revision,
        "stage": reading.stage,
        "rules": reading.rules,
        "phases": [str(phase) for phase in READ_PHASES if phase in opened.images],
        "grid": {"shape_zyx": list(opened.grid.shape), "spacing_zyx_mm": list(opened.grid.spacing_mm)},
        "notices": _list_notices(reading, opened),
        "read": [series_to_json(series) | {"text": describe_read(series)} for series in opened.study.list_read()],
        "contrast_agent": tell_agent(opened.study.contrast_agent),
        "left_out": list(opened.study.left_out),
        "population": [*([TUMOR_IN_VEIN] if reading.has_tumor_in_vein else []), *describe_applicability(reading.applicability)],
        "adult": reading.is_adult,
        "high_risk": reading.high_risk,
        "untreated": reading.untreated,
        "despite_age": reading.despite_age,
        "tumor_in_vein": reading.tumor_in_vein,
        "mask": None if reading.mask_id is None else {"mask_id": reading.mask_id, "by": reading.mask_by},
        "components_ignored": reading.components_ignored,
        "job": None if job is None else _job_to_json(job),
        "lesions": [_lesion_to_json(lesion, reading, case) for lesion in reading.lesions],
        "readers": list(readers),
        "history": [_entry_to_json(entry) for entry in case.history[-HISTORY_MAX:]],
        "can_undo": last is not None,
        "undo_summary": "" if last is None else last.summary,
        "set_aside": list(case.set_aside),
        "saved": [save_to_json(event) for event in case.saved],
    }


def save_to_json(event: Event) -> dict[str, Any]:
    """One save, as STATE lists it; `stored` says where a PACS keeps it, `store_error` why it does not."""
    payload = event.payload
    return {"save_id": payload["save_id"], "when": event.moment, "who": event.who, "where": payload["where"], "files": payload["files"],
            "stored": payload["stored"], "store_error": payload["store_error"]}


def _list_notices(reading: Reading, opened: OpenStudy) -> list[str]:
    # Those of the study stand in the reading only once it has been made.
    notices = list(dict.fromkeys([*reading.notices, *opened.study.notices]))
    notices += [f"This study has no {str(phase).replace('_', ' ')} phase." for phase in ENHANCED_PHASES if phase not in opened.images]
    for feature, phases in FEATURE_PHASES.items():
        if not any(phase in opened.images for phase in phases):
            words = " or ".join(str(phase).replace("_", " ") for phase in phases)
            notices.append(f"Without {'an' if words.startswith('a') else 'a'} {words} phase {FEATURE_WORDS[feature]} cannot be assessed.")
    if reading.components_ignored:
        notices.append(f"{reading.components_ignored} part(s) of the mask are too small to be counted as lesions.")
    return notices


def _job_to_json(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id, "kind": job.kind, "state": "running" if job.state == "done" else job.state, "message": job.message,
        "fraction": job.fraction, "error": None if job.error is None else str(job.error)}


def _lesion_to_json(lesion: ReadLesion, reading: Reading, case: Case) -> dict[str, Any]:
    measured, values, decided = lesion.measured, lesion.values, list_decided(lesion.values)
    score = reading.score(lesion)
    return {
        "lesion_id": measured.lesion_id,
        "diameter_mm": measured.diameter_mm,
        "volume_ml": measured.volume_ml,
        "largest_slice": measured.largest_slice,
        "centroid_zyx": list(measured.centroid_zyx),
        "features": {str(feature): {
            "probability": getattr(measured.probabilities, feature),
            "present": getattr(score.observation, feature),
            "by": "reader" if feature in decided else "network"} for feature in HEAD_FEATURES},
        "rim_aphe": values.rim_aphe,
        "threshold_growth": values.threshold_growth,
        "prior": None if values.prior is None else asdict(values.prior),
        "growth": None if score.growth is None else str(score.growth),
        "ancillary_malignant": values.ancillary_malignant,
        "ancillary_benign": values.ancillary_benign,
        "overrides": [str(category) for category in values.overrides],
        "tie": None if values.tie is None else [str(category) for category in values.tie],
        "category": str(score.category),
        "reasons": score.reasons,
        "machine_category": str(score.machine_category),
        "explanation": case.find_explanation(measured.lesion_id) is not None,
        "changed": reading.is_changed(lesion),
    }


def _entry_to_json(entry: HistoryEntry) -> dict[str, Any]:
    event = entry.event
    return {"event_id": event.event_id, "when": event.moment, "who": event.who, "kind": event.kind, "summary": entry.summary,
            "before": event.before, "after": event.after, "undone": entry.undone}
