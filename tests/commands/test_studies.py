"""Many studies in one call, with a stand-in for the analysis."""
from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from lirads_keras.commands.studies import CALL_FILE, claim_folder, describe_call, list_studies, predict_studies
from lirads_keras.errors import InputError, Problem


@pytest.fixture
def folders(tmp_path):
    """Three studies side by side, beside what is none."""
    parent = tmp_path / "studies"
    for name in ("b", "a", "c", ".hidden"):
        (parent / name).mkdir(parents=True)
    (parent / "notes.txt").write_text("no study")
    return [parent / name for name in ("a", "b", "c")]


class Analysis:
    """Writes a report for each study, or fails as it is told; keeps what it was asked."""

    def __init__(self, failures=None) -> None:
        self.failures, self.loaded, self.asked = failures or {}, 0, []

    def load(self):
        self.loaded += 1
        return "models"

    def report(self, study, out, models, progress):
        assert models == "models"
        self.asked.append(study.name)
        progress(0.2, "segmenting")
        if study.name in self.failures:
            raise self.failures[study.name]
        out.mkdir(parents=True)
        (out / "report.json").write_text(study.name)
        return [SimpleNamespace(category="LR-5"), SimpleNamespace(category="LR-3")]


def run(analysis, folders, out):
    predict_studies(folders, out, analysis.load, analysis.report)


def test_studies_are_named_or_found(folders):
    parent = folders[0].parent
    assert list_studies([], parent) == folders
    assert list_studies(folders[1:], None) == folders[1:]
    # One alone is told by whoever reads it.
    assert list_studies([parent / "absent"], None) == [parent / "absent"]


def test_an_earlier_result_beside_the_studies_is_no_study(folders):
    result = folders[0].parent / "result"
    claim_folder(result, {"run": "runs/cpu"})
    assert list_studies([], result.parent) == folders


def test_bad_lists_are_refused(folders, tmp_path):
    parent = folders[0].parent
    with pytest.raises(InputError, match="STUDY: expected the folder of a study, or --studies, found neither"):
        list_studies([], None)
    with pytest.raises(InputError, match="no such folder"):
        list_studies([], parent / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no subfolder"):
        list_studies([], tmp_path / "empty")
    with pytest.raises(InputError) as caught:
        list_studies([parent / "absent", parent / "a", parent / "notes.txt"], parent)
    assert [problem.where for problem in caught.value.problems] == [str(parent / "absent"), str(parent / "notes.txt"), "studies named a"]


def test_each_study_has_its_folder_and_the_networks_are_loaded_once(folders, tmp_path, capsys):
    analysis = Analysis()
    run(analysis, folders, tmp_path / "out")
    assert analysis.asked == ["a", "b", "c"] and analysis.loaded == 1
    assert [(tmp_path / "out" / name / "report.json").read_text() for name in "abc"] == ["a", "b", "c"]
    shown = capsys.readouterr()
    assert "b: 2 lesion(s) LR-5 LR-3" in shown.out and "3 of 3 studies analysed, 0 failed" in shown.out
    # The bar has the steps of a study beside the count of studies.
    assert "c: segmenting]" in shown.err and "3/3" in shown.err and "study" in shown.err


def test_a_failed_study_is_told_at_the_end_and_done_again_next_time(folders, tmp_path, capsys):
    bad = InputError(Problem("series 1", "slices", "a gap"), Problem("series 2", "pixels", "none"))
    with pytest.raises(InputError) as caught:
        run(Analysis({"a": bad, "b": ZeroDivisionError("by zero")}), folders, tmp_path / "out")
    assert [str(problem) for problem in caught.value.problems] == [
        f"study {folders[0]}: series 1: expected slices, found a gap", f"study {folders[0]}: series 2: expected pixels, found none",
        f"study {folders[1]}: expected no defect of this program, found ZeroDivisionError: by zero"]
    shown = capsys.readouterr()
    assert "1 of 3 studies analysed, 2 failed" in shown.out
    assert "Traceback" in shown.err and "series 1" not in shown.err
    again = Analysis()
    run(again, folders, tmp_path / "out")
    assert again.asked == ["a", "b"] and "1 of 3 studies were done by an earlier call" in capsys.readouterr().out
    third = Analysis()
    run(third, folders, tmp_path / "out")
    assert third.asked == [] and third.loaded == 0


def make_call(tmp_path, **options):
    parsed = argparse.Namespace(**{"study": [Path("a")], "studies": None, "out": Path("x"), "command": print, "run": Path("runs/cpu"), "networks": "full",
                                   "phase_map": None} | options)
    weights = tmp_path / "model.keras"
    if not weights.exists():
        weights.write_bytes(b"weights")
    return describe_call(parsed, SimpleNamespace(segmentation_weights=(weights,), characterization_weights=()))


def test_a_call_with_the_same_options_takes_the_folder_again(tmp_path):
    out = tmp_path / "out"
    claim_folder(out, make_call(tmp_path))
    claim_folder(out, make_call(tmp_path, study=[Path("b")], studies=Path("c"), out=Path("elsewhere")))
    assert json.loads((out / CALL_FILE).read_text()).keys() == {"run", "networks", "phase_map", f"sha256 of {tmp_path / 'model.keras'}"}


def test_other_options_weights_or_phases_are_refused(tmp_path):
    out, phase_map = tmp_path / "out", tmp_path / "phases.yaml"
    phase_map.write_text("delayed: {time_point: 0}")
    claim_folder(out, make_call(tmp_path, phase_map=phase_map))
    before = (out / CALL_FILE).read_bytes()
    for change in ("networks", "weights", "phases"):
        if change == "weights":
            (tmp_path / "model.keras").write_bytes(b"other weights")
        if change == "phases":
            (tmp_path / "model.keras").write_bytes(b"weights")
            phase_map.write_text("delayed: {time_point: 1}")
        with pytest.raises(InputError) as caught:
            claim_folder(out, make_call(tmp_path, phase_map=phase_map, networks="fold-2" if change == "networks" else "full"))
        assert len(caught.value.problems) == 1 and {"networks": "networks", "weights": "model.keras", "phases": "phases.yaml"}[change] in str(caught.value)
    assert (out / CALL_FILE).read_bytes() == before


@pytest.mark.parametrize("name, content", [("mine.txt", "mine"), (CALL_FILE, "no JSON"), (CALL_FILE, "[1]")])
def test_somebody_elses_folder_is_left_alone(tmp_path, name, content):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text(content)
    with pytest.raises(InputError):
        claim_folder(tmp_path / "out", {"networks": "full"})
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name] and (tmp_path / "out" / name).read_text() == content
