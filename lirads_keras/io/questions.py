"""The table phase_overrides.csv: what the user is asked, with what tells one time point from another, and what the user has written there."""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lirads_keras.entities import Phase
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io import time_point_marks
from lirads_keras.io.dicom_elements import Unusable
from lirads_keras.io.dicom_series import TimePoint
from lirads_keras.io.phase_choice import NAME, Key, PhaseChoices, key_of
from lirads_keras.io.read_series import describe_series
from lirads_keras.io.tables import NUMBER, read_table
from lirads_keras.io.thumbnails import describe_failure, name_thumbnail, write_thumbnail
from lirads_keras.io.time_point_marks import list_marks, sort_by_time

COLUMNS = ("patient_id", "examination", "series_uid", "time_point", "description", *time_point_marks.COLUMNS, "thumbnail", "candidates", "evidence", "phase")

_TIME = re.compile(r"(\d{1,2}):(\d\d):(\d\d)", re.ASCII)


@dataclass(frozen=True)
class Questions:
    """The columns and rows of phase_overrides.csv, and a notice for each question that has no thumbnail."""

    columns: tuple[str, ...]
    rows: list[dict[str, str]]
    notices: list[str]


def build_questions(
        out: Path, patients: Iterable[tuple[str, Mapping[str, int], Sequence[TimePoint], PhaseChoices]], answers: Mapping[Key, Phase]) -> Questions:
    """The open questions with their thumbnails, which are written, and the answered ones with their answers and the thumbnails that they had.

    Rows are in order of patient, examination and time. Columns that the user added to an earlier table stay, and so do rows in which there is anything.

    Args:
        out: the manifest's folder.
        patients: of each the id, the number of each study, all time points, and what was chosen of them.
        answers: of the user.
    """
    added, remarks, there = _read_remarks(out / NAME)
    rows, notices = [], []
    for patient_id, numbers, points, choices in patients:
        asked = {key_of(question.time_point): question for question in choices.questions}
        by_study: dict[int, list[TimePoint]] = {}
        for point in points:
            by_study.setdefault(numbers[point.headers[0].examination.study_uid], []).append(point)
        for examination, of_study in sorted(by_study.items()):
            for point in sort_by_time(of_study):
                key = key_of(point)
                remark = remarks.pop(key, {})
                question = asked.get(key)
                if not (question or key in answers or remark):
                    continue
                thumbnail = name_thumbnail(point) if not question and (out / name_thumbnail(point)).is_file() else ""
                if question:
                    try:
                        thumbnail = write_thumbnail(out, point)
                    except (InputError, Unusable, OSError) as error:
                        notices.append(f"{describe_series(point.series)}: no thumbnail: {describe_failure(error)}")
                rows.append({
                    "patient_id": patient_id, "examination": str(examination), "series_uid": key[0], "time_point": str(key[1]),
                    "description": point.series.description, **list_marks(point), "thumbnail": thumbnail,
                    "candidates": " ".join(question.candidates) if question else "", "evidence": question.evidence if question else point.finding.evidence,
                    "phase": str(answers.get(key, "")), **remark})
    # What was written about time points that are not there any more.
    rows += [there[key] | remark | {"thumbnail": ""} for key, remark in remarks.items()]
    return Questions((*COLUMNS, *added), rows, notices)


def check_answers_fit(out: Path, points: Iterable[TimePoint]) -> None:
    """Raises InputError for answers whose time point is another one now, because files of its series came or went: it has another time or echo time than
    when it was asked. Cells that are empty, or that a spreadsheet wrote in its own way, say nothing."""
    table = read_table(out / NAME, ("series_uid", "time_point", "phase"), []) if (out / NAME).exists() else None
    if table is None:
        return
    known = {key_of(point): list_marks(point) for point in points}
    problems = []
    for row, cells in enumerate(table.frame.to_dict("records")):
        marks = known.get((cells["series_uid"], int(cells["time_point"] or 0))) if cells["phase"] else None
        for column, read in (("acquired", _read_time), ("echo_time_ms", _read_number)):
            asked = read(cells.get(column, ""))
            if marks and asked is not None and asked != read(marks[column]):
                there = f"{marks[column] or 'nothing'}, as time point {cells['time_point'] or 0} of the series has now"
                problems.append(Problem(
                    table.where(row, column), f"{there} (or an empty cell, if it is meant)", f"{cells[column]}, so that the answer is about another"))
    raise_if_any(problems)


def _read_time(text: str) -> int | None:
    found = _TIME.fullmatch(text)
    return 3600 * int(found[1]) + 60 * int(found[2]) + int(found[3]) if found else None


def _read_number(text: str) -> float | None:
    return float(text) if NUMBER.fullmatch(text) else None


def _read_remarks(path: Path) -> tuple[list[str], dict[Key, dict[str, str]], dict[Key, dict[str, str]]]:
    """The columns that the user added to the table, what stands in them, and the rows; `phase_choice.read_overrides` has told what is wrong with it."""
    table = read_table(path, ("series_uid", "time_point"), []) if path.exists() else None
    if table is None:
        return [], {}, {}
    added = [str(name) for name in table.frame.columns if name not in COLUMNS]
    remarks: dict[Key, dict[str, str]] = {}
    rows: dict[Key, dict[str, str]] = {}
    for row in table.frame.to_dict("records"):
        cells = {str(name): text for name, text in row.items()}
        time = cells["time_point"] or "0"
        remark = {name: text for name in added if (text := cells[name])}
        if remark and time.isdecimal():
            key = cells["series_uid"], int(time)
            rows[key] = cells
            there = remarks.setdefault(key, {})
            for name, text in remark.items():
                if name not in there:
                    there[name] = text
                elif text not in there[name].split("; "):
                    there[name] += f"; {text}"
    return added, remarks, rows
