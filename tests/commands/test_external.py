"""`lirads external` on made-up LiverHccSeg and ATLAS folders, with networks that are stood in for, and once with a real one of random weights."""
from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from filelock import FileLock

from lirads_keras import cli, network_scorer
from lirads_keras.commands.external import EXTERNAL_SETS
from lirads_keras.entities import Volume
from lirads_keras.evaluation.patient_score import score_levels
from lirads_keras.external import SCORE_COLUMNS
from lirads_keras.io.datasets import registry
from lirads_keras.io.nifti import write_nifti
from lirads_keras.preprocessing.segmentation_input import read_segmentation_input
from lirads_keras.preprocessing.store import read_stored_study
from lirads_keras.run import RunFolder

CHECKOUT = Path(__file__).resolve().parents[2]
SHAPE, SPACING_MM = (6, 32, 32), (5.0, 4.0, 4.0)
TUMOURS = ((slice(2, 4), slice(8, 14), slice(8, 14)), (slice(2, 4), slice(20, 23), slice(20, 24)))
CUT = (0.5, 500.0)
PHASES = {"art_pre": "precontrast", "art": "arterial", "art_pv": "portal_venous", "art_del": "delayed"}


class Killed(Exception):
    pass


class StandIn:
    """Finds what is bright in the mean of the phases that it is given; may die before it scores another patient."""

    scored: list[tuple[str, str, tuple[bool, ...]]] = []
    dies_after: int | None = None

    def __init__(self, profile, variant, folder, threads) -> None:
        self._variant = variant

    def score(self, study, conditions):
        if self.dies_after is not None and len(self.scored) >= self.dies_after:
            raise Killed
        given = read_segmentation_input(study, self._variant.phases)
        self.scored.append((self._variant.name, study.patient_id, tuple(image is not None for image in given.images)))
        mean = np.mean([np.asarray(image.array, np.float32) for image in given.images if image is not None], axis=0)
        levels = np.where(mean > 600, 200, 0).astype(np.uint8)
        return [{"condition": condition.name, "amount": condition.amount, **score_levels(levels, study, CUT, 0.1)} for condition in conditions]


def write(path: Path, array: np.ndarray) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.diag(SPACING_MM)[::-1]
    write_nifti(path, Volume(array, SPACING_MM, affine))


def make_image(bright: int, low: int = 200) -> np.ndarray:
    """Noise with so many of the tumours bright."""
    image = np.random.default_rng(bright).integers(low, 2 * low, SHAPE).astype(np.int16)
    for place in TUMOURS[:bright]:
        image[place] = 5 * low
    return image


def make_labels(tumours: int) -> np.ndarray:
    labels = np.ones(SHAPE, np.int16)
    for place in TUMOURS[:tumours]:
        labels[place] = 2
    return labels


@pytest.fixture
def liverhccseg(tmp_path):
    """A: one tumour, which is bright. B: two, of which one is bright, and no delayed phase. C: none, but something bright. D: a mask elsewhere."""
    root = tmp_path / "download" / "nifti_and_segms"
    for name, tumours, bright in (("A", 1, 1), ("B", 2, 1), ("C", 0, 1), ("D", 1, 1)):
        exam = root / f"TCGA-{name}" / "01-01-2000"
        for phase in PHASES:
            write(exam / f"{phase}.nii.gz", make_image(bright))
        write(exam / "rater1_liver.nii.gz", np.ones((2, 4, 4) if name == "D" else SHAPE, np.int16))
        for number in range(tumours):
            mask = np.zeros(SHAPE, np.int16)
            mask[TUMOURS[number]] = 1
            write(exam / f"rater1_tumor{number + 1}.nii.gz", mask)
    (root / "TCGA-B" / "01-01-2000" / "art_del.nii.gz").unlink()
    return root.parent


@pytest.fixture
def atlas(tmp_path):
    for number, tumours in ((3, 2), (20, 1)):
        write(tmp_path / "atlas" / "train" / "imagesTr" / f"im{number}.nii.gz", make_image(2))
        write(tmp_path / "atlas" / "train" / "labelsTr" / f"lb{number}.nii.gz", make_labels(tumours))
    return tmp_path / "atlas"


