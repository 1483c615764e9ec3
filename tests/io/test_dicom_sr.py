from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from lirads_keras.entities import HEAD_FEATURES, Category, Feature, FeatureProbabilities, NotGiven, Observation, ScoredLesion, Verdict, Volume
from lirads_keras.errors import InputError
from lirads_keras.io.dicom_codes import SCHEME
from lirads_keras.io.dicom_objects import RESEARCH_USE, write_object
from lirads_keras.io.dicom_seg import build_segmentation
from lirads_keras.io.dicom_sources import Source, SourceImage
from lirads_keras.io.dicom_sr import read_structured_report
from lirads_keras.io.dicom_sr_writer import build_structured_report
from lirads_keras.lesions import measure_lesions

VERSIONS = {"lirads-keras": "0.1.0", "variant": "vgg16-adaptive", "rules": "paper"}
GRID = Volume(np.broadcast_to(np.uint8(0), (4, 3, 5)), (4.0, 2.0, 1.5), np.array([
    [0, 0, 1.5, -10], [0, 2.0, 0, -20], [4.0, 0, 0, 30], [0, 0, 0, 1]]))


def make_source() -> Source:
    attributes = Dataset()
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"):
        setattr(attributes, keyword, "")
    attributes.StudyInstanceUID, attributes.FrameOfReferenceUID = "1.2.3", "1.2.3.9"
    images = tuple(SourceImage("1.2.840.10008.5.1.4.1.1.4", f"1.2.3.4.{index + 1}") for index in range(4))
    return Source(attributes, "1.2.3.4", images, images, GRID)


def make_lesion(probabilities: FeatureProbabilities = FeatureProbabilities(0.8765432, 0.1, 0.5), category: Verdict = Category.LR_5,
                reasons: str = "APHE, washout, 23 mm: LR-5", **observed: Any) -> ScoredLesion:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[1:3, 1, 2:4] = 1
    lesion = replace(measure_lesions(labels, GRID)[0], lesion_id="P7", diameter_mm=23.1234567, volume_ml=0.0241)
    return ScoredLesion(lesion, probabilities, Observation(lesion.diameter_mm, **{"aphe": True, "washout": False, "capsule": None} | observed),
                        category, reasons)


def write(path: Path, scored: Sequence[ScoredLesion], observer: str | None = None, by_reader: dict[str, Any] | None = None,
          versions: dict[str, str] = VERSIONS) -> Path:
    source = make_source()
    segmentation = build_segmentation(source, GRID, scored, versions, observer) if scored else None
    write_object(path, build_structured_report(source, scored, segmentation, versions, observer, by_reader or {}))
    return path


