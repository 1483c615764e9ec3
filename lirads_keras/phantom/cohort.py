"""The cohort table: who is in the virtual cohort, with which lesions, scanned when and where; a pure function of the settings.

Counts are exact where the paper prints counts (§2.2, §2.3, Table 2) and are scaled in proportion for smaller cohorts.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.phantom.shift import SHIFTS

DIAGNOSIS_POSITIVE = {
    "liver operation": 40, "puncture": 7, "transcatheter arterial chemoembolization": 43, "radiofrequency ablation": 4,
    "CT/MRI follow-up": 1, "comprehensive clinical diagnosis": 14, "liver transplant": 2}
DIAGNOSIS_NEGATIVE = {"puncture": 2, "CT/MRI follow-up": 18, "comprehensive clinical diagnosis": 72}
"""Table 2."""

MEN_FRACTION = 141 / 203
AGE_MEAN_YEARS, AGE_SD_YEARS, AGE_RANGE_YEARS = 58.53, 11.14, (20, 89)
LESIONS_PER_PATIENT = {1: 74, 2: 22, 3: 8, 4: 4, 5: 2, 6: 1}
"""Not reported beyond the totals (111 patients, 174 lesions): our choice."""

SMALL_FRACTION = 78 / 174
DIAMETER_LOG_MEAN, DIAMETER_LOG_SD = 2.694, 1.151
DIAMETER_MIN_MM, DIAMETER_SPLIT_MM, DIAMETER_MAX_MM = 4.0, 20.0, 164.0
"""Log-normal of ln mm, fitted to 31.5 ± 29.2 mm, range 4–164 mm, 44.8 % under 20 mm (§2.3)."""

MULTIPLE_LESIONS_SUM_MM = 150.0
"""Several lesions of one liver must leave liver between them."""

CIRRHOTIC_FRACTION = {"positive": 0.85, "negative": 0.60}
AGENT_FRACTION = {"Gd-DTPA": 0.7, "Gd-DTPA-BMA": 0.3}
OBLIQUE_FRACTION = 0.3
SUBCAPSULAR_FRACTION = 0.3
"""Not reported: our choice."""


@dataclass(frozen=True)
class SizeBand:
    """Mix of kinetic classes and share of capsules for lesions of `low_mm` ≤ diameter < `high_mm`."""

    low_mm: float
    high_mm: float
    class_fraction: dict[str, float]
    capsule_fraction: float


SIZE_BANDS = (
    SizeBand(0, 10, {"class_a": 0.21, "class_b": 0.49, "class_c": 0.09, "class_d": 0.21}, 0.03),
    SizeBand(10, 20, {"class_a": 0.375, "class_b": 0.375, "class_c": 0.125, "class_d": 0.125}, 0.12),
    SizeBand(20, 1000, {"class_a": 0.57, "class_b": 0.25, "class_c": 0.13, "class_d": 0.05}, 0.35),
)


@dataclass(frozen=True)
class LesionPlan:
    """One lesion: its frozen size (longest axial diameter, rim included), kinetic class, and rim (0 mm: no capsule)."""

    lesion_id: str
    mask_label: int
    diameter_mm: float
    tissue_class: str
    capsule_mm: float
    subcapsular: bool


@dataclass(frozen=True)
class PatientPlan:
    """One row of the cohort table. `index` seeds the patient, so that one patient can be built alone. Times are seconds after the start of injection."""

    index: int
    patient_id: str
    group: str
    age_years: int
    sex: str
    weight_kg: float
    cirrhotic: bool
    diagnosis_method: str
    scanner: str
    agent: str
    injection_rate_ml_s: float
    oblique: bool
    arrival_s: float
    arterial_s: float
    portal_venous_s: float
    delayed_s: float
    lesions: tuple[LesionPlan, ...]


def build_cohort_table(settings: CohortSettings) -> tuple[PatientPlan, ...]:
    """Plans every patient; the same settings give the same table, and a shift moves scanners and times alone."""
    shift = SHIFTS[settings.shift]
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed, spawn_key=(0,)))
    positives, negatives = settings.patients_positive, settings.patients_negative
    total = positives + negatives
    groups = np.array(["positive"] * positives + ["negative"] * negatives)
    methods = _spread(DIAGNOSIS_POSITIVE, positives, rng) + (_spread(DIAGNOSIS_NEGATIVE, negatives, rng) if negatives else [])
    sexes = _spread({"M": MEN_FRACTION, "F": 1 - MEN_FRACTION}, total, rng)
    scanners = _spread(shift.scanner_shares(), total, rng)
    agents = _spread(AGENT_FRACTION, total, rng)
    oblique = _spread({"yes": OBLIQUE_FRACTION, "no": 1 - OBLIQUE_FRACTION}, total, rng)
    ages = rng.permutation(_ages(total))
    weights = np.clip(rng.normal(67, 10, total), 45, 110).round()
    arrival = np.clip(rng.normal(15, 3, total), 10, 22).round(1)
    arterial = (np.clip(arrival + rng.normal(14, 3, total), 20, 40) + shift.arterial_later_s).round(1)
    portal_venous = (rng.uniform(50, 60, total) + shift.portal_venous_later_s).round(1)
    rates = rng.choice([2.5, 3.0], total)
    cirrhotic = rng.uniform(size=total) < np.array([CIRRHOTIC_FRACTION[group] for group in groups])
    lesions = _plan_lesions(positives, rng) + [()] * negatives

    # Positions in the table are shuffled, so that a patient's number does not tell the group.
    return tuple(
        PatientPlan(
            index=index, patient_id=f"VC-{index + 1:04d}", group=str(groups[row]), age_years=int(ages[row]), sex=sexes[row],
            weight_kg=float(weights[row]), cirrhotic=bool(cirrhotic[row]), diagnosis_method=methods[row], scanner=scanners[row],
            agent=agents[row], injection_rate_ml_s=float(rates[row]), oblique=oblique[row] == "yes", arrival_s=float(arrival[row]),
            arterial_s=float(arterial[row]), portal_venous_s=float(portal_venous[row]), delayed_s=180.0 + shift.delayed_later_s, lesions=lesions[row])
        for index, row in enumerate(rng.permutation(total)))


def choose_patients(table: tuple[PatientPlan, ...], count: int) -> tuple[PatientPlan, ...]:
    """`count` patients in the table's order: the first of an order in which both groups are spread evenly.

    The shares of the groups are then those of the whole table to within one patient, and whoever is among the first ten is among the first twenty.
    """
    sizes = {group: sum(plan.group == group for plan in table) for group in ("positive", "negative")}
    ranks = {group: 0.5 for group in sizes}
    place = {}
    for plan in table:
        place[plan.index] = ranks[plan.group] / sizes[plan.group]
        ranks[plan.group] += 1
    first = sorted(table, key=lambda plan: (place[plan.index], plan.index))[:count]
    return tuple(sorted(first, key=lambda plan: plan.index))


def allocate(weights: dict[str, float], total: int) -> dict[str, int]:
    """Whole numbers in proportion to the weights that add up to `total` (largest remainders; ties: first named)."""
    share = np.array(list(weights.values()), dtype=np.float64)
    exact = share / share.sum() * total
    counts = np.floor(exact + 1e-9).astype(int)
    for index in np.argsort(-(exact - counts), kind="stable")[:total - counts.sum()]:
        counts[index] += 1
    return dict(zip(weights, counts.tolist(), strict=True))


def compute_diameters_mm(count: int) -> np.ndarray:
    """The sizes of `count` lesions, ascending: stratified quantiles of the log-normal under and from 20 mm, ends forced to 4 and 164 mm."""
    small = min(max(round(count * SMALL_FRACTION), 1 if count > 1 else 0), count)
    diameters = np.concatenate([
        _truncated_quantiles(small, DIAMETER_MIN_MM, DIAMETER_SPLIT_MM),
        _truncated_quantiles(count - small, DIAMETER_SPLIT_MM, DIAMETER_MAX_MM)])
    if small > 1:
        diameters[0] = DIAMETER_MIN_MM
    if count - small > 1:
        diameters[-1] = DIAMETER_MAX_MM
    return diameters.round(1)


def _truncated_quantiles(count: int, low_mm: float, high_mm: float) -> np.ndarray:
    low, high = (norm.cdf((np.log(limit) - DIAMETER_LOG_MEAN) / DIAMETER_LOG_SD) for limit in (low_mm, high_mm))
    probability = low + (high - low) * (np.arange(count) + 0.5) / max(count, 1)
    return np.exp(DIAMETER_LOG_MEAN + DIAMETER_LOG_SD * norm.ppf(probability))


def _spread(weights: dict[str, float] | dict[str, int], total: int, rng: np.random.Generator) -> list[str]:
    names = [name for name, count in allocate({key: float(value) for key, value in weights.items()}, total).items() for _ in range(count)]
    return [names[index] for index in rng.permutation(total)]


def _ages(total: int) -> np.ndarray:
    """Whole years, normal by quantiles, whose mean and SD come as near to the printed ones as whole years allow."""
    if total == 1:
        return np.array([round(AGE_MEAN_YEARS)])
    quantiles = norm.ppf((np.arange(total) + 0.5) / total)
    quantiles = quantiles / quantiles.std(ddof=1)
    best, best_error = quantiles, np.inf
    deviations = AGE_SD_YEARS + np.linspace(-0.3, 0.3, 801)
    for mean in AGE_MEAN_YEARS + np.linspace(-0.104, 0.104, 27):
        ages = np.clip(np.rint(mean + deviations[:, None] * quantiles), *AGE_RANGE_YEARS)
        errors = np.maximum(np.abs(ages.mean(axis=1) - AGE_MEAN_YEARS), np.abs(ages.std(axis=1, ddof=1) - AGE_SD_YEARS))
        if errors.min() < best_error:
            best, best_error = ages[errors.argmin()], float(errors.min())
    return best.astype(int)


def _plan_lesions(patients: int, rng: np.random.Generator) -> list[tuple[LesionPlan, ...]]:
    per_patient = [
        int(number) for number, count in allocate({str(key): float(value) for key, value in LESIONS_PER_PATIENT.items()}, patients).items()
        for _ in range(count)]
    starts = np.cumsum([0, *per_patient])
    diameters = rng.permutation(compute_diameters_mm(int(starts[-1])))
    _separate_giants(diameters, starts, rng)
    classes = np.empty(len(diameters), dtype=object)
    capsules = np.zeros(len(diameters), dtype=bool)
    for band in SIZE_BANDS:
        members = np.flatnonzero((diameters >= band.low_mm) & (diameters < band.high_mm))
        classes[members] = _spread(band.class_fraction, len(members), rng)
        capsules[rng.permutation(members)[:round(band.capsule_fraction * len(members))]] = True
    # A rim of 1–3 mm, in small lesions at most a fifth of the radius.
    rims = np.minimum(rng.uniform(1.0, 3.0, len(diameters)), np.maximum(0.1 * diameters, 0.8)).round(2)
    subcapsular = rng.uniform(size=len(diameters)) < SUBCAPSULAR_FRACTION
    return [
        tuple(
            LesionPlan(
                lesion_id=f"L{number}", mask_label=number, diameter_mm=float(diameters[row]), tissue_class=str(classes[row]),
                capsule_mm=float(rims[row]) if capsules[row] else 0.0, subcapsular=bool(subcapsular[row]))
            for number, row in enumerate(range(start, start + count), start=1))
        for start, count in zip(starts[:-1], per_patient, strict=True)]


def _separate_giants(diameters: np.ndarray, starts: np.ndarray, rng: np.random.Generator) -> None:
    """Swaps the largest lesion of an overfull liver with that of a patient with one lesion, in place."""
    singles = [int(start) for start, end in zip(starts[:-1], starts[1:], strict=True) if end - start == 1]
    for start, end in zip(starts[:-1], starts[1:], strict=True):
        while end - start > 1 and diameters[start:end].sum() > MULTIPLE_LESIONS_SUM_MM:
            largest = int(start + diameters[start:end].argmax())
            smaller = [single for single in singles if diameters[single] < diameters[largest]]
            if not smaller:
                break
            partner = int(rng.choice(smaller))
            diameters[[largest, partner]] = diameters[[partner, largest]]