def make_run(folder: Path) -> RunFolder:
    """A run of a virtual cohort with two variants, whose weights are a word."""
    profile = yaml.safe_load((CHECKOUT / "experiments" / "profiles" / "smoke.yaml").read_text())
    profile["preprocessing"]["matrix_px"] = profile["segmentation"]["training_crop_px"] = 32
    profile["segmentation"]["variants"] = ["delayed", "three-phase"]
    profile["workflow"] |= {"threads": 1, "jobs": 1}
    run = RunFolder(folder)
    run.path.mkdir()
    run.profile_file.write_text(yaml.safe_dump(profile))
    run.inputs.write("test", virtual=True)
    for variant in ("delayed", "three-phase"):
        run.full(variant).write_choice("test", threshold=CUT[0], minimum_volume_mm3=CUT[1], validation_dice=None)
        run.full(variant).weights.write_text("weights")
    return run


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


@pytest.fixture
def external(monkeypatch, run, tmp_path, capsys):
    """Runs the command with the stand-in; exit code, what it printed, and the errors' lines."""
    monkeypatch.setattr(network_scorer, "NetworkScorer", StandIn)

    def call(name: str, folder: Path, *options: object, out: str = "out", dies_after: int | None = None) -> tuple[int, str, list[str]]:
        StandIn.scored, StandIn.dies_after = [], dies_after
        code = cli.main(["external", name, str(folder), "--run", str(run.path), "--out", str(tmp_path / out), *map(str, options)])
        printed = capsys.readouterr()
        return code, printed.out, [line for line in printed.err.splitlines() if line.startswith("error: ")]

    return call


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_patient_is_scored_by_the_networks_that_can_read_it(external, liverhccseg, tmp_path):
    code, printed, _ = external("liverhccseg", liverhccseg)
    assert code == 0
    assert StandIn.scored == [("delayed", "TCGA-A", (True,)), ("delayed", "TCGA-C", (True,)), ("three-phase", "TCGA-A", (True,) * 3),
                              ("three-phase", "TCGA-B", (True, True, False)), ("three-phase", "TCGA-C", (True,) * 3)]
    rows = read(tmp_path / "out" / "scores.csv")
    assert list(rows[0]) == list(SCORE_COLUMNS) and {row["draw"] for row in rows} == {"LiverHccSeg"} and {row["condition"] for row in rows} == {"as_acquired"}
    found = {(row["segmentation"], row["draw_patient_id"]): [row[name] for name in SCORE_COLUMNS[5:12]] for row in rows}
    small, large = 2 * 3 * 4, 2 * 6 * 6
    assert found == {
        ("delayed", "TCGA-A"): ["positive", "1", "1", "1", "1", "1", "delayed"], ("delayed", "TCGA-C"): ["negative", "", "0", "0", "1", "0", "delayed"],
        ("three-phase", "TCGA-A"): ["positive", "1", "1", "1", "1", "1", "arterial portal_venous delayed"],
        ("three-phase", "TCGA-B"): ["positive", f"{2 * large / (2 * large + small):.6g}", "2", "1", "1", "1", "arterial portal_venous"],
        ("three-phase", "TCGA-C"): ["negative", "", "0", "0", "1", "0", "arterial portal_venous delayed"]}
    assert [(row["amount"], row["threshold"], row["minimum_volume_mm3"]) for row in rows] == [("", "0.5", "500")] * 5
    # Mean Dice of A and B, 2 of 3 lesions, 2 / (2 + 1) and 1 of 3.
    *_, line = (line.split() for line in printed.splitlines() if line.strip().startswith("three-phase  "))
    assert line == ["three-phase", "3", "2", f"{(1 + 2 * large / (2 * large + small)) / 2:.3f}", f"{(1 + 2 * large / (2 * large + small)) / 2:.3f}",
                    "2", "of", "3", "0.667", "0.333"]
    assert "LiverHccSeg: 3 real patients" in printed and "trained on a virtual cohort, on no real patient" in printed


