from __future__ import annotations

import json
import re

import pytest
import yaml
from model_card import is_virtual, write_model_card
from stages import read_plan

from lirads_keras.provenance import run_record

TABLES = {
    "cohort": ("quantity,level,value,low,high,unit,n,definition", ["patients,all,4,,,patients,4,count", "age,mean,58.5271,56.9851,60.069,years,4,t interval",
                                                                   "scanners,all,4,,,scanners,4,count"]),
    "table_04_dice_at_chosen_threshold": ("choice,statistic,thresholds,patients,value,low,high", [
        "test_folds,average,0.5,3,0.777777,0.7,0.8", "early_stopping_patients,average,\"0.4, 0.5\",3,0.692435,0.546858,0.740872"]),
    "segmentation_baselines": ("quantity,patients,value,low,high", ["readers,3,0.833786,0.817921,0.847498", "readers_minus_network,3,0.1,0,0.2"]),
    "segmentation_variants_dice": ("at,statistic,segmentation,minus,patients,value,low,high", [
        "0.5,average,delayed,,3,0.999,,", "chosen,average,delayed,,3,0.69243,0.54,0.74", "chosen,average,three-phase,,3,0.7125,0.6,0.8",
        "chosen,median,three-phase,,3,0.888,,", "chosen,difference,three-phase,delayed,3,0.02,-0.1,0.1"]),
    "surface": ("quantity,patients,unit,value,low,high", ["mean surface distance,3,mm,2.34,1.1,4.56"]),
    "pretraining_dice": ("label,volumes,value,low,high", ["liver,2,0.91234,0.9,0.92"]),
    "recall_by_size_at_chosen_threshold": ("size,patients,n,successes,proportion,low,high,design_effect,n_effective", [
        "≥ 20 mm,3,5,4,0.8,0.4,0.95,1,5"]),
    "features": ("variant,roi,feature,patients,n_present,n_absent,n_unread,statistic,value,low,high", [
        "vgg16-adaptive,reference_roi,aphe,3,4,1,0,auc,0.910859,,", "vgg16-adaptive,automatic_roi,aphe,3,4,1,0,auc,0.1,,",
        "vgg16-adaptive,reference_roi,capsule,3,0,5,0,sensitivity,,,"]),
    "table_05_accuracy": ("variant,scoring,patients,n,successes,proportion,low,high,kappa_linear,kappa_linear_low,kappa_linear_high", [
        "vgg16-adaptive,reference_regions,3,5,4,0.8,0.4,0.95,0.643659,0.546464,0.727933"]),
    "baselines": ("baseline,patients,n,successes,proportion,low,high", ["majority,3,5,2,0.4,0.1,0.7"]),
    "gaps": ("variant,roi", ["direct-frozen,reference_roi", "direct-frozen,automatic_roi"]),
}