def message_of(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_structured_report(path)
    return str(caught.value)


def test_what_was_written_is_read(tmp_path: Path, validate_dicom: Callable[[Path], list[str]]) -> None:
    path = write(tmp_path / "sr.dcm", [make_lesion()])
    (lesion,) = read_structured_report(path)
    assert (lesion.lesion_id, lesion.diameter_mm, lesion.volume_ml) == ("P7", 23.123457, 0.0241)
    assert (lesion.aphe, lesion.washout, lesion.capsule) == (True, False, None)
    assert lesion.probabilities == FeatureProbabilities(0.876543, 0.1, 0.5)
    assert (lesion.category, lesion.reasons) == (Category.LR_5, "APHE, washout, 23 mm: LR-5")
    assert not (lesion.threshold_growth or lesion.ancillary_malignant or lesion.ancillary_benign or lesion.by_reader)
    assert (lesion.algorithm, lesion.observer, lesion.segment_number) == ("lirads_keras 0.1.0", None, 1)
    assert validate_dicom(path) == []


@pytest.mark.parametrize("present", list(itertools.product((True, False, None), repeat=3)))
def test_every_state_of_the_features(tmp_path: Path, present: tuple[bool | None, ...]) -> None:
    probabilities = FeatureProbabilities(*(None if value is None else 0.25 for value in present))
    (lesion,) = read_structured_report(write(tmp_path / "sr.dcm", [make_lesion(
        probabilities, **{str(feature): value for feature, value in zip(HEAD_FEATURES, present, strict=True)})]))
    assert (lesion.aphe, lesion.washout, lesion.capsule) == present and lesion.probabilities == probabilities


@pytest.mark.parametrize("given", list(itertools.product((True, False), repeat=3)))
def test_growth_and_ancillary_features_are_there_when_true(tmp_path: Path, given: tuple[bool, ...]) -> None:
    names = ("threshold_growth", "ancillary_malignant", "ancillary_benign")
    path = write(tmp_path / "sr.dcm", [make_lesion(**dict(zip(names, given, strict=True)))], "Anna")
    (lesion,) = read_structured_report(path)
    assert (lesion.threshold_growth, lesion.ancillary_malignant, lesion.ancillary_benign) == given
    assert lesion.by_reader == ((Feature.THRESHOLD_GROWTH,) if given[0] else ())


@pytest.mark.parametrize("category", list(Category))
def test_every_category_has_its_code(tmp_path: Path, validate_dicom: Callable[[Path], list[str]], category: Category) -> None:
    path = write(tmp_path / "sr.dcm", [make_lesion(category=category)])
    assert read_structured_report(path)[0].category == category and validate_dicom(path) == []


@pytest.mark.parametrize("category", [NotGiven("LR-4 or LR-5", (Category.LR_4, Category.LR_5)), NotGiven("LR-2 or LR-3", (Category.LR_2, Category.LR_3)),
                                      NotGiven("withheld")])
def test_where_no_category_is_given_what_remains_is_coded(tmp_path: Path, validate_dicom: Callable[[Path], list[str]], category: NotGiven) -> None:
    path = write(tmp_path / "sr.dcm", [make_lesion(category=category)])
    assert read_structured_report(path)[0].category == category and validate_dicom(path) == []
    codes = {item.ConceptCodeSequence[0].CodeValue for item in hd.sr.utils.find_content_items(pydicom.dcmread(path), value_type="CODE", recursive=True)}
    assert codes & {str(other) for other in Category} == set(map(str, category.possible))


def test_rim_aphe_tumor_in_vein_and_the_population_are_told(tmp_path: Path, validate_dicom: Callable[[Path], list[str]]) -> None:
    scored = [make_lesion(aphe=False, rim_aphe=True)]
    source = make_source()
    segmentation = build_segmentation(source, GRID, scored, VERSIONS, "Anna")
    write_object(tmp_path / "sr.dcm", build_structured_report(
        source, scored, segmentation, VERSIONS, "Anna", {}, (), ("LI-RADS is for adults.", "Conditional on high risk."), tumor_in_vein=True))
    (lesion,) = read_structured_report(tmp_path / "sr.dcm")
    assert lesion.rim_aphe and lesion.aphe is False and lesion.reasons == "APHE, washout, 23 mm: LR-5"
    dataset = pydicom.dcmread(tmp_path / "sr.dcm")
    texts = [item.TextValue for item in hd.sr.utils.find_content_items(dataset, value_type="TEXT", recursive=True)]
    assert {"LI-RADS is for adults.", "Conditional on high risk."} <= set(texts)
    names = [item.ConceptNameCodeSequence[0].CodeMeaning for item in hd.sr.utils.find_content_items(dataset, value_type="CODE", recursive=True)]
    assert "Tumor in vein" in names and validate_dicom(tmp_path / "sr.dcm") == []
    write(tmp_path / "other.dcm", [make_lesion()])
    assert not read_structured_report(tmp_path / "other.dcm")[0].rim_aphe


def test_the_readers_decisions_are_told_from_the_networks(tmp_path: Path, validate_dicom: Callable[[Path], list[str]]) -> None:
    lesion = make_lesion(FeatureProbabilities(0.9, 0.1, None), capsule=True)
    path = write(tmp_path / "sr.dcm", [lesion], "Reader^Anna", {"P7": {Feature.WASHOUT}, "P8": {Feature.APHE}})
    (read,) = read_structured_report(path)
    # The network said nothing of the capsule: its value is the reader's.
    assert read.by_reader == (Feature.WASHOUT, Feature.CAPSULE) and read.observer == "Reader^Anna"
    assert read.probabilities == FeatureProbabilities(0.9, 0.1, None)
    contexts = hd.sr.srread(path).content.get_observer_contexts()
    assert [context.observer_type.meaning for context in contexts] == ["Person", "Device"]
    assert contexts[0].observer_identifying_attributes.name == "Reader^Anna" and contexts[1].observer_identifying_attributes.name == "lirads_keras"
    assert validate_dicom(path) == []


def test_highdicom_reads_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "sr.dcm", [make_lesion()])
    report = hd.sr.srread(path)
    (group,) = report.content.get_volumetric_roi_measurement_groups(finding_type=hd.sr.CodedConcept("52988006", "SCT", "Lesion"))
    assert [(item.name.meaning, item.value, item.unit.value) for item in group.get_measurements()] == [
        ("Long axis", 23.123457, "mm"), ("Volume", 0.0241, "ml"), ("Probability of nonrim arterial phase hyperenhancement", 0.876543, "1"),
        ("Probability of nonperipheral washout", 0.1, "1"), ("Probability of enhancing capsule", 0.5, "1")]
    assert [(item.name.meaning, item.value.meaning) for item in group.get_qualitative_evaluations() if item.name.scheme_designator != "SCT"][1:] == [
        ("Nonrim arterial phase hyperenhancement", "Present"), ("Nonperipheral washout", "Absent"), ("Enhancing capsule", "Not Evaluated"),
        ("Assessment Category", "LI-RADS LR-5: definitely HCC")]
    assert [site.value.meaning for site in group.finding_sites] == ["Liver"] and group.tracking_identifier == "P7"
    # The lesion lies in slices 1 and 2.
    assert [image.referenced_sop_instance_uid for image in group.referenced_segment.source_images_for_segmentation] == ["1.2.3.4.2", "1.2.3.4.3"]
    assert group.referenced_segment.referenced_segment_numbers == [1]


