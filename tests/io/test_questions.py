"""What the user is asked about phases, and what becomes of the answers and of everything else that is written into the table."""
from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from lirads_keras.cli import main
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.dicom import read_study
from lirads_keras.io.index import IndexSummary, index_folder
from lirads_keras.io.pseudonyms import Pseudonyms
from lirads_keras.io.tables import read_table
from lirads_keras.io.thumbnails import LONGEST_SIDE_PX, draw_thumbnail

WriteSeries = Callable[..., list[Path]]
WriteImage = Callable[..., Path]

FORMER_COLUMNS = ("patient_id", "examination", "series_uid", "time_point", "description", "slices", "candidates", "evidence", "phase")
NAME = "phase_overrides.csv"


def index(root: Path) -> IndexSummary:
    return index_folder(root / "in", root / "out", lambda: Pseudonyms(bytes(32)), cohort="test")


def rows(root: Path) -> list[dict[str, str]]:
    with open(root / "out" / NAME, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def save(root: Path, table: list[dict[str, str]], columns: tuple[str, ...] = (), **style: Any) -> None:
    """The table as a program for tables might save it."""
    with open(root / "out" / NAME, "w", newline="", encoding=style.pop("encoding", "utf-8")) as file:
        writer = csv.DictWriter(file, columns or tuple(table[0]), extrasaction="ignore", **style)
        writer.writeheader()
        writer.writerows(table)


def thumbnails(root: Path) -> list[str]:
    return sorted(path.relative_to(root / "out").as_posix() for path in (root / "out" / "thumbnails").glob("*"))


@pytest.fixture
def alike(tmp_path: Path, write_series: WriteSeries) -> Path:
    """Series of one name and one number; those of the later UIDs were acquired first. The clock tells the second as delayed."""
    for series, (time, echo, kind) in enumerate((
            (None, 1.2, "M"), ("100800", 1.2, "M"), ("100500.75", 2.4, "M"), ("100500.75", 1.2, "PHASE_REAL"), ("095959", 1.2, "M")), start=1):
        write_series(tmp_path / "in" / str(series), series + 1, description="vibe dyn", series=series, SeriesNumber=7, AcquisitionTime=time, EchoTime=echo,
                     ContrastBolusStartTime="100500" if series == 2 else None, ImageType=["ORIGINAL", "PRIMARY", kind])
    return tmp_path


def test_rows_are_in_order_of_time_and_tell_series_of_one_name_and_number_apart(alike: Path) -> None:
    index(alike)
    columns = ("series_number", "acquired", "image_type", "echo_time_ms", "slices")
    assert [tuple(row[name] for name in columns) for row in rows(alike)] == [
        ("7", "09:59:59", "ORIGINAL\\PRIMARY\\M", "1.2", "6"),
        ("7", "10:05:00", "ORIGINAL\\PRIMARY\\M", "2.4", "4"),
        ("7", "10:05:00", "ORIGINAL\\PRIMARY\\PHASE_REAL", "1.2", "5"),
        ("7", "", "ORIGINAL\\PRIMARY\\M", "1.2", "2")]
    assert len({row["thumbnail"] for row in rows(alike)}) == 4 and thumbnails(alike) == sorted(row["thumbnail"] for row in rows(alike))


def test_examinations_come_before_times_and_seconds_after_contrast_are_said_where_the_clock_tells(tmp_path: Path, write_series: WriteSeries) -> None:
    for series, (date, time) in enumerate((("20200102", "080000"), ("20200101", "200000"), ("20200101", "193000")), start=1):
        write_series(tmp_path / "in" / str(series), description="DYN", series=series, StudyInstanceUID=f"1.2.{date}", StudyDate=date,
                     AcquisitionDate=date, AcquisitionTime=time, ContrastBolusStartTime="192000" if series > 1 else None)
    index(tmp_path)
    assert [(row["examination"], row["acquired"], row["seconds_after_contrast"]) for row in rows(tmp_path)] == [
        ("1", "19:30:00", "600"), ("1", "20:00:00", "2400"), ("2", "08:00:00", "")]


def test_what_predict_lists_tells_series_apart_too(alike: Path) -> None:
    (alike / "in" / "2").rename(alike / "delayed")
    with pytest.raises(InputError) as caught:
        read_study(alike / "in")
    message = str(caught.value)
    words = (
        "at 09:59:59, ORIGINAL\\PRIMARY\\M, TE 1.2 ms", "at 10:05:00, ORIGINAL\\PRIMARY\\M, TE 2.4 ms",
        "at 10:05:00, ORIGINAL\\PRIMARY\\PHASE_REAL, TE 1.2 ms", "at a time that is not told, ORIGINAL\\PRIMARY\\M, TE 1.2 ms")
    places = [message.index(f"[number 7, {word}]") for word in words]
    assert places == sorted(places) and "\n" not in message
    (alike / "map.yaml").write_text("delayed: {series: nothing}")
    with pytest.raises(InputError, match="number 7, at 10:08:00, 180 s after contrast, ORIGINAL"):
        read_study(alike / "delayed", alike / "map.yaml")
    assert len(read_study(alike / "delayed").series) == 1


def test_time_points_of_one_series_share_an_entry_of_the_message(tmp_path: Path, write_series: WriteSeries) -> None:
    for time in range(40):
        write_series(tmp_path / str(time), 2, description="DYN", AcquisitionTime=f"10{time:02}00", EchoTime=1.5)
    with pytest.raises(InputError) as caught:
        read_study(tmp_path)
    message = str(caught.value)
    assert message.count("series 'DYN'") == 1 and message.endswith("and 28 more]")
    assert "TE 1.5 ms, time point 0 at 10:00:00, time point 1 at 10:01:00" in message


def test_a_thumbnail_has_true_proportions_and_the_middle_slice(tmp_path: Path, write_series: WriteSeries, write_image: WriteImage) -> None:
    (tmp_path / "in").mkdir()
    for z in range(3):
        pixels = np.random.default_rng(z).integers(0, 20, (40, 100)).astype(np.uint16)
        if z == 1:
            pixels[:20] += 1000
        write_image(tmp_path / "in" / str(z), pixels, SeriesDescription="DYN", ImagePositionPatient=[0, 0, 4 * z], PatientID="Doe")
    index(tmp_path)
    (row,) = rows(tmp_path)
    path = tmp_path / "out" / row["thumbnail"]
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image.dtype == np.uint8 and image.shape == (round(LONGEST_SIDE_PX * 80 / 150), LONGEST_SIDE_PX)
    assert image[:45].min() > 200 and image[60:].max() < 20
    assert "Doe" not in path.name and row["series_uid"] not in path.name and row["thumbnail"].startswith("thumbnails/")
    before = path.read_bytes()
    path.unlink()
    index(tmp_path)
    assert path.read_bytes() == before


def test_what_is_inverted_or_padded_is_shown_as_it_is_read(tmp_path: Path, write_image: WriteImage) -> None:
    ramp = np.tile(np.arange(100, dtype=np.uint16) * 10 + 5, (100, 1))
    for name, pixels, attributes in (
            ("plain", ramp, {}), ("inverted", 1000 - ramp, {"PhotometricInterpretation": "MONOCHROME1"}),
            ("padded", np.where(np.arange(100)[:, None] < 50, 60000, ramp).astype(np.uint16), {"PixelPaddingValue": 60000})):
        (tmp_path / "in" / name).mkdir(parents=True)
        for z in range(3):
            write_image(tmp_path / "in" / name / str(z), pixels, **{
                "SeriesDescription": "DYN", "SeriesInstanceUID": f"1.2.{len(name)}", "PixelSpacing": [1, 1],
                "ImagePositionPatient": [0, 0, 4 * z]} | attributes)
    index(tmp_path)
    images = {row["series_uid"]: cv2.imread(str(tmp_path / "out" / row["thumbnail"]), 0).astype(int) for row in rows(tmp_path)}
    plain, inverted, padded = (images[f"1.2.{length}"] for length in (5, 8, 6))
    assert np.abs(plain - inverted).max() <= 3
    assert padded[:90].max() == 0 and np.abs(plain - padded)[100:].max() <= 6


@settings(max_examples=30)
@given(st.tuples(st.integers(1, 400), st.integers(1, 400)), st.tuples(st.floats(0.01, 10), st.floats(0.01, 10)), st.sampled_from([0, 7, np.inf, -1e38]))
def test_any_image_becomes_a_thumbnail(shape: tuple[int, int], spacing_mm: tuple[float, float], odd: float) -> None:
    image = np.zeros(shape, np.float32)
    image[0, 0] = odd
    drawn = draw_thumbnail(image, spacing_mm)
    assert drawn.dtype == np.uint8 and max(drawn.shape) == LONGEST_SIDE_PX and min(drawn.shape) >= 1


def test_a_slice_that_cannot_be_decoded_has_no_thumbnail_and_a_notice(tmp_path: Path, write_series: WriteSeries) -> None:
    for series in (1, 2):
        write_series(tmp_path / "in" / str(series), description="DYN", series=series)
    index(tmp_path)
    assert len(thumbnails(tmp_path)) == 2
    for path in (tmp_path / "in" / "2").iterdir():
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
        dataset.PixelData = encapsulate([b"no picture"])
        dataset["PixelData"].is_undefined_length = True
        dataset.save_as(path)
    summary = index(tmp_path)
    first, second = sorted(rows(tmp_path), key=lambda row: row["series_uid"])
    assert first["thumbnail"] and not second["thumbnail"] and thumbnails(tmp_path) == [first["thumbnail"]]
    (notice,) = (line for line in summary.notices if "no thumbnail" in line)
    assert f"({second['series_uid']})" in notice and "cannot be decoded" in notice and "\n" not in notice


@pytest.mark.parametrize("style", [
    {}, {"encoding": "utf-8-sig", "lineterminator": "\r\n"}, {"quoting": csv.QUOTE_ALL}, {"columns": (*FORMER_COLUMNS, "remark", "who")},
    {"lineterminator": ",,,\r\n"}, {"columns": ("who", "series_uid", "phase", "time_point", "remark")}])
def test_answers_remarks_and_thumbnails_of_answers_are_kept_however_the_table_is_saved(
        tmp_path: Path, write_series: WriteSeries, style: dict[str, Any]) -> None:
    for series in (1, 2, 3, 4):
        write_series(tmp_path / "in" / str(series), description="DYN", series=series, AcquisitionTime=f"10{series}000")
    assert index(tmp_path).questions == 4
    (tmp_path / "out" / "thumbnails" / "mine.png").write_text("of the user")
    asked = rows(tmp_path)
    given = [row | {"remark": remark, "who": "", "phase": phase} for row, remark, phase in zip(
        asked, ("sharp, and late", "", "moved;\n\"blurred\"", ""), ("arterial", "portal_venous", "", "delayed"), strict=True)]
    save(tmp_path, given, **style)
    for _ in range(2):
        index(tmp_path)
        kept = rows(tmp_path)
        assert [(row["phase"], row["remark"], row["who"]) for row in kept] == [(row["phase"], row["remark"], "") for row in given]
        assert [row["acquired"] for row in kept] == ["10:10:00", "10:20:00", "10:30:00", "10:40:00"]
        # The third is asked no more, and is there for its remark alone.
        assert [row["candidates"] for row in kept] == [""] * 4 and [row["thumbnail"] for row in kept] == [row["thumbnail"] for row in asked]
    save(tmp_path, [row | {"remark": ""} for row in kept])
    index(tmp_path)
    assert [row["phase"] for row in rows(tmp_path)] == ["arterial", "portal_venous", "delayed"]
    assert thumbnails(tmp_path) == sorted([asked[index]["thumbnail"] for index in (0, 1, 3)] + ["thumbnails/mine.png"])


def test_thumbnails_leave_with_their_questions_and_remarks_stay_without_their_images(tmp_path: Path, write_series: WriteSeries) -> None:
    for series in (1, 2):
        write_series(tmp_path / "in" / str(series), description="DYN", series=series)
    index(tmp_path)
    asked = rows(tmp_path)[0] | {"remark": "poor"}
    save(tmp_path, [asked, asked | {"remark": "moved"}, asked])
    (tmp_path / "in" / "1").rename(tmp_path / "gone")
    write_series(tmp_path / "in" / "2", description="LAVA DELAYED 180s", series=2)
    index(tmp_path)
    (row,) = rows(tmp_path)
    assert row == asked | {"remark": "poor; moved", "thumbnail": ""} and not (tmp_path / "out" / "thumbnails").exists()


def test_an_answer_is_not_taken_for_another_time_point_when_files_come(tmp_path: Path, write_series: WriteSeries) -> None:
    for time in (2, 3):
        write_series(tmp_path / "in" / str(time), description="DYN", AcquisitionTime=f"0{time}0500", EchoTime=1.2)
    index(tmp_path)
    # A spreadsheet may write the same otherwise.
    save(tmp_path, [row | {"phase": phase, "acquired": row["acquired"].removeprefix("0"), "echo_time_ms": "1.20"}
                    for row, phase in zip(rows(tmp_path), ("arterial", "delayed"), strict=True)])
    index(tmp_path)
    answered = rows(tmp_path)
    assert [(row["phase"], row["acquired"]) for row in answered] == [("arterial", "02:05:00"), ("delayed", "03:05:00")]
    write_series(tmp_path / "in" / "1", description="DYN", AcquisitionTime="010500", EchoTime=1.2)
    with pytest.raises(InputError, match="line 2, acquired: expected 01:05:00, as time point 0 .* found 02:05:00, so that") as caught:
        index(tmp_path)
    assert len(caught.value.problems) == 2 and rows(tmp_path) == answered
    save(tmp_path, [row | {"time_point": str(int(row["time_point"]) + 1)} for row in answered])
    index(tmp_path)
    assert [(row["time_point"], row["phase"], row["acquired"]) for row in rows(tmp_path)] == [
        ("0", "", "01:05:00"), ("1", "arterial", "02:05:00"), ("2", "delayed", "03:05:00")]
    save(tmp_path, [row | {"acquired": cell} for row, cell in zip(rows(tmp_path), ("", "", "3:05 AM"), strict=True)])
    assert index(tmp_path).questions == 1


@pytest.mark.parametrize("style, found", [
    ({"delimiter": ";"}, "semicolons"), ({"delimiter": ";", "quoting": csv.QUOTE_ALL}, "semicolons"), ({"delimiter": "\t", "encoding": "utf-8-sig"}, "tabs"),
    ({"encoding": "utf-16"}, "the byte 0xff at 0")])
def test_tables_that_are_no_utf_8_csv_are_named_and_nothing_is_changed(
        tmp_path: Path, write_series: WriteSeries, capsys: pytest.CaptureFixture[str], style: dict[str, Any], found: str) -> None:
    write_series(tmp_path / "in", description="DYN")
    index(tmp_path)
    save(tmp_path, rows(tmp_path), **style)
    before = (tmp_path / "out" / NAME).read_bytes()
    assert main(["data", "index", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert found in told and NAME in told and told.count("expected") == 1 and (tmp_path / "out" / NAME).read_bytes() == before


@settings(max_examples=30)
@given(st.integers(0, 5), st.integers(0, 5))
def test_empty_columns_at_the_end_are_no_columns(tmp_path_factory: pytest.TempPathFactory, in_header: int, in_rows: int) -> None:
    path = tmp_path_factory.getbasetemp() / "table.csv"
    path.write_text(f"a,b{',' * in_header}\n1,2{',' * in_rows}\n3,{',' * in_rows}\n")
    problems: list[Problem] = []
    table = read_table(path, ("a",), problems)
    assert not problems and table is not None and table.cells("a", "b") == [("1", "2"), ("3", "")] and list(table.frame) == ["a", "b"]
    path.write_text("a,b\n1,2,3\n")
    assert read_table(path, ("a",), problems) is not None and [str(problem.expected) for problem in problems] == ["2 cells"]
