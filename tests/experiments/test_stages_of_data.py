"""Which of a user's data make which stage run again, and no other."""
from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from stage_changes import after, changed, with_setting
from stages import write_plan


def append(path: Path, text: bytes) -> None:
    path.write_bytes(path.read_bytes() + text)


@pytest.mark.parametrize("change, counts", [
    (lambda folder: append(folder / "lesions.csv", b"P1,L2,2,8,0,0,0,LR-3\n"), True),
    (lambda folder: (folder / "P1.nii.gz").write_bytes(b"musk"), True),
    (lambda folder: (folder / "dicom" / "P2" / "2.dcm").write_bytes(b"image"), True),
    (lambda folder: (folder / "dicom" / "P2" / "1.dcm").write_bytes(b"images"), True),
    (lambda folder: (folder / "dicom" / "P2" / "1.dcm").touch(), False),
    (lambda folder: (folder / "notes.txt").write_text("mine"), False),
])
def test_a_users_tables_masks_and_images_count(profile, tmp_path, manifest, change, counts):
    plan = write_plan(tmp_path / "run", profile, tmp_path, manifest)
    assert plan.manifest == manifest and not plan.is_virtual
    change(manifest)
    assert changed(plan.digests, write_plan(tmp_path / "run", profile, tmp_path, manifest).digests) == (after("cohort") - {"draw_store"} if counts else set())


def test_a_users_manifest_makes_the_virtual_cohort_irrelevant(profile, tmp_path, manifest, edit):
    before = write_plan(tmp_path / "run", profile, tmp_path, manifest).digests
    edit("lirads_keras/phantom/kinetics.py", lambda text: "")
    now = write_plan(tmp_path / "run", with_setting(profile, "cohort.seed", 7), tmp_path, manifest).digests
    # Pre-training is still virtual.
    assert changed(before, now) == after("ct")
    shutil.move(manifest, tmp_path / "elsewhere")
    assert changed(now, write_plan(tmp_path / "run", with_setting(profile, "cohort.seed", 7), tmp_path, tmp_path / "elsewhere").digests) == set()


def test_lits_is_used_where_it_is_asked_for_and_there(profile, tmp_path):
    lits = with_setting(profile, "ct.source", "lits")
    virtual = write_plan(tmp_path / "run", lits, tmp_path, None)
    assert virtual.lits is None and virtual.ct.parent == tmp_path / "cohorts"
    (tmp_path / "lits").mkdir()
    assert write_plan(tmp_path / "run", lits, tmp_path, None).lits is None
    (tmp_path / "lits" / "volume-0.nii").write_bytes(b"ct")
    there = write_plan(tmp_path / "run", lits, tmp_path, None)
    assert there.lits == there.ct == tmp_path / "lits" and there.done("ct").path == tmp_path / "run" / "done" / "ct.json"
    assert changed(virtual.digests, there.digests) == after("ct")
    (tmp_path / "lits" / "volume-1.nii").write_bytes(b"ct")
    assert changed(there.digests, write_plan(tmp_path / "run", lits, tmp_path, None).digests) == after("ct")
    assert write_plan(tmp_path / "run", profile, tmp_path, None).lits is None
