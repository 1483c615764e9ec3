"""Which change makes which stage run again, and no other."""
from __future__ import annotations

import ast
import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import stages
from stages import CHECKOUT, STAGES, read_plan, write_plan

from lirads_keras.config import Profile
from lirads_keras.errors import InputError

SCRIPTS = {"cohort": "build_cohort", "ct": "build_ct", "ct_store": "build_ct_store", "store": "build_store", "pretrain": "pretrain",
           "folds": "train_folds", "lesions": "extract_lesions", "trunks": "pretrain_trunks", "characterization": "train_variants",
           "results": "export_results", "report": "render_report"}

NOT_IN_DIGESTS = {
    "lirads_keras/config.py": "its values are, not its wording",
    "lirads_keras/errors.py": "messages only",
    "lirads_keras/provenance.py": "describes a run, changes none",
    "experiments/stage.py": "progress and exit codes; what it calls is listed",
    "experiments/stages.py": "this very list",
    "experiments/build_cohort.py": "calls the phantom, whose own stamp the cohort bears",
    "experiments/build_ct.py": "calls the phantom, whose own stamp the set bears"}
"""Source files that stages import and whose changes run nothing again, and why."""

ONLY_FOR_MR = ("lirads_keras/lesions.py", "lirads_keras/lirads/categorize.py", "lirads_keras/lirads/diagnostic_table.py")
"""The phantom imports them for the MR patients; a CT has no category."""


def with_setting(profile: Profile, dotted: str, value) -> Profile:
    name, _, rest = dotted.partition(".")
    return profile.model_copy(update={name: with_setting(getattr(profile, name), rest, value) if rest else value})


def after(*first: str) -> set[str]:
    """The stages named and all that need them."""
    found: set[str] = set()
    for name, stage in STAGES.items():
        if name in first or found & set(stage.needs):
            found.add(name)
    return found


def changed(before: dict[str, str], now: dict[str, str]) -> set[str]:
    assert before.keys() == now.keys() == STAGES.keys()
    return {name for name in STAGES if before[name] != now[name]}


@pytest.mark.parametrize("setting, value, first", [
    ("cohort.seed", 7, "cohort"),
    ("ct.patients", 5, "ct"),
    ("preprocessing.upper_percentile", 98.0, "ct_store store"),
    ("preprocessing.scope", "slice", "ct_store store"),
    ("preprocessing.registration", "rigid", "store"),
    ("seed", 7, "pretrain"),
    ("segmentation.encoder", "resnet34", "pretrain"),
    ("segmentation.loss.lovasz_weight", 2.0, "pretrain"),
    ("segmentation.pretrain.epochs", 9, "pretrain"),
    ("segmentation.augmentation.rotation_deg", 3.0, "pretrain"),
    ("workflow.threads", 2, "pretrain trunks"),
    ("segmentation.finetune.epochs", 9, "folds"),
    ("segmentation.folds", 3, "folds"),
    ("evaluation.thresholds", (0.4,), "folds"),
    ("inference.body_box", False, "folds"),
    ("inference.engine", "openvino-f32", "folds"),
    ("inference.folds", "best", None),
    ("lesions.minimum_voxels", 9, "lesions"),
    ("characterization.crop_px", 64, "lesions trunks"),
    ("characterization.margin_fraction", 0.5, "lesions"),
    ("characterization.channels", "neighbours", "lesions"),
    ("characterization.width_factor", 0.5, "trunks"),
    ("characterization.weights", "formula", "trunks"),
    ("characterization.formula.epochs", 9, "trunks"),
    ("characterization.seeds", (7,), "results"),
    ("characterization.half_split", False, "results"),
    ("characterization.epochs", 9, "characterization"),
    ("characterization.head_units", 9, "characterization"),
    ("characterization.rules", "v2018", "results"),
    ("characterization.decision_threshold", 0.4, "results"),
    ("characterization.variants", ("vgg16-plain",), "results"),
    ("evaluation.pixel_thresholds", 5, "results"),
    ("name", "mine", None),
    ("workflow.jobs", 1, None),
    ("workflow.folds_per_job", 1, None),
    ("workflow.expected_seconds", {}, None),
])
def test_a_setting_changes_its_stage_and_all_after_it_and_none_before(profile, tmp_path, setting, value, first):
    before = write_plan(tmp_path / "run", profile, tmp_path, None).digests
    now = write_plan(tmp_path / "run", with_setting(profile, setting, value), tmp_path, None).digests
    assert changed(before, now) == after(*(first or "").split())


