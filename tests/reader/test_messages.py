"""What a client may say, to the last key."""
from __future__ import annotations

from urllib.parse import quote

import pytest
from pydantic import ValidationError

from lirads_keras.reader.messages import AtRevision, BadReader, Edit, parse_reader


@pytest.mark.parametrize("field, value", [
    ("aphe", True), ("washout", False), ("capsule", None), ("threshold_growth", True), ("ancillary_malignant", False), ("ancillary_benign", True),
    ("rim_aphe", True), ("prior", None), ("overrides", []), ("overrides", ["LR-NC", "LR-M"]), ("tie", None), ("tie", ["LR-4", "LR-5"])])
def test_a_lesions_edit(field, value):
    edit = Edit.model_validate({"revision": 0, "lesion_id": "P12", "field": field, "value": value})
    assert (edit.lesion_id, edit.field, edit.value) == ("P12", field, value)


def test_an_earlier_size_is_kept_as_it_came():
    prior = {"diameter_mm": 12, "days": 90.5, "modality": "CT", "same_untreated": False}
    assert Edit.model_validate({"revision": 0, "lesion_id": "P1", "field": "prior", "value": prior}).plain_value() == prior


@pytest.mark.parametrize("change", [
    {"days": 0}, {"days": -1}, {"days": float("inf")}, {"diameter_mm": 0}, {"diameter_mm": float("nan")}, {"diameter_mm": 1e308}, {"diameter_mm": "12"},
    {"modality": "US"}, {"modality": None}, {"same_untreated": None}, {"same_untreated": 1}, {"by": "network"}])
def test_any_other_earlier_size_is_refused(change):
    prior = {"diameter_mm": 12, "days": 90.5, "modality": "CT", "same_untreated": False}
    with pytest.raises(ValidationError):
        Edit.model_validate({"revision": 0, "lesion_id": "P1", "field": "prior", "value": prior | change})
    for name in prior:
        with pytest.raises(ValidationError):
            Edit.model_validate({"revision": 0, "lesion_id": "P1", "field": "prior", "value": {other: prior[other] for other in prior if other != name}})


@pytest.mark.parametrize("field, value", [("high_risk", True), ("high_risk", None), ("untreated", False), ("despite_age", True), ("tumor_in_vein", False)])
def test_what_belongs_to_the_study(field, value):
    edit = Edit.model_validate({"revision": 0, "lesion_id": None, "field": field, "value": value})
    assert (edit.lesion_id, edit.field, edit.plain_value()) == (None, field, value)
    with pytest.raises(ValidationError):
        Edit.model_validate({"revision": 0, "lesion_id": "P1", "field": field, "value": value})


def test_the_rules():
    assert Edit.model_validate({"revision": 3, "lesion_id": None, "field": "rules", "value": "v2018"}).value == "v2018"


GOOD = {"revision": 1, "lesion_id": "P1", "field": "aphe", "value": True}


@pytest.mark.parametrize("change", [
    {"value": 1}, {"value": "true"}, {"value": 0.5}, {"value": {}}, {"value": float("nan")}, {"revision": -1}, {"revision": 1.0}, {"revision": True},
    {"revision": "1"}, {"revision": 2 ** 60}, {"revision": None}, {"lesion_id": None}, {"lesion_id": ""}, {"lesion_id": "P0"}, {"lesion_id": "../P1"},
    {"lesion_id": "P1\n"}, {"lesion_id": "P1234567"}, {"lesion_id": 1}, {"field": "AphE"}, {"field": "diameter_mm"}, {"field": "rules"}, {"field": "__class__"},
    {"more": 1}, {"field": "threshold_growth", "value": None}, {"field": "overrides", "value": None}, {"field": "overrides", "value": ["LR-5"]},
    {"field": "overrides", "value": ["LR-M", "LR-M"]}, {"field": "overrides", "value": "LR-M"}, {"field": "overrides", "value": [["LR-M"]]},
    {"field": "tie", "value": ["LR-4"]}, {"field": "tie", "value": ["LR-4", "LR-5", "LR-M"]}, {"field": "tie", "value": ["LR-4", "x"]},
    {"field": "tie", "value": True}, {"field": "prior", "value": True}, {"field": "prior", "value": {}}, {"field": "rim_aphe", "value": None},
    {"lesion_id": None, "field": "tumor_in_vein", "value": None}, {"lesion_id": None, "field": "high_risk", "value": "yes"},
    {"lesion_id": None, "field": "aphe", "value": True},
    {"lesion_id": None, "field": "rules", "value": "v2017"}, {"lesion_id": None, "field": "rules", "value": True},
    {"field": "overrides", "value": ["\ud800"]}, {"lesion_id": "P1", "field": "rules", "value": "paper"}])
def test_anything_else_is_refused(change):
    Edit.model_validate(GOOD)
    with pytest.raises(ValidationError):
        Edit.model_validate(GOOD | change)


@pytest.mark.parametrize("missing", GOOD)
def test_every_key_is_needed(missing):
    with pytest.raises(ValidationError):
        Edit.model_validate({name: value for name, value in GOOD.items() if name != missing})
    with pytest.raises(ValidationError):
        AtRevision.model_validate({})


@pytest.mark.parametrize("name", ["Ann", "Dr. Müller-Lüdenscheidt", "王小明", "x" * 64])
def test_a_name_in_any_script(name):
    assert parse_reader(quote(name)) == name and parse_reader(f"  {quote(name)} ") == name


@pytest.mark.parametrize("header", [None, "", "%20", "x" * 65, "%ff", "a%0Ab", "a%00", "%E2%80%AE", "a%C2%85b"])
def test_no_name(header):
    with pytest.raises(BadReader, match="X-Lirads-Reader"):
        parse_reader(header)
