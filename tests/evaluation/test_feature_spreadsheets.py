"""Tables of features as spreadsheets and programs write them: read where they are clear, else refused with what is wrong named."""
from __future__ import annotations

import csv

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lirads_keras.errors import InputError
from lirads_keras.evaluation.feature_table import score_feature_table

NAMES = ("lesion_id", "diameter_mm", "aphe", "washout", "capsule")
ROWS = (("L1", "25.4", "yes", "yes", "no"), ("L2", "12.0", "yes", "no", "no"), ("L3", "31", "no", "", "yes"))
RIGHT = ["LR-5", "LR-3", "LR-4"]
"""By Table 3 and v2018: APHE and washout from 20 mm on; APHE alone, 10 to 19 mm; no APHE, capsule, from 20 mm on."""


def write(separator=",", header=NAMES, rows=ROWS, end="\n") -> str:
    return "".join(separator.join(row) + end for row in (header, *rows))


def with_cells(column, *cells, rows=ROWS):
    return tuple(tuple(cell if index == column else old for index, old in enumerate(row)) for row, cell in zip(rows, cells, strict=True))


@pytest.fixture
def read(tmp_path):
    """The categories of a table."""
    def run(content, unit=None, rules="v2018"):
        path = tmp_path / "features.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        (tmp_path / "out.csv").unlink(missing_ok=True)
        assert score_feature_table(path, tmp_path / "out.csv", rules, unit) == len((tmp_path / "out.csv").read_text().splitlines()) - 1
        with open(tmp_path / "out.csv", encoding="utf-8", newline="") as file:
            return [row["category"] for row in csv.DictReader(file)]

    return run


@pytest.fixture
def refuse(tmp_path):
    """What is told of a table that is refused; nothing is written."""
    def run(content, unit=None, rules="v2018"):
        path = tmp_path / "features.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        (tmp_path / "out.csv").unlink(missing_ok=True)
        with pytest.raises(InputError) as caught:
            score_feature_table(path, tmp_path / "out.csv", rules, unit)
        assert [entry.name for entry in tmp_path.iterdir()] == ["features.csv"]
        return str(caught.value).replace(f"{path}, ", "").replace(str(path), "FILE").splitlines()

    return run


@pytest.mark.parametrize("separator, words", [
    (";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars"), ("; ", "semicolons"), (" ; ", "semicolons"), ("  ", "spaces")])
@pytest.mark.parametrize("quoted", [False, True])
def test_other_separators_are_named_once(refuse, separator, words, quoted):
    text = write(separator)
    if quoted:
        text = separator.join(f'"{name}"' for name in NAMES) + "\n" + text.split("\n", 1)[1]
    (line,) = refuse(text)
    assert line.startswith("line 1: expected cells separated by commas") and line.endswith(f"found {words}")


def test_the_separator_is_told_with_wrong_rules(refuse):
    assert [line.split(":")[0] for line in refuse(write(";"), rules="v2014")] == ["--rules", "line 1"]


def test_a_separator_line_counts_as_a_line(read, refuse):
    assert read("sep=,\r\n" + write()) == RIGHT
    assert refuse("sep=,\n" + write(rows=with_cells(2, "maybe", "no", "no")))[0].startswith("line 3, aphe")
    assert refuse("sep=;\n" + write(";")) == refuse(write(";"))
    assert refuse("\"sep=\t\"\n" + write("\t"))[0].endswith("tabs")


def test_rows_with_another_separator_than_the_header(refuse):
    told = refuse(write().split("\n")[0] + "\n" + write(";").split("\n", 1)[1])
    assert told == [f"line {line}: expected 5 cells, found 1, and semicolons" for line in (2, 3, 4)]


def test_commas_beside_semicolons_are_a_csv(read):
    """The separator is that of the header; a note may hold anything."""
    assert read(write(header=(*NAMES, "a;b;c"), rows=[(*row, "x;y\tz") for row in ROWS])) == RIGHT


