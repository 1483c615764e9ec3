"""`lirads train segmentation` on images with one label, as a user types it."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from filelock import FileLock

from lirads_keras import cli
from lirads_keras.entities import Volume
from lirads_keras.io.nifti import write_nifti

CHECKOUT = Path(__file__).resolve().parents[2]


def lirads(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "lirads_keras", *map(str, arguments)], capture_output=True, text=True)


def write_snap_folder(folder: Path, patients: int = 6) -> Path:
    """MR-like images with a bright ellipse that is the liver (label 3), and one patient in whom nobody has drawn one."""
    random = np.random.default_rng(7)
    z, y, x = np.mgrid[:8, :48, :48]
    for number in range(patients):
        centre_y, centre_x, radius = random.uniform(18, 30, 2).tolist() + [random.uniform(8, 13)]
        body = (y - 24) ** 2 + (x - 24) ** 2 < 22 ** 2
        liver = ((y - centre_y) ** 2 + (x - centre_x) ** 2 < radius ** 2) & (1 < z) & (z < 7)
        image = np.where(body, np.where(liver, 600, 250), 20) + random.normal(0, 15, z.shape)
        affine = np.eye(4)
        affine[:3, :3] = np.diag([5.0, 4.0, 4.0])[::-1]
        for name, array in ((f"P{number}", np.clip(image, 0, None).astype(np.int16)), (f"P{number}_seg", (liver & (number > 0)) * np.uint8(3))):
            write_nifti(folder / f"{name}.nii.gz", Volume(array, (5.0, 4.0, 4.0), affine))
    (folder / "labels.txt").write_text('0 0 0 0 0 0 0 "Clear Label"\n3 255 0 0 1 1 1 "liver"\n')
    return folder


def write_profile(path: Path, threads: int = 2, **sections: dict[str, object]) -> Path:
    profile = yaml.safe_load((CHECKOUT / "experiments" / "profiles" / "smoke.yaml").read_text())
    profile["preprocessing"]["matrix_px"] = profile["segmentation"]["training_crop_px"] = 32
    profile["segmentation"]["finetune"] |= {"epochs": 6, "patience_epochs": 6, "learning_rate": 3e-3}
    profile["workflow"]["threads"] = threads
    for section, settings in sections.items():
        profile[section] |= settings
    path.write_text(yaml.safe_dump(profile))
    return path


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("snap")
    assert cli.main(["data", "import", "itksnap", str(write_snap_folder(folder / "my livers")), "--out", str(folder / "manifest"), "--masks-complete"]) == 0
    return folder / "manifest"


@pytest.mark.slow
def test_a_label_is_trained_cross_validated_and_reported(manifest: Path, tmp_path: Path) -> None:
    """40 s idle on two cores."""
    checked = lirads("data", "check", manifest)
    assert checked.returncode == 0 and "no problem (6 patients" in checked.stdout, checked.stdout
    command = ("train", "segmentation", "--manifest", manifest, "--label", "liver", "--profile", write_profile(tmp_path / "tiny.yaml"),
               "--out", tmp_path / "run", "--folds", 2)
    finished = lirads(*command)
    assert finished.returncode == 0, finished.stderr
    table = pd.read_csv(tmp_path / "run" / "dice.csv")
    assert set(table["patient_id"]) == {f"P{number}" for number in range(6)} and sorted(table["fold"].unique()) == [0, 1]
    drawn = table[table["patient_id"] != "P0"]
    assert drawn["has_reference"].all() and not table.loc[table["patient_id"] == "P0", "has_reference"].any()
    # A bright ellipse on a grey body: whoever learns at all finds most of it in patients never seen.
    assert drawn["dice"].median() > 0.5
    for name in ("report.html", "summary.txt"):
        text = (tmp_path / "run" / name).read_text()
        assert "Segmentation of liver: my livers" in text and f"{drawn['dice'].mean():.3f}" in text and "1 patients without the label" in text
    for fold in (0, 1):
        record = json.loads((tmp_path / "run" / "segmentation" / "delayed" / f"fold-{fold}" / "fold.json").read_text())
        tested = set(table.loc[table["fold"] == fold, "patient_id"])
        # Nobody is tested by a network that was tuned on him, and somebody with the label is among those that it was tuned on.
        for tuned_on in (record["stopping_patients"], record["choice_patients"]):
            assert set(tuned_on) - {"P0"} and not tested & set(tuned_on)

    # The same command goes on: what is finished is not made again, what is missing is, and the numbers stay.
    weights = tmp_path / "run" / "segmentation" / "delayed" / "fold-0" / "model.keras"
    before, made = (tmp_path / "run" / "dice.csv").read_bytes(), weights.stat().st_mtime_ns
    (tmp_path / "run" / "segmentation" / "delayed" / "fold-1" / "fold.json").unlink()
    (tmp_path / "run" / "dice.csv").unlink()
    again = lirads(*command)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "run" / "dice.csv").read_bytes() == before and weights.stat().st_mtime_ns == made

    other = lirads(*command[:-1], 3)
    assert other.returncode == 2 and "a new folder, or a run of these images" in other.stderr
    assert (tmp_path / "run" / "dice.csv").read_bytes() == before


@pytest.mark.parametrize("arguments, words", [
    (["--label", "lover"], ["--label lover", "a name of labels.csv (liver)", "did you mean liver?"]),
    (["--label", "7"], ["a label that occurs in the masks, found 7, which is in none of 6"]),
    (["--label", "liver", "--folds", "1"], ["--folds", "two or more, found 1"]),
    (["--label", "liver", "--folds", "6"], ["at least 6 with lesions, one a fold, found 5"])])
def test_what_cannot_be_trained_is_told(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture, arguments: list[str], words: list[str]) -> None:
    profile = write_profile(tmp_path / "tiny.yaml", threads=1)
    assert cli.main(["train", "segmentation", "--manifest", str(manifest), "--profile", str(profile), "--out", str(tmp_path / "run"), *arguments]) == 2
    err = capsys.readouterr().err
    assert all(word in err for word in words), err


def test_a_run_that_another_process_works_on_is_left_alone(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    profile = write_profile(tmp_path / "tiny.yaml", threads=1)
    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / ".lock"):
        assert cli.main(["train", "segmentation", "--manifest", str(manifest), "--label", "liver", "--profile", str(profile), "--folds", "2",
                         "--out", str(tmp_path / "run")]) == 2
    assert "no other process at work on this run, found its lock held" in capsys.readouterr().err and len(list((tmp_path / "run").iterdir())) <= 1


@pytest.mark.parametrize("section, settings, goes_on", [
    ("segmentation", {"drop_phase": 0.75}, True),
    ("segmentation", {"variants": ["delayed"]}, True),
    ("segmentation", {"pretrain": {"epochs": 9, "samples_per_epoch": 8, "batch_size": 4, "learning_rate": 0.1, "validation_samples": 4,
                                   "patience_epochs": 1}}, True),
    ("preprocessing", {"registration": "rigid"}, True),
    ("lesions", {"minimum_overlap_iou": 0.5}, True),
    ("characterization", {"head_units": 9}, True),
    ("preprocessing", {"upper_percentile": 98}, False),
    ("segmentation", {"gradient_clip_norm": 2}, False),
    ("lesions", {"choice_iou": 0.5}, False)])
def test_a_run_goes_on_if_what_its_network_depends_on_is_as_it_was(manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture, section: str,
                                                                   settings: dict[str, object], goes_on: bool) -> None:
    command = ["train", "segmentation", "--manifest", str(manifest), "--profile", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "run"),
               "--label", "7", "--folds", "2"]
    # No mask has the label, which is told once the folder is claimed for this run.
    goes_on_words, refused_words = "a label that occurs in the masks", "a new folder, or a run of these images"
    write_profile(tmp_path / "tiny.yaml", threads=1)
    assert cli.main(command) == 2 and goes_on_words in capsys.readouterr().err
    write_profile(tmp_path / "tiny.yaml", threads=1, **{section: settings})
    assert cli.main(command) == 2
    assert (goes_on_words if goes_on else refused_words) in capsys.readouterr().err
