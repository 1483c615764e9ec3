"""`lirads train segmentation`: the segmentation stage alone, on images with one label."""
from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lirads_keras.commands.arguments import check_out, parse_cutoff, parse_positive
from lirads_keras.commands.progress import follow
from lirads_keras.errors import InputError, Problem

if TYPE_CHECKING:
    from lirads_keras.config.profile import Profile
    from lirads_keras.io.manifests import Manifest
    from lirads_keras.preprocessing.store import StoredStudy

_OF_NO_RESULT = {"preprocessing": {"registration"}, "segmentation": {"variants", "drop_phase", "pretrain"}, "lesions": {"minimum_overlap_iou"}}
"""Settings that do nothing where one network reads one image a patient, begins from its encoder's weights and leaves the lesions uncharacterised."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the parser's commands."""
    train = commands.add_parser("train", help="a part of the workflow on your own data").add_subparsers(required=True, metavar="COMMAND")
    segmentation = train.add_parser("segmentation", help="trains and cross-validates a segmentation on images with one label",
                                    description="Needs images and label maps only (README: your own data). Killed, the same command goes on where it was.")
    segmentation.add_argument("--manifest", type=Path, required=True, metavar="DIR", help="folder with patients.csv and series.csv")
    segmentation.add_argument("--label", required=True, help="what to find: a name of labels.csv, a number, or several joined by commas")
    segmentation.add_argument("--profile", type=Path, required=True, help="profile file (experiments/profiles/gpu.yaml, say); its section finetune is trained")
    segmentation.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder for the store, the folds and the report")
    segmentation.add_argument("--folds", type=parse_positive, help="number of folds (default: that of the column fold, else the profile's)")
    segmentation.add_argument("--background-cutoff", type=parse_cutoff, metavar="auto|UNITS", help="Eq. 1's cut-off for MR (default: the profile's)")
    segmentation.set_defaults(command=_train_segmentation)


def _train_segmentation(parsed: argparse.Namespace) -> None:
    from filelock import FileLock, Timeout

    from lirads_keras.io.label_names import choose_labels, read_label_names
    from lirads_keras.io.manifests import describe_files, read_manifest
    from lirads_keras.run import RunFolder

    check_out(parsed.out)
    manifest = read_manifest(parsed.manifest, segmentation_only=True)
    labels = choose_labels(parsed.label, read_label_names(parsed.manifest))
    profile = _read_profile(parsed, manifest)
    identity = _identify(describe_files(manifest), labels, profile)
    parsed.out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(RunFolder(parsed.out).lock, timeout=0):
            _claim(parsed.out, {"identity": identity, "virtual": False, "manifest": str(parsed.manifest.resolve()), "label": parsed.label,
                                "profile": profile.model_dump(mode="json")})
            _run(parsed, manifest, labels, profile, identity)
    except Timeout as error:
        raise InputError(Problem(str(parsed.out), "no other process at work on this run", "its lock held")) from error