def test_digests_do_not_depend_on_where_a_run_lies(profile, tmp_path):
    assert write_plan(tmp_path / "a", profile, tmp_path / "x", None).digests == write_plan(tmp_path / "b", profile, tmp_path / "y", None).digests


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A copy of the sources, from which digests are computed."""
    copy = tmp_path / "checkout"
    for room in ("lirads_keras", "experiments", "r_analysis/R", "data_manifests"):
        shutil.copytree(CHECKOUT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("CITATION.cff", "r_analysis/schema.csv"):
        shutil.copy(CHECKOUT / file, copy / file)
    monkeypatch.setattr(stages, "CHECKOUT", copy)
    return copy


@pytest.mark.parametrize("source, first", [
    ("lirads_keras/phantom/kinetics.py", ("cohort", "ct")),
    ("lirads_keras/phantom/new.py", ("cohort", "ct")),
    ("lirads_keras/io/dicom.py", ("cohort", "ct", "ct_store", "store")),
    ("lirads_keras/preprocessing/intensity.py", ("ct_store", "store")),
    ("lirads_keras/lirads/diagnostic_table.py", ("cohort", "results")),
    ("lirads_keras/lesions.py", ("cohort", "lesions")),
    ("lirads_keras/preprocessing/study.py", ("store",)),
    ("lirads_keras/models/cbam.py", ("pretrain", "trunks")),
    ("lirads_keras/training/resumable.py", ("pretrain", "trunks")),
    ("lirads_keras/evaluation/classification.py", ("folds",)),
    ("lirads_keras/preprocessing/crops.py", ("lesions",)),
    ("lirads_keras/losses/adaptive.py", ("characterization",)),
    ("lirads_keras/preprocessing/formula_images.py", ("trunks",)),
    ("lirads_keras/training/direct.py", ("characterization",)),
    ("experiments/score_variants.py", ("results",)),
    ("experiments/export_results.py", ("results",)),
    ("r_analysis/schema.csv", ("results",)),
    ("r_analysis/R/size.R", ("report",)),
    ("data_manifests/paper_results.csv", ("report",)),
    ("CITATION.cff", ("report",)),
    ("experiments/model_card.py", ("report",)),
    ("experiments/score_pretraining.py", ("pretrain",)),
    ("experiments/score_surface.py", ("results",)),
    ("experiments/diagrams/networks.py", ("results",)),
    ("lirads_keras/pipeline.py", ("results",)),
    ("lirads_keras/evaluation/surface.py", ("results",)),
    ("lirads_keras/config.py", ()),
    ("lirads_keras/cli.py", ()),
    ("experiments/profiles/cpu.yaml", ()),
    ("experiments/README.md", ()),
])
def test_a_source_file_changes_the_stages_that_use_it(profile, tmp_path, checkout, source, first):
    before = write_plan(tmp_path / "run", profile, tmp_path, None).digests
    with open(checkout / source, "a") as file:
        file.write("\n# changed\n")
    assert changed(before, write_plan(tmp_path / "run", profile, tmp_path, None).digests) == after(*first)


def test_compiled_files_are_no_source(profile, tmp_path, checkout):
    before = write_plan(tmp_path / "run", profile, tmp_path, None).digests
    (checkout / "lirads_keras" / "io" / "__pycache__").mkdir()
    (checkout / "lirads_keras" / "io" / "__pycache__" / "dicom.cpython-311.pyc").write_bytes(b"\0")
    assert not changed(before, write_plan(tmp_path / "run", profile, tmp_path, None).digests)


def imports_of(source: Path) -> set[Path]:
    names = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    paths = (folder / f"{name.replace('.', '/')}.py" for name in names for folder in (CHECKOUT, CHECKOUT / "experiments"))
    return {path for path in paths if path.is_file()}


def rooms_of(stage: str) -> set[str]:
    """Sources in the digest of a stage, also where a user's manifest and LiTS stand in for what is built."""
    return set(STAGES[stage].rooms).union(*(rooms_of(need) for need in STAGES[stage].needs if need not in ("cohort", "ct")))


