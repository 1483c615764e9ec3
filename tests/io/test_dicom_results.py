"""Segmentation and report of studies of all kinds: valid, and read back the same by this package and by highdicom."""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import pytest

from lirads_keras.config.cohorts import CohortSettings
from lirads_keras.entities import ENHANCED_PHASES, Feature, Phase, Report, ScoredLesion, Series, Study, Volume
from lirads_keras.errors import InputError
from lirads_keras.io.dicom import read_series, read_study
from lirads_keras.io.dicom_results import DicomResults, write_dicom_results
from lirads_keras.io.dicom_seg import read_segmentation
from lirads_keras.io.dicom_sr import read_structured_report
from lirads_keras.io.volumes import read_volume
from lirads_keras.phantom.cohort import build_cohort_table
from lirads_keras.phantom.dicom_writer import Acquisition
from lirads_keras.phantom.dicom_writer import write_series as write_virtual_series
from lirads_keras.phantom.scan import build_scan

VERSIONS = {"lirads-keras": "0.1.0", "variant": "vgg16-adaptive", "rules": "paper", "weights sha256 fold-0": "ab" * 32}

Score = Callable[[np.ndarray, Volume], list[ScoredLesion]]
Validate = Callable[[Path], list[str]]


class Writers:
    """Writes a study of each kind; what is returned is the folder."""

    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        self.folder = folder
        self.image, self.series = request.getfixturevalue("write_image"), request.getfixturevalue("write_series")
        self.multi_frame, self.mosaic = request.getfixturevalue("write_multi_frame"), request.getfixturevalue("write_mosaic")

    def plain(self) -> None:
        """Without frame of reference, patient's name, study date and so on."""
        self.series(self.folder)

    def ct(self) -> None:
        self.series(self.folder, Modality="CT")

    def virtual(self, *, oblique: bool) -> None:
        settings = CohortSettings(patients_positive=6, patients_negative=6, matrix_px=64, pixel_spacing_mm=5.1, slices=14, slice_spacing_mm=9.3, seed=3)
        plan = next(plan for plan in build_cohort_table(settings) if plan.oblique == oblique)
        scan = build_scan(plan, settings, np.random.default_rng(5))
        voxels = np.random.default_rng(0).integers(0, 900, scan.grid.shape).astype(np.uint16)
        write_virtual_series(
            self.folder / "delayed", plan, Acquisition(Phase.DELAYED, 180, voxels), scan.affine, scan.grid.spacing_mm, "digest", datetime(2012, 3, 6, 13))

    def straight(self) -> None:
        self.virtual(oblique=False)

    def oblique(self) -> None:
        self.virtual(oblique=True)

    def frames(self) -> None:
        """Two time points in one file, frames in no order."""
        frames: list[dict[str, Any]] = [{"z_mm": z, "time": moment} for z in (8.0, 0.0, 4.0, 12.0) for moment in (2, 1)]
        self.multi_frame(self.folder / "frames.dcm", np.zeros((8, 3, 5), np.uint16), frames)

    def tiles(self) -> None:
        self.mosaic(self.folder / "mosaic.dcm", np.zeros((5, 3, 5), np.uint16))

    def exchanged(self) -> None:
        """Rows run to the back, columns to the left, slices to the feet."""
        self.series(self.folder, ImageOrientationPatient=[0, 1, 0, 1, 0, 0])

    def negated(self) -> None:
        self.series(self.folder, ImageOrientationPatient=[-1, 0, 0, 0, 1, 0])

    def tilted(self) -> None:
        for index in range(5):
            self.image(self.folder / f"{index}.dcm", np.zeros((9, 5), np.uint16), ImagePositionPatient=[5, 1.3 * index, 4 * index])

    def uneven(self) -> None:
        for index, z_mm in enumerate((0, 4, 8.6, 12.6, 16.6)):
            self.image(self.folder / f"{index}.dcm", np.zeros((3, 5), np.uint16), ImagePositionPatient=[5, 6, z_mm])