def test_the_report_says_what_it_is(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(write(tmp_path / "sr.dcm", [make_lesion()]))
    assert (dataset.CompletionFlag, dataset.VerificationFlag, dataset.PreliminaryFlag) == ("COMPLETE", "UNVERIFIED", "PRELIMINARY")
    assert dataset.ContentTemplateSequence[0].TemplateIdentifier == "1500" and "research use only" in dataset.SeriesDescription
    texts = [item.TextValue for item in hd.sr.utils.find_content_items(dataset, value_type="TEXT", recursive=True)]
    assert RESEARCH_USE in texts and "lirads-keras 0.1.0; variant vgg16-adaptive; rules paper" in texts
    (scheme,) = dataset.CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == SCHEME and SCHEME.startswith("99") and len(SCHEME) <= 16 and scheme.CodingSchemeUID.is_valid
    designators = {element.value for element in dataset.iterall() if element.keyword == "CodingSchemeDesignator"}
    assert designators == {"DCM", "SCT", "UCUM", "UMLS", "RFC5646", SCHEME}


def test_text_of_any_language_and_sign(tmp_path: Path, validate_dicom: Callable[[Path], list[str]]) -> None:
    reasons = "APHE <b>&amp;</b> \\ 'ü' 肝 🙂 " + "long " * 400
    path = write(tmp_path / "sr.dcm", [make_lesion(reasons=reasons)], "Müller^Zoë")
    (lesion,) = read_structured_report(path)
    assert lesion.reasons == reasons.rstrip() and lesion.observer == "Müller^Zoë" and validate_dicom(path) == []


def test_other_files_are_refused(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    (tmp_path / "text.dcm").write_text("Dear colleague")
    image = write_image(tmp_path / "image.dcm", np.zeros((3, 5), np.uint16))
    segmentation = tmp_path / "seg.dcm"
    write_object(segmentation, build_segmentation(make_source(), GRID, [make_lesion()], VERSIONS, None))
    for path, words in ((tmp_path / "text.dcm", "without the DICM mark"), (tmp_path / "none.dcm", "No such file"),
                        (image, "expected Comprehensive SR Storage, found MR Image Storage"), (segmentation, "found Segmentation Storage")):
        assert words in message_of(path)


def test_a_report_of_another_program_is_refused(tmp_path: Path, real_data: Path) -> None:
    message = message_of(real_data / "seg_sr_examples" / "sr-example" / "sr.dcm")
    assert "sr.dcm: expected" in message
    dataset = pydicom.dcmread(write(tmp_path / "sr.dcm", [make_lesion()]))
    del dataset.CodingSchemeIdentificationSequence
    dataset.save_as(tmp_path / "other.dcm")
    assert "a report of this package" in message_of(tmp_path / "other.dcm")


@pytest.mark.parametrize("code", ["111005", "103339001", "112039", "121106", "121191", "APHE", "111001"])
def test_a_report_that_lacks_something_is_refused(tmp_path: Path, code: str) -> None:
    dataset = pydicom.dcmread(write(tmp_path / "sr.dcm", [make_lesion()]))
    measurements = next(item for item in dataset.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == "126010")
    group = measurements.ContentSequence[0]
    kept = [item for item in group.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue != code]
    assert len(kept) == len(group.ContentSequence) - 1
    group.ContentSequence = kept
    dataset.save_as(tmp_path / "sr.dcm")
    assert "a whole report of this package" in message_of(tmp_path / "sr.dcm")


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    content = write(tmp_path / "sr.dcm", [make_lesion()]).read_bytes()
    for length in (*range(0, len(content) - 2, 211), *range(len(content) - 12, len(content) - 1)):
        (tmp_path / "short.dcm").write_bytes(content[:length])
        assert "short.dcm" in message_of(tmp_path / "short.dcm")