@pytest.mark.parametrize("stage", STAGES)
def test_every_source_file_that_a_stage_imports_is_in_its_digest(stage):
    found, left = set(), {CHECKOUT / "experiments" / f"{SCRIPTS[stage]}.py"}
    while left:
        source = left.pop()
        found.add(source)
        if str(source.relative_to(CHECKOUT)) not in NOT_IN_DIGESTS:
            left |= imports_of(source) - found
    if stage in ("cohort", "ct"):
        found |= imports_of(CHECKOUT / "lirads_keras" / "phantom" / "build.py")
    names = {str(path.relative_to(CHECKOUT)) for path in found} - set(NOT_IN_DIGESTS) - set(ONLY_FOR_MR if stage == "ct" else ())
    uncovered = {name for name in names if not any(name == room or name.startswith(f"{room}/") for room in rooms_of(stage))}
    assert not uncovered


def test_every_source_file_of_the_package_belongs_to_a_stage_or_changes_no_result():
    listed = [room for stage in STAGES.values() for room in stage.rooms]
    names = {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "lirads_keras").rglob("*.py")
             if path.name != "__init__.py" and path.parent.name not in {"commands", "reader"}}
    unlisted = {name for name in names if not any(name == room or name.startswith(f"{room}/") for room in listed)}
    # The command line and what it alone uses.
    new_studies = {f"lirads_keras/{name}.py" for name in (
        "cli", "__main__", "inference/engine", "inference/explanation", "inference/report", "inference/report_page", "inference/run_files")}
    in_python = {"lirads_keras/stats.py"}
    own_data = {f"lirads_keras/{name}.py" for name in (
        "segmentation_run", "preprocessing/manifest_check", "preprocessing/nnunet_export", "preprocessing/segmented_image",
        "preprocessing/segmentation_store")}
    assert unlisted == new_studies | own_data | in_python | {name for name in NOT_IN_DIGESTS if name.startswith("lirads_keras/")}


def test_every_room_and_script_is_there():
    assert SCRIPTS.keys() == STAGES.keys()
    for stage, script in SCRIPTS.items():
        assert (CHECKOUT / "experiments" / f"{script}.py").is_file()
        assert all((CHECKOUT / room).exists() for room in STAGES[stage].rooms), stage
    assert all(set(stage.needs) <= set(list(STAGES)[:index]) for index, stage in enumerate(STAGES.values()))


@pytest.fixture
def manifest(tmp_path) -> Path:
    """A user's manifest of two patients, one with a lesion; its files hold nothing that is read here."""
    folder = tmp_path / "manifest"
    for patient_id in ("P1", "P2"):
        (folder / "dicom" / patient_id).mkdir(parents=True)
        (folder / "dicom" / patient_id / "1.dcm").write_bytes(b"image")
    (folder / "P1.nii.gz").write_bytes(b"mask")
    (folder / "patients.csv").write_text("patient_id,group,cohort,age_years,sex,scanner,diagnosis_method,mask_path\n"
                                         "P1,positive,mine,50,M,,,P1.nii.gz\nP2,negative,mine,,,,,\n")
    (folder / "series.csv").write_text("patient_id,phase,path,series_uid,time_point\nP1,delayed,dicom/P1,,\nP2,delayed,dicom/P2,,\n")
    (folder / "lesions.csv").write_text("patient_id,lesion_id,mask_label,diameter_mm,aphe,washout,capsule,category\nP1,L1,1,12,1,0,,LR-4\n")
    return folder