def test_which_image_was_which_phase_is_said_of_everybody_and_why_one_was_not_read(external, liverhccseg, tmp_path):
    _, printed, _ = external("liverhccseg", liverhccseg)
    rows = {(row["segmentation"], row["draw_patient_id"]): row for row in read(tmp_path / "out" / "phases.csv")}
    assert list(rows) == [(variant, f"TCGA-{name}") for variant in ("delayed", "three-phase") for name in "ABCD"]
    exam = "nifti_and_segms/TCGA-B/01-01-2000"
    assert rows["three-phase", "TCGA-B"] == {
        "draw": "LiverHccSeg", "segmentation": "three-phase", "draw_patient_id": "TCGA-B", "arterial": f"{exam}/art.nii.gz",
        "portal_venous": f"{exam}/art_pv.nii.gz", "delayed": "", "scored": "1",
        "note": "read without the delayed phase, on the grid of the portal venous phase"}
    refused = "no delayed phase, and delayed reads nothing else"
    assert (rows["delayed", "TCGA-B"]["scored"], rows["delayed", "TCGA-B"]["note"]) == ("0", refused)
    assert f"delayed, 1 patient not scored (TCGA-B): {refused}" in printed
    assert rows["delayed", "TCGA-D"]["scored"] == "0" and "the grid: expected 6 × 32 × 32 voxels" in rows["delayed", "TCGA-D"]["note"]


def test_an_image_of_no_phase_is_read_as_the_paper_reads_one(external, atlas, tmp_path):
    code, printed, _ = external("atlas", atlas)
    assert code == 0 and [scored[:2] for scored in StandIn.scored] == [("delayed", "ATLAS-3"), ("delayed", "ATLAS-20")]
    rows = read(tmp_path / "out" / "scores.csv")
    assert [(row["n_reference"], row["n_detected"], row["n_predicted"], row["n_matched"]) for row in rows] == [("2", "2", "2", "2"), ("1", "1", "2", "1")]
    assert set(np.unique(read_stored_study(tmp_path / "out" / "store" / "ATLAS-3").mask())) == {0, 1, 2}
    assert "three-phase, 2 patients not scored (ATLAS-3, ATLAS-20): the set does not say the phase" in printed
    assert read(tmp_path / "out" / "phases.csv")[0]["delayed"] == "train/imagesTr/im3.nii.gz"


def test_killed_anywhere_it_goes_on_and_ends_with_the_same_bytes(external, liverhccseg, tmp_path):
    external("liverhccseg", liverhccseg)
    with pytest.raises(Killed):
        external("liverhccseg", liverhccseg, out="again", dies_after=3)
    first = list(StandIn.scored)
    assert not (tmp_path / "again" / "scores.csv").exists()
    # As if killed while the record of the third was written, and while the manifest was.
    (tmp_path / "again" / "scores" / first[2][0] / f"{first[2][1]}.json").write_text("{")
    (tmp_path / "again" / "manifest" / "imported.json").unlink()
    assert external("liverhccseg", liverhccseg, out="again")[0] == 0
    assert first[2] in StandIn.scored and len(StandIn.scored) == 5 - 2
    for name in ("scores.csv", "phases.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    # A finished one says again what it found, and changes nothing.
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "again").rglob("*") if path.is_file() and path.name != ".lock"}
    code, printed, _ = external("liverhccseg", liverhccseg, out="again")
    assert code == 0 and not StandIn.scored and "0.667" in printed
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_nothing_is_overwritten(external, run, liverhccseg, atlas, tmp_path):
    external("liverhccseg", liverhccseg)
    before = (tmp_path / "out" / "scores.csv").read_bytes()
    for name, folder, options, word in (("atlas", atlas, (), "dataset"), ("liverhccseg", liverhccseg, ("--background-cutoff", "auto"), "background_cutoff")):
        code, _, errors = external(name, folder, *options)
        assert code == 2 and any(word in line for line in errors)
    write(liverhccseg / "nifti_and_segms" / "TCGA-A" / "01-01-2000" / "rater1_tumor2.nii.gz", np.zeros(SHAPE, np.int16))
    code, _, errors = external("liverhccseg", liverhccseg)
    assert code == 2 and "as they were scored there" in errors[0]
    run.full("delayed").weights.write_text("others")
    code, _, errors = external("liverhccseg", liverhccseg)
    assert code == 2 and len(errors) == 1 and "sha256 of segmentation/delayed/full/model.keras" in errors[0]
    assert (tmp_path / "out" / "scores.csv").read_bytes() == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    assert external("atlas", atlas, out="other")[0] == 2 and [path.name for path in (tmp_path / "other").iterdir()] == ["notes.txt"]


