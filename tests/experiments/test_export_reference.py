from __future__ import annotations

import gzip
import json

import export_reference as module
import pytest
from export_reference import MOST_BYTES, PACKED_FROM_BYTES, export_reference

from lirads_keras.errors import InputError
from lirads_keras.io.atomic import write_json


@pytest.fixture
def finished(plan):
    """A run with finished results of one small table, one large one and a picture."""
    results = plan.run.path / "results"
    results.mkdir(parents=True)
    (results / "run.csv").write_text("key,value\ncohort,virtual cohort\n")
    (results / "lesion_detection.csv").write_text("a,b\n" + "0.1,P1\n" * (PACKED_FROM_BYTES // 7))
    (results / "figure_8.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (results / "notes.txt").write_text("not for others")
    write_json(plan.run.path / "provenance.json", {
        "commit": "abc", "dirty": False, "profile_digest": "d", "versions": {"keras": "3"}, "platform": {}, "profile": {}})
    write_json(plan.done("results").path, {"identity": plan.identity("results"), "started": 0, "seconds": 1})
    return plan


def test_tables_and_pictures_are_copied_and_large_tables_packed(finished, tmp_path):
    out = tmp_path / "reference"
    written = export_reference(finished.run.path, out)
    assert sorted(path.name for path in written) == ["figure_8.png", "lesion_detection.csv.gz", "provenance.json", "run.csv"] == sorted(
        path.name for path in out.iterdir())
    assert gzip.decompress((out / "lesion_detection.csv.gz").read_bytes()) == (finished.run.path / "results" / "lesion_detection.csv").read_bytes()
    assert (out / "run.csv").read_bytes() == (finished.run.path / "results" / "run.csv").read_bytes()
    assert json.loads((out / "provenance.json").read_text()) == {"commit": "abc", "profile_digest": "d", "versions": {"keras": "3"}, "platform": {}}


def test_the_same_run_gives_the_same_bytes_and_what_was_there_goes(finished, tmp_path):
    out = tmp_path / "reference"
    first = {path.name: path.read_bytes() for path in export_reference(finished.run.path, out)}
    (out / "README.md").write_text("kept")
    (out / "surface.csv").write_text("of an older run")
    assert {path.name: path.read_bytes() for path in export_reference(finished.run.path, out)} == first
    assert sorted(path.name for path in out.iterdir()) == sorted([*first, "README.md"])


def test_a_run_that_others_cannot_repeat_is_refused_with_all_reasons(finished, tmp_path):
    out = tmp_path / "reference"
    write_json(finished.done("results").path, {"identity": "of before"})
    record = json.loads((finished.run.path / "provenance.json").read_text())
    write_json(finished.run.path / "provenance.json", record | {"dirty": True})
    inputs = json.loads((finished.run.path / "inputs.json").read_text())
    write_json(finished.run.path / "inputs.json", inputs | {"manifest": str(tmp_path / "patients"), "virtual": False})
    (finished.run.path / "results" / "noise.csv").write_text("".join(f"{number * 7919 % 1000003},{number * 104729 % 1000003}\n" for number in range(500_000)))
    with pytest.raises(InputError) as caught:
        export_reference(finished.run.path, out)
    assert [problem.found for problem in caught.value.problems][:3] == [
        "results that are not", f"a run on {tmp_path / 'patients'}", "dirty: True"]
    assert len(caught.value.problems) == 4 and f"at most {MOST_BYTES} bytes" in caught.value.problems[3].expected
    assert not out.exists()


def test_a_folder_that_is_no_run_is_told_with_2(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module.sys, "argv", ["export_reference.py", str(tmp_path)])
    assert module.main() == 2
    assert str(tmp_path) in capsys.readouterr().err
