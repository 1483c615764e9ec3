from __future__ import annotations

import json

import pytest

from lirads_keras.errors import InputError
from lirads_keras.io.records import Record


@pytest.mark.parametrize("content, finished", [
    ('{"identity": "a"}', True), ('{"identity": "b"}', False), ('{"identity": null}', False), ("{}", False), ("", False), ("[]", False), ('"a"', False)])
def test_a_record_tells_what_was_finished_under_which_identity(tmp_path, content, finished):
    (tmp_path / "fold.json").write_text(content)
    assert Record(tmp_path / "fold.json").made_from("a") is finished


def test_what_is_written_is_read_and_can_be_taken_back(tmp_path):
    record = Record(tmp_path / "new" / "fold.json")
    assert not record.made_from("a") and record.read() == {}
    record.remove()
    record.write("a", threshold=0.5)
    assert record.made_from("a") and record.read() == {"identity": "a", "threshold": 0.5} == json.loads(record.path.read_text())
    record.remove()
    assert not record.made_from("a")


@pytest.mark.parametrize("content, found", [
    (None, "no such file"), ("{", "JSONDecodeError"), ("{}", "KeyError"), ('{"threshold": null}', "TypeError"), ('{"threshold": "much"}', "ValueError"),
    ("[]", "TypeError")])
def test_a_number_that_is_not_there_is_told_with_its_file(tmp_path, content, found):
    record = Record(tmp_path / "fold.json")
    if content is not None:
        record.path.write_text(content)
    with pytest.raises(InputError, match=f"fold.json: expected the threshold, which a finished run has, found {found}"):
        record.number("threshold", "the threshold")


def test_a_number_is_read(tmp_path):
    Record(tmp_path / "fold.json").write("a", threshold=1)
    assert Record(tmp_path / "fold.json").number("threshold", "the threshold") == 1.0