@pytest.mark.parametrize("content, words", [
    (write("\t").encode("utf-16"), ["UTF-16", "tabs"]), (write().encode("utf-16"), ["UTF-16"]), (write().encode("utf-16-be"), ["zero bytes"]),
    (b"PK\x03\x04" + bytes(range(256)) * 8, ["workbook"]), (b"\xd0\xcf\x11\xe0" + bytes(600), ["Excel"]),
    (write(rows=with_cells(0, "L\u00e4sion", "L2", "L3")).encode("cp1252"), ["save as CSV UTF-8", "0xe4"])])
def test_files_of_another_kind_are_named(refuse, content, words):
    (line,) = refuse(content)
    assert all(word in line for word in words)


@pytest.mark.parametrize("header", [
    ("Lesion_ID", "Diameter_mm", "APHE", "Washout", "Capsule"), ("lesion id", "diameter (mm)", "aphe", "washout", "capsule"),
    ("Lesion-ID", "Diameter [mm]", "aphe ", " WASHOUT", "capsule")])
def test_names_of_columns_in_other_spellings(read, header):
    assert read(write(header=header)) == RIGHT


def test_two_spellings_are_two_columns(refuse):
    assert "line 1: expected one column aphe, found 2" in refuse(write(header=(*NAMES, "APHE"), rows=[(*row, "no") for row in ROWS]))


@pytest.mark.parametrize("name", ["ancillary_malignent", "overide", "threshold_grow", "Ancilary benign"])
def test_a_mistyped_optional_column_is_not_passed_over(refuse, read, name):
    text = write(header=(*NAMES, name), rows=[(*row, "") for row in ROWS])
    (line,) = refuse(text)
    assert name in line and "would not be read" in line
    assert read(text.replace(name, "segment")) == RIGHT


def test_a_column_in_cm_is_asked_for_its_unit(refuse):
    (line,) = refuse(write(header=("lesion_id", "diameter (cm)", *NAMES[2:])))
    assert "a column diameter_mm" in line and "--diameter-unit mm|cm" in line


@pytest.mark.parametrize("text", [
    write(header=(*NAMES, "", "", ""), rows=[(*row, "", "", "") for row in ROWS]),
    write(header=(*NAMES, "", " "), rows=[(*row, " ", "\u00a0") for row in ROWS]),
    write(header=(*NAMES, "", ""), rows=ROWS), write(rows=[(*row, "") for row in ROWS]), write(header=("", "", *NAMES), rows=[("1", "", *row) for row in ROWS]),
    write() + ",,,,,,,\n\n"])
def test_empty_columns_are_read(read, text):
    assert read(text) == RIGHT


def test_empty_columns_at_the_end_are_not_passed_on(read, tmp_path):
    read(write(header=(*NAMES, "note", "", ""), rows=[(*row, "n", "", "") for row in ROWS]))
    assert (tmp_path / "out.csv").read_text().splitlines()[0] == ",".join((*NAMES, "note", "category", "reasons"))


def test_a_cell_beyond_the_named_columns_is_no_empty_column(refuse):
    rows = [(*ROWS[0], "", "x"), *((*row, "", "") for row in ROWS[1:])]
    assert refuse(write(header=(*NAMES, "", ""), rows=rows)) == ["line 2: expected 5 cells, found 7"]


def test_a_decimal_comma_is_not_taken_for_an_empty_column(refuse, read):
    """25,1 mm, APHE, no washout, and capsule left blank: as cells, 25 mm, APHE, washout, no capsule and an empty cell."""
    assert refuse(write() + "L4,25,1,1,0,\n") == ["line 5: expected 5 cells, found 6, which may be a decimal comma"]
    assert read(write() + "L4,25,yes,yes,no,\n") == [*RIGHT, "LR-5"]
    assert read(write() + "L4,25.1,1,0,1,\n") == [*RIGHT, "LR-5"]


@pytest.mark.parametrize("one, zero", [("1.0", "0.0"), ("1.", "0."), ("1.000", "0.00"), (" 1.0\u00a0", "0.0 ")])
def test_whole_numbers_with_decimals(read, one, zero):
    assert read(write().replace("yes", one).replace(",no", f",{zero}")) == RIGHT


