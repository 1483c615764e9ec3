"""A variant stands in one place, the registry: added there, it arrives wherever variants are named."""
from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from copies import copy_checkout, edit_once, list_changed, run_python, run_r  # noqa: E402

FROZEN = '    _direct("direct-frozen", "trunk frozen", frozen=True),\n'
ADDED = '    _direct("direct-frozen-size", "trunk frozen, with the diameter", frozen=True, size_input=True, paper_item=""),\n'
DIRECT = ["direct-frozen", "direct-frozen-size", "direct-finetuned", "direct-finetuned-size"]

WRITE = """
import json
import sys
from pathlib import Path
import pandas as pd
from results_tables import TABLES, build_results_table, write_results_table
from lirads_keras.variants import list_variants

results = Path(sys.argv[1])
write_results_table(results, "variants", build_results_table("variants", list_variants()))
categories = pd.read_csv(results / "categories.csv")
first = categories[categories["variant"] == "vgg16-plain"]
write_results_table(results, "categories", pd.concat([first.assign(variant="direct-frozen-size"), categories]))
print(json.dumps({name: column.allowed for name, columns in TABLES.items() for column in columns if column.name == "variant"}))
"""

READ = """
results <- read_results(arguments[1], schema)
lines <- function(x) cat(paste(x, collapse = " "), "\\n", sep = "")
lines(levels(results$features$variant)); lines(levels(results$categories$variant)); lines(unique(as.character(results$categories$variant)))
lines(results$variants[results$variants$variant == "direct-frozen-size", c("kind", "trunk", "frozen", "size_input")])
"""

TRAIN = """
import sys
from pathlib import Path
import pandas as pd
from lirads_keras.config.profile import Profile, read_profile
from lirads_keras.inference.run_files import find_run_files
from lirads_keras.training.direct import DirectTrainer
from lirads_keras.variants import CHARACTERIZATION_VARIANTS
from model_card import _describe_variant
from preflight import estimate_cost, list_weight_files
from score_variants import score_variants
from stages import write_plan
from train_variants import graph_of, order_queue
from trainings import list_trainings

name, out = sys.argv[2], Path(sys.argv[3])
content = read_profile(Path(sys.argv[1])).model_dump()
content["characterization"] |= {"variants": ["direct-frozen", name], "half_split": False}
content["segmentation"]["folds"] = 2
profile = Profile.model_validate(content)
plan = write_plan(out / "run", profile, out / "data", None)
trainings = list_trainings(plan, name)
print(*(str(training.folder.path.relative_to(plan.run.path)) for training in trainings))
print(*graph_of(order_queue(trainings, 0)[0]), plan.trunks, name in plan.identity("characterization", "0"))
network = DirectTrainer(profile.characterization, CHARACTERIZATION_VARIANTS[name], seed=1, weights="random").model
print(sorted(tensor.name for tensor in network.inputs), len(network.trainable_weights))

# Two lesions, one a fold, and what the networks said of them.
rows = [{"roi": "reference_roi", "segmentation": None, "patient_id": f"P{fold}", "lesion_id": "L1", "fold": fold, "detected": 1, "diameter_mm": 25.0,
         "aphe": 1, "washout": 1, "capsule": 0, "category": "LR-5"} for fold in range(2)]
for training in [*trainings, *list_trainings(plan, "direct-frozen")]:
    training.folder.path.mkdir(parents=True)
    scores = {"roi": ["reference_roi"], "segmentation": [None], "patient_id": [f"P{training.fold}"], "lesion_id": ["L1"], "fold": [training.fold],
              "LR-3": [0.1], "LR-4": [0.2], "LR-5": [0.7]}
    pd.DataFrame(scores).to_csv(training.folder.scores, index=False)
scored = score_variants(plan, pd.DataFrame(rows), [[True] * 3] * 2)
print(*sorted({row["variant"] for row in scored["categories"]}), len(scored["features"]), scored["seed_accuracy"][1]["accuracy"])
print(_describe_variant(name), "|", estimate_cost(profile, 1.0)["hours"] > 0, len(list_weight_files(profile)))
"""

CHECK = """
import sys
from pathlib import Path
from lirads_keras.config.profile import Profile, read_profile

profile = read_profile(Path(sys.argv[1])).model_dump()
profile["characterization"]["variants"] = [sys.argv[2]]
print(*Profile.model_validate(profile).characterization.variants)
"""


@pytest.fixture(scope="module")
def edited(tmp_path_factory):
    """A copy of the checkout with one more variant, by one edit."""
    copy = copy_checkout(tmp_path_factory.mktemp("variant") / "copy")
    edit_once(copy / "lirads_keras" / "variants.py", FROZEN, FROZEN + ADDED)
    assert list_changed(copy) == ["lirads_keras/variants.py"]
    return copy


def test_a_variant_added_to_the_registry_arrives_in_the_results_and_with_r(edited, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(edited / "r_analysis" / "tests" / "testthat" / "fixture", results)
    written = run_python(edited, WRITE, results)
    assert written.returncode == 0, written.stderr
    allowed = json.loads(written.stdout)
    assert allowed["categories"][-4:] == allowed["seed_accuracy"][-4:] == DIRECT and "direct-frozen-size" not in allowed["features"]
    assert "direct-frozen-size,direct,vgg16,,1,1,arterial portal_venous delayed,,\"direct to the category, trunk frozen, with the diameter\"" in (
        results / "variants.csv").read_text(encoding="utf-8").splitlines()
    if shutil.which("Rscript") is None:
        pytest.skip("no Rscript here: R's reader was not looked at")
    read = run_r(edited, READ, results)
    assert read.returncode == 0, read.stderr
    features, levels, found, row = read.stdout.splitlines()
    assert features.split() == allowed["features"] and levels.split() == [*allowed["features"], *DIRECT]
    # The writer sorts by the registry, so the new one comes last here; R keeps that.
    assert found.split() == [*allowed["features"], "direct-frozen-size"]
    assert row == "direct vgg16 1 1"


def test_a_profile_may_name_a_variant_added_to_the_registry(edited):
    smoke = edited / "experiments" / "profiles" / "smoke.yaml"
    assert run_python(edited, CHECK, smoke, "direct-frozen-size").stdout == "direct-frozen-size\n"


def test_a_profile_may_name_no_other(edited):
    smoke = edited / "experiments" / "profiles" / "smoke.yaml"
    assert run_python(edited, CHECK, smoke, "direct-frozen").stdout == "direct-frozen\n"
    refused = run_python(edited, CHECK, smoke, "direct-frozen-sized")
    assert refused.returncode != 0 and "direct-frozen-sized" in refused.stderr


def test_a_variant_added_to_the_registry_is_trained_scored_and_described(edited, tmp_path):
    seen = run_python(edited, TRAIN, edited / "experiments" / "profiles" / "smoke.yaml", "direct-frozen-size", tmp_path)
    assert seen.returncode == 0, seen.stderr[-3000:]
    folders, queue, network, scored, words = seen.stdout.splitlines()[-5:]
    assert folders == "characterization/direct-frozen-size/fold-0 characterization/direct-frozen-size/fold-1"
    assert queue == "direct-frozen-size 2023 ('vgg16',) True"
    # The diameter is an input, and of a frozen trunk the head's two layers alone are trained.
    assert network == "['image', 'log_diameter'] 4"
    assert scored == "direct-frozen direct-frozen-size 0 1.0"
    assert words == "VGG16; direct to the category, trunk frozen, with the diameter | True 0"