KINDS = ("plain", "ct", "straight", "oblique", "frames", "tiles", "exchanged", "negated", "tilted", "uneven")
RESAMPLED = ("tiles", "tilted", "uneven")
"""Slices of these are no images of their own."""


@pytest.fixture()
def make_study(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], tuple[Study, Volume]]:
    def make(kind: str) -> tuple[Study, Volume]:
        folder = tmp_path / "study"
        folder.mkdir()
        getattr(Writers(folder, request), kind)()
        series = read_series(folder)[-1]
        delayed = Series(series.series_uid, series.files, Phase.DELAYED, "test", series.description, series.temporal_index, series.frames)
        return Study("P-1", "not read", folder, (delayed,)), read_volume(delayed)

    return make


def list_library(report: Path) -> list[tuple[str, set[str]]]:
    """What the image library says of each phase, and its images."""
    library = next(item for item in pydicom.dcmread(report).ContentSequence if item.ConceptNameCodeSequence[0].CodeMeaning == "Image Library")
    return [(group.ContentSequence[0].TextValue, {item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in group.ContentSequence[1:]})
            for group in library.ContentSequence]


def paint(shape: tuple[int, ...], *, lesions: int = 2) -> np.ndarray:
    """Lesions in the corner voxels of the grid and elsewhere, some over several slices."""
    labels = np.zeros(shape, np.uint16)
    labels[0, 0, 0] = labels[1, 0, 1] = 1
    labels[1:-1, -1, -2:] = 2
    labels[-1, 1, -1] = 2
    free = np.flatnonzero((labels == 0).ravel())
    for number in range(3, lesions + 1):
        labels.ravel()[free[2 * number]] = number
    return labels


def affine_by_highdicom(path: Path) -> tuple[hd.Volume, np.ndarray]:
    """highdicom orders slices by its own convention: its affine says where they are."""
    volume = hd.seg.segread(path).get_volume(combine_segments=True)
    return volume, volume.affine


def place(volume: hd.Volume, grid: Volume) -> np.ndarray:
    """Each voxel of `volume` on the grid, through patient coordinates."""
    labels = np.zeros(grid.shape, np.uint16)
    indices = np.argwhere(volume.array)
    places = np.linalg.inv(grid.affine) @ volume.affine @ np.column_stack([indices, np.ones(len(indices))]).T
    nearest = np.rint(places[:3]).astype(int)
    assert np.abs(places[:3] - nearest).max() < 1e-3
    labels[tuple(nearest)] = volume.array[tuple(indices.T)]
    return labels


def write(folder: Path, study: Study, grid: Volume, scored: list[ScoredLesion], **options: Any) -> DicomResults:
    results = write_dicom_results(folder, study, grid, Report(study.patient_id, study.study_uid, tuple(scored), VERSIONS), **options)
    assert results.report.is_file() and (results.segmentation is None or results.segmentation.is_file())
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    return results


