"""`lirads external`: how a run's segmentation fares on a public set of real patients."""
from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lirads_keras.commands.arguments import check_out, parse_cutoff
from lirads_keras.commands.progress import follow
from lirads_keras.commands.studies import CHECKSUM, claim_folder
from lirads_keras.errors import InputError, Problem, raise_if_any

if TYPE_CHECKING:
    from lirads_keras.config.profile import Profile
    from lirads_keras.run import NetworkFolder, RunFolder

EXTERNAL_SETS = ("liverhccseg", "atlas")
"""As in io.datasets.registry, which is slow to import."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the parser's commands."""
    external = commands.add_parser(
        "external", help="a run's segmentation on a public set of real patients",
        description="Scores each segmentation variant's network of all patients, at its own threshold and minimum volume, on a data set as it was unpacked. "
                    "Writes scores.csv (a row a patient and variant) and phases.csv (which image was read as which phase) and prints a summary. Killed, the "
                    "same command goes on where it was.")
    external.add_argument("dataset", choices=EXTERNAL_SETS, metavar="DATASET", help=", ".join(EXTERNAL_SETS))
    external.add_argument("folder", type=Path, metavar="FOLDER", help="the data set as it was unpacked (README says where it is to be had)")
    external.add_argument("--run", type=Path, required=True, help="run folder with trained networks (runs/cpu, say)")
    external.add_argument("--out", type=Path, required=True, help="folder for manifest, store and tables; new or empty, or that of an earlier such call")
    external.add_argument("--background-cutoff", type=parse_cutoff, metavar="auto|UNITS",
                          help="Eq. 1's cut-off for scanners on another intensity scale (default: the run's)")
    external.set_defaults(command=_external)


def _external(parsed: argparse.Namespace) -> None:
    from filelock import FileLock, Timeout

    from lirads_keras.inference.openvino_predictor import check_engine
    from lirads_keras.io.open_files import allow_open_files
    from lirads_keras.run import RunFolder

    check_out(parsed.out)
    if parsed.out.resolve().is_relative_to(parsed.folder.resolve()):
        raise InputError(Problem(f"--out {parsed.out}", "a folder outside of the data set", f"one in {parsed.folder}"))
    run = RunFolder(parsed.run)
    profile, networks = _find_networks(parsed, run)
    check_engine(profile.inference.engine)
    allow_open_files()
    with _leaving_nothing(parsed.out):
        call = _describe_call(parsed, run, networks)
        claim_folder(parsed.out, call)
        try:
            with FileLock(parsed.out / ".lock", timeout=0):
                _run(parsed, run, profile, networks, call)
        except Timeout as error:
            raise InputError(Problem(f"--out {parsed.out}", "no other process at work on it", "its lock held")) from error


def _run(parsed: argparse.Namespace, run: RunFolder, profile: Profile, networks: dict[str, NetworkFolder], call: dict[str, str]) -> None:
    from tqdm import tqdm

    from lirads_keras.evaluation.external_readings import list_readings
    from lirads_keras.evaluation.external_summary import describe_notes, describe_scores
    from lirads_keras.external import ExternalFolder, import_set, read_scores, score_readings, store_set, write_tables
    from lirads_keras.io.manifests import read_manifest
    from lirads_keras.preprocessing.study_store import identify
    from lirads_keras.variants import SEGMENTATION_VARIANTS

    folder, source = ExternalFolder(parsed.out), parsed.folder.resolve()
    with tqdm(unit="case", desc="import", disable=None) as bar:
        import_set(parsed.dataset, source, folder, follow(bar))
    manifest = read_manifest(folder.manifest, segmentation_only=True, for_training=False)
    readings = list_readings(manifest, [SEGMENTATION_VARIANTS[name] for name in networks])
    possible = sum(bool(reading.images) for reading in readings)
    if not possible:
        raise InputError(Problem(f"--run {parsed.run}", f"networks that read a patient of {parsed.folder}", "; ".join(describe_notes(readings))))
    with tqdm(total=len(manifest.patients), unit="patient", desc="images", disable=None) as bar:
        store_set(manifest, folder, profile.preprocessing, jobs=profile.workflow.cores, progress=follow(bar))
    print("loading TensorFlow", file=sys.stderr)
    with tqdm(total=possible, unit="patient", desc="segmentation", disable=None) as bar:
        score_readings(profile, networks, readings, folder, identify([call]), follow(bar))
    cohort = str(manifest.patients["cohort"].iloc[0])
    rows = read_scores(cohort, networks, readings, folder)
    write_tables(rows, readings, cohort, source, folder)
    print("\n".join([_describe_networks(cohort, run, profile, len(manifest.patients)), "", describe_scores(rows), "", *describe_notes(readings),
                     f"{folder.scores_table} and {folder.phases_table.name}"]))


