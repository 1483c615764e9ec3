"""Which change makes which stage run again, and no other."""
from __future__ import annotations

import ast
import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import reproduce
import sources
import stages
from stages import CHECKOUT, STAGES, read_plan, write_plan

from lirads_keras.config.profile import Profile
from lirads_keras.errors import InputError


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
    ("preprocessing.upper_percentile", 98.0, "ct_store store draw_store"),
    ("preprocessing.scope", "slice", "ct_store store draw_store"),
    ("preprocessing.registration", "rigid", "store draw_store"),
    ("seed", 7, "pretrain"),
    ("segmentation.seeds", (7,), "pretrain"),
    ("segmentation.encoder", "resnet34", "pretrain"),
    ("segmentation.loss.lovasz_weight", 2.0, "pretrain"),
    ("segmentation.pretrain.epochs", 9, "pretrain"),
    ("segmentation.augmentation.rotation_deg", 3.0, "pretrain"),
    ("workflow.threads", 2, "pretrain trunks"),
    ("segmentation.finetune.epochs", 9, "folds"),
    ("segmentation.folds", 3, "folds"),
    ("segmentation.drop_phase", 0.5, "folds"),
    ("segmentation.variants", ("delayed", "three-phase"), "lesions"),
    ("evaluation.thresholds", (0.3, 0.4, 0.5, 0.7), "results"),
    ("inference.body_box", False, "folds"),
    ("inference.engine", "openvino-f32", "folds"),
    ("lesions.minimum_overlap_iou", 0.5, "lesions"), ("lesions.choice_iou", 0.5, "folds"),
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
    ("draws.fresh_seed", 7, "draw_store"), ("draws.moved_mm", (0.0, 20.0), "draws"),
    ("name", "mine", None),
    ("workflow.jobs", 1, None),
    ("workflow.expected_seconds", {}, None),
])
def test_a_setting_changes_its_stage_and_all_after_it_and_none_before(profile, tmp_path, setting, value, first):
    before = write_plan(tmp_path / "run", profile, tmp_path, None).digests
    now = write_plan(tmp_path / "run", with_setting(profile, setting, value), tmp_path, None).digests
    assert changed(before, now) == after(*(first or "").split())


def test_which_segmentation_variants_there_are_counts_and_not_which_are_first(profile, tmp_path):
    plans = [write_plan(tmp_path / "run", with_setting(profile, "segmentation.variants", names), tmp_path, None)
             for names in (("delayed",), ("delayed", "three-phase"), ("three-phase", "delayed"))]
    assert plans[0].digests["lesions"] != plans[1].digests["lesions"] and plans[1].digests == plans[2].digests
    assert plans[1].segmentations == plans[2].segmentations == ("delayed", "three-phase")
    assert plans[0].identity("folds", "0") != plans[1].identity("folds", "0") == plans[2].identity("folds", "0")


def test_digests_do_not_depend_on_where_a_run_lies(profile, tmp_path):
    assert write_plan(tmp_path / "a", profile, tmp_path / "x", None).digests == write_plan(tmp_path / "b", profile, tmp_path / "y", None).digests


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of the sources; only `edit` changes it."""
    copy = tmp_path_factory.mktemp("checkout")
    for room in ("lirads_keras", "experiments", "r_analysis", "data_manifests"):
        shutil.copytree(CHECKOUT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "CITATION.cff", copy)
    return copy


@pytest.fixture
def edit(checkout, monkeypatch) -> Iterator[Callable[[str, Callable[[str], str]], None]]:
    """Puts what a function makes of a source's text ("" for a new one) in its place, for this test; digests are computed from the copy."""
    monkeypatch.setattr(stages, "CHECKOUT", checkout)
    originals: dict[Path, bytes | None] = {}

    def change(source: str, make: Callable[[str], str]) -> None:
        path = checkout / source
        content = path.read_bytes() if path.exists() else None
        originals.setdefault(path, content)
        path.write_text(make((content or b"").decode()), encoding="utf-8")

    yield change
    for path, content in originals.items():
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)


FROM_STORES = ("ct_store", "store", "draw_store")
FROM_MANIFEST = ("store", "draw_store", "folds", "lesions", "characterization", "results")
"""Stages that read a manifest of DICOM series, of whichever cohort."""


@pytest.mark.parametrize("source, first", [
    ("lirads_keras/phantom/kinetics.py", ("cohort", "ct")),
    ("lirads_keras/lirads/diagnostic_table.py", ("cohort",)),
    ("lirads_keras/phantom/ct.py", ("ct",)),
    ("lirads_keras/io/dicom.py", FROM_MANIFEST),
    ("lirads_keras/io/nifti.py", FROM_STORES),
    ("lirads_keras/preprocessing/intensity.py", FROM_STORES),
    ("lirads_keras/preprocessing/study.py", ("store", "draw_store")),
    ("lirads_keras/preprocessing/manifest_folds.py", ("folds",)),
    ("lirads_keras/preprocessing/splits.py", ("pretrain",)),
    ("lirads_keras/models/cbam.py", ("pretrain", "trunks")),
    ("lirads_keras/models/vgg.py", ("trunks",)),
    ("lirads_keras/training/resumable.py", ("pretrain", "trunks")),
    ("lirads_keras/evaluation/lesion_choice.py", ("folds",)),
    ("lirads_keras/inference/openvino_predictor.py", ("folds",)),
    ("lirads_keras/preprocessing/crops.py", ("lesions",)),
    # The parts of the draws name their conditions.
    ("lirads_keras/preprocessing/moved_phase.py", ("draw_store",)),
    ("lirads_keras/evaluation/conditions.py", ("draw_store",)),
    ("lirads_keras/evaluation/patient_score.py", ("draws",)),
    ("lirads_keras/evaluation/findings.py", ("lesions",)),
    ("lirads_keras/network_scorer.py", ("draws",)),
    ("experiments/score_draws.py", ("draws",)),
    ("lirads_keras/losses/adaptive.py", ("characterization",)),
    ("lirads_keras/preprocessing/formula_images.py", ("trunks",)),
    ("lirads_keras/training/direct.py", ("characterization",)),
    ("lirads_keras/lirads/observation.py", ("results",)),
    ("lirads_keras/evaluation/surface.py", ("results",)),
    ("lirads_keras/pipeline.py", ("results",)),
    ("lirads_keras/io/phase_rules.yaml", FROM_MANIFEST),
    ("lirads_keras/config/segmentation.py", ()),
    ("lirads_keras/io/dicomweb.py", ()),
    ("lirads_keras/io/deidentify.py", ()),
    ("lirads_keras/io/datasets/registry.py", ()),
    ("lirads_keras/reader/service.py", ()),
    ("lirads_keras/reader/web/main.js", ()),
    ("lirads_keras/commands/train.py", ()),
    ("lirads_keras/inference/report_page.py", ()),
    ("lirads_keras/stats.py", ()),
    ("lirads_keras/cli.py", ()),
    ("lirads_keras/phantom/new.py", ()),
    ("experiments/build_cohort.py", ("cohort",)),
    ("lirads_keras/preprocessing/study_store.py", FROM_STORES),
    ("experiments/stage_data.py", ("folds",)),
    ("experiments/score_pretraining.py", ("pretrain",)),
    ("experiments/extract_lesions.py", ("lesions",)),
    ("experiments/score_variants.py", ("results",)),
    ("experiments/score_surface.py", ("results",)),
    ("experiments/export_results.py", ("results",)),
    ("experiments/diagrams/networks.py", ("results",)),
    ("experiments/durations.py", ("results",)),
    ("experiments/model_card.py", ("report",)),
    ("experiments/progress_bar.py", ()),
    ("experiments/sources.py", ()),
    ("experiments/profiles/cpu.yaml", ()),
    ("experiments/README.md", ()),
    ("r_analysis/R/size.R", ("report",)),
    ("r_analysis/schema.csv", ("results",)),
    ("r_analysis/tests/testthat/test-size.R", ()),
    ("r_analysis/reference/lesions.csv", ()),
    # The virtual cohort is described beside the paper's numbers.
    ("data_manifests/paper_results.csv", ("cohort",)),
    ("CITATION.cff", ("report",)),
])
def test_a_changed_source_file_makes_the_stages_run_that_use_it_and_all_after_them(profile, tmp_path, edit, source, first):
    before = write_plan(tmp_path / "run", profile, tmp_path, None).digests
    edit(source, lambda text: f"{text}\nADDED = 1\n")
    assert changed(before, write_plan(tmp_path / "run", profile, tmp_path, None).digests) == after(*first)


OF_NO_RESULT = {
    "lirads_keras/config/base.py": ("Field(ge=1)", "Field(ge=2)"),
    "lirads_keras/errors.py": (", found {", ", but found {"),
    "lirads_keras/provenance.py": ('"scikit-learn"', '"scikit-image"'),
    "experiments/stage.py": (">= 1 or", ">= 2 or"),
    "experiments/stages.py": ('"ct-{', '"set-{'),
    "lirads_keras/progress.py": (" of {total}", " out of {total}"),
    "lirads_keras/training/queue.py": ("timeout=0", "timeout=1"),
    "experiments/user_manifest.py": ("a row for each", "rows for each")}