@pytest.mark.parametrize("kind", ["plain", "exchanged", "negated", "oblique"])
def test_frames_have_the_rows_columns_and_places_of_the_images_they_name(make_study, score_labels: Score, tmp_path: Path, kind: str) -> None:
    study, grid = make_study(kind)
    results = write(tmp_path / "out", study, grid, score_labels(paint(grid.shape), grid))
    images = {str(image.SOPInstanceUID): image for image in map(pydicom.dcmread, study.series[0].files)}
    segmentation = pydicom.dcmread(results.segmentation)
    assert (segmentation.Rows, segmentation.Columns) in {(image.Rows, image.Columns) for image in images.values()}
    for frame in segmentation.PerFrameFunctionalGroupsSequence:
        image = images[frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID]
        np.testing.assert_allclose(frame.PlanePositionSequence[0].ImagePositionPatient, image.ImagePositionPatient, atol=1e-3)
        orientation = segmentation.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient
        np.testing.assert_allclose(orientation, image.ImageOrientationPatient, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_study_comes_back_voxel_for_voxel(make_study, score_labels: Score, validate_dicom: Validate, tmp_path: Path, kind: str) -> None:
    study, grid = make_study(kind)
    labels = paint(grid.shape)
    results = write(tmp_path / "out", study, grid, score_labels(labels, grid), observer="Reader^Anna")
    assert results.segmentation is not None
    assert validate_dicom(results.segmentation) == [] and validate_dicom(results.report) == []
    found = read_segmentation(results.segmentation, grid)
    np.testing.assert_array_equal(found, labels)
    assert found.dtype == np.uint16
    volume, affine = affine_by_highdicom(results.segmentation)
    np.testing.assert_array_equal(place(volume, grid), labels)
    # The first voxel and the axes, to a thousandth of a millimetre over the whole grid.
    corners = np.array([(z, y, x, 1) for z in (0, volume.shape[0] - 1) for y in (0, grid.shape[1] - 1) for x in (0, grid.shape[2] - 1)])
    indices = np.rint(np.linalg.inv(grid.affine) @ affine @ corners.T)
    np.testing.assert_allclose(grid.affine @ indices, affine @ corners.T, atol=1e-3)
    assert [lesion.segment_number for lesion in read_structured_report(results.report)] == [1, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_frames_name_the_images_they_were_segmented_on(make_study, score_labels: Score, tmp_path: Path, kind: str) -> None:
    study, grid = make_study(kind)
    results = write(tmp_path / "out", study, grid, score_labels(paint(grid.shape), grid))
    segmentation, report = pydicom.dcmread(results.segmentation), hd.sr.srread(results.report)
    delayed = study.phases()[Phase.DELAYED]
    images = {str(dataset.SOPInstanceUID): dataset for path in set(delayed.files) if (dataset := pydicom.dcmread(path))}
    (series,) = segmentation.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == delayed.series_uid
    assert {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence} == set(images)
    groups = report.content.get_volumetric_roi_measurement_groups()
    for frame in segmentation.PerFrameFunctionalGroupsSequence:
        position = np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)
        if kind in RESAMPLED:
            assert len(frame.DerivationImageSequence) == 0
            continue
        (source,) = frame.DerivationImageSequence[0].SourceImageSequence
        image = images[source.ReferencedSOPInstanceUID]
        assert source.ReferencedSOPClassUID == image.SOPClassUID and source.SpatialLocationsPreserved == "YES"
        if kind == "frames":
            group = image.PerFrameFunctionalGroupsSequence[source.ReferencedFrameNumber - 1]
            # The later time point alone was segmented.
            assert group.FrameContentSequence[0].TemporalPositionIndex == 2
            image_position = group.PlanePositionSequence[0].ImagePositionPatient
        else:
            assert "ReferencedFrameNumber" not in source
            image_position = image.ImagePositionPatient
        np.testing.assert_allclose(position, np.array(image_position, float), atol=1e-3)
    for group in groups:
        assert group.referenced_segment.has_source_images() == (kind not in RESAMPLED)


def test_the_report_refers_to_the_slices_of_each_lesion(make_study, score_labels: Score, tmp_path: Path) -> None:
    study, grid = make_study("frames")
    labels = np.zeros(grid.shape, np.uint16)
    labels[1:3, 1, 1], labels[3, 0, 0] = 1, 2
    results = write(tmp_path / "out", study, grid, score_labels(labels, grid))
    groups = hd.sr.srread(results.report).content.get_volumetric_roi_measurement_groups()
    named = [group.referenced_segment.source_images_for_segmentation for group in groups]
    # FRAMES in the order of z are frames 3, 5, 1 and 7 of the later time point, counted from 1.
    assert [[image.referenced_frame_numbers for image in images] for images in named] == [[[1, 5]], [[7]]]


def test_a_study_without_a_delayed_phase_names_the_images_of_the_portal_venous(make_study, score_labels: Score, tmp_path: Path) -> None:
    study, grid = make_study("straight")
    (series,) = study.series
    others = [replace(series, phase=phase, series_uid=uid) for phase, uid in ((Phase.ARTERIAL, "1.9"), (Phase.OTHER, "1.10"))]
    portal_venous = replace(study, series=(others[0], replace(series, phase=Phase.PORTAL_VENOUS), others[1]))
    result = write(tmp_path / "out", portal_venous, grid, score_labels(paint(grid.shape), grid))
    # First the series on whose grid it lies, then the other that was read.
    assert [item.SeriesInstanceUID for item in pydicom.dcmread(result.segmentation).ReferencedSeriesSequence] == [series.series_uid, "1.9"]


def test_no_lesion_is_a_report_that_says_so(make_study, validate_dicom: Validate, tmp_path: Path) -> None:
    study, grid = make_study("oblique")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "seg.dcm").write_bytes(b"of an earlier result")
    results = write(tmp_path / "out", study, grid, [])
    assert results.segmentation is None and [path.name for path in (tmp_path / "out").iterdir()] == ["sr.dcm"]
    assert validate_dicom(results.report) == [] and read_structured_report(results.report) == []
    (group,) = hd.sr.srread(results.report).content.get_image_measurement_groups()
    assert ("Lesion", "Absent") in [(item.name.meaning, item.value.meaning) for item in group.get_qualitative_evaluations()]


