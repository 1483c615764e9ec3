"""Folds and early-stopping patients: the patient is the unit of every split (§2.4, ledger items 18 and 21)."""
from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lirads_keras.errors import InputError, Problem, raise_if_any

_POSITIVE, _NEGATIVE, _VALIDATION, _VALIDATION_NEGATIVE, _HALVES = 1, 2, 3, 4, 5


@dataclass(frozen=True)
class HeldOut:
    """Patients of other folds whom a fold does not train on: `stopping` end its training, `choice` tell threshold and minimum volume. Sorted ids."""

    stopping: list[str]
    choice: list[str]


def split_folds(patient_ids_positive: Sequence[str], patient_ids_negative: Sequence[str], folds: int, seed: int) -> dict[str, int]:
    """Deals patients into test folds 0 … folds − 1.

    Positives and negatives are dealt separately, as evenly as can be: 111 positives in nine folds give three folds of 13 and six of 12.
    The larger shares of negatives go to the last folds, so that folds differ little in total. The result depends on the ids and the seed,
    not on the order in which the ids come, and the positives' folds do not depend on the negatives.

    Returns:
        Patient id → fold, sorted by patient id.

    Raises:
        InputError: an id comes twice, or there are fewer positives than folds.
    """
    ids = [*patient_ids_positive, *patient_ids_negative]
    problems = [Problem(f"patient {patient_id}", "one row", f"{ids.count(patient_id)}") for patient_id in sorted(set(ids)) if ids.count(patient_id) > 1]
    if len(patient_ids_positive) < folds:
        problems.append(Problem("patients", f"at least {folds} with lesions, one a fold", str(len(patient_ids_positive))))
    raise_if_any(problems)
    fold_of = {}
    for rank, patient_id in enumerate(_shuffle(patient_ids_positive, (seed, _POSITIVE))):
        fold_of[patient_id] = rank % folds
    for rank, patient_id in enumerate(_shuffle(patient_ids_negative, (seed, _NEGATIVE))):
        fold_of[patient_id] = folds - 1 - rank % folds
    return dict(sorted(fold_of.items()))


def validation_patients(train_ids: Sequence[str], fraction: float, seed: int, fold: int) -> list[str]:
    """The training patients set aside (ledger item 18).

    Args:
        train_ids: patients of the other folds; their order does not matter.
        fraction: share of them that is set aside, rounded; at least one, and at least one is left to train on.

    Returns:
        Sorted ids.

    Raises:
        InputError: there are fewer than two patients.
    """
    if len(train_ids) < 2:
        raise InputError(Problem(f"fold {fold}", "at least 2 training patients, one of them for early stopping", str(len(train_ids))))
    count = min(max(round(fraction * len(train_ids)), 1), len(train_ids) - 1)
    return sorted(_shuffle(train_ids, (seed, _VALIDATION, fold + 1))[:count])


def hold_out(positives: Sequence[str], fold_of: Mapping[str, int], tested: Collection[int], *, fraction: float, negatives: int, seed: int) -> HeldOut:
    """Who stops the training of some folds, and on whom they choose their thresholds and minimum volumes; nobody of these folds themselves.

    Args:
        positives: patients with lesions.
        fold_of: test fold of every patient.
        tested: folds that are trained with the same patients held out: one, or a group with a shared start.
        fraction: share of the positives of other folds that is held out, half and half, the odd one for stopping; a single one serves for both.
        negatives: so many patients without a lesion join them, half and half; fewer where the other folds have fewer.
        seed: of the draw.

    Raises:
        InputError: the other folds have fewer than two positives.
    """
    fold = min(tested)
    others = [name for name in positives if fold_of[name] not in tested]
    with_lesion = validation_patients(others, fraction, seed, fold)
    clean = sorted(set(fold_of) - set(positives))
    without = _shuffle([name for name in clean if fold_of[name] not in tested], (seed, _VALIDATION_NEGATIVE, fold))[:negatives]
    mixed = _shuffle(with_lesion, (seed, _HALVES, fold))
    half, clean_half = (len(mixed) + 1) // 2, len(without) // 2
    return HeldOut(sorted(mixed[:half] + without[:clean_half]), sorted((mixed[half:] or mixed) + without[clean_half:]))


def _shuffle(ids: Sequence[str], key: tuple[int, ...]) -> list[str]:
    return [str(patient_id) for patient_id in np.random.default_rng(key).permutation(np.array(sorted(ids), dtype=object))]
