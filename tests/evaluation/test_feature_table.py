from __future__ import annotations

import csv
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lirads_keras.entities import Category, Observation
from lirads_keras.errors import InputError
from lirads_keras.evaluation import feature_table
from lirads_keras.evaluation.feature_table import score_feature_table
from lirads_keras.lirads.categorize import categorize

HEADER = "lesion_id,diameter_mm,aphe,washout,capsule"


@pytest.fixture
def score(tmp_path):
    """Scores a text and returns the rows of the result, as mappings."""
    def run(text, rules="v2018", encoding="utf-8"):
        (tmp_path / "features.csv").write_bytes(text.encode(encoding))
        score_feature_table(tmp_path / "features.csv", tmp_path / "out.csv", rules)
        with open(tmp_path / "out.csv", encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    return run


@pytest.fixture
def problems(tmp_path):
    """Scores a text that is wrong, sees that nothing is written, and returns the problems without the path."""
    def run(text, rules="v2018"):
        (tmp_path / "features.csv").write_text(text)
        with pytest.raises(InputError) as caught:
            score_feature_table(tmp_path / "features.csv", tmp_path / "out.csv", rules)
        assert [path.name for path in tmp_path.iterdir()] == ["features.csv"]
        return [str(problem).replace(f"{tmp_path / 'features.csv'}, ", "") for problem in caught.value.problems]

    return run


def test_the_input_comes_back_with_two_columns_more(score, tmp_path):
    rows = score(f"{HEADER},note\nL1, 23,yes,TRUE,0,\"a \"\"quoted\"\", note\"\nL1,9.99,No,1,,\n")
    assert rows == [
        {"lesion_id": "L1", "diameter_mm": " 23", "aphe": "yes", "washout": "TRUE", "capsule": "0", "note": 'a "quoted", note', "category": "LR-5",
         "reasons": "APHE, washout, 23 mm: LR-5"},
        {"lesion_id": "L1", "diameter_mm": "9.99", "aphe": "No", "washout": "1", "capsule": "", "note": "", "category": "LR-NC",
         "reasons": "no APHE, washout, 9.9 mm: LR-NC (capsule not assessed; possible: LR-3 or LR-4)"}]
    assert (tmp_path / "out.csv").read_bytes().count(b"\r") == 0


def test_a_table_without_lesions_keeps_its_header(score, tmp_path):
    assert score(HEADER + "\n") == []
    assert (tmp_path / "out.csv").read_text() == HEADER + ",category,reasons\n"


@pytest.mark.parametrize("text, expected", [
    ("yes", True), ("YES", True), ("True", True), ("TRUE", True), ("1", True), (" 1 ", True), ("no", False), ("No", False), ("false", False), ("0", False)])
def test_flags_in_every_spelling(score, text, expected):
    (row,) = score(f"{HEADER}\nL1,25,{text},no,no\n")
    assert row["category"] == ("LR-4" if expected else "LR-3")


def test_blank_means_not_assessed_and_the_categories_that_remain_stand_in_the_cell(score):
    rows = score(f"{HEADER}\nL1,25,,yes,no\nL2,25,yes,,\nL3,25,,no,no\nL4,25,yes,yes,\n")
    assert [row["category"] for row in rows] == ["LR-4 or LR-5", "LR-4 or LR-5", "LR-NC", "LR-5"]
    assert rows[0]["reasons"] == "washout, 25 mm: LR-4 or LR-5, APHE not assessed (LR-M by rim APHE is not excluded)"


@pytest.mark.parametrize("columns, cells, category", [
    ("", "", "LR-5"), (",prior_modality", ",mr", "LR-5"), (",prior_modality", ",CT", "LR-5"), (",prior_modality", ",US", "LR-3"),
    (",prior_modality", ",", "LR-3"), (",prior_untreated", ",yes", "LR-5"), (",prior_untreated", ",no", "LR-3"), (",prior_untreated", ",", "LR-3"),
    (",size_by,prior_size_by", ",reader,Reader", "LR-5"), (",size_by,prior_size_by", ",network,reader", "LR-3"),
    (",size_by,prior_size_by", ",network,", "LR-3"), (",size_by,prior_size_by", ",,", "LR-5"), (",size_by", ",network", "LR-3")])
def test_growth_counts_from_a_prior_ct_or_mr_of_the_same_untreated_lesion_measured_alike(score, columns, cells, category):
    (row,) = score(f"{HEADER},prior_diameter_mm,days{columns}\nL1,15,1,0,0,10,100{cells}\n")
    assert row["category"] == category
    assert ("threshold growth is proposed and not counted" in row["reasons"]) == (category == "LR-3")
    # What did not grow is not proposed.
    (row,) = score(f"{HEADER},prior_diameter_mm,days{columns}\nL1,14,1,0,0,10,100{cells}\n")
    assert row["reasons"] == "APHE, no additional major feature, 14 mm: LR-3"


def test_rim_aphe_is_no_aphe(score):
    rows = score(f"{HEADER},rim_aphe\nL1,25,1,1,0,1\nL2,25,,1,0,1\nL3,25,1,1,0,0\n")
    assert [row["category"] for row in rows] == ["LR-4", "LR-4", "LR-5"] and "LR-M is proposed" in rows[0]["reasons"] and "LR-M" not in rows[2]["reasons"]


def test_under_18_the_category_is_withheld_unless_it_is_wanted(score, tmp_path):
    text = f"{HEADER},age_years\nL1,25,1,1,0,17\nL2,25,1,1,0,18\nL3,25,1,1,0,\nL4,25,1,1,0,017Y\n"
    rows = score(text)
    assert [row["category"] for row in rows] == ["withheld", "LR-5", "LR-5", "withheld"] and "LR-5" not in rows[0]["reasons"]
    (tmp_path / "again.csv").write_text(text)
    score_feature_table(tmp_path / "again.csv", tmp_path / "all.csv", "v2018", despite_age=True)
    assert (tmp_path / "all.csv").read_text().count("LR-5,") == 4


TIED = [f"{HEADER},override", "L1,25,1,1,0,LR-4|LR-5", "L2,25,1,0,0,LR-3|LR-4"]


def test_a_tie_that_holds_the_present_category(score):
    assert [row["category"] for row in score("\n".join(TIED))] == ["LR-4", "LR-3"]


def test_a_tie_that_would_hide_the_present_category_is_told_with_its_line(problems):
    assert problems("\n".join([*TIED, "L3,25,1,1,0,LR-3|LR-4", "", "L4,25,0,0,0,LR-4|LR-M"])) == [
        "line 4, override: expected a tie between LR-5, the present category, and another, found LR-3|LR-4",
        "line 6, override: expected a tie between LR-3, the present category, and another, found LR-4|LR-M"]


def test_growth_from_an_earlier_measurement(score):
    rows = score(f"{HEADER},prior_diameter_mm,days\nL1,15,1,0,0,10,100\nL2,15,1,0,0,10,200\nL3,15,1,0,0,,\n")
    assert [row["category"] for row in rows] == ["LR-5", "LR-3", "LR-3"]
    assert rows[0]["reasons"] == "APHE, threshold growth, 15 mm: LR-5"


def test_the_readers_columns(score):
    header = f"{HEADER},threshold_growth,ancillary_malignant,ancillary_benign,override"
    rows = score(f"{header}\nL1,15,1,0,0,,,,\nL2,15,1,0,0,yes,,,\nL3,15,1,0,0,,1,,\nL4,15,1,0,0,,,1,\nL5,15,1,0,0,,,,LR-M; lr-tiv\nL6,15,1,1,0,,,,LR-4|LR-5\n")
    assert [row["category"] for row in rows] == ["LR-3", "LR-5", "LR-4", "LR-2", "LR-TIV", "LR-4"]


@pytest.mark.parametrize("text", [
    f"\ufeff{HEADER}\r\nL1,25,1,1,0\r\n", f" {HEADER.replace(',', ' , ')}\nL1,25,1,1,0", f"{HEADER},,\nL1,25,1,1,0,,\n,,,,,,\n\n".replace(",,\n", ",a,b\n", 1)])
def test_what_spreadsheets_write(score, text):
    assert [row["category"] for row in score(text)] == ["LR-5"]


def test_every_wrong_cell_is_told_with_line_and_column(problems):
    text = f"""{HEADER},override
L1,25,maybe,1,0,
L2,-3,1,1,0,
L3,nan,1,1,2,LR-6
L4,1_000,1,1,0,LR-3|LR-5

,,1,1,0,LR-5
L6,inf,1,1,0,LR-M LR-4
"""
    flag, size, override = ("yes, no, true, false, 1, 0 or nothing", "a positive number",
                            "LR-NC, LR-TIV, LR-1, LR-2, LR-M, or a tie such as LR-4|LR-5, or nothing")
    assert sorted(problems(text)) == sorted([
        f"line 2, aphe: expected {flag}, found 'maybe'",
        f"line 3, diameter_mm: expected {size}, found '-3'",
        f"line 4, diameter_mm: expected {size}, found 'nan'",
        f"line 4, capsule: expected {flag}, found '2'",
        f"line 4, override: expected {override}, found 'LR-6'",
        f"line 5, diameter_mm: expected {size}, found '1_000'",
        f"line 5, override: expected {override}, found 'LR-3|LR-5'",
        "line 7, lesion_id: expected a lesion's name, found an empty cell",
        f"line 7, diameter_mm: expected {size}, found an empty cell",
        f"line 7, override: expected {override}, found 'LR-5'",
        f"line 8, diameter_mm: expected {size}, found 'inf'",
        f"line 8, override: expected {override}, found 'LR-M LR-4'"])


def test_lines_are_counted_as_an_editor_counts_them(problems):
    """A cell with a line break, and an empty line before the wrong one."""
    assert problems(f'{HEADER},note\nL1,25,1,1,0,"two\nlines"\n\nL2,25,x,1,0,\n')[0].startswith("line 5, aphe")


def test_rows_of_another_length(problems):
    assert problems(f"{HEADER}\nL1,25,1,1\nL2,25,1,1,0\nL3,25,1,1,0,1\n") == ["line 2: expected 5 cells, found 4", "line 4: expected 5 cells, found 6"]


def test_growth_needs_both_numbers(problems):
    found = problems(f"{HEADER},prior_diameter_mm,days\nL1,15,1,0,0,10,\nL2,15,1,0,0,,30\nL3,15,1,0,0,10,-5\n")
    assert found == ["line 2, days: expected a number, because prior_diameter_mm has one, found an empty cell",
                     "line 3, prior_diameter_mm: expected a number, because days has one, found an empty cell",
                     "line 4, days: expected a positive number, found '-5'"]


def test_a_million_wrong_cells_do_not_make_a_million_lines(problems):
    found = problems(HEADER + "\n" + "L,15,x,0,0\n" * 250)
    assert len(found) == 101 and found[-1] == "aphe: expected no more than the 100 wrong ones told above, found 150 more"


@pytest.mark.parametrize("header, words", [
    ("lesion_id,diameter_mm,aphe", ["line 1: expected a column washout", "line 1: expected a column capsule"]),
    (HEADER + ",aphe", ["line 1: expected one column aphe, found 2"]),
    (HEADER + ",category", ["line 1: expected no column category, which is added, found one"]),
    (HEADER + ",days", ["line 1: expected both of prior_diameter_mm and days, found only days"]),
    (HEADER + ",days,prior_diameter_mm,threshold_growth", ["line 1: expected threshold_growth, or"]),
    ("", ["expected a column lesion_id, found nothing"]),
])
def test_a_header_that_does_not_fit(problems, header, words):
    found = problems(header + "\n")
    assert all(any(word in line for line in found) for word in words), found


def test_rules_and_header_are_told_together(problems):
    found = problems("lesion_id,diameter_mm,aphe,washout\n", rules="v2014")
    assert found[0] == "--rules: expected one of paper, v2018, found v2014" and "a column capsule" in found[1] and len(found) == 2


def test_files_that_are_no_tables(tmp_path):
    for name, content, words in (("latin.csv", "lesion_id,größe\n".encode("latin-1"), "UTF-8"),
                                 ("quote.csv", f'{HEADER}\n"L1"x,25,1,1,0\n'.encode(), "a CSV file")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=words):
            score_feature_table(tmp_path / name, tmp_path / "out.csv", "paper")
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(InputError, match="a file that can be read"):
            score_feature_table(path, tmp_path / "out.csv", "paper")
    assert not (tmp_path / "out.csv").exists()


FLAG_TEXTS = {True: ("yes", "1", "TRUE", " True", "1.0"), False: ("no", "0", "FALSE", "No ", "0.0"), None: ("", " ", "NA", "nan")}


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(1, 300).map(lambda value: f"{value:.4f}"),
                          *[st.sampled_from([True, False, None])] * 3, st.sampled_from(["", "LR-M", "LR-NC LR-2", "LR-1|LR-2"])), max_size=9),
       st.sampled_from(["paper", "v2018"]), st.integers(1, 4), st.randoms(use_true_random=False))