def test_all_that_is_wrong_is_told_and_nothing_is_written(external, run, liverhccseg, tmp_path):
    root = liverhccseg / "nifti_and_segms"
    (root / "TCGA-A" / "01-01-2000" / "rater1_liver.nii.gz").unlink()
    (root / "TCGA-B" / "01-01-2000" / "art_pv.nii.gz").unlink()
    (root / "TCGA-C" / "01-01-2000" / "art_del.nii.gz").write_bytes(b"no image")
    code, _, errors = external("liverhccseg", liverhccseg)
    assert code == 2 and len(errors) == 3 and not (tmp_path / "out").exists()
    for line, words in zip(errors, ("TCGA-A/01-01-2000: expected rater1_liver.nii.gz", "TCGA-B/01-01-2000: expected art_del.nii.gz or art_pv.nii.gz",
                                    "TCGA-C/01-01-2000/art_del.nii.gz"), strict=True):
        assert words in line
    # With what the run lacks beside them.
    run.full("three-phase").weights.unlink()
    run.full("delayed").tested.remove()
    code, _, errors = external("liverhccseg", liverhccseg)
    assert code == 2 and len(errors) == 5 and "model.keras: expected weights" in "".join(errors) and not (tmp_path / "out").exists()


def test_images_that_cannot_be_stored_are_told_of_all_patients_at_once(external, liverhccseg, tmp_path):
    root = liverhccseg / "nifti_and_segms"
    (root / "TCGA-A" / "01-01-2000" / "art.nii.gz").write_bytes(b"no image")
    for phase in ("art", "art_del"):
        write(root / "TCGA-C" / "01-01-2000" / f"{phase}.nii.gz", make_image(0, low=10))
    (tmp_path / "out").mkdir()
    code, _, errors = external("liverhccseg", liverhccseg)
    assert code == 2 and len(errors) == 3 and "art.nii.gz" in errors[0] and all("background_cutoff: auto adapts it" in line for line in errors[1:])
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name, folder, words", [
    ("atlas", "absent", "no such folder"), ("liverhccseg", "run", "one folder with nifti_and_segms in it"), ("atlas", ".", "a folder outside of the data set")])
def test_other_folders_are_refused(external, tmp_path, name, folder, words):
    code, _, errors = external(name, tmp_path / folder)
    assert code == 2 and words in errors[0] and not (tmp_path / "out").exists()


def test_another_process_at_work_is_told(external, atlas, tmp_path):
    external("atlas", atlas)
    with FileLock(tmp_path / "out" / ".lock"):
        code, _, errors = external("atlas", atlas)
    assert code == 2 and "no other process" in errors[0]


def test_a_set_that_no_network_reads_is_refused(external, run, liverhccseg, tmp_path):
    profile = yaml.safe_load(run.profile_file.read_text())
    profile["segmentation"]["variants"] = ["delayed"]
    run.profile_file.write_text(yaml.safe_dump(profile))
    for path in liverhccseg.rglob("art_del.nii.gz"):
        path.unlink()
    code, _, errors = external("liverhccseg", liverhccseg)
    assert code == 2 and "networks that read a patient" in errors[0] and "no delayed phase" in errors[0] and not (tmp_path / "out").exists()


def test_the_sets_are_those_of_the_registry():
    assert EXTERNAL_SETS == registry.EXTERNAL_SETS and set(EXTERNAL_SETS) <= set(registry.ADAPTERS)


@pytest.mark.slow
def test_a_real_network_scores_a_set(run, atlas, tmp_path):
    """A subprocess of its own, as TensorFlow's threads are set once. 20 s on two cores."""
    from lirads_keras.preprocessing.slices import MR_CLASSES
    from lirads_keras.training.segmentation import build_segmentation_network
    from lirads_keras.variants import SEGMENTATION_VARIANTS

    for name in ("delayed", "three-phase"):
        build_segmentation_network(run.read_profile().segmentation, MR_CLASSES, "random", SEGMENTATION_VARIANTS[name].channels).save(run.full(name).weights)
    finished = subprocess.run([sys.executable, "-m", "lirads_keras", "external", "atlas", str(atlas), "--run", str(run.path), "--out", str(tmp_path / "out")],
                              capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    rows = read(tmp_path / "out" / "scores.csv")
    assert [row["draw_patient_id"] for row in rows] == ["ATLAS-3", "ATLAS-20"] and [row["n_reference"] for row in rows] == ["2", "1"]
    assert all(0 <= float(row["dice"]) <= 1 for row in rows) and "mean Dice" in finished.stdout
    assert json.loads((tmp_path / "out" / "scores" / "delayed" / "ATLAS-3.json").read_text())["row"]["n_reference"] == 2