def _find_networks(parsed: argparse.Namespace, run: RunFolder) -> tuple[Profile, dict[str, NetworkFolder]]:
    """The run's settings with the cut-off that is asked for, and its networks.

    Raises:
        InputError: no run, or networks that are missing; then also what is wrong with the data set, so that all is told at once.
    """
    from lirads_keras.external import find_full_networks

    try:
        profile = run.read_profile()
        networks, problems = find_full_networks(run, profile)
        raise_if_any(problems)
    except InputError as error:
        raise InputError(*error.problems, *_find_set_problems(parsed)) from None
    if parsed.background_cutoff is not None:
        settings = profile.preprocessing.model_copy(update={"background_cutoff": parsed.background_cutoff})
        profile = profile.model_copy(update={"preprocessing": settings})
    return profile, networks


def _find_set_problems(parsed: argparse.Namespace) -> tuple[Problem, ...]:
    from lirads_keras.io.datasets.registry import ADAPTERS
    from lirads_keras.progress import ignore_progress

    with tempfile.TemporaryDirectory() as scratch:
        try:
            ADAPTERS[parsed.dataset](parsed.folder, Path(scratch), ignore_progress)
        except InputError as error:
            return error.problems
    return ()


def _describe_call(parsed: argparse.Namespace, run: RunFolder, networks: dict[str, NetworkFolder]) -> dict[str, str]:
    """What the scores depend on beside the data set's files."""
    from lirads_keras.provenance import compute_sha256, package_versions

    files = [run.profile_file, *(path for network in networks.values() for path in (network.weights, network.tested.path))]
    return {"dataset": parsed.dataset, "folder": str(parsed.folder.resolve()), "run": str(run.path.resolve()),
            "background_cutoff": str(parsed.background_cutoff), **package_versions(),
            **{f"{CHECKSUM}{path.relative_to(run.path)}": compute_sha256(path) for path in files}}


def _describe_networks(cohort: str, run: RunFolder, profile: Profile, patients: int) -> str:
    from lirads_keras.entities import VIRTUAL_COHORT

    trained = f"a {VIRTUAL_COHORT}, on no real patient" if run.is_virtual else "the run's own patients; whether this set has some of them is not known"
    return (f"{cohort}: {patients} real patients, external to the networks of {run.path} (profile {profile.name}), which were trained on {trained}.\n"
            f"Eq. 1's cut-off: {profile.preprocessing.background_cutoff}. A lesion is a connected part of what the set calls tumour, found from an "
            f"intersection over union of {profile.lesions.choice_iou:g} on. Research use only.")


@contextmanager
def _leaving_nothing(out: Path) -> Iterator[None]:
    """After bad input, a folder that was absent or empty is so again; one that an earlier call began stays."""
    existed = out.exists()
    began = existed and any(out.iterdir())
    try:
        yield
    except InputError:
        if not began and out.exists():
            shutil.rmtree(out)
            if existed:
                out.mkdir()
        raise
