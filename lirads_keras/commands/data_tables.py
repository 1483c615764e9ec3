"""`lirads data check`, `flow`, `import` and `export`: manifests."""
from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from lirads_keras.commands.arguments import check_out, check_out_is_new, parse_non_negative, parse_positive
from lirads_keras.commands.progress import follow
from lirads_keras.errors import InputError, Problem

DATA_SETS = ("lits", "atlas", "liverhccseg", "lld-mmri", "nnunet", "itksnap")
"""As in io.datasets.registry, which is slow to import."""

DEFAULT_FOLDS, DEFAULT_SEED = 9, 2023
"""§2.4, and the seed of the profiles."""

_COLUMN_WIDTHS = (44, 24, 24, 64)
"""Characters to which the table's columns are padded; longer cells push what follows to the right."""


def add_parsers(group: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the commands to the group `data`."""
    check = group.add_parser("check", help="everything that is wrong with a manifest, in one table",
                             description="Checks tables, files, geometry, labels, diameters and categories. Exit code 2 with problems, 0 without.")
    check.add_argument("manifest", type=Path, metavar="MANIFEST", help="folder with patients.csv, series.csv and, but for a segmentation set, lesions.csv")
    check.add_argument("--tables-only", action="store_true", help="leave the images and masks unread")
    check.add_argument("--rules", choices=("paper", "v2018"), default="paper", help="LI-RADS table that the categories should follow (default: paper)")
    check.set_defaults(command=_check)

    flow = group.add_parser("flow", help="the selection of patients as a flow chart (Fig. 4)",
                            description="Counts patients.csv by exclusion_reason and exclusion_step; writes PNG, SVG and CSV.")
    flow.add_argument("manifest", type=Path, metavar="MANIFEST", help="folder with patients.csv")
    flow.add_argument("--out", type=Path, required=True, help="folder for the chart")
    flow.set_defaults(command=_flow)

    importer = group.add_parser("import", help="a manifest from a public data set, or from images and label maps",
                                description="Licence and source of each set: README. Images stay where they are, unless they have to be changed.")
    importer.add_argument("name", choices=DATA_SETS, metavar="NAME", help=", ".join(DATA_SETS))
    importer.add_argument("folder", type=Path, metavar="FOLDER", help="the data set as it was unpacked")
    importer.add_argument("--out", type=Path, required=True, metavar="MANIFEST_DIR", help="folder for the manifest; new or empty")
    importer.add_argument("--modality", choices=("MR", "CT"), help="of your own images (nnunet, itksnap; default: MR, or what dataset.json says)")
    importer.add_argument("--masks-complete", action="store_true",
                          help="a patient whose label map is all zero has no lesion (otherwise such label maps are refused: they may be still to be drawn)")
    importer.set_defaults(command=_import)

    exporter = group.add_parser("export", help="a manifest in another program's format").add_subparsers(required=True, metavar="FORMAT")
    nnunet = exporter.add_parser("nnunet", help="nnU-Net raw data with this project's folds as splits_final.json")
    nnunet.add_argument("manifest", type=Path, metavar="MANIFEST")
    nnunet.add_argument("--out", type=Path, required=True, help="nnUNet_raw, or another folder; an export that was stopped goes on")
    nnunet.add_argument("--name", type=_parse_dataset_name, default="Dataset501_Liver", help="folder of the data set (default: Dataset501_Liver)")
    nnunet.add_argument("--run", type=Path, help="take folds and seed of this run")
    nnunet.add_argument("--folds", type=parse_positive, help=f"number of folds (default: {DEFAULT_FOLDS})")
    nnunet.add_argument("--seed", type=parse_non_negative, help=f"seed of the folds (default: {DEFAULT_SEED})")
    nnunet.set_defaults(command=_export_nnunet)


def _check(parsed: argparse.Namespace) -> None:
    from tqdm import tqdm

    from lirads_keras.io.label_names import read_label_names
    from lirads_keras.io.manifests import check_manifest
    from lirads_keras.preprocessing.manifest_check import find_category_problems, find_pixel_problems

    segmentation_only = _is_segmentation_set(parsed.manifest)
    manifest, problems = check_manifest(parsed.manifest, segmentation_only=segmentation_only)
    try:
        read_label_names(parsed.manifest)
    except InputError as error:
        problems += error.problems
    if manifest is not None:
        problems += find_category_problems(manifest, parsed.rules)
        if not parsed.tables_only and not any(problem.where.startswith(str(parsed.manifest / "labels.csv")) for problem in problems):
            with tqdm(total=len(manifest.patients), unit="patient") as bar:
                problems += find_pixel_problems(manifest, follow(bar), segmentation_only=segmentation_only)
    if problems:
        print(_format_problems(problems, parsed.manifest))
        raise SystemExit(2)
    kind = "images and masks" if segmentation_only else "patients, series, lesions"
    count = 0 if manifest is None else len(manifest.patients)
    print(f"no problem ({count} patients; {kind}{'; pixels not read' if parsed.tables_only else ''})")


def _flow(parsed: argparse.Namespace) -> None:
    from lirads_keras.evaluation.selection_flow import describe_selection_flow, read_selection_flow, write_selection_flow

    flow = read_selection_flow(parsed.manifest)
    check_out(parsed.out)
    write_selection_flow(flow, parsed.out)
    print(describe_selection_flow(flow))
    print(f"{parsed.out / 'selection_flow.png'}, .svg and .csv")


def _import(parsed: argparse.Namespace) -> None:
    from dataclasses import replace

    from tqdm import tqdm

    from lirads_keras.io.datasets.common import write_manifest
    from lirads_keras.io.datasets.registry import ADAPTERS

    check_out_is_new(parsed.out)
    if parsed.modality and parsed.name not in ("nnunet", "itksnap"):
        raise InputError(Problem("--modality", "only with nnunet or itksnap, as the others have theirs", parsed.modality))
    with tqdm(unit="case", disable=None) as bar:
        imported = ADAPTERS[parsed.name](parsed.folder, parsed.out, follow(bar))
    if parsed.modality:
        imported = replace(imported, modality=parsed.modality)
    imported = write_manifest(imported, parsed.out, masks_complete=parsed.masks_complete)
    for case in imported.cases:
        if case.exclusion_reason:
            print(f"left out: {case.patient_id}: {case.exclusion_reason}", file=sys.stderr)
    labels = ", ".join(f"{name} ({' + '.join(map(str, values))})" for name, values in imported.labels.items()) or "not named"
    used = sum(not case.exclusion_reason for case in imported.cases)
    print(f"{used} patients of {imported.cohort}, labels: {labels}\nnext: lirads data check {parsed.out}")


def _export_nnunet(parsed: argparse.Namespace) -> None:
    from tqdm import tqdm

    from lirads_keras.io.manifests import read_manifest
    from lirads_keras.preprocessing.manifest_folds import count_folds
    from lirads_keras.preprocessing.nnunet_export import export_nnunet
    from lirads_keras.run import RunFolder

    if parsed.run and (parsed.folds or parsed.seed is not None):
        raise InputError(Problem("--run", "either --run, or --folds and --seed", "both"))
    profile = RunFolder(parsed.run).read_profile() if parsed.run else None
    segmentation_only = _is_segmentation_set(parsed.manifest)
    manifest = read_manifest(parsed.manifest, segmentation_only=segmentation_only)
    folds = profile.segmentation.folds if profile else parsed.folds or count_folds(manifest.patients, DEFAULT_FOLDS)
    seed = profile.seed if profile else DEFAULT_SEED if parsed.seed is None else parsed.seed
    check_out(parsed.out)
    with tqdm(total=len(manifest.patients), unit="patient") as bar:
        root = export_nnunet(manifest, parsed.out, name=parsed.name, folds=folds, seed=seed, segmentation_only=segmentation_only,
                             progress=follow(bar))
    print(f"{root}\nAfter nnUNetv2_plan_and_preprocess copy splits_final.json to $nnUNet_preprocessed/{root.name}/ and train folds 0 to {folds - 1}.")


def _is_segmentation_set(folder: Path) -> bool:
    return folder.is_dir() and not (folder / "lesions.csv").exists()


def _parse_dataset_name(text: str) -> str:
    if not re.fullmatch(r"Dataset\d{3}_[A-Za-z0-9]+", text):
        raise argparse.ArgumentTypeError(f"expected Dataset, three digits, an underscore and a word, found {text!r}")
    return text


def _format_problems(problems: list[Problem], manifest: Path) -> str:
    """One table: file, row, column, expected, found."""
    rows = [("file", "row", "column", "expected", "found")]
    for problem in problems:
        file, *place = problem.where.removeprefix(f"{manifest}/").split(", ")
        column = place.pop() if len(place) > 1 else ""
        rows.append((file, ", ".join(place), column, problem.expected, problem.found))
    widths = [max(len(row[index]) for row in rows) for index in range(4)]
    lines = ["  ".join([*(cell.ljust(min(width, most)) for cell, width, most in zip(row[:4], widths, _COLUMN_WIDTHS, strict=True)), row[4]]) for row in rows]
    return "\n".join([*lines, f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"])
