"""Which series was read as which phase, in words and as JSON values: what shows a wrong phase map to whoever reads a result."""
from __future__ import annotations

from typing import Any

from lirads_keras.entities import Series
from lirads_keras.words import name_phases

SECONDS_A_DAY = 86400


def series_to_json(series: Series) -> dict[str, Any]:
    """The phase, the series and the evidence; `acquired` is the time of day, null where the files do not tell."""
    return {
        "phase": str(series.phase),
        "series_uid": series.series_uid,
        "series_number": series.number,
        "series_description": series.description,
        "time_point": series.temporal_index,
        "images": len(series.files),
        "acquired": write_time_of_day(series),
        "seconds_after_contrast": None if series.seconds_after_contrast is None else round(series.seconds_after_contrast, 3),
        "evidence": series.phase_evidence}


def describe_read(series: Series) -> str:
    """"arterial phase: series 5 'LAVA ART', time point 0, at 13:56:31, 35 s after contrast (SeriesDescription 'LAVA ART': art)"."""
    assert series.phase is not None
    number = "series without a number" if series.number is None else f"series {series.number}"
    acquired, seconds = write_time_of_day(series), series.seconds_after_contrast
    parts = [f"{number} '{series.description}'", f"time point {series.temporal_index}",
             f"at {acquired}" if acquired else "at a time that is not told", "" if seconds is None else f"{seconds:.0f} s after contrast"]
    return f"{name_phases([series.phase])}: {', '.join(filter(None, parts))} ({series.phase_evidence})"


def describe_series(series: Series) -> str:
    """A series in words, for messages."""
    return f"series '{series.description}' ({series.series_uid}), time point {series.temporal_index}"


def write_time_of_day(series: Series) -> str | None:
    """HH:MM:SS of `acquired_s`."""
    if series.acquired_s is None:
        return None
    minutes, seconds = divmod(int(series.acquired_s) % SECONDS_A_DAY, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