def test_thirty_lesions(make_study, score_labels: Score, validate_dicom: Validate, tmp_path: Path) -> None:
    study, grid = make_study("straight")
    labels = paint(grid.shape, lesions=30)
    results = write(tmp_path / "out", study, grid, score_labels(labels, grid), observer="Anna")
    assert results.segmentation is not None
    assert validate_dicom(results.segmentation) == [] and validate_dicom(results.report) == []
    np.testing.assert_array_equal(read_segmentation(results.segmentation, grid), labels)
    assert [lesion.lesion_id for lesion in read_structured_report(results.report)] == [f"P{number}" for number in range(1, 31)]


def test_both_objects_agree_with_each_other(make_study, score_labels: Score, tmp_path: Path) -> None:
    study, grid = make_study("straight")
    results = write(tmp_path / "out", study, grid, score_labels(paint(grid.shape), grid))
    segmentation, report = pydicom.dcmread(results.segmentation), pydicom.dcmread(results.report)
    source = pydicom.dcmread(study.series[0].files[0])
    for keyword in ("PatientName", "PatientID", "PatientSex", "PatientAge", "StudyInstanceUID", "StudyDate", "StudyID", "PatientIdentityRemoved"):
        assert str(segmentation[keyword].value) == str(report[keyword].value) == str(source[keyword].value), keyword
    assert segmentation.FrameOfReferenceUID == source.FrameOfReferenceUID
    assert len({segmentation.SeriesInstanceUID, report.SeriesInstanceUID, source.SeriesInstanceUID}) == 3
    for lesion, segment in zip(read_structured_report(results.report), segmentation.SegmentSequence, strict=True):
        assert lesion.segmentation_uid == segmentation.SOPInstanceUID
        assert (lesion.lesion_id, lesion.tracking_uid, lesion.segment_number) == (segment.TrackingID, segment.TrackingUID, segment.SegmentNumber)
    evidence = {instance.ReferencedSOPInstanceUID for study_item in report.CurrentRequestedProcedureEvidenceSequence
                for series in study_item.ReferencedSeriesSequence for instance in series.ReferencedSOPSequence}
    assert evidence == {segmentation.SOPInstanceUID, *(pydicom.dcmread(path).SOPInstanceUID for path in study.series[0].files)}
    for dataset in (segmentation, report):
        assert "research use only" in dataset.SeriesDescription