@pytest.mark.parametrize("text", ["1.5", "0.01", "10", "1.0.0", "-1.0", "1,0", "2.0", "1.0_0", "\u0661", "none", "?", "-", "+", "x", "ja", "unknown"])
def test_what_is_no_feature_is_refused(refuse, text):
    cell = f'"{text}"'
    (line,) = refuse(write(rows=with_cells(2, cell, "no", "no")))
    assert line == f"line 2, aphe: expected yes, no, true, false, 1, 0 or nothing, found {text!r}"


@pytest.mark.parametrize("blank", ["NA", "N/A", "n/a", "#N/A", "nan", "NaN", "<NA>", "NULL", " NA ", "\u00a0"])
def test_words_for_no_value_are_blanks(read, refuse, blank):
    assert read(write(rows=with_cells(3, "yes", "no", blank))) == RIGHT
    # Nothing of what makes LR-5 is left; APHE that was not assessed leaves the table unread.
    assert read(write(rows=with_cells(2, blank, "yes", "no")))[0] == read(write(rows=with_cells(2, "", "yes", "no")))[0] != "LR-5"
    extra = ("prior_diameter_mm", "days", "ancillary_malignant", "override")
    assert read(write(header=(*NAMES, *extra), rows=[(*row, *[blank] * 4) for row in ROWS])) == RIGHT
    for column, name in ((0, "lesion_id"), (1, "diameter_mm")):
        (line,) = refuse(write(rows=with_cells(column, "30", blank, "40")))
        assert line.startswith(f"line 3, {name}")


def test_growth_with_one_blank_word_is_half_a_measurement(refuse):
    (line,) = refuse(write(header=(*NAMES, "prior_diameter_mm", "days"), rows=[(*row, "20", "NA") for row in ROWS[:1]]))
    assert line.startswith("line 2, days: expected a number, because prior_diameter_mm has one")


@pytest.mark.parametrize("name", ["Mean", "SUM", " median", "Total"])
def test_a_row_of_means_is_no_lesion(refuse, read, name):
    (line,) = refuse(write() + f"{name},22.8,,,\n")
    assert line.startswith("line 5, lesion_id: expected a lesion's name")
    assert read(write() + f"{name} 2,22.8,no,no,no\n") == [*RIGHT, "LR-3"]


@pytest.mark.parametrize("size", ["1e308", "1e300", "300.1", "2540", "0.99", "1e-300", "301"])
@pytest.mark.parametrize("unit", [None, "mm"])
def test_sizes_that_no_lesion_has(refuse, size, unit):
    (line,) = refuse(write(rows=with_cells(1, size, "12", "31")), unit)
    assert line == f"line 2, diameter_mm: expected a size from 1 to 300 mm (--diameter-unit mm|cm says in what unit sizes are), found {size!r}"


@pytest.mark.parametrize("size", ["1e308", "30.01", "0.09", "254"])
def test_sizes_in_cm_that_no_lesion_has(refuse, size):
    (line,) = refuse(write(rows=with_cells(1, size, "1.2", "3.1")), "cm")
    assert line.startswith("line 2, diameter_mm: expected a size from 0.1 to 30 cm")


def test_the_limits_themselves_are_sizes(read):
    assert read(write(rows=with_cells(1, "1", "300", "5")), "mm") == ["LR-4", "LR-4", "LR-NC"]
    assert read(write(rows=with_cells(1, "0.1", "30.0", "0.5")), "cm") == ["LR-4", "LR-4", "LR-NC"]
    assert read(write(rows=with_cells(1, "5", "300", "10"))) == ["LR-4", "LR-4", "LR-NC"]


