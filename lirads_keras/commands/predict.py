"""`lirads predict`: lesions, features and categories of studies, from DICOM."""
from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lirads_keras.commands.arguments import (
    add_assumption_argument,
    add_network_arguments,
    add_population_arguments,
    check_out,
    check_out_is_new,
    choose_registration,
    parse_cutoff,
    read_answers,
)
from lirads_keras.commands.studies import claim_folder, describe_call, list_studies, predict_studies

if TYPE_CHECKING:
    from lirads_keras.config.profile import Profile
    from lirads_keras.entities import ScoredLesion, Study
    from lirads_keras.inference.engine import RunModels
    from lirads_keras.inference.run_files import RunFiles
    from lirads_keras.pipeline import StudyResult
    from lirads_keras.progress import Progress

ENGINES = ("keras", "openvino-f32", "openvino-bf16")
"""Those of `config.Engine`, which takes too long to import for a list of choices."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the parser's commands."""
    predict = commands.add_parser(
        "predict", help="lesions, features and categories of studies, from DICOM",
        description="Reads a folder of DICOM and writes report.json and an overlay picture for each lesion. Of several studies each gets a subfolder of "
                    "--out; the networks are loaded once, studies that an earlier call finished are left as they are, and one that fails is told at the "
                    "end (exit code 2) while the others go on.")
    predict.add_argument("study", type=Path, nargs="*", metavar="STUDY", help="folder with the DICOM files of one study, in any order and naming")
    predict.add_argument("--studies", type=Path, metavar="FOLDER", help="folder each of whose subfolders is a study")
    predict.add_argument("--run", type=Path, required=True, help="run folder with trained networks (runs/cpu, say)")
    predict.add_argument("--out", type=Path, required=True, help="folder for the result; new or empty, or that of an earlier call with several studies")
    predict.add_argument("--phase-map", type=Path, help="YAML file that says which series or time point is which phase (README: your own data)")
    predict.add_argument("--variant", help="characterisation variant (default: the run's first)")
    add_network_arguments(predict)
    predict.add_argument("--engine", choices=ENGINES, help="what computes the segmentation (default: the run's)")
    predict.add_argument("--body-box", action=argparse.BooleanOptionalAction, default=None,
                         help="segment only the box around the body (default: the run's)")
    predict.add_argument("--flip-augmentation", action=argparse.BooleanOptionalAction, default=None,
                         help="mean segmentation over the four flip states, at four times the time (default: the run's)")
    predict.add_argument("--background-cutoff", type=parse_cutoff, metavar="auto|UNITS",
                         help="Eq. 1's cut-off for a scanner on another intensity scale (default: the run's)")
    add_assumption_argument(predict)
    add_population_arguments(predict)
    predict.add_argument("--explain", action="store_true", help="for each lesion a picture of where its features were read (explanation-LESION.png)")
    predict.add_argument("--dicom-out", action="store_true",
                         help="write seg.dcm (segmentation) and sr.dcm (TID 1500 report), which carry the patient's identity as the images do, and report.html")
    predict.add_argument("--keep-ids", action="store_true", help="write the DICOM PatientID into the report (default: the name of the study's folder)")
    predict.set_defaults(command=_predict)


