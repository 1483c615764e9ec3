"""cohort_realism.csv: what is measured on the virtual cohort beside what others have measured on patients.

`measured_low` and `measured_high` are the 2.5 and 97.5 % quantiles of the figure over 1,000 draws of patients; of the agreement expected
of the readers, over 1,000 readings of the same lesions. `literature_low` and `literature_high` are a published 95 % interval or a range.
Ratios are measured on noiseless images; features and categories are the simulated readers' consensus.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import isnan
from typing import Any

import numpy as np

from lirads_keras.entities import ENHANCED_PHASES, HEAD_FEATURES, SCORED_CATEGORIES, Feature
from lirads_keras.phantom import literature
from lirads_keras.phantom.curves import FIELDS_T, LABELS, compute_nominal_signal
from lirads_keras.phantom.literature import Published
from lirads_keras.phantom.measurements import FINDINGS, ORGANS
from lirads_keras.phantom.readers import MARGIN_NOISE_SD
from lirads_keras.phantom.resampling import BOUNDS, Estimate, Resampler, Statistic, correlation_of, deviation_of, kappa_of, mean_of, quantile_of
from lirads_keras.phantom.shift import UNSHIFTED, Shift
from lirads_keras.phantom.truth import CAPSULE_RATIO

Record = dict[str, Any]
Rows = list[dict[str, Any]]
Items = list[tuple[int, Any]]
"""What is counted, each with the number of its patient."""

NOMINAL_TIMES_S = {"arterial": (25.0, 35.0), "portal_venous": (55.0,), "delayed": (180.0,)}
SIZES = {"0-9 mm": (0, 10), "10-19 mm": (10, 20), "20 mm or more": (20, 1e9)}
CLASSES = ("class_a", "class_b", "class_c", "class_d")
READINGS = 1000
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
DIAMETER_UP_TO_MM = 20.0
"""Darnell's nodules are 20 mm or smaller."""


def build_realism_table(records: Sequence[Record], seed: int, shift: Shift = UNSHIFTED) -> Rows:
    """Rows of cohort_realism.csv, by kind of figure.

    Args:
        records: of all patients, as `build_patient` returns them.
        seed: of the draws.
        shift: of the cohort; it says which scanners there are.
    """
    resampler = Resampler(len(records), seed)
    lesions: Items = [(number, lesion) for number, record in enumerate(records) for lesion in record["lesions"]]
    measured: Items = [(number, record["measurements"]) for number, record in enumerate(records)]
    return [
        *_describe_enhancement(records, resampler), *_describe_tissues(measured, resampler), *_describe_lesion_signal(lesions, resampler),
        *_describe_washout(lesions, measured, resampler), *_describe_features(lesions, resampler), *_describe_categories(lesions, resampler),
        *_describe_sizes(lesions, resampler), *_describe_readers(lesions, measured, resampler, seed), *_describe_scans(records, resampler, shift)]


def _row(quantity: str, group: str, phase: str, unit: str, estimate: Estimate, published: Published | None = None) -> dict[str, Any]:
    published = published or Published(None, None, None, "")
    value, low, high = (None if isnan(number) else number for number in (estimate.value, estimate.low, estimate.high))
    return {
        "quantity": quantity, "group": group, "phase": phase, "unit": unit, "n": estimate.n, "measured": value, "measured_low": low, "measured_high": high,
        "literature": published.value, "literature_low": published.low, "literature_high": published.high, "source": published.source}


def _estimate(resampler: Resampler, items: Iterable[tuple[int, Any]], statistic: Callable[[list[Any]], Statistic] = mean_of) -> Estimate:
    pairs = list(items)
    return resampler.estimate([number for number, _ in pairs], statistic([value for _, value in pairs]))


def _nominal(name: str, phase: str, over: str) -> Published:
    """The range of a tissue's nominal signal over cirrhotic liver, or over its own before contrast."""
    times = np.array(NOMINAL_TIMES_S[phase])
    values = []
    for field in FIELDS_T:
        reference = compute_nominal_signal("cirrhotic_liver", times, field) if over == "liver" else compute_nominal_signal(name, np.array([-1.0]), field)
        values += list(compute_nominal_signal(name, times, field) / reference)
    return Published(float(np.mean(values)), float(min(values)), float(max(values)), literature.NOMINAL)


