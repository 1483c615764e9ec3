"""A clock that is set while a patient is examined: the order in time is that of UTC, told by each image's offset."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lirads_keras.entities import Phase
from lirads_keras.errors import InputError
from lirads_keras.io.deidentify import deidentify_folder
from lirads_keras.io.dicom import read_study
from lirads_keras.io.dicom_headers import parse_utc_offset
from lirads_keras.io.pseudonyms import Pseudonyms

PHASES = [Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED]
BACK = ("20201101015930-0400", "20201101010005-0500", "20201101010230-0500")
"""The night of 2020-11-01 in New York: 35 s and 180 s after the arterial image."""


def write(folder: Path, write_series: Callable[..., Any], moments: tuple[str, ...], **attributes: Any) -> Path:
    for number, (name, moment) in enumerate(zip(("LAVA ART", "DYN", "DYN"), moments, strict=True)):
        write_series(folder, description=name, series=number, AcquisitionDateTime=moment, AcquisitionTime=None, AcquisitionDate=None, **attributes)
    return folder


@pytest.mark.parametrize("moments", [
    BACK, ("20200329015930+0100", "20200329030005+0200", "20200329030230+0200"), ("20201101015930-0400", "20201101060005+0000", "20201101060230+0000"),
    ("20201101015930", "20201101020005", "20201101020230"), ("20201101015930-0400", "20201101020005-0400", "20201101020230-0400")],
    ids=["set back", "set forward", "another clock", "no offset", "one offset"])
def test_the_order_is_that_of_utc(tmp_path: Path, write_series: Callable[..., Any], moments: tuple[str, ...]) -> None:
    study = read_study(write(tmp_path / "study", write_series, moments))
    assert [series.phase for series in study.list_read()] == PHASES
    assert [series.acquired_s - study.list_read()[0].acquired_s for series in study.list_read() if series.acquired_s and study.list_read()[0].acquired_s] == [
        0, 35, 180]


def test_the_offset_of_the_whole_image_counts_where_a_time_has_none(tmp_path: Path, write_series: Callable[..., Any]) -> None:
    for number, (name, moment) in enumerate(zip(("LAVA ART", "DYN", "DYN"), BACK, strict=True)):
        write_series(tmp_path / "study", description=name, series=number, AcquisitionDate=moment[:8], AcquisitionTime=moment[8:14],
                     TimezoneOffsetFromUTC=moment[14:])
    assert [series.phase for series in read_study(tmp_path / "study").list_read()] == PHASES


@pytest.mark.parametrize("moment, of_image, seconds", [
    ("20201101015930-0400", "", -14400), ("20201101015930.25+0530", "-0500", 19800), ("20201101015930", "-0500", -18000), ("20201101015930", "", None),
    ("", "", None), ("20201101-0400", "", -14400), ("20201101015930", "summer", None)])
def test_offsets(moment: str, of_image: str, seconds: float | None) -> None:
    assert parse_utc_offset(moment, of_image) == seconds


def test_copies_that_would_lose_the_order_are_not_made(tmp_path: Path, write_series: Callable[..., Any]) -> None:
    folder = write(tmp_path / "in", write_series, BACK)
    with pytest.raises(InputError, match="images that can be cleaned"):
        deidentify_folder(folder, tmp_path / "out", tmp_path / "key", lambda: Pseudonyms(b"k" * 32))
    deidentify_folder(folder, tmp_path / "out", tmp_path / "key", lambda: Pseudonyms(b"k" * 32), keep_times=False)
    assert [series.phase for series in read_study(tmp_path / "out").list_read()] == PHASES
    one = write(tmp_path / "in of one", write_series, ("20201101015930-0400", "20201101020005-0400", "20201101020230-0400"))
    deidentify_folder(one, tmp_path / "out of one", tmp_path / "key", lambda: Pseudonyms(b"k" * 32))
    assert [series.phase for series in read_study(tmp_path / "out of one").list_read()] == PHASES