def _predict(parsed: argparse.Namespace) -> None:
    folders = list_studies(parsed.study, parsed.studies)
    several = parsed.studies is not None or len(folders) > 1
    (check_out if several else check_out_is_new)(parsed.out)
    from lirads_keras.inference.openvino_predictor import check_engine
    from lirads_keras.inference.run_files import find_run_files
    from lirads_keras.lirads.applicability import describe_applicability, of_study

    # The study and the run's files are checked before TensorFlow is imported: a wrong path should not take ten seconds to be told.
    files = find_run_files(parsed.run, variant=parsed.variant, segmentation=parsed.segmentation, networks=parsed.networks)
    profile = _with_options(files.profile, parsed)
    check_engine(profile.inference.engine)
    files = replace(files, profile=profile)
    if several:
        claim_folder(parsed.out, describe_call(parsed, files))
        predict_studies(folders, parsed.out, lambda: _load_models(files), partial(_report_study, profile=profile, parsed=parsed))
        return
    study = read_named_study(folders[0], parsed.phase_map, keep_ids=parsed.keep_ids)
    files.check_study(study)
    lesions = _report_study(study, parsed.out, _load_models(files), lambda fraction, message: print(message, file=sys.stderr), profile=profile,
                            parsed=parsed)
    for scored in lesions:
        print(f"{scored.lesion.lesion_id}  {scored.category}  {scored.reasons}")
    for sentence in describe_applicability(of_study(study, read_answers(parsed))):
        print(sentence)
    print(f"{len(lesions)} lesion(s); {parsed.out / 'report.json'}")


def read_named_study(folder: Path, phase_map: Path | None, *, keep_ids: bool) -> Study:
    """As `read_study`, of axial images; what is no part of the study is printed. Unless `keep_ids`, the folder's name stands for the PatientID."""
    from lirads_keras.io.dicom import read_study

    study = read_study(folder, phase_map, axial_mr_only=True)
    for line in (*study.notices, *study.left_out):
        print(f"notice: {line}", file=sys.stderr)
    return study if keep_ids else replace(study, patient_id=folder.absolute().name)


def _load_models(files: RunFiles) -> RunModels:
    print("loading the networks", file=sys.stderr)
    from lirads_keras.inference.engine import read_run_models

    return read_run_models(files)


def _report_study(study: Study | Path, out: Path, models: RunModels, progress: Progress, *, profile: Profile,
                  parsed: argparse.Namespace) -> tuple[ScoredLesion, ...]:
    """Analyses one study, which is read first where only its folder is given, and writes its result."""
    from lirads_keras.inference.explanation import plot_explanation
    from lirads_keras.inference.report import write_report
    from lirads_keras.pipeline import analyse_study, explain_lesions

    if isinstance(study, Path):
        study = read_named_study(study, parsed.phase_map, keep_ids=parsed.keep_ids)
        models.files.check_study(study)
    result = analyse_study(study, models, profile, progress=progress, answers=read_answers(parsed))
    lesions = result.report.lesions
    figures = {}
    if parsed.explain:
        explanations = explain_lesions(result, models, profile)
        figures = {scored.lesion.lesion_id: plot_explanation(explanations[scored.lesion.lesion_id], scored) for scored in lesions}
    if parsed.dicom_out:
        _write_objects(out, study, result, models)
    write_report(out, result.report, result.volumes, result.probability, models.threshold, figures)
    return lesions


def _write_objects(out: Path, study: Study, result: StudyResult, models: RunModels) -> None:
    """The result as DICOM objects and as a page."""
    from lirads_keras.inference.report import describe_population
    from lirads_keras.inference.report_page import write_report_page
    from lirads_keras.io.dicom_results import write_dicom_results
    from lirads_keras.lesions import mark_lesions

    write_dicom_results(out, study, result.probability, result.report, statements=describe_population(result.report))
    mask = mark_lesions(result.probability, models.threshold, minimum_volume_mm3=models.minimum_volume_mm3)
    write_report_page(out / "report.html", result.report, result.volumes, result.probability.with_array(mask), observer=None)


def _with_options(profile: Profile, parsed: argparse.Namespace) -> Profile:
    """The run's settings with those that the command line gives."""
    chosen = {
        "preprocessing": {"background_cutoff": parsed.background_cutoff, "registration": choose_registration(profile, parsed)},
        "inference": {name: getattr(parsed, name) for name in ("engine", "body_box", "flip_augmentation")}}
    return profile.model_copy(update={
        section: getattr(profile, section).model_copy(update={name: value for name, value in values.items() if value is not None})
        for section, values in chosen.items()})