def test_any_table_is_that_of_categorize_whatever_the_parts(tmp_path_factory, rows, rules, at_a_time, spell: random.Random):
    folder = tmp_path_factory.mktemp("scored")
    lines = [",".join([f"L{number}", size, *(spell.choice(FLAG_TEXTS[flag]) for flag in flags), override])
             for number, (size, *flags, override) in enumerate(rows)]
    (folder / "in.csv").write_text("\n".join([HEADER + ",override", *lines]))
    decided = {"": {}, "LR-M": {"overrides": (Category.LR_M,)}, "LR-NC LR-2": {"overrides": (Category.LR_NC, Category.LR_2)},
               "LR-1|LR-2": {"tie": (Category.LR_1, Category.LR_2)}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feature_table, "ROWS_AT_A_TIME", at_a_time)
        # No row comes to LR-1 or LR-2 without a reader or ancillary features.
        if rules == "v2018" and any(override == "LR-1|LR-2" for *_, override in rows):
            with pytest.raises(InputError, match="override: expected a tie between .*, the present category"):
                score_feature_table(folder / "in.csv", folder / "out.csv", rules, "mm")
            return
        assert score_feature_table(folder / "in.csv", folder / "out.csv", rules, "mm") == len(rows)
    with open(folder / "out.csv", newline="") as file:
        found = [(row["lesion_id"], row["category"], row["reasons"]) for row in csv.DictReader(file)]
    assert found == [(f"L{number}", *map(str, categorize(Observation(float(size), *flags, **decided[override]), rules)))
                     for number, (size, *flags, override) in enumerate(rows)]
