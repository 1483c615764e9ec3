"""The command `lirads`. Everything slow to import is imported by the command that needs it."""
from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Literal

from lirads_keras.errors import InputError, Problem


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; 0: done, 2: the input was at fault and nothing was written."""
    parsed = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        parsed.command(parsed)
    except InputError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lirads", description="LI-RADS from multi-phase liver MRI, after Wang et al. 2023. Research use only.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    predict = commands.add_parser("predict", help="lesions, features and category of one study, from DICOM",
                                  description="Reads a folder of DICOM and writes report.json and an overlay picture for each lesion.")
    predict.add_argument("study", type=Path, metavar="STUDY", help="folder with the DICOM files of one study, in any order and naming")
    predict.add_argument("--run", type=Path, required=True, help="run folder with trained networks (runs/cpu, say)")
    predict.add_argument("--out", type=Path, required=True, help="folder for the result; new or empty")
    predict.add_argument("--phase-map", type=Path, help="YAML file that says which series or time point is which phase (README: your own data)")
    predict.add_argument("--variant", help="characterisation variant (default: the run's first)")
    predict.add_argument("--fold", type=int, help="networks of one fold only (default: the mean over all folds)")
    predict.add_argument("--background-cutoff", type=_cutoff, metavar="auto|UNITS",
                         help="Eq. 1's cut-off for a scanner on another intensity scale (default: the run's)")
    predict.set_defaults(command=_predict)

    cohort = commands.add_parser("cohort", help="the virtual cohort").add_subparsers(required=True, metavar="COMMAND")
    build = cohort.add_parser("build", help="writes a virtual cohort as DICOM, masks and manifest")
    build.add_argument("--profile", type=Path, required=True, help="profile file whose section cohort is used (experiments/profiles/cpu.yaml, say)")
    build.add_argument("--out", type=Path, required=True, help="folder for the cohort; a build that was stopped goes on there")
    build.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, help="processes (default: all cores)")
    build.set_defaults(command=_build_cohort)
    return parser


def _positive(text: str) -> int:
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, found {text!r}")
    return int(text)


def _cutoff(text: str) -> float | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected auto or a number of scanner units from 0, found {text!r}")
    return value


def _check_out(folder: Path) -> None:
    """A folder that is there, or can be made."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputError(Problem(f"--out {folder}", "a folder that can be written", f"{there}, {'not writable' if there.is_dir() else 'a file'}"))


def _predict(parsed: argparse.Namespace) -> None:
    _check_out(parsed.out)
    if parsed.out.exists() and any(parsed.out.iterdir()):
        raise InputError(Problem(f"--out {parsed.out}", "a new or an empty folder", "something is there already"))
    from lirads_keras.inference.run_files import find_run_files
    from lirads_keras.io.dicom import read_study

    # The study and the run's files are checked before TensorFlow is imported: a wrong path should not take ten seconds to be told.
    files = find_run_files(parsed.run, variant=parsed.variant, fold=parsed.fold)
    study = read_study(parsed.study, parsed.phase_map)
    print("loading the networks", file=sys.stderr)
    from lirads_keras.inference.engine import read_run_models
    from lirads_keras.inference.report import write_report
    from lirads_keras.pipeline import analyse_study

    models = read_run_models(files)
    profile = files.profile
    if parsed.background_cutoff is not None:
        preprocessing = profile.preprocessing.model_copy(update={"background_cutoff": parsed.background_cutoff})
        profile = profile.model_copy(update={"preprocessing": preprocessing})
    models.versions["background_cutoff"] = str(profile.preprocessing.background_cutoff)
    result = analyse_study(study, models, profile, progress=lambda step: print(step, file=sys.stderr))
    write_report(parsed.out, result.report, result.volumes, result.probability, models.threshold)
    for scored in result.report.lesions:
        print(f"{scored.lesion.lesion_id}  {scored.category}  {scored.reasons}")
    print(f"{len(result.report.lesions)} lesion(s); {parsed.out / 'report.json'}")


def _build_cohort(parsed: argparse.Namespace) -> None:
    from tqdm import tqdm

    from lirads_keras.config import read_profile
    from lirads_keras.phantom.build import build_cohort

    _check_out(parsed.out)
    settings = read_profile(parsed.profile).cohort
    with tqdm(total=settings.patients_positive + settings.patients_negative, unit="patient") as bar:
        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        build_cohort(settings, parsed.out, jobs=parsed.jobs, progress=show)


if __name__ == "__main__":
    sys.exit(main())