def append(path: Path, text: bytes) -> None:
    path.write_bytes(path.read_bytes() + text)


@pytest.mark.parametrize("change, counts", [
    (lambda folder: append(folder / "lesions.csv", b"P1,L2,2,8,0,0,0,LR-3\n"), True),
    (lambda folder: (folder / "P1.nii.gz").write_bytes(b"musk"), True),
    (lambda folder: (folder / "dicom" / "P2" / "2.dcm").write_bytes(b"image"), True),
    (lambda folder: (folder / "dicom" / "P2" / "1.dcm").write_bytes(b"images"), True),
    (lambda folder: (folder / "dicom" / "P2" / "1.dcm").touch(), False),
    (lambda folder: (folder / "notes.txt").write_text("mine"), False),
])
def test_a_users_tables_masks_and_images_count(profile, tmp_path, manifest, change, counts):
    plan = write_plan(tmp_path / "run", profile, tmp_path, manifest)
    assert plan.manifest == manifest and not plan.is_virtual
    change(manifest)
    assert changed(plan.digests, write_plan(tmp_path / "run", profile, tmp_path, manifest).digests) == (after("cohort") if counts else set())


def test_a_users_manifest_makes_the_virtual_cohort_irrelevant(profile, tmp_path, manifest, checkout):
    before = write_plan(tmp_path / "run", profile, tmp_path, manifest).digests
    (checkout / "lirads_keras" / "phantom" / "kinetics.py").write_text("")
    now = write_plan(tmp_path / "run", with_setting(profile, "cohort.seed", 7), tmp_path, manifest).digests
    # Pre-training is still virtual.
    assert changed(before, now) == after("ct")
    shutil.move(manifest, tmp_path / "elsewhere")
    assert changed(now, write_plan(tmp_path / "run", with_setting(profile, "cohort.seed", 7), tmp_path, tmp_path / "elsewhere").digests) == set()


def test_lits_is_used_where_it_is_asked_for_and_there(profile, tmp_path):
    lits = with_setting(profile, "ct.source", "lits")
    virtual = write_plan(tmp_path / "run", lits, tmp_path, None)
    assert virtual.lits is None and virtual.ct.parent == tmp_path / "cohorts"
    (tmp_path / "lits").mkdir()
    assert write_plan(tmp_path / "run", lits, tmp_path, None).lits is None
    (tmp_path / "lits" / "volume-0.nii").write_bytes(b"ct")
    there = write_plan(tmp_path / "run", lits, tmp_path, None)
    assert there.lits == there.ct == tmp_path / "lits" and there.done_file("ct") == tmp_path / "run" / "done" / "ct.json"
    assert changed(virtual.digests, there.digests) == after("ct")
    (tmp_path / "lits" / "volume-1.nii").write_bytes(b"ct")
    assert changed(there.digests, write_plan(tmp_path / "run", lits, tmp_path, None).digests) == after("ct")
    assert write_plan(tmp_path / "run", profile, tmp_path, None).lits is None


def test_a_plan_is_read_as_it_was_written(profile, tmp_path, manifest, monkeypatch):
    written = write_plan(tmp_path / "run", profile, tmp_path / "data", manifest)
    # Code that is edited while the workflow runs does not move its folders.
    monkeypatch.setattr(stages, "_source_digest", lambda room: "other")
    assert read_plan(tmp_path / "run") == written
    assert written.data == tmp_path / "data" and written.profile == profile


@pytest.mark.parametrize("content", [None, "", "[1"])
def test_a_folder_without_a_plan_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "inputs.json").write_text(content)
    with pytest.raises(InputError, match="a run folder"):
        read_plan(tmp_path)