def test_two_results_of_one_study_are_two_objects(make_study, score_labels: Score, tmp_path: Path) -> None:
    study, grid = make_study("plain")
    scored = score_labels(paint(grid.shape), grid)
    first, second = (write(tmp_path / name, study, grid, scored) for name in ("a", "b"))
    uids = [pydicom.dcmread(path)[keyword].value for results in (first, second) for path in (results.segmentation, results.report)
            for keyword in ("SOPInstanceUID", "SeriesInstanceUID")]
    assert len(set(uids)) == 8
    # Without a frame of reference of their own, results of one study share theirs.
    assert len({pydicom.dcmread(results.segmentation).FrameOfReferenceUID for results in (first, second)}) == 1


@pytest.mark.parametrize("attributes, name", [
    ({"PatientName": "Müller^Jürgen", "SpecificCharacterSet": "ISO_IR 100"}, "Müller^Jürgen"),
    ({"PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう", "SpecificCharacterSet": ["", "ISO 2022 IR 87"]}, "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    ({"PatientName": "Люкceмбypг", "SpecificCharacterSet": "ISO_IR 144"}, "Люкceмбypг"),
    ({"PatientName": "Wang^XiaoDong=王^小东", "SpecificCharacterSet": "GB18030"}, "Wang^XiaoDong=王^小东"),
    ({"PatientName": "Doe^" + "J" * 70}, ""),
    ({"PatientName": "a^b^c^d^e^f"}, ""),
    ({"PatientID": "", "StudyID": "", "AccessionNumber": "", "PatientBirthDate": "00000000", "PatientSex": "UNKNOWN"}, ""),
    ({"PatientBirthDate": "20230231", "StudyDate": "2011.01.01", "StudyTime": "25:61", "PatientAge": "52", "PatientWeight": "77.777"}, ""),
    ({"AccessionNumber": "A" * 40, "StudyID": "4711\\4712", "StudyDescription": "liver" * 20, "PatientSize": "nan"}, ""),
    ({"PatientIdentityRemoved": "YES"}, ""),
    ({"PatientName": "A^B\x00", "PatientID": "X-1\x07", "ReferringPhysicianName": "C^D\\E^F", "Manufacturer": "G\x1bH"}, "A^B")])
def test_odd_attributes_of_the_images_give_valid_objects(
        write_series, score_labels: Score, validate_dicom: Validate, tmp_path: Path, attributes: dict[str, Any], name: str) -> None:
    write_series(tmp_path / "study")
    for path in (tmp_path / "study").iterdir():
        dataset = pydicom.dcmread(path)
        with pydicom.config.disable_value_validation():
            for keyword, value in attributes.items():
                setattr(dataset, keyword, value)
            dataset.save_as(path)
        # No library writes a word where a number belongs.
        path.write_bytes(path.read_bytes().replace(b"77.777", b"heavy "))
    study = read_study(tmp_path / "study")
    grid = read_volume(study.phases()[Phase.DELAYED])
    results = write(tmp_path / "out", study, grid, score_labels(paint(grid.shape), grid), observer="Dr. Zoë Ångström-李")
    for path in (results.segmentation, results.report):
        assert path is not None and validate_dicom(path) == []
        dataset = pydicom.dcmread(path)
        assert str(dataset.PatientName) == name and dataset.SpecificCharacterSet == "ISO_IR 192"
        assert dataset.PatientBirthDate == "" and dataset.StudyDate == ""
    assert {lesion.observer for lesion in read_structured_report(results.report)} == {"Dr. Zoë Ångström-李"}


def test_valid_attributes_stay_as_they_are(write_series, score_labels: Score, validate_dicom: Validate, tmp_path: Path) -> None:
    attributes = {
        "PatientID": "X-1", "PatientBirthDate": "19600229", "PatientSex": "F", "StudyDate": "20240301", "StudyTime": "101112.5", "StudyID": "7",
        "AccessionNumber": "A1", "ReferringPhysicianName": "C^D", "PatientAge": "064Y", "PatientWeight": "71.5", "IssuerOfPatientID": "H",
        "StudyDescription": "MR liver", "FrameOfReferenceUID": "1.2.3.4"}
    write_series(tmp_path / "study", **attributes)
    study = read_study(tmp_path / "study")
    grid = read_volume(study.phases()[Phase.DELAYED])
    results = write(tmp_path / "out", study, grid, score_labels(paint(grid.shape), grid))
    for path in (results.segmentation, results.report):
        assert path is not None and validate_dicom(path) == []
        dataset = pydicom.dcmread(path)
        found = {keyword: str(dataset.get(keyword)) for keyword in attributes if keyword != "FrameOfReferenceUID"}
        assert found == {keyword: value for keyword, value in attributes.items() if keyword != "FrameOfReferenceUID"}
    assert pydicom.dcmread(results.segmentation).FrameOfReferenceUID == "1.2.3.4"


@pytest.mark.parametrize("keyword, words", [("SOPInstanceUID", "by which a result names the image"), ("StudyInstanceUID", "to which a result belongs")])
def test_images_that_cannot_be_named_are_refused(write_series, score_labels: Score, tmp_path: Path, keyword: str, words: str) -> None:
    for path in write_series(tmp_path / "study"):
        dataset = pydicom.dcmread(path)
        dataset[keyword].value = ""
        dataset.save_as(path)
    study = read_study(tmp_path / "study")
    grid = read_volume(study.phases()[Phase.DELAYED])
    with pytest.raises(InputError, match=words) as caught:
        write_dicom_results(tmp_path / "out", study, grid, Report("P-1", "1", tuple(score_labels(paint(grid.shape), grid)), VERSIONS))
    assert len(caught.value.problems) == 4 and not (tmp_path / "out").exists()


def test_images_that_are_gone_are_told(make_study, score_labels: Score, tmp_path: Path) -> None:
    study, grid = make_study("plain")
    files = study.series[0].files
    files[1].unlink()
    files[2].write_bytes(files[2].read_bytes()[:200])
    with pytest.raises(InputError) as caught:
        write_dicom_results(tmp_path / "out", study, grid, Report("P-1", "1", tuple(score_labels(paint(grid.shape), grid)), VERSIONS))
    assert {problem.where for problem in caught.value.problems} == {str(files[1]), str(files[2])}


@pytest.mark.parametrize("observer", ["", "  ", "\\", "^^", "\x00"])
def test_an_observer_without_a_name_is_refused(make_study, tmp_path: Path, observer: str) -> None:
    study, grid = make_study("plain")
    with pytest.raises(InputError, match="the reader's name"):
        write_dicom_results(tmp_path / "out", study, grid, Report("P-1", "1", (), VERSIONS), observer)


@pytest.mark.parametrize("observer, expected", [
    ("Anna Müller", "Anna Müller"), ("A=B\\C", "A B C"), ("Doe^Jane^^Dr", "Doe^Jane^^Dr"), ("a^b^c^d^e^f", "a b c d e f"), ("n" * 80, "n" * 64)])
def test_the_observers_name_becomes_a_valid_person_name(
        make_study, score_labels: Score, validate_dicom: Validate, tmp_path: Path, observer: str, expected: str) -> None:
    study, grid = make_study("plain")
    results = write(tmp_path / "out", study, grid, score_labels(paint(grid.shape), grid), observer=observer)
    assert validate_dicom(results.report) == [] and results.segmentation is not None and validate_dicom(results.segmentation) == []
    assert {lesion.observer for lesion in read_structured_report(results.report)} == {expected}
    assert str(pydicom.dcmread(results.segmentation).ContentCreatorName) == expected


def test_real_mr_with_three_time_points_in_one_series(real_data: Path, score_labels: Score, validate_dicom: Validate, tmp_path: Path) -> None:
    phase_map = tmp_path / "phases.yaml"
    phase_map.write_text("arterial: {time_point: 0}\nportal_venous: {time_point: 1}\ndelayed: {time_point: 2}\n")
    study = read_study(real_data / "mr_dce_one_series" / "image_dce_3dfgre_orig", phase_map)
    grid = read_volume(study.phases()[Phase.DELAYED])
    labels = np.zeros(grid.shape, np.uint16)
    labels[20:26, 100:120, 90:130], labels[59, -1, -1] = 1, 2
    results = write(tmp_path / "out", study, grid, score_labels(labels, grid), observer="Anna", by_reader={"P1": {Feature.APHE}})
    assert results.segmentation is not None
    assert validate_dicom(results.segmentation) == [] and validate_dicom(results.report) == []
    np.testing.assert_array_equal(read_segmentation(results.segmentation, grid), labels)
    np.testing.assert_array_equal(place(affine_by_highdicom(results.segmentation)[0], grid), labels)
    # 180 images stand in the series: the lesions were segmented on the 60 of their time point, and read in all.
    uids = {phase: {pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in series.files} for phase, series in study.phases().items()}
    dataset = pydicom.dcmread(results.segmentation)
    assert {item.ReferencedSOPInstanceUID for item in dataset.SourceImageSequence} == uids[Phase.DELAYED] and len(uids[Phase.DELAYED]) == 60
    (series,) = dataset.ReferencedSeriesSequence
    assert {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence} == set.union(*uids.values())
    groups = list_library(results.report)
    assert [text.split(" phase")[0] for text, _ in groups] == ["arterial", "portal venous", "delayed"]
    assert [images for _, images in groups] == [uids[phase] for phase in ENHANCED_PHASES] and "time point 1" in groups[1][0]


def test_real_ct_and_real_frames(real_data: Path, score_labels: Score, validate_dicom: Validate, tmp_path: Path) -> None:
    for number, folder in enumerate((real_data / "ct_liver_metastases", real_data / "seg_sr_examples" / "segmentations" / "24x38x3" / "multiframe")):
        series = read_series(folder)[0]
        study = Study("P", "1", folder, (Series(series.series_uid, series.files, Phase.DELAYED, "test", frames=series.frames),))
        grid = read_volume(study.series[0])
        labels = paint(grid.shape)
        results = write(tmp_path / str(number), study, grid, score_labels(labels, grid))
        assert results.segmentation is not None
        assert validate_dicom(results.segmentation) == [] and validate_dicom(results.report) == []
        np.testing.assert_array_equal(read_segmentation(results.segmentation, grid), labels)


@pytest.mark.slow
@pytest.mark.alone
def test_eight_lesions_of_a_full_study_take_under_three_seconds(write_image, score_labels: Score, tmp_path: Path) -> None:
    """About 10 s, most of it for writing the study."""
    for index in range(48):
        write_image(tmp_path / "study" / f"{index}.dcm" if index else _new(tmp_path / "study") / "0.dcm", np.zeros((512, 512), np.uint16),
                    ImagePositionPatient=[0, 0, 5 * index])
    study = read_study(tmp_path / "study")
    grid = read_volume(study.phases()[Phase.DELAYED])
    labels = np.zeros(grid.shape, np.uint16)
    for number in range(8):
        labels[4 * number:4 * number + 12, 40 * number:40 * number + 60, 30:90] = number + 1
    scored = score_labels(labels, grid)
    write_dicom_results(tmp_path / "warm", study, grid, Report("P-1", "1", tuple(scored[:1]), VERSIONS))
    started = time.perf_counter()
    results = write_dicom_results(tmp_path / "out", study, grid, Report("P-1", "1", tuple(scored), VERSIONS))
    assert time.perf_counter() - started < 3
    assert results.segmentation is not None
    np.testing.assert_array_equal(read_segmentation(results.segmentation, grid), labels)


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder
