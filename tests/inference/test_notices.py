from __future__ import annotations

from lirads_keras.entities import ENHANCED_PHASES, Phase
from lirads_keras.inference.notices import list_notices
from lirads_keras.variants import SEGMENTATION_VARIANTS

DELAYED, THREE_PHASE = SEGMENTATION_VARIANTS["delayed"], SEGMENTATION_VARIANTS["three-phase"]


def test_the_variant_and_the_phases_that_it_read_are_told():
    assert list_notices(DELAYED, ENHANCED_PHASES, trained_on=False) == ("Lesions were segmented by the variant delayed, from the delayed phase.",)
    assert list_notices(THREE_PHASE, ENHANCED_PHASES, trained_on=False) == (
        "Lesions were segmented by the variant three-phase, from the arterial, portal venous and delayed phases.",)
    assert list_notices(THREE_PHASE, (Phase.DELAYED, Phase.ARTERIAL), trained_on=False) == (
        "Lesions were segmented by the variant three-phase, from the arterial and delayed phases.",)


def test_another_grid_is_told():
    assert list_notices(THREE_PHASE, (Phase.ARTERIAL, Phase.PORTAL_VENOUS), trained_on=False) == (
        "Lesions were segmented by the variant three-phase, from the arterial and portal venous phases.",
        "Without a delayed phase the study was read on the grid of the portal venous phase.")


def test_a_study_that_lacks_more_than_any_that_was_trained_on_is_told():
    assert list_notices(THREE_PHASE, (Phase.DELAYED,), trained_on=False)[1:] == (
        "This study lacks 2 of the phases that the variant three-phase reads; it was trained with one missing at most.",)


def test_a_study_that_was_trained_on_is_told_first():
    assert list_notices(DELAYED, ENHANCED_PHASES, trained_on=True) == (
        "This study was among those the networks were trained on: its result is no test.", *list_notices(DELAYED, ENHANCED_PHASES, trained_on=False))
