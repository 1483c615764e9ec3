"""What the history says of each event."""
from __future__ import annotations

from typing import Any

from lirads_keras.reader.journal import Event

FIELD_WORDS = {
    "aphe": "APHE", "washout": "washout", "capsule": "capsule", "threshold_growth": "threshold growth",
    "ancillary_malignant": "ancillary features favouring malignancy", "ancillary_benign": "ancillary features favouring benignity",
    "rim_aphe": "rim APHE", "prior": "earlier size", "tumor_in_vein": "tumor in vein", "high_risk": "high risk of HCC", "untreated": "untreated lesions",
    "despite_age": "categories under 18, too", "overrides": "reader's category", "tie": "undecided between", "rules": "rules"}


def describe_event(event: Event) -> str:
    """One line; an undo is described by what it takes back, which its own event does not know."""
    payload = event.payload
    match event.kind:
        case "opened":
            return "Opened"
        case "run":
            return f"Run: the network found {_count(payload['findings']['lesions'])}"
        case "next":
            return f"Next: {_count(payload['findings']['lesions'])} measured and read again"
        case "mask":
            return "Mask edited" + _applied(payload)
        case "edit":
            return describe_edit(payload["lesion_id"], payload["field"], event.before, event.after) + _applied(payload)
        case "set_aside":
            wanted = "a mask" if payload["wanted"] == "mask" else describe_edit(payload["lesion_id"], payload["field"], event.before, event.after)
            return f"Set aside, because the study had changed meanwhile: {wanted}"
        case "save":
            return f"Saved as {payload['save_id']}"
        case "explanation":
            return f"Explanation of {payload['lesion_id']}"
    return event.kind


def describe_edit(lesion_id: str | None, field: str, before: Any, after: Any) -> str:
    """"P1 washout: the network's → present"."""
    return f"{f'{lesion_id} ' if lesion_id else ''}{FIELD_WORDS[field]}: {_describe_value(field, before)} → {_describe_value(field, after)}"


def _describe_value(field: str, value: Any) -> str:
    if value is None or value == []:
        return "the network's" if field in ("aphe", "washout", "capsule") else "not answered" if field in ("high_risk", "untreated") else "none"
    if isinstance(value, bool):
        yes, no = ("yes", "no") if field in ("high_risk", "untreated", "despite_age") else ("present", "absent")
        return yes if value else no
    if isinstance(value, dict):
        vouched = "the same untreated lesion" if value["same_untreated"] else "not confirmed to be the same untreated lesion"
        return f"{value['diameter_mm']:g} mm, {value['modality']} {value['days']:g} days before, {vouched}"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _count(lesions: list[Any]) -> str:
    return f"{len(lesions)} lesion{'' if len(lesions) == 1 else 's'}"


def _applied(payload: dict[str, Any]) -> str:
    return "" if payload.get("applies") is None else " (had been set aside)"
