"""`lirads cohort build`: a virtual cohort as DICOM, masks and manifest."""
from __future__ import annotations

import argparse
import os
from pathlib import Path

from lirads_keras.commands.arguments import check_out, parse_non_negative, parse_positive
from lirads_keras.commands.progress import follow


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the parser's commands."""
    cohort = commands.add_parser("cohort", help="the virtual cohort").add_subparsers(required=True, metavar="COMMAND")
    build = cohort.add_parser("build", help="writes a virtual cohort as DICOM, masks and manifest")
    build.add_argument("--profile", type=Path, required=True, help="profile file whose section cohort is used (experiments/profiles/cpu.yaml, say)")
    build.add_argument("--out", type=Path, required=True, help="folder for the cohort; a build that was stopped goes on there")
    build.add_argument("--patients", type=parse_positive, help="so many of the cohort, both groups mixed (default: all); more may be asked for later")
    build.add_argument("--seed", type=parse_non_negative, help="of the cohort (default: the profile's)")
    build.add_argument("--shifted", action="store_true", help="another scanner and kinetics, later phases, more noise and benign findings")
    build.add_argument("--jobs", type=parse_positive, default=os.cpu_count() or 1, help="processes (default: all cores)")
    build.set_defaults(command=_build_cohort)


def _build_cohort(parsed: argparse.Namespace) -> None:
    from tqdm import tqdm

    from lirads_keras.config.profile import read_profile
    from lirads_keras.phantom.build import build_cohort
    from lirads_keras.phantom.shift import SHIFTS

    check_out(parsed.out)
    settings = read_profile(parsed.profile).cohort
    if parsed.seed is not None:
        settings = settings.model_copy(update={"seed": parsed.seed})
    if parsed.shifted:
        settings = settings.model_copy(update={"shift": "shifted"})
    if settings.shift != "none":
        print(f"{settings.shift}: {SHIFTS[settings.shift]}")
    # The delay keeps the bar away from a complaint about the input.
    with tqdm(total=parsed.patients or settings.patients_positive + settings.patients_negative, unit="patient", delay=0.5) as bar:
        build_cohort(settings, parsed.out, jobs=parsed.jobs, progress=follow(bar), patients=parsed.patients)