@pytest.mark.parametrize("place", sources.NO_RESULT)
def test_a_module_that_changes_no_result_runs_nothing_again(profile, tmp_path, edit, monkeypatch, place):
    module, (old, new) = next((module, words) for module, words in OF_NO_RESULT.items() if module.startswith(place))
    assert old in (CHECKOUT / module).read_text(encoding="utf-8")
    before = write_plan(tmp_path / "run", profile, tmp_path, None).digests
    edit(module, lambda text: text.replace(old, new))
    assert not changed(before, write_plan(tmp_path / "run", profile, tmp_path, None).digests)
    # It is only for being declared that it doesn't count.
    monkeypatch.delitem(sources.NO_RESULT, place)
    counted = write_plan(tmp_path / "run", profile, tmp_path, None).digests
    edit(module, lambda text: text.replace(new, old))
    assert changed(counted, write_plan(tmp_path / "run", profile, tmp_path, None).digests)


def retell(content: str) -> str:
    """The same code with a comment and a string before each first statement of a body that has a line of its own, with its docstrings in other words."""
    lines = content.split("\n")
    for node in sorted((node for node in ast.walk(ast.parse(content)) if isinstance(node, (ast.FunctionDef, ast.ClassDef))), key=lambda node: -node.lineno):
        first = min([node.body[0].lineno, *(mark.lineno for mark in getattr(node.body[0], "decorator_list", []))]) - 1
        if ast.get_docstring(node):
            lines[first] = lines[first].replace('"""', '"""Ä # other words. ', 1)
        if first >= node.lineno:
            indent = " " * node.body[0].col_offset
            lines[first:first] = [f"{indent}# Ä comment.", f'{indent}"""A string,', "# Ä", '"""', ""]
    return "# Ä comment.\n" + "\n".join(lines) + '\n"""A string."""\n'


def test_other_words_in_every_module_leave_every_finished_stage_finished(profile, tmp_path, edit):
    before = write_plan(tmp_path / "run", profile, tmp_path, None).digests
    modules = [str(path.relative_to(CHECKOUT)) for room in ("lirads_keras", "experiments") for path in (CHECKOUT / room).rglob("*.py")]
    for module in modules:
        edit(module, retell)
    assert len(modules) > 200
    assert not changed(before, write_plan(tmp_path / "run", profile, tmp_path, None).digests)


def test_a_stage_needs_only_what_stands_before_it():
    assert all(set(stage.needs) <= set(list(STAGES)[:index]) for index, stage in enumerate(STAGES.values()))


@pytest.mark.parametrize("rule, older", [(None, True), (stages.DIGEST_RULE - 1, True), (stages.DIGEST_RULE, False)])
def test_a_run_of_an_older_rule_is_told_to_be_older_once(profile, tmp_path, monkeypatch, capsys, rule, older):
    run = tmp_path / "run"
    write_plan(run, profile, tmp_path, None)
    inputs = json.loads((run / "inputs.json").read_text())
    del inputs["digest_rule"]
    (run / "inputs.json").write_text(json.dumps(inputs | ({} if rule is None else {"digest_rule": rule})))
    monkeypatch.setattr(reproduce, "_reproduce", lambda plan: 0)
    monkeypatch.setattr("sys.argv", ["reproduce.py", "--profile", "smoke", "--run", str(run), "--data", str(tmp_path)])
    assert reproduce.main() == 0
    told = capsys.readouterr().err
    assert told == (f"{run}: this run was made by an older rule of what a stage is made from; all its stages are run again, once\n" if older else "")
    assert reproduce.main() == 0 and not capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "", "[]", '{"digest_rule": null}'])
def test_a_folder_without_a_run_is_not_told_to_be_older(tmp_path, content):
    if content is not None:
        (tmp_path / "inputs.json").write_text(content)
    assert not stages.was_made_by_an_older_rule(tmp_path)


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
    assert changed(plan.digests, write_plan(tmp_path / "run", profile, tmp_path, manifest).digests) == (after("cohort") - {"draw_store"} if counts else set())