def _run(parsed: argparse.Namespace, manifest: Manifest, labels: tuple[int, ...], profile: Profile, identity: str) -> None:
    from tqdm import tqdm

    from lirads_keras.evaluation.segmentation_report import write_segmentation_report
    from lirads_keras.inference.openvino_predictor import check_engine
    from lirads_keras.io.open_files import allow_open_files
    from lirads_keras.preprocessing.manifest_folds import read_folds
    from lirads_keras.preprocessing.segmentation_store import store_segmentation_set
    from lirads_keras.run import RunFolder
    from lirads_keras.variants import PAPER_SEGMENTATION, SEGMENTATION_VARIANTS

    check_engine(profile.inference.engine)
    allow_open_files()
    with tqdm(total=len(manifest.patients), unit="patient", desc="images") as bar:
        studies = store_segmentation_set(manifest, labels, RunFolder(parsed.out).stores, profile.preprocessing, jobs=profile.workflow.cores,
                                         progress=follow(bar))
    # Who is positive is a matter of the label that is asked for.
    patients = manifest.patients.assign(group=["positive" if studies[str(name)].lesion_slices else "negative" for name in manifest.patients["patient_id"]])
    positives, fold_of = read_folds(patients, profile.segmentation.folds, profile.seed)
    print("loading TensorFlow", file=sys.stderr)
    from lirads_keras.cross_validation import CrossValidation
    from lirads_keras.fold_training import train_folds
    from lirads_keras.shared_starts import train_starts

    job = CrossValidation(RunFolder(parsed.out), profile, SEGMENTATION_VARIANTS[PAPER_SEGMENTATION], studies, positives, fold_of, pretrained=None,
                          identity=identity, threads=profile.workflow.cores)
    with tqdm(total=profile.segmentation.folds, unit="fold", bar_format="{l_bar}{bar}| {n:.2f}/{total} [{elapsed}{postfix}]") as bar:
        def tell(fraction: float | None, message: str) -> None:
            bar.update((fraction or 0.0) * profile.segmentation.folds - bar.n)
            bar.set_postfix_str(message)

        train_starts(job, lambda fraction, message: tell(0, message))
        train_folds(job, tell)
        tell(1, "done")
    cohort = " + ".join(sorted({text for text in manifest.patients["cohort"] if text})) or "not named"
    print(write_segmentation_report(
        parsed.out, _score(parsed.out, studies, fold_of, profile), title=f"Segmentation of {parsed.label}: {cohort}",
        facts={"Cohort": cohort, "Label": f"{parsed.label} ({', '.join(map(str, labels))})", "Profile": f"{profile.name}, {profile.segmentation.folds} folds"}))
    print(f"{parsed.out / 'report.html'}, dice.csv and summary.txt")


def _score(out: Path, studies: dict[str, StoredStudy], fold_of: dict[str, int], profile: Profile) -> list[dict[str, object]]:
    import numpy as np

    from lirads_keras.evaluation.segmentation_report import score_fold
    from lirads_keras.run import RunFolder
    from lirads_keras.variants import PAPER_SEGMENTATION

    rows = []
    for fold in range(profile.segmentation.folds):
        tested = [studies[name] for name, of in fold_of.items() if of == fold]
        rows += score_fold(RunFolder(out).fold(PAPER_SEGMENTATION, fold), fold, (
            (study.patient_id, np.asarray(study.mask()) > 0, float(np.prod(study.spacing_mm)) / 1000) for study in tested))
    return rows


def _read_profile(parsed: argparse.Namespace, manifest: Manifest) -> Profile:
    """The profile with the folds and the cut-off that are asked for."""
    from lirads_keras.config.profile import read_profile
    from lirads_keras.preprocessing.manifest_folds import count_folds

    profile = read_profile(parsed.profile)
    folds = parsed.folds or count_folds(manifest.patients, profile.segmentation.folds)
    if folds < 2:
        raise InputError(Problem("--folds", "two or more", str(folds)))
    preprocessing = profile.preprocessing
    if parsed.background_cutoff is not None:
        preprocessing = preprocessing.model_copy(update={"background_cutoff": parsed.background_cutoff})
    return profile.model_copy(update={"preprocessing": preprocessing, "segmentation": profile.segmentation.model_copy(update={"folds": folds})})


def _identify(files: list[Any], labels: tuple[int, ...], profile: Profile) -> str:
    """12 hex digits of all that the result depends on, but for this package's code."""
    from lirads_keras.provenance import package_versions

    settings = profile.model_dump(mode="json", include={"seed", "preprocessing", "segmentation", "inference", "lesions"}, exclude=_OF_NO_RESULT)
    parts = [files, labels, package_versions(), settings, profile.workflow.cores]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _claim(out: Path, content: dict[str, Any]) -> None:
    """Takes the folder for this run, or goes on with it.

    Raises:
        InputError: it holds a run of something else.
    """
    from lirads_keras.run import RunFolder

    inputs = RunFolder(out).inputs
    if inputs.made_from(content["identity"]):
        return
    if any(entry.name != ".lock" for entry in out.iterdir()):
        raise InputError(Problem(f"--out {out}", "a new folder, or a run of these images, label, profile and package versions", "something else"))
    inputs.write(**content)
