from __future__ import annotations

from pathlib import Path

import pytest

from lirads_keras.errors import InputError
from lirads_keras.io.label_names import choose_labels, is_snap_labels, read_label_names, read_snap_labels, write_label_names

NAMES = {"liver": (1, 2), "tumour": (2,)}

SNAP = """################################################
# ITK-SnAP Label Description File
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
################################################
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  1    "liver"
    4     0  255    0     0.50  0  1    "portal vein, left"
    7     0    0  255        1  1  1    ""
"""


def test_names_go_there_and_back(tmp_path: Path) -> None:
    assert read_label_names(tmp_path) == {}
    write_label_names(tmp_path, NAMES)
    assert (tmp_path / "labels.csv").read_text() == "mask_label,name\n1,liver\n2,liver\n2,tumour\n"
    assert read_label_names(tmp_path) == NAMES


@pytest.mark.parametrize("choice, labels", [("liver", (1, 2)), ("Tumour", (2,)), ("7", (7,)), ("tumour, 7 ,1", (1, 2, 7))])
def test_labels_are_chosen_by_name_or_number(choice: str, labels: tuple[int, ...]) -> None:
    assert choose_labels(choice, NAMES) == labels


@pytest.mark.parametrize("choice, found", [
    ("tumor", "'tumor' (did you mean tumour?)"), ("0", "'0'"), ("65536", "'65536'"), ("", "''"), ("-1", "'-1'"), ("²", "'²'")])
def test_a_label_that_nobody_knows(choice: str, found: str) -> None:
    with pytest.raises(InputError) as caught:
        choose_labels(choice, NAMES)
    assert [problem.found for problem in caught.value.problems] == [found] and "liver, tumour" in caught.value.problems[0].expected


def test_all_unknown_labels_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        choose_labels("spleen,liver,kidney", NAMES)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("text, message", [
    ("mask_label,nam\n1,liver\n", "labels.csv, line 1: expected a column name, found mask_label, nam (did you mean name by nam?)"),
    ("mask_label,name\n0,liver\n", "labels.csv, line 2, mask_label: expected a whole number from 1 to 65535, found '0'"),
    ("mask_label,name\n1,\n", "labels.csv, line 2, name: expected text, found an empty cell"),
    ("mask_label,name\n1,a\n1,a\n", "labels.csv, line 3, mask_label + name: expected each once, found 1 + a again (first in line 2)")])
def test_a_table_of_names_that_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(InputError) as caught:
        read_label_names(tmp_path)
    assert message in [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]


def test_snap_descriptions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(SNAP)
    assert is_snap_labels(path) and read_snap_labels(path) == {1: "liver", 4: "portal vein, left", 7: "label 7"}


@pytest.mark.parametrize("content, message", [
    (b'1 255 0 0 1 1 1 "a"\n1 0 0 0 1 1 1 "b"\n', "line 2: expected each label once, found 1 again"),
    (b'1 255 0 0 1 1 1 "a"\nliver 2\n', "line 2: expected label, red, green, blue"),
    ('1 255 0 0 1 1 1 "ä"\n'.encode("latin-1"), "expected UTF-8 text, found the byte 0xe4 at 17")])
def test_snap_descriptions_that_are_wrong(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_snap_labels(tmp_path / "labels.txt")


def test_no_snap_description(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_snap_labels(tmp_path / "absent.txt")
    assert not is_snap_labels(tmp_path / "absent.txt")
    (tmp_path / "notes.txt").write_text("nothing of the kind")
    assert not is_snap_labels(tmp_path / "notes.txt")