def test_a_users_manifest_makes_the_virtual_cohort_irrelevant(profile, tmp_path, manifest, edit):
    before = write_plan(tmp_path / "run", profile, tmp_path, manifest).digests
    edit("lirads_keras/phantom/kinetics.py", lambda text: "")
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
    assert there.lits == there.ct == tmp_path / "lits" and there.done("ct").path == tmp_path / "run" / "done" / "ct.json"
    assert changed(virtual.digests, there.digests) == after("ct")
    (tmp_path / "lits" / "volume-1.nii").write_bytes(b"ct")
    assert changed(there.digests, write_plan(tmp_path / "run", lits, tmp_path, None).digests) == after("ct")
    assert write_plan(tmp_path / "run", profile, tmp_path, None).lits is None


def test_a_plan_is_read_as_it_was_written(profile, tmp_path, manifest, monkeypatch):
    written = write_plan(tmp_path / "run", profile, tmp_path / "data", manifest)
    # Code that is edited while the workflow runs does not move its folders.
    monkeypatch.setattr(stages, "compute_sources_digest", lambda script, checkout: "other")
    assert read_plan(tmp_path / "run") == written
    assert written.data == tmp_path / "data" and written.profile == profile


@pytest.mark.parametrize("content", [None, "", "[1"])
def test_a_folder_without_a_plan_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "inputs.json").write_text(content)
    with pytest.raises(InputError, match="a run folder"):
        read_plan(tmp_path)


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_as_many_processes_share_a_queue_as_there_are_jobs(plan, jobs):
    parted = dataclasses.replace(plan, profile=with_setting(plan.profile, "workflow.jobs", jobs))
    assert parted.parts("folds") == parted.parts("full") == parted.parts("draws") == parted.parts("characterization") == [str(worker) for worker in range(jobs)]
    assert all(parted.parts(stage) == [""] for stage in STAGES if stage not in stages.QUEUED_STAGES)


@pytest.mark.parametrize("variants, trunks", [
    (("vgg16-adaptive", "resnet50-plain"), ("vgg16", "resnet50")), (("resnet50-adaptive",), ("resnet50",)), (("direct-frozen",), ("vgg16",)),
    (("direct-finetuned-size", "resnet50-plain"), ("vgg16", "resnet50"))])
def test_the_trunks_are_those_of_the_variants(plan, variants, trunks):
    chosen = dataclasses.replace(plan, profile=with_setting(plan.profile, "characterization.variants", variants))
    assert chosen.trunks == trunks
    assert chosen.identity("trunks") == f"{plan.digests['trunks']} {' '.join(trunks)}"
    assert chosen.trunk_folder == plan.data / "trunks" / plan.digests["trunks"]


def finish(plan, stage: str, part: str = "") -> None:
    plan.done(stage, part).path.parent.mkdir(parents=True, exist_ok=True)
    plan.done(stage, part).path.write_text(json.dumps({"identity": plan.identity(stage, part), "seconds": 1.0}))


@pytest.mark.parametrize("stage", STAGES)
def test_a_part_is_done_once_it_was_finished_with_this_digest(plan, stage):
    part = plan.parts(stage)[0]
    assert not plan.is_done(stage, part)
    finish(plan, stage, part)
    assert plan.is_done(stage, part)
    assert not dataclasses.replace(plan, digests=plan.digests | {stage: "other"}).is_done(stage, part)
    for content in ("", "{", "{}", "[]", json.dumps({"identity": "other"})):
        plan.done(stage, part).path.write_text(content)
        assert not plan.is_done(stage, part)


def test_a_virtual_cohort_is_done_for_all_runs_that_share_it(plan, profile, tmp_path):
    finish(plan, "cohort")
    assert write_plan(tmp_path / "other", profile, tmp_path / "data", None).is_done("cohort")
    assert not write_plan(tmp_path / "other", with_setting(profile, "cohort.seed", 7), tmp_path / "data", None).is_done("cohort")


@pytest.mark.parametrize("stage, setting, value", [
    ("folds", "workflow.jobs", 1), ("characterization", "workflow.jobs", 3), ("folds", "segmentation.variants", ("delayed", "three-phase")),
    ("draws", "segmentation.variants", ("delayed", "three-phase")), ("draws", "workflow.jobs", 3),
    ("characterization", "characterization.variants", ("vgg16-adaptive", "resnet50-plain")),
    ("characterization", "characterization.seeds", (2023, 7)), ("characterization", "characterization.half_split", False)])
def test_a_part_that_stood_for_others_is_not_done(plan, stage, setting, value):
    """The stage's digest stays, so that what was trained is found again; but part 0 did not see to all that it now stands for."""
    finish(plan, stage, "0")
    regrouped = dataclasses.replace(plan, profile=with_setting(plan.profile, setting, value))
    assert regrouped.digests[stage] == plan.digests[stage]
    assert plan.is_done(stage, "0") and not regrouped.is_done(stage, "0")