def write_table(path, header, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")


def finish(plan, label="virtual cohort", **record):
    """What a finished run of a cohort leaves, as far as the card reads it."""
    (plan.run.path / "provenance.json").write_text(json.dumps(run_record(plan.profile, plan.run.path) | record))
    results = plan.run.path / "results"
    write_table(results / "run.csv", "key,value", ["run,trial", f'cohort,"{label}"', "folds,2", "pretraining,virtual CT"])
    write_table(results / "patients.csv", "patient_id,group", ["P1,positive", "P2,positive", "P3,positive", "P4,negative"])
    write_table(results / "lesions.csv", "patient_id,category_ref", ["P1,LR-5", "P1,LR-5", "P2,LR-3", "P3,LR-4", "P3,LR-3"])
    for name, (header, lines) in TABLES.items():
        write_table(plan.run.path / "report" / "tables" / f"{name}.csv", f"cohort,{header}", [f'"{label}",{line}' for line in lines])


@pytest.fixture
def card(plan):
    finish(plan)
    return write_model_card(plan).read_text(encoding="utf-8")


def sections(text):
    return dict(re.findall(r"^## (.+?)\n\n(.*?)(?=\n## |\Z)", text, re.DOTALL | re.MULTILINE))


def test_every_section_is_there_and_says_what_it_is_of(card, plan):
    found = sections(card)
    assert list(found) == ["Model details", "Intended use", "Training data", "Evaluation data", "Figures (virtual cohort)", "Limitations", "How to cite"]
    assert card.startswith("# Model card of the run trial\n\nCohort: **virtual cohort**. **Research use only")
    titles = re.findall(r"^\*\*[^\n]+$", found["Figures (virtual cohort)"], re.MULTILINE)
    assert len(titles) == 9 and [title.rsplit(" (", 1)[1] for title in titles] == ["virtual cohort)"] * 4 + ["virtual CT)"] + ["virtual cohort)"] * 4
    assert "not comparable with the numbers of the article" in found["Figures (virtual cohort)"]
    assert "4 patients (3 positive, 1 negative), 5 reference lesions (LR-3 2, LR-4 1, LR-5 2)" in found["Training data"]
    assert plan.profile.digest() in found["Model details"] and "no medical device" in found["Intended use"]


def test_every_figure_is_that_of_the_report_with_its_interval(card):
    for line in ("| age, mean | 58.5 (57.0 to 60.1) | years |", "| scanners, all | 4 | scanners |", "| average (local) Dice | 0.692 (0.547 to 0.741) | 3 |",
                 "| one simulated reader against the other | 0.834 (0.818 to 0.847) | 3 |", "| mean surface distance | 2.3 (1.1 to 4.6) | 3 | mm |",
                 "| three-phase | 0.713 (0.600 to 0.800) | 3 |",
                 "| liver | 0.912 (0.900 to 0.920) | 2 |", "| ≥ 20 mm | 0.800 (0.400 to 0.950) | 5 |", "| vgg16-adaptive | aphe | AUC | 0.911 | 4 / 1 |",
                 "| vgg16-adaptive | capsule | sensitivity | – | 0 / 5 |",
                 "| vgg16-adaptive | reference regions | 0.800 (0.400 to 0.950) | 0.644 (0.546 to 0.728) | 5 |",
                 "| always the commonest category | 0.400 (0.100 to 0.700) | 5 |"):
        assert f"\n{line}\n" in card, line
    # The best threshold of the test folds, regions that were found automatically, and differences stand in the report only.
    absent = ("0.778", "0.100 |", "readers_minus_network", "0.888", "0.999", "0.020")
    assert not [text for text in absent if text in card]


def test_every_network_is_said_in_the_words_of_its_variant(plan):
    finish(plan)
    variants = ("vgg16-adaptive", "resnet50-plain", "direct-finetuned-size")
    trained = plan.profile.model_copy(update={
        "characterization": plan.profile.characterization.model_copy(update={"variants": variants}),
        "segmentation": plan.profile.segmentation.model_copy(update={"variants": ("delayed", "three-phase")})})
    plan.run.profile_file.write_text(yaml.safe_dump(trained.model_dump(mode="json")))
    details = sections(write_model_card(read_plan(plan.run.path)).read_text(encoding="utf-8"))["Model details"]
    assert "| segmentation, delayed | the delayed phase alone (§2.5); channels in order: delayed z − 1, z, z + 1 |" in details
    assert "channels in order: arterial z − 1, z, z + 1; portal venous z − 1, z, z + 1; delayed z − 1, z, z + 1 |" in details
    assert re.findall(r"^\| characterisation, (.+) \|$", details, re.MULTILINE) == [
        "vgg16-adaptive | VGG16; three heads, trained with the paper's Eq. 4",
        "resnet50-plain | ResNet-50; the same heads, trained without the phase switch",
        "direct-finetuned-size | VGG16; direct to the category, trunk fine-tuned, with the diameter"]


def test_no_figure_comes_from_anywhere_but_the_tables(plan):
    finish(plan)
    for path in (plan.run.path / "report" / "tables").iterdir():
        path.unlink()
    found = sections(write_model_card(plan).read_text(encoding="utf-8"))
    assert not re.search(r"\d\.\d{2}", found["Figures (virtual cohort)"]) and "|" not in found["Figures (virtual cohort)"]


def test_limitations_follow_from_the_run(plan, card):
    limits = sections(card)["Limitations"]
    assert "Simulated patients" in limits and "not trained in this run: direct-frozen." in limits and "reduced width" in limits
    assert "changes that are not in the commit" not in limits
    finish(plan, dirty=True)
    card = write_model_card(plan).read_text(encoding="utf-8")
    assert "changes that are not in the commit" in sections(card)["Limitations"] and " with changes |" in sections(card)["Model details"]
    full = plan.profile.model_copy(update={
        "segmentation": plan.profile.segmentation.model_copy(update={"width_factor": 1.0}),
        "characterization": plan.profile.characterization.model_copy(update={"width_factor": 1.0, "weights": "imagenet", "seeds": (1, 2)})})
    plan.run.profile_file.write_text(yaml.safe_dump(full.model_dump(mode="json")))
    limits = sections(write_model_card(read_plan(plan.run.path)).read_text(encoding="utf-8"))["Limitations"]
    assert "reduced width" not in limits and "ImageNet" not in limits and "One seed" not in limits


def test_a_users_cohort_bears_its_name_and_is_not_called_simulated(plan):
    finish(plan, label="St. Mary | 2024")
    text = write_model_card(plan).read_text(encoding="utf-8")
    assert "virtual cohort" not in text and "imulated" not in text.replace("one simulated reader", "") and "not comparable" not in text
    assert "CT volumes** (virtual CT)" in text
    assert "| St. Mary \\| 2024 |  | unit |" in text and "One cohort, cross-validated" in text
    assert is_virtual("Virtual cohort, seed 7") and not is_virtual("St. Mary")


def test_the_citation_is_that_of_the_repository(card):
    cite = sections(card)["How to cite"]
    assert cite.startswith("Wang K, Liu Y, Chen H, Yu W, Zhou J, Wang X. Fully automating LI-RADS") and "https://doi.org/10.3389/fonc.2023.1153241" in cite


def test_equal_records_give_equal_bytes(plan, card):
    assert write_model_card(plan).read_text(encoding="utf-8") == card
    assert [path.name for path in plan.run.path.iterdir() if "CARD" in path.name] == ["MODEL_CARD.md"]


def test_a_run_without_results_has_no_card(plan):
    (plan.run.path / "provenance.json").write_text("{}")
    with pytest.raises(FileNotFoundError):
        write_model_card(plan)
    assert not (plan.run.path / "MODEL_CARD.md").exists()


def test_time_is_the_sum_of_the_stages(plan):
    finish(plan)
    (plan.run.path / "done").mkdir(exist_ok=True)
    for stage, started, seconds in (("store", 0, 60), ("lesions", 100, 30), ("report", 200, 999)):
        (plan.run.path / "done" / f"{stage}.json").write_text(json.dumps({"identity": "x", "started": started, "seconds": seconds}))
    assert "| time | 1.5 min for the stages before the report |" in write_model_card(plan).read_text(encoding="utf-8")