@pytest.mark.parametrize("sizes, small", [(("2.54", "1.2", "3.1"), 3), (("6.2", "8.1", "12.5"), 2), (("3.2", "14", "2.2"), 2), (("9", "8", "7"), 3)])
def test_a_table_that_looks_like_cm_is_asked_about_once(refuse, read, sizes, small):
    assert refuse(write(rows=with_cells(1, *sizes))) == [
        "diameter_mm: expected sizes in mm, half of them 10 or more, or --diameter-unit mm|cm to say what they are in, "
        f"found {small} of 3 smaller (centimetres?)"]
    assert len(read(write(rows=with_cells(1, *sizes)), "mm")) == len(read(write(rows=with_cells(1, *sizes)), "cm")) == 3


def test_one_size_that_looks_like_cm_is_asked_about(refuse, read):
    (line,) = refuse(write(rows=with_cells(1, "2.54", "12.0", "31")))
    assert line == "line 2, diameter_mm: expected a size from 5 mm on, or --diameter-unit mm|cm to say that it is one, or centimetres, found '2.54'"
    assert read(write(rows=with_cells(1, "2.54", "12.0", "31")), "mm")[0] == "LR-4"
    assert read(write(rows=with_cells(1, "7.5", "12.0", "31")))[0] == "LR-4"


def test_an_earlier_size_in_cm_makes_no_growth(refuse, read):
    """25.4 mm now against 2.2 is tenfold growth, or none at all."""
    grown = write(header=(*NAMES, "prior_diameter_mm", "days"), rows=[("L1", "25.4", "yes", "no", "no", "2.2", "90")])
    assert [line.split(":")[0] for line in refuse(grown)] == ["line 2, prior_diameter_mm"]
    assert read(grown.replace(",2.2", ",22")) == ["LR-4"] and read(grown.replace("25.4", "2.54"), "cm") == ["LR-4"]
    assert read(grown.replace(",2.2", ",1.6").replace("25.4", "2.54"), "cm") == ["LR-5"]


def test_days_beyond_a_life(refuse):
    rows = [("L1", "25.4", "yes", "no", "no", "22", "1e308"), ("L2", "25.4", "yes", "no", "no", "22", "36525")]
    assert refuse(write(header=(*NAMES, "prior_diameter_mm", "days"), rows=rows)) == ["line 2, days: expected at most 36525 days, found '1e308'"]


SIZES = st.lists(st.integers(100, 3000).map(lambda tenths: tenths / 10), min_size=1, max_size=12)


@settings(max_examples=40)
@given(SIZES, st.data())
def test_cm_give_what_mm_give(tmp_path_factory, sizes_mm, data):
    flags = [data.draw(st.lists(st.sampled_from(["yes", "no", ""]), min_size=3, max_size=3)) for _ in sizes_mm]
    folder = tmp_path_factory.mktemp("units")
    results = []
    for unit, factor in (("mm", 1), ("cm", 10)):
        rows = [(f"L{number}", f"{size / factor:.2f}", *of) for number, (size, of) in enumerate(zip(sizes_mm, flags, strict=True))]
        (folder / "in.csv").write_text(write(rows=rows))
        score_feature_table(folder / "in.csv", folder / f"{unit}.csv", "v2018", unit)
        with open(folder / f"{unit}.csv", newline="") as file:
            results.append([(row["category"], row["reasons"]) for row in csv.DictReader(file)])
    assert results[0] == results[1]


@settings(max_examples=40)
@given(SIZES.filter(lambda sizes: 2 * sum(size < 100 for size in sizes) > len(sizes)))
def test_no_table_in_cm_is_scored_as_mm(tmp_path_factory, sizes_mm):
    """Lesions of at least a centimetre, most of them under ten."""
    folder = tmp_path_factory.mktemp("units")
    for name, factor in (("mm", 1), ("cm", 10)):
        (folder / f"{name}.csv").write_text(write(rows=[(f"L{number}", f"{size / factor:g}", "yes", "yes", "no") for number, size in enumerate(sizes_mm)]))
    score_feature_table(folder / "mm.csv", folder / "out.csv", "v2018")
    with pytest.raises(InputError, match="diameter-unit"):
        score_feature_table(folder / "cm.csv", folder / "none.csv", "v2018")
