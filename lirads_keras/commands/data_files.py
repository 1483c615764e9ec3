"""`lirads data index` and `lirads data deidentify`: heaps of DICOM files."""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lirads_keras.commands.arguments import check_out, check_out_is_new
from lirads_keras.commands.progress import follow
from lirads_keras.errors import InputError, Problem

_LISTED = 20
"""So many notices are printed."""


def add_parsers(group: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the commands to the group `data`."""
    index = group.add_parser("index", help="a manifest from a heap of DICOM files",
                             description="Sorts any heap of DICOM files into patients, series, time points and phases; reads headers only.")
    index.add_argument("folder", type=Path, metavar="FOLDER", help="folder with the files, in any order and naming")
    index.add_argument("--out", type=Path, required=True, metavar="MANIFEST", help="manifest folder; new, or of an earlier run, whose answers are read")
    index.add_argument("--masks", type=Path, metavar="FOLDER",
                       help="label maps (NIfTI, NRRD, MetaImage) on the delayed phase, named after PatientID, pseudonym, StudyInstanceUID or SeriesInstanceUID")
    index.add_argument("--masks-complete", action="store_true",
                       help="patients without a mask have no lesion, and no mask may be left over (otherwise their group is left to be filled in)")
    index.add_argument("--cohort", default="own data", metavar="NAME", help="the cohort's name in reports (default: own data)")
    _add_identity(index)
    index.set_defaults(command=_index)

    deidentify = group.add_parser("deidentify", help="copies of DICOM images without identifying attributes",
                                  description="Writes copies after the Basic Application Level Confidentiality Profile of DICOM PS3.15, E. "
                                              "Dates move by an unknown number of days, the same for all studies of a patient; times of day stay.")
    deidentify.add_argument("folder", type=Path, metavar="FOLDER", help="folder with the files, in any order and naming")
    deidentify.add_argument("--out", type=Path, required=True, help="folder for the copies; new or empty")
    deidentify.add_argument("--key", type=Path, required=True, metavar="FILE",
                            help="key of the pseudonyms; made if it is not there. Keep it apart from the copies")
    deidentify.add_argument("--remove-times", action="store_true",
                            help="remove dates and times; the phases and time points that they told are written into the copies")
    deidentify.set_defaults(command=_deidentify)


def _add_identity(parser: argparse.ArgumentParser) -> None:
    identity = parser.add_mutually_exclusive_group()
    identity.add_argument("--key", type=Path, metavar="FILE",
                          help="key of the pseudonyms (default: pseudonym.key in the manifest folder, made if it is not there)")
    identity.add_argument("--keep-ids", action="store_true", help="keep PatientID instead of a pseudonym")


def _index(parsed: argparse.Namespace) -> None:
    from tqdm import tqdm

    from lirads_keras.io.index import index_folder
    from lirads_keras.io.pseudonyms import KEY_NAME, read_pseudonyms

    check_out(parsed.out)
    if parsed.masks_complete and not parsed.masks:
        raise InputError(Problem("--masks-complete", "--masks FOLDER with it", "none"))
    with tqdm(unit="file", mininterval=0.5, delay=0.5) as bar:
        summary = index_folder(
            parsed.folder, parsed.out, None if parsed.keep_ids else (lambda: read_pseudonyms(parsed.key or parsed.out / KEY_NAME)),
            cohort=parsed.cohort, masks=parsed.masks, masks_complete=parsed.masks_complete, progress=follow(bar))
    _print_notices(summary.notices)
    print(f"{summary.files} files: {summary.patients} patient(s), {summary.time_points} time point(s) of series; {parsed.out}")
    if parsed.masks:
        print(f"masks: {summary.masks_joined} of {summary.mask_files} joined")
    if summary.set_aside:
        print(f"{summary.set_aside} set aside, with the reasons in {parsed.out / 'set_aside.csv'}")
    if summary.questions:
        print(f"{summary.questions} time point(s) whose phase is not clear: fill the column phase of {parsed.out / 'phase_overrides.csv'}, "
              "and run the same command again")


def _deidentify(parsed: argparse.Namespace) -> None:
    from tqdm import tqdm

    from lirads_keras.io.deidentify import deidentify_folder
    from lirads_keras.io.pseudonyms import read_pseudonyms

    check_out_is_new(parsed.out)
    with tqdm(unit="step", mininterval=0.5, delay=0.5) as bar:
        summary = deidentify_folder(
            parsed.folder, parsed.out, parsed.key, lambda: read_pseudonyms(parsed.key), keep_times=not parsed.remove_times, progress=follow(bar))
    _print_notices(summary.notices)
    print(f"{summary.written} file(s) of {summary.patients} patient(s) written; {parsed.out}")
    if summary.left_out:
        print(f"{summary.left_out} left out, with the reasons in {summary.list_path}, which names the original files")


def _print_notices(notices: Sequence[str]) -> None:
    for line in notices[:_LISTED]:
        print(f"notice: {line}", file=sys.stderr)
    if len(notices) > _LISTED:
        print(f"notice: and {len(notices) - _LISTED} more", file=sys.stderr)
