"""The coded words of the results in DICOM: those of public schemes, and a private scheme for what has no public code.

LI-RADS categories and major features have no code in SNOMED CT, DICOM, RadLex or the NCI Thesaurus. A private scheme has a designator that
begins with 99 (PS3.16, 8.2), and each object that uses one says which scheme is meant (PS3.3 C.12.1.1.1, Coding Scheme Identification Sequence).
"""
from __future__ import annotations

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.sr.coding import Code

from lirads_keras.entities import Category, Feature

SCHEME = "99LIRADSKERAS"
SCHEME_UID = "2.25.80122506712998735753413450630752573654"
"""Tells this scheme from one of another maker who took the same designator (a UUID-derived UID, PS3.5 B.2)."""

SCHEME_VERSION = "2"

ALGORITHM_FAMILY = Code("123110", "DCM", "Artificial Intelligence")
MORPHOLOGICALLY_ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
LESION = Code("52988006", "SCT", "Lesion")
LIVER = Code("10200004", "SCT", "Liver")
IMAGING_PROCEDURE = Code("363679005", "SCT", "Imaging procedure")
LONG_AXIS = Code("103339001", "SCT", "Long axis")
VOLUME = Code("118565006", "SCT", "Volume")
MILLIMETRE = Code("mm", "UCUM", "mm")
MILLILITRE = Code("ml", "UCUM", "ml")
NO_UNITS = Code("1", "UCUM", "no units")

PRESENT = Code("52101004", "SCT", "Present")
ABSENT = Code("272519000", "SCT", "Absent")
NOT_ASSESSED = Code("373121007", "SCT", "Not Evaluated")

ASSESSMENT_CATEGORY = Code("111005", "DCM", "Assessment Category")
COMMENT = Code("121106", "DCM", "Comment")
OBSERVER_TYPE = Code("121005", "DCM", "Observer Type")
PERSON = Code("121006", "DCM", "Person")
DEVICE = Code("121007", "DCM", "Device")
PERSON_NAME = Code("121008", "DCM", "Person Observer Name")
ALGORITHM_NAME = Code("111001", "DCM", "Algorithm Name")
ALGORITHM_VERSION = Code("111003", "DCM", "Algorithm Version")
TRACKING_IDENTIFIER = Code("112039", "DCM", "Tracking Identifier")
TRACKING_UID = Code("112040", "DCM", "Tracking Unique Identifier")
REFERENCED_SEGMENT = Code("121191", "DCM", "Referenced Segment")
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
SEGMENTATION = Code("113076", "DCM", "Segmentation")
IMAGE_LIBRARY = Code("111028", "DCM", "Image Library")
IMAGE_LIBRARY_GROUP = Code("126200", "DCM", "Image Library Group")
SOURCE = Code("260753009", "SCT", "Source")
SOURCE_IMAGE = Code("121322", "DCM", "Source image for image processing operation")

FEATURES = {
    Feature.APHE: Code("APHE", SCHEME, "Nonrim arterial phase hyperenhancement"),
    Feature.WASHOUT: Code("WASHOUT", SCHEME, "Nonperipheral washout"),
    Feature.CAPSULE: Code("CAPSULE", SCHEME, "Enhancing capsule"),
    Feature.THRESHOLD_GROWTH: Code("GROWTH", SCHEME, "Threshold growth")}
"""The major features, in the words of LI-RADS v2018."""

PROBABILITIES = {
    Feature.APHE: Code("P-APHE", SCHEME, "Probability of nonrim arterial phase hyperenhancement"),
    Feature.WASHOUT: Code("P-WASHOUT", SCHEME, "Probability of nonperipheral washout"),
    Feature.CAPSULE: Code("P-CAPSULE", SCHEME, "Probability of enhancing capsule")}
"""What the networks say, from 0 to 1."""

ANCILLARY_MALIGNANT = Code("ANC-MALIGNANT", SCHEME, "Ancillary features favoring malignancy")
ANCILLARY_BENIGN = Code("ANC-BENIGN", SCHEME, "Ancillary features favoring benignity")

RIM_APHE = Code("RIM-APHE", SCHEME, "Rim arterial phase hyperenhancement")
TUMOR_IN_VEIN = Code("TIV", SCHEME, "Tumor in vein")

NOT_GIVEN = Code("NOT-GIVEN", SCHEME, "No LI-RADS category is given: several remain possible")
WITHHELD = Code("WITHHELD", SCHEME, "The LI-RADS category is withheld")
POSSIBLE_CATEGORY = Code("POSSIBLE", SCHEME, "Possible LI-RADS category")

CATEGORIES = {category: Code(str(category), SCHEME, f"LI-RADS {category}: {words}") for category, words in {
    Category.LR_NC: "not categorizable",
    Category.LR_TIV: "tumor in vein",
    Category.LR_1: "definitely benign",
    Category.LR_2: "probably benign",
    Category.LR_M: "probably or definitely malignant",
    Category.LR_3: "intermediate probability",
    Category.LR_4: "probably HCC",
    Category.LR_5: "definitely HCC"}.items()}


def build_scheme_identification() -> CodingSchemeIdentificationItem:
    """The item of CodingSchemeIdentificationSequence that says which scheme `SCHEME` is."""
    item = CodingSchemeIdentificationItem(
        SCHEME, name="lirads_keras: features and categories of LI-RADS v2018", version=SCHEME_VERSION, responsible_organization="lirads_keras")
    item.CodingSchemeUID = SCHEME_UID
    return item