def _describe_enhancement(records: Sequence[Record], resampler: Resampler) -> Rows:
    rows = []
    for cirrhotic, name in ((1, "cirrhotic_liver"), (0, "normal_liver")):
        livers = [(number, record["measurements"]["liver_enhancement"]) for number, record in enumerate(records)
                  if record["patient"]["cirrhotic"] == cirrhotic and record["measurements"]["liver_enhancement"]]
        rows += [
            _row("signal over precontrast", LABELS[name], phase, "", _estimate(resampler, ((number, values[index]) for number, values in livers)),
                 _nominal(name, phase, "precontrast")) for index, phase in enumerate(ENHANCED_PHASES)]
    return rows


def _describe_tissues(measured: Items, resampler: Resampler) -> Rows:
    rows = []
    for name in (*ORGANS, *FINDINGS):
        for index, phase in enumerate(ENHANCED_PHASES):
            ratios = [(number, found["tissues"][name][index]) for number, found in measured
                      if name in found["tissues"] and found["tissues"][name][index] is not None]
            if name == "haemangioma_core" and index > 0:
                continue
            published = literature.FAT if name == "focal_fat" else _nominal(name, phase, "liver")
            rows.append(_row("signal over liver", LABELS[name], phase, "", _estimate(resampler, ratios), published))
    return rows


def _describe_lesion_signal(lesions: Items, resampler: Resampler) -> Rows:
    rows = []
    for name in CLASSES:
        members = [(number, lesion) for number, lesion in lesions if lesion["tissue_class"] == name]
        rows += [
            _row("signal over liver", LABELS[name], phase, "", _estimate(resampler, ((number, lesion[f"ratio_{phase}"]) for number, lesion in members)),
                 _nominal(name, phase, "liver")) for phase in ENHANCED_PHASES]
    # The margin is that of the later of both late phases, over liver or lesion, whichever is less bright: in most lesions the liver, delayed.
    rims = [(number, lesion["capsule_margin"] + CAPSULE_RATIO) for number, lesion in lesions if lesion["capsule_mm"] > 0 and lesion["diameter_mm_true"] >= 10]
    rows.append(_row("signal over liver", LABELS["capsule"], "delayed", "", _estimate(resampler, rims), _nominal("capsule", "delayed", "liver")))
    return rows


def _describe_washout(lesions: Items, measured: Items, resampler: Resampler) -> Rows:
    benign = [(number, 100 / found["tissues"][name][2]) for number, found in measured for name in ("haemangioma_nodules", "transient_difference")
              if name in found["tissues"]]
    groups = {"HCC": [(number, 100 / lesion["ratio_delayed"]) for number, lesion in lesions], "hypervascular benign findings": benign}
    return [
        _row("liver over lesion signal, median", group, "delayed", "%", _estimate(resampler, groups[group], lambda values: quantile_of(values, 0.5)), each)
        for group, published in literature.LIVER_OVER_LESION.items() for each in published]


def _describe_features(lesions: Items, resampler: Resampler) -> Rows:
    rows = []
    for feature in HEAD_FEATURES:
        quantity = f"{_name(feature)} present"
        everywhere = _estimate(resampler, ((number, lesion[feature]) for number, lesion in lesions))
        rows += [_row(quantity, "all sizes", "", "", everywhere, published) for published in literature.PREVALENCE[feature]]
        rows += [
            _row(quantity, size, "", "", _estimate(resampler, ((number, lesion[feature]) for number, lesion in _of_size(lesions, size)))) for size in SIZES]
    return rows


def _describe_categories(lesions: Items, resampler: Resampler) -> Rows:
    rows = []
    for category in map(str, SCORED_CATEGORIES):
        everywhere = _estimate(resampler, ((number, lesion["category"] == category) for number, lesion in lesions))
        rows += [_row("share of lesions", category, "", "", everywhere, published) for published in literature.CATEGORIES[category]]
    small = [(number, lesion) for number, lesion in lesions if lesion["diameter_mm"] <= DIAMETER_UP_TO_MM]
    return rows + [
        _row("share of lesions of 20 mm or less", category, "", "",
             _estimate(resampler, [(number, lesion["category"] == category) for number, lesion in small]), literature.CATEGORIES_TO_20_MM[category])
        for category in map(str, SCORED_CATEGORIES)]


