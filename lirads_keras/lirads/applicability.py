"""Whom LI-RADS is for, and what is said where it is not, or where nobody knows.

Source: ACR, CT/MRI LI-RADS v2018 core, p. 6 (getting started) and p. 11 (treatment response, another algorithm).
"""
from __future__ import annotations

from lirads_keras.entities import Applicability, Study

ADULT_FROM_YEARS = 18
"""Younger patients have other liver tumours: LI-RADS is not for them (core, p. 6)."""

POPULATION = (
    "LI-RADS is for adults at high risk of hepatocellular carcinoma (HCC): with cirrhosis, chronic hepatitis B, or present or earlier HCC; not where a "
    "vascular disorder or congenital hepatic fibrosis is the cause of the cirrhosis.")
LESIONS = "It is for lesions without treatment and without pathological proof: treated or proven lesions are another algorithm."
CONDITION = "The categories are conditional on high risk and no treatment: nobody has answered that."
AGE_UNKNOWN = "The patient's age is unknown (neither PatientAge nor PatientBirthDate with StudyDate tells it): the categories hold from 18 years on."
TUMOR_IN_VEIN = "LR-TIV: the reader finds tumor in vein. It belongs to the study, whatever the categories of the lesions."

UNDER_18 = "the patient is under 18"
NOT_AT_RISK = "the patient is not at high risk of HCC"
TREATED = "the lesions are treated or have pathological proof, which is another algorithm"


def is_adult(age_years: float | None) -> bool | None:
    """None for an unknown age."""
    return None if age_years is None else age_years >= ADULT_FROM_YEARS


def of_study(study: Study, answers: Applicability = Applicability()) -> Applicability:
    """What the user answered, with what the study's age tells."""
    return Applicability(is_adult(study.age_years), answers.high_risk, answers.untreated, answers.despite_age)


def find_reason_to_withhold(applicability: Applicability) -> str:
    """Why the study's lesions get no category; empty where they get one."""
    reasons = [reason for reason, holds in (
        (UNDER_18, applicability.is_adult is False and not applicability.despite_age), (NOT_AT_RISK, applicability.high_risk is False),
        (TREATED, applicability.untreated is False)) if holds]
    return "; ".join(reasons)


def describe_applicability(applicability: Applicability) -> tuple[str, ...]:
    """Sentences for whoever reads the result: whom LI-RADS is for, and what the categories are conditional on."""
    sentences = [POPULATION, LESIONS]
    open_questions = [words for words, answer in (("high risk", applicability.high_risk), ("no treatment", applicability.untreated)) if answer is None]
    if withheld := find_reason_to_withhold(applicability):
        sentences.append(f"Categories are withheld: {withheld}.")
    elif len(open_questions) == 2:
        sentences.append(CONDITION)
    elif open_questions:
        sentences.append(f"The categories are conditional on {open_questions[0]}: nobody has answered that.")
    if applicability.is_adult is None:
        sentences.append(AGE_UNKNOWN)
    elif not applicability.is_adult and applicability.despite_age:
        sentences.append("The patient is under 18; categories are given because the user wants them all the same.")
    return tuple(sentences)