@pytest.mark.parametrize("folds, folds_per_job, groups", [(9, 9, [list(range(9))]), (9, 4, [[0, 1, 2, 3], [4, 5, 6, 7], [8]]), (2, 5, [[0, 1]])])
def test_folds_are_shared_out_to_parts(plan, folds, folds_per_job, groups):
    profile = with_setting(with_setting(plan.profile, "segmentation.folds", folds), "workflow.folds_per_job", folds_per_job)
    parted = dataclasses.replace(plan, profile=profile)
    assert parted.fold_groups == groups and parted.parts("folds") == [str(index) for index in range(len(groups))]
    assert parted.parts("store") == [""]


@pytest.mark.parametrize("variants, trunks", [
    (("vgg16-adaptive", "resnet50-plain"), ("vgg16", "resnet50")), (("resnet50-adaptive",), ("resnet50",)), (("direct-frozen",), ("vgg16",)),
    (("direct-finetuned-size", "resnet50-plain"), ("vgg16", "resnet50"))])
def test_the_trunks_are_those_of_the_variants(plan, variants, trunks):
    chosen = dataclasses.replace(plan, profile=with_setting(plan.profile, "characterization.variants", variants))
    assert chosen.trunks == trunks
    assert chosen.digest("trunks") == f"{plan.digests['trunks']} {' '.join(trunks)}"
    assert chosen.trunk_folder == plan.data / "trunks" / plan.digests["trunks"]


def test_variants_are_shared_out_to_parts(plan):
    parted = dataclasses.replace(plan, profile=with_setting(plan.profile, "workflow.variants_per_job", 1))
    assert parted.variant_groups == [("vgg16-adaptive",), ("vgg16-plain",)] and parted.parts("characterization") == ["0", "1"]


def finish(plan, stage: str, part: str = "") -> None:
    plan.done_file(stage, part).parent.mkdir(parents=True, exist_ok=True)
    plan.done_file(stage, part).write_text(json.dumps({"digest": plan.digest(stage, part), "seconds": 1.0}))


@pytest.mark.parametrize("stage", STAGES)
def test_a_part_is_done_once_it_was_finished_with_this_digest(plan, stage):
    part = plan.parts(stage)[0]
    assert not plan.is_done(stage, part)
    finish(plan, stage, part)
    assert plan.is_done(stage, part)
    assert not dataclasses.replace(plan, digests=plan.digests | {stage: "other"}).is_done(stage, part)
    for content in ("", "{", "{}", "[]", json.dumps({"digest": "other"})):
        plan.done_file(stage, part).write_text(content)
        assert not plan.is_done(stage, part)


def test_a_virtual_cohort_is_done_for_all_runs_that_share_it(plan, profile, tmp_path):
    finish(plan, "cohort")
    assert write_plan(tmp_path / "other", profile, tmp_path / "data", None).is_done("cohort")
    assert not write_plan(tmp_path / "other", with_setting(profile, "cohort.seed", 7), tmp_path / "data", None).is_done("cohort")


@pytest.mark.parametrize("stage, setting, value", [
    ("folds", "workflow.folds_per_job", 1), ("characterization", "workflow.variants_per_job", 1),
    ("characterization", "characterization.variants", ("vgg16-adaptive", "resnet50-plain")),
    ("characterization", "characterization.seeds", (2023, 7)), ("characterization", "characterization.half_split", False)])
def test_a_part_that_stood_for_others_is_not_done(plan, stage, setting, value):
    """The stage's digest stays, so that what was trained is found again; but part 0 did not train what it now stands for."""
    finish(plan, stage, "0")
    regrouped = dataclasses.replace(plan, profile=with_setting(plan.profile, setting, value))
    assert regrouped.digests[stage] == plan.digests[stage]
    assert plan.is_done(stage, "0") and not regrouped.is_done(stage, "0")
