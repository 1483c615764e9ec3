from __future__ import annotations

import dataclasses

import pandas as pd
from trainings import Training, half_patients, is_tested, list_trainings

from lirads_keras.variants import CHARACTERIZATION_VARIANTS

INDEX = pd.DataFrame([{"roi": roi, "patient_id": f"P{patient}", "lesion_id": f"L{lesion}", "fold": patient % 2}
                      for roi in ("reference_roi", "automatic_roi") for patient in range(6) for lesion in range(1 + patient % 3)])


def with_characterization(plan, **settings):
    section = plan.profile.characterization.model_copy(update=settings)
    return dataclasses.replace(plan, profile=plan.profile.model_copy(update={"characterization": section}))


def test_the_first_seed_has_the_folds_and_the_half_split_and_the_others_folds_of_their_own(plan):
    trainings = list_trainings(with_characterization(plan, seeds=(7, 8), half_split=True), "vgg16-plain")
    assert [(training.seed, training.part, str(training.folder.path.relative_to(plan.run.path))) for training in trainings] == [
        (7, 0, "characterization/vgg16-plain/fold-0"), (7, 1, "characterization/vgg16-plain/fold-1"), (7, "half", "characterization/vgg16-plain/half"),
        (8, 0, "characterization/vgg16-plain/seed-8/fold-0"), (8, 1, "characterization/vgg16-plain/seed-8/fold-1")]
    assert len({training.folder for training in trainings}) == 5
    assert [training.stream for training in trainings] == [0, 1, 1000, 0, 1]
    assert [training.label for training in trainings[:3]] == ["fold 1", "fold 2", "half split"]
    assert all(training.fold is not None for training in list_trainings(with_characterization(plan, half_split=False), "vgg16-plain"))


def test_a_name_belongs_to_one_training_alone(plan):
    chosen = with_characterization(plan, seeds=(7, 8), half_split=True)
    names = [training.name for variant in CHARACTERIZATION_VARIANTS for training in list_trainings(chosen, variant)]
    assert len(set(names)) == len(names) == 7 * 5 + 1


def test_the_papers_own_variant_is_trained_on_all_patients_too(plan):
    chosen = with_characterization(plan, seeds=(7, 8), half_split=False)
    full, = [training for variant in CHARACTERIZATION_VARIANTS for training in list_trainings(chosen, variant) if training.part == "full"]
    assert (full.variant.name, full.seed, full.fold, full.stream, full.label) == ("vgg16-adaptive", 7, None, 900, "all patients")
    assert full.folder == plan.run.full("vgg16-adaptive") and not is_tested(plan, full, INDEX).any()


def test_no_patient_is_both_trained_on_and_tested(plan):
    for training in list_trainings(with_characterization(plan, half_split=True), "vgg16-plain"):
        tested = is_tested(plan, training, INDEX)
        assert 0 < tested.sum() < len(INDEX)
        assert not set(INDEX.loc[tested, "patient_id"]) & set(INDEX.loc[~tested, "patient_id"])


def test_the_half_is_half_of_the_patients_with_lesions_and_nearly_half_of_the_lesions(plan):
    half = half_patients(plan, INDEX)
    assert len(half) == 3
    # Twelve lesions; 88 of 174 of them are 6.07.
    assert (INDEX[INDEX["roi"] == "reference_roi"]["patient_id"].isin(half)).sum() == 6
    tested = is_tested(plan, Training(CHARACTERIZATION_VARIANTS["vgg16-plain"], 1, "half", plan.run.half("vgg16-plain")), INDEX)
    assert set(INDEX.loc[tested, "patient_id"]) == set(half)
