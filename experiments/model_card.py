"""The model card of a run, from what the run recorded and measured; its headings are those of Mitchell et al., FAT* 2019, doi 10.1145/3287560.3287596.

Every number in it is read from the run's records, its result tables or its report's tables. A table that the report does not have (a variant that was not
trained, a cohort of the user's own) is left out here, too, and the report says why.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from durations import measure_durations
from stages import CHECKOUT, Plan

from lirads_keras.io.atomic import write_text
from lirads_keras.run import RunFolder
from lirads_keras.variants import CHARACTERIZATION_VARIANTS, SEGMENTATION_VARIANTS, TRUNK_WORDS, SegmentationVariant

Row = dict[str, str]

SCORINGS = {"reference_regions": "reference regions", "detected_lesions": "detected lesions, automatic regions", "end_to_end": "end to end, a miss is an error"}
DICE = {"average": "average (local) Dice", "median": "median Dice", "global_positive": "global Dice, positive patients",
        "global_all": "global Dice, all patients"}
BASELINES = {"majority": "always the commonest category", "size_only": "the diameter alone", "rules_on_truth": "the rules on the simulated truth"}
SEGMENTERS = {"threshold": "an intensity window instead of the network", "network": "the network", "readers": "one simulated reader against the other"}
STATISTICS = {"auc": "AUC", "sensitivity": "sensitivity", "specificity": "specificity"}


def write_model_card(plan: Plan) -> Path:
    """Writes `MODEL_CARD.md` into the run's folder, after the report; equal records and tables give equal bytes.

    Raises:
        FileNotFoundError: the run has no provenance.json, no result tables or no report.
    """
    records = json.loads(plan.run.provenance.read_text(encoding="utf-8"))
    facts = {row["key"]: row["value"] for row in _read(plan.run.results / "run.csv")}
    label = facts["cohort"]
    virtual = is_virtual(label)
    sections = [
        f"# Model card of the run {facts['run']}",
        f"Cohort: **{label}**. **Research use only: nothing here is for diagnosis.** Written from the run's own records and tables; the report is "
        "`report/report.html`.",
        "## Model details", _describe_model(plan, records, facts),
        "## Intended use", _describe_use(),
        "## Training data", _describe_training_data(plan, label, facts),
        "## Evaluation data",
        f"The patients above ({label}): {facts['folds']} folds by patient; each patient is tested once, by networks that had not seen the patient, at the "
        "threshold chosen on other patients. There is no external test set in a run.",
        f"## Figures ({label})",
        "Point and 95 % interval; intervals respect that lesions come in patients. Each table says whom it is of."
        + (" They are not comparable with the numbers of the article." if virtual else ""),
        *_list_figures(plan.run, label, facts.get("pretraining", "CT")),
        "## Limitations", _list_limitations(plan, records, facts),
        "## How to cite", _describe_citation(CHECKOUT / "CITATION.cff")]
    path = plan.run.model_card
    write_text(path, "\n\n".join(section for section in sections if section) + "\n")
    return path


def is_virtual(label: str) -> bool:
    """Whether the patients of a cohort are simulated: the rule that the report goes by."""
    return "virtual" in label.lower()


def _describe_model(plan: Plan, records: dict[str, Any], facts: Row) -> str:
    profile, versions = plan.profile, records["versions"]
    segmentation, characterization = profile.segmentation, profile.characterization
    measured = [seconds for stage, seconds in measure_durations(plan).items() if stage != "report"]
    commit = f"{records['commit']}{' with changes' if records['dirty'] else ''}"
    shared = segmentation.shared_start
    start = "" if shared is None else f"{shared.epochs} that {segmentation.start_groups} groups of folds share, on nobody of theirs, and "
    return _table(["", ""], [
        ["segmentation", f"2.5D UNet++, {segmentation.encoder} (stem: {segmentation.stem}) with CBAM at width {segmentation.width_factor:g}, "
                         f"{profile.preprocessing.matrix_px} × {profile.preprocessing.matrix_px} pixels; pre-trained on "
                         f"{facts.get('pretraining', 'CT')}, encoder weights at its start: {segmentation.encoder_weights}"],
        *([f"segmentation, {variant}", _describe_channels(SEGMENTATION_VARIANTS[variant])] for variant in segmentation.variants),
        *([f"characterisation, {variant}", _describe_variant(variant)] for variant in characterization.variants),
        ["trunks of the characterisation", f"width {characterization.width_factor:g}, weights at the start: {characterization.weights}, "
                                           f"crops of {characterization.crop_px} × {characterization.crop_px} pixels"],
        ["category", f"LI-RADS table, rule set `{characterization.rules}`; a feature is present from probability {characterization.decision_threshold:g}"],
        ["training", f"{segmentation.finetune.epochs} epochs a fold after {start}{segmentation.pretrain.epochs} on CT, {characterization.epochs} epochs a "
                     f"variant and fold; seeds: splits {profile.seed}, segmentation {_join(segmentation.seeds)}, "
                     f"characterisation {_join(characterization.seeds)}"],
        ["profile", f"{profile.name}, digest {records['profile_digest']}; all settings: `profile.yaml`"],
        ["code", commit],
        ["versions", ", ".join(f"{name} {version}" for name, version in versions.items())],
        ["weights", "`segmentation/`, `characterization/`; SHA-256 in `checksums.json`"],
        ["time", f"{sum(measured) / 60:.1f} min for the stages before the report" if measured else "not recorded"],
        ["licence", f"{_citation(CHECKOUT / 'CITATION.cff')['license']}; of the code. Weights that began from ImageNet or LiTS carry those sets' terms"]])


def _describe_channels(variant: SegmentationVariant) -> str:
    phases = "; ".join(f"{str(phase).replace('_', ' ')} z − 1, z, z + 1" for phase in variant.phases)
    return f"{variant.words}; channels in order: {phases}"


def _join(seeds: Iterable[int]) -> str:
    return " ".join(map(str, seeds))


def _describe_variant(name: str) -> str:
    variant = CHARACTERIZATION_VARIANTS[name]
    return f"{TRUNK_WORDS[variant.trunk]}; {variant.words}"


def _describe_use() -> str:
    return "\n".join([
        "- For research on methods: to see how segmentation, features and rules together give a LI-RADS category, and how far each is to be trusted.",
        "- Input: contrast-enhanced liver MRI of an adult, arterial, portal venous and delayed phase, extracellular contrast medium.",
        "- Not for patients: no diagnosis, no triage, no decision on treatment. It is no medical device and has been through no clinical validation.",
        "- Outside of its scope: treated lesions, LR-M, LR-TIV and benign categories (the networks give LR-3, LR-4 and LR-5 only), hepatobiliary contrast "
        "media, CT, children, patients who are not at high risk of HCC."])


def _describe_training_data(plan: Plan, label: str, facts: Row) -> str:
    patients, lesions = (pd.DataFrame(_read(plan.run.results / f"{name}.csv")) for name in ("patients", "lesions"))
    groups = patients["group"].value_counts()
    categories = lesions["category_ref"].value_counts().sort_index() if len(lesions) else pd.Series(dtype=int)
    lines = [
        f"{label}: {len(patients)} patients ({groups.get('positive', 0)} positive, {groups.get('negative', 0)} negative), {len(lesions)} reference lesions"
        + (" (" + ", ".join(f"{name} {count}" for name, count in categories.items()) + ")" if len(categories) else "") + "."]
    if is_virtual(label):
        lines.append("The patients are simulated: no persons, but anatomy, contrast kinetics, MR signal and two readers from published figures "
                     "(`lirads_keras/phantom/`). The reference is the simulated readers' consensus.")
    else:
        lines.append("Patients and reference are those of the manifest that the run was given; its SHA-256 are in `checksums.json`.")
    lines.append(f"In each fold the positive patients of the other folds train the networks; a share of {plan.profile.segmentation.validation_fraction:g} "
                 f"of them stops training early and chooses the threshold. Pre-training of the segmentation: {facts.get('pretraining', 'CT')}.")
    rows = [[f"{row['quantity']}, {row['level']}", _interval(row, digits=1), row["unit"]]
            for row in _read_report(plan.run, "cohort") if row["quantity"] != "patients"]
    return "\n\n".join([*lines, _table([label, "", "unit"], rows)])


def _list_figures(run: RunFolder, label: str, pretraining: str) -> list[str]:
    """A table of each kind, of those whose table the report has."""
    def show(title: str, name: str, header: list[str], cells: Callable[[Row], list[str] | None], of: str = label) -> list[str]:
        rows = [row for row in map(cells, _read_report(run, name)) if row]
        return [f"**{title}** ({of})", _table(header, rows)] if rows else []

    return [
        *show("Dice of the lesions at each fold's own threshold", "table_04_dice_at_chosen_threshold", ["", "Dice", "patients"], lambda row: (
            [DICE.get(row["statistic"], row["statistic"]), _interval(row), row["patients"]] if row["choice"] == "early_stopping_patients" else None)),
        *show("The same beside simpler and human", "segmentation_baselines", ["", "average Dice", "patients"], lambda row: (
            [SEGMENTERS[row["quantity"]], _interval(row), row["patients"]] if row["quantity"] in SEGMENTERS else None)),
        *show("Each segmentation variant at each fold's own threshold", "segmentation_variants_dice", ["", "average Dice", "patients"], lambda row: (
            [row["segmentation"], _interval(row), row["patients"]] if row["at"] == "chosen" and row["statistic"] == "average" else None)),
        *show("Surface distances and volumes at each fold's own threshold", "surface", ["", "median", "patients", "unit"], lambda row: [
            row["quantity"], _interval(row, digits=1), row["patients"], row["unit"]]),
        *show("Dice of the pre-trained network on its early-stopping CT volumes", "pretraining_dice", ["", "mean (lowest to highest)", "volumes"], lambda row: [
            row["label"], _interval(row), row["volumes"]], of=pretraining),
        *show("Detected lesions by size", "recall_by_size_at_chosen_threshold", ["diameter", "recall", "lesions"], lambda row: [
            row["size"], _interval(row, "proportion"), row["n"]]),
        *show("Features on reference regions", "features", ["variant", "feature", "", "", "lesions with / without"], lambda row: (
            [row["variant"], row["feature"], STATISTICS[row["statistic"]], _interval(row), f"{row['n_present']} / {row['n_absent']}"]
            if row["roi"] == "reference_roi" and row["statistic"] in STATISTICS else None)),
        *show("Accuracy of the category", "table_05_accuracy", ["variant", "scored on", "accuracy", "weighted κ, linear", "lesions"], lambda row: [
            row["variant"], SCORINGS.get(row["scoring"], row["scoring"]), _interval(row, "proportion"), _interval(row, "kappa_linear", "kappa_linear_"),
            row["n"]]),
        *show("What it has to be seen beside", "baselines", ["", "accuracy", "lesions"], lambda row: [
            BASELINES.get(row["baseline"], row["baseline"]), _interval(row, "proportion"), row["n"]])]


def _list_limitations(plan: Plan, records: dict[str, Any], facts: Row) -> str:
    settings = plan.profile.characterization
    gaps = sorted({row["variant"] for row in _read_report(plan.run, "gaps")})
    reduced = [name for name, value in (("segmentation", plan.profile.segmentation.width_factor), ("characterisation", settings.width_factor)) if value < 1]
    points = [
        "Simulated patients are tidier than patients: what is measured on them says whether the method can work, not how well it works in a clinic."
        if is_virtual(facts["cohort"]) else "One cohort, cross-validated: figures of other scanners, protocols and populations will differ.",
        f"Networks of reduced width ({', '.join(reduced)}): smaller than the paper's." if reduced else "",
        f"Trunks from {settings.weights} weights, not from ImageNet's as in the paper." if settings.weights != "imagenet" else "",
        f"One seed ({settings.seeds[0]}) of the characterisation: how far its figures move with the seed is not known." if len(settings.seeds) == 1 else "",
        f"Variants that were not trained in this run: {', '.join(gaps)}." if gaps else "",
        "The code had changes that are not in the commit." if records["dirty"] else "",
        "A missed lesion has no category; a lesion found too large or too small gets a wrong diameter, and the category follows it.",
        "The diameter is measured in axial slices only; features are read from one slice a phase.",
        "The networks give LR-3, LR-4 or LR-5 to whatever is segmented, benign findings included.",
        "Probabilities are not calibrated for use one by one; the report shows their calibration.",
        "Every departure from the article stands in the README's table of deviations; what a checklist asks stands in `experiments/CLAIM.md`."]
    return "\n".join(f"- {point}" for point in points if point)


def _describe_citation(path: Path) -> str:
    citation = _citation(path)
    article = citation["preferred-citation"]
    authors = ", ".join(f"{author['family-names']} {''.join(name[0] for name in author['given-names'].split())}" for author in article["authors"])
    return (f"{authors}. {article['title']}. *{article['journal']}* {article['year']};{article['volume']}:{article['start']}. "
            f"https://doi.org/{article['doi']}\n\n"
            f"{', '.join(author['name'] for author in citation['authors'])}. {citation['title']}, version {citation['version']} ({citation['license']}).")


def _citation(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def _read(path: Path) -> list[Row]:
    """Rows of a table as the text that stands in it, so that a number is printed as it was written."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    return [{str(name): cell for name, cell in row.items()} for row in table.to_dict("records")]


def _read_report(run: RunFolder, name: str) -> list[Row]:
    path = run.report_table(name)
    return _read(path) if path.exists() else []


def _interval(row: Row, value: str = "value", prefix: str = "", *, digits: int = 3) -> str:
    """`0.730 (0.659 to 0.790)`; without limits the value alone, and a dash without one. Counts stay whole."""
    cells = [row[value], row[f"{prefix}low"], row[f"{prefix}high"]]
    if not cells[0]:
        return "–"
    text = [cell if cell.isdigit() and not (cells[1] and cells[2]) else f"{float(cell):.{digits}f}" if cell else "" for cell in cells]
    return f"{text[0]} ({text[1]} to {text[2]})" if text[1] and text[2] else text[0]


def _table(header: list[str], rows: Iterable[list[str]]) -> str:
    """A Markdown table; a bar in a cell would end it."""
    escaped = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in (header, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (escaped[0], ["---"] * len(header), *escaped[1:]))
