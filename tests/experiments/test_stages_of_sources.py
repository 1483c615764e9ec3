"""Which source file makes which stage run again, and no other."""
from __future__ import annotations

import ast

import pytest
import sources
from stage_changes import after, changed
from stages import CHECKOUT, write_plan

FROM_STORES = ("ct_store", "store", "draw_store")
FROM_MANIFEST = ("store", "draw_store", "starts", "folds", "lesions", "characterization", "results")
"""Stages that read a manifest of DICOM series, of whichever cohort."""


@pytest.mark.parametrize("source, first", [
    ("lirads_keras/phantom/kinetics.py", ("cohort", "ct")),
    ("lirads_keras/lirads/diagnostic_table.py", ("cohort",)),
    ("lirads_keras/phantom/ct.py", ("ct",)),
    ("lirads_keras/io/dicom.py", FROM_MANIFEST),
    ("lirads_keras/io/nifti.py", FROM_STORES),
    ("lirads_keras/preprocessing/intensity.py", FROM_STORES),
    ("lirads_keras/preprocessing/study.py", ("store", "draw_store")),
    ("lirads_keras/preprocessing/manifest_folds.py", ("starts",)),
    ("lirads_keras/shared_starts.py", ("starts",)),
    ("lirads_keras/cross_validation.py", ("starts",)),
    ("lirads_keras/fold_training.py", ("folds",)),
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
    ("experiments/stage_data.py", ("starts",)),
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
    ("r_analysis/segmentation_variants.Rmd", ("report",)),
    ("r_analysis/yardsticks.csv", ("report",)),
    ("r_analysis/yardsticks_schema.csv", ("report",)),
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