def _describe_sizes(lesions: Items, resampler: Resampler) -> Rows:
    diameters = [(number, lesion["diameter_mm"]) for number, lesion in lesions]
    return [
        _row("lesion diameter", f"{quantile:.0%} quantile".rjust(12, "0"), "", "mm",
             _estimate(resampler, diameters, lambda values, quantile=quantile: quantile_of(values, quantile)),  # type: ignore[misc]
             literature.MEDIAN_DIAMETER if quantile == 0.5 else None) for quantile in QUANTILES]


def _describe_readers(lesions: Items, measured: Items, resampler: Resampler, seed: int) -> Rows:
    def pairs(name: str) -> Items:
        return [(number, (lesion[f"{name}_reader1"], lesion[f"{name}_reader2"])) for number, lesion in lesions]

    rows = [
        _row("agreement of the readers, Cohen's κ", _name(name), "", "", _estimate(resampler, pairs(name), lambda values: kappa_of(*_split(values))),
             literature.AGREEMENT[name]) for name in (*HEAD_FEATURES, "category")]
    rows += [_row("agreement expected of the readers, Cohen's κ", _name(feature), "", "", _expect_kappa(lesions, feature, seed), literature.AGREEMENT[feature])
             for feature in HEAD_FEATURES]
    rows.append(_row("agreement of the readers, intraclass correlation", "diameter", "", "",
                     _estimate(resampler, pairs("diameter_mm"), lambda values: correlation_of(*_split(values))), literature.AGREEMENT["size"]))
    dice = [(number, found["dice_readers"]) for number, found in measured if "dice_readers" in found]
    rows.append(_row("Dice between the readers' masks", "all patients with lesions", "", "", _estimate(resampler, dice)))
    return rows + [
        _row("Dice between the readers' masks", f"lesions, {size}", "", "",
             _estimate(resampler, ((number, lesion["dice_readers"]) for number, lesion in _of_size(lesions, size)))) for size in SIZES]


def _expect_kappa(lesions: Items, feature: str, seed: int) -> Estimate:
    """κ over many readings of these lesions by two readers with the noise that they have; the reading that is in the files is one of them."""
    margins = np.array([lesion[f"{feature}_margin"] for _, lesion in lesions], np.float64)
    if len(margins) == 0:
        return Estimate(0, np.nan, np.nan, np.nan)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(4, HEAD_FEATURES.index(Feature(feature)))))
    first, second = margins + MARGIN_NOISE_SD[feature] * rng.standard_normal((2, READINGS, len(margins))) >= 0
    observed, one, two = (first == second).mean(axis=1), first.mean(axis=1), second.mean(axis=1)
    chance = one * two + (1 - one) * (1 - two)
    pooled = np.mean(one) * np.mean(two) + (1 - np.mean(one)) * (1 - np.mean(two))
    with np.errstate(invalid="ignore", divide="ignore"):
        each, whole = (observed - chance) / (1 - chance), (np.mean(observed) - pooled) / (1 - pooled)
    low, high = np.quantile(each[np.isfinite(each)], BOUNDS) if np.isfinite(each).any() else (np.nan, np.nan)
    return Estimate(first.size, float(whole), float(low), float(high))


def _describe_scans(records: Sequence[Record], resampler: Resampler, shift: Shift) -> Rows:
    rows = []
    for scanner in shift.used_scanners():
        ratios = [(number, record["measurements"]["liver_snr"]) for number, record in enumerate(records)
                  if record["patient"]["scanner"] == scanner and record["measurements"]["liver_snr"] is not None]
        rows.append(_row("signal-to-noise ratio of the liver", scanner, "delayed", "", _estimate(resampler, ratios),
                         Published(None, None, None, literature.FIELD_STRENGTH)))
    for phase in ENHANCED_PHASES[:2]:
        shifts = [(number, record["measurements"]["shift_mm"][phase]) for number, record in enumerate(records)]
        for group, statistic in (("standard deviation", deviation_of), ("largest", lambda values: quantile_of(np.abs(values), 1.0))):
            rows.append(_row("cranio-caudal shift to the delayed phase", group, phase, "mm", _estimate(resampler, shifts, statistic),
                             Published(None, None, None, literature.BREATHING)))
    return rows


def _of_size(lesions: Items, size: str) -> Items:
    low, high = SIZES[size]
    return [(number, lesion) for number, lesion in lesions if low <= lesion["diameter_mm"] < high]


def _split(pairs: list[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    return [first for first, _ in pairs], [second for _, second in pairs]


def _name(feature: str) -> str:
    return {"aphe": "APHE", "category": "LI-RADS category"}.get(feature, str(feature))
