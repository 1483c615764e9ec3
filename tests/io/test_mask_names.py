from __future__ import annotations

import string
import unicodedata
from pathlib import PurePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lirads_keras.io.mask_names import WORDS, MaskOwners

OWNERS = MaskOwners({
    "P-1": {"VC-0002", "P-1", "1.2.840.7", "1.2.840.7.3"}, "P-2": {"VC-00021", "1.2.840.8"}, "P-3": {"Läsion 7"}, "P-4": {"ab"}, "P-5": {"AB"},
    "P-6": {"A"}, "P-7": {"A-mask"}, "P-8": {"shared", "x8"}, "P-9": {"shared", "x9"}, "P-10": {"12/34"}, "P-11": {"..."}})


@pytest.mark.parametrize("stem, patient_id", [
    ("VC-0002", "P-1"), ("vc-0002", "P-1"), ("VC_0002", "P-1"), ("VC-0002_seg", "P-1"), ("VC-0002-label", "P-1"), ("seg_VC-0002", "P-1"),
    ("Mask VC 0002", "P-1"), ("VC-0002-segmentation-label", "P-1"),
    ("VC-0002_delayed_lesions", "P-1"), ("1.2.840.7", "P-1"), ("1.2.840.7.3-seg", "P-1"), ("p-1_SEG", "P-1"),
    ("VC-00021_seg", "P-2"), ("Läsion 7", "P-3"), (unicodedata.normalize("NFD", "läsion_7-seg"), "P-3"), ("ab", "P-4"), ("AB", "P-5"), ("A", "P-6"),
    ("A-mask", "P-7"), ("x8", "P-8"), ("12_34", "P-10"), ("...", "P-11")])
def test_a_name_that_leaves_no_doubt(stem: str, patient_id: str) -> None:
    assert OWNERS.find(PurePath("."), stem) == (patient_id, "")
    assert OWNERS.find(PurePath("2024 batch/b"), stem) == (patient_id, "")


@pytest.mark.parametrize("stem, reason", [
    ("VC-0002_liver", "its name holds more than that of P-1"), ("VC-0002_arterial_seg", "more than that of P-1"), ("VC-0002 (1)", "more than that of P-1"),
    ("VC-0002_reader2", "more than that of P-1"), ("VC-0002_lesion1", "more than that of P-1"), ("1.2.840.7.9", "more than that of P-1"),
    ("VC-000", "no patient"), ("VC0002seg", "no patient"), ("seg", "no patient"), ("", "no patient"), ("Ab", "may be that of P-4 or P-5"),
    ("A_mask_seg", "may be that of P-6 or P-7"), ("shared", "may be that of P-8 or P-9")])
def test_a_name_that_leaves_doubt(stem: str, reason: str) -> None:
    patient_id, told = OWNERS.find(PurePath("."), stem)
    assert patient_id is None and reason in told


@pytest.mark.parametrize("folder, stem, patient_id", [
    ("VC-0002", "seg", "P-1"), ("vc-0002_masks", "Segmentation", "P-1"), ("x/VC-0002/y", "label", "P-1"), ("VC-0002", "VC-0002_seg", "P-1"),
    ("x8", "shared", "P-8"), ("VC-0002", "liver", None), ("VC-0002", "VC-00021", None), ("VC-0002/VC-00021", "seg", None)])
def test_the_folder_tells_where_the_name_is_nobodys_and_never_against_it(folder: str, stem: str, patient_id: str | None) -> None:
    assert OWNERS.find(PurePath(folder), stem)[0] == patient_id


IDS = st.text(string.ascii_letters + string.digits + "-_. ", min_size=1, max_size=8).filter(lambda text: text[0].isalnum())


@settings(max_examples=50)
@given(ids=st.lists(IDS, min_size=1, max_size=8, unique=True),
       word=st.sampled_from(sorted(WORDS)), data=st.data())
def test_nobody_gets_the_mask_of_another(ids: list[str], word: str, data: st.DataObject) -> None:
    owners = MaskOwners({f"P{number}": {name} for number, name in enumerate(ids)})
    name = data.draw(st.sampled_from(ids))
    assert owners.find(PurePath("."), name)[0] == f"P{ids.index(name)}"
    longer = f"{name}_{word}"
    assert owners.find(PurePath("."), longer)[0] in (f"P{ids.index(name)}", None) or longer.casefold() in [other.casefold() for other in ids]
