from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from scipy.spatial.transform import Rotation

from lirads_keras.entities import Category, FeatureProbabilities, Observation, ScoredLesion, Volume
from lirads_keras.errors import InputError
from lirads_keras.io.dicom_objects import RESEARCH_USE, write_object
from lirads_keras.io.dicom_seg import build_segmentation, read_segmentation
from lirads_keras.io.dicom_sources import Source, SourceImage
from lirads_keras.lesions import measure_lesions

VERSIONS = {"lirads-keras": "0.1.0", "rules": "paper"}
MR = "1.2.840.10008.5.1.4.1.1.4"


def make_source(slices: int = 0) -> Source:
    attributes = Dataset()
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"):
        setattr(attributes, keyword, "")
    attributes.StudyInstanceUID, attributes.FrameOfReferenceUID = "1.2.3", "1.2.3.9"
    images = tuple(SourceImage(MR, f"1.2.3.4.{index + 1}") for index in range(max(slices, 1)))
    return Source(attributes, "1.2.3.4", images, images if slices else (), make_grid())


def make_grid(shape: tuple[int, int, int] = (4, 3, 5), spacing_mm: tuple[float, float, float] = (4.0, 2.0, 1.5),
              rotation: np.ndarray | None = None, origin_mm: tuple[float, ...] = (-10.0, -20.0, 30.0)) -> Volume:
    """Columns of the affine are z, y, x; without a rotation axial."""
    axes = (np.eye(3) if rotation is None else rotation)[:, ::-1]
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes * spacing_mm, origin_mm
    return Volume(np.broadcast_to(np.uint8(0), shape), spacing_mm, affine)


def score(labels: np.ndarray, grid: Volume) -> list[ScoredLesion]:
    return [ScoredLesion(lesion, FeatureProbabilities(0.9, 0.1, None), Observation(lesion.diameter_mm, True, False, None), Category.LR_4, "by hand")
            for lesion in measure_lesions(labels, grid)]


def make_labels(shape: tuple[int, ...] = (4, 3, 5)) -> np.ndarray:
    labels = np.zeros(shape, np.uint16)
    labels[0, 0, 0], labels[1:3, 1:, 2:4], labels[3, 2, 4] = 1, 2, 3
    return labels


def write(path: Path, labels: np.ndarray, grid: Volume, edit: Callable[[Any], None] = lambda dataset: None, **options: Any) -> Path:
    dataset = build_segmentation(make_source(), grid, score(labels, grid), VERSIONS, options.get("observer"))
    edit(dataset)
    write_object(path, dataset)
    return path


def message_of(call: Callable[[], object]) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return str(caught.value)


@settings(max_examples=25)
@given(
    shape=st.tuples(st.integers(2, 5), st.integers(3, 6), st.integers(3, 7)),
    spacing_mm=st.tuples(st.floats(0.5, 12), st.floats(0.3, 3), st.floats(0.3, 3)),
    angles=st.tuples(*[st.floats(-180, 180)] * 3), origin_mm=st.tuples(*[st.floats(-1500, 1500)] * 3), seed=st.integers(0, 99))
def test_any_mask_on_any_grid_comes_back(tmp_path_factory: pytest.TempPathFactory, shape, spacing_mm, angles, origin_mm, seed) -> None:
    """Frames of any number of bits, too: they follow each other without a gap."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, shape).astype(np.uint16)
    labels.ravel()[0] = 1
    labels = np.searchsorted(np.unique(np.append(labels, 0)), labels).astype(np.uint16)
    grid = make_grid(shape, spacing_mm, Rotation.from_euler("xyz", angles, degrees=True).as_matrix(), origin_mm)
    path = write(tmp_path_factory.mktemp("seg") / "seg.dcm", labels, grid)
    np.testing.assert_array_equal(read_segmentation(path, grid), labels)


def test_axes_that_are_not_quite_perpendicular_come_back(tmp_path: Path) -> None:
    """Scanners write cosines with six digits or fewer."""
    grid = make_grid()
    grid.affine[:3, 1] += grid.affine[:3, 2] * 8e-4
    np.testing.assert_array_equal(read_segmentation(write(tmp_path / "seg.dcm", make_labels(), grid), grid), make_labels())


def test_what_the_object_says_of_itself(tmp_path: Path) -> None:
    grid = make_grid()
    alone, edited = (pydicom.dcmread(write(tmp_path / f"{name}.dcm", make_labels(), grid, observer=name)) for name in (None, "Reader^Anna"))
    assert (alone.SegmentationType, alone.ContentDescription, alone.ContentLabel) == ("BINARY", RESEARCH_USE, "LIVER_LESIONS")
    assert [segment.SegmentNumber for segment in alone.SegmentSequence] == [1, 2, 3]
    for segment in alone.SegmentSequence:
        assert segment.SegmentLabel == segment.TrackingID == str(segment.SegmentNumber)
        assert segment.SegmentAlgorithmType == "AUTOMATIC" and segment.SegmentAlgorithmName == "lirads_keras"
        codes = [segment[name].value[0].CodeValue for name in (
            "SegmentedPropertyCategoryCodeSequence", "SegmentedPropertyTypeCodeSequence", "AnatomicRegionSequence")]
        assert codes == ["49755003", "52988006", "10200004"]
        (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion, algorithm.AlgorithmParameters) == (
            "lirads_keras", "0.1.0", "lirads-keras 0.1.0; rules paper")
        assert algorithm.AlgorithmFamilyCodeSequence[0].CodeMeaning == "Artificial Intelligence" and "10.3389/fonc.2023.1153241" in algorithm.AlgorithmSource
    assert len({segment.TrackingUID for segment in alone.SegmentSequence}) == 3
    assert {segment.SegmentAlgorithmType for segment in edited.SegmentSequence} == {"SEMIAUTOMATIC"} and edited.ContentCreatorName == "Reader^Anna"


def test_very_many_versions_still_fit() -> None:
    grid = make_grid()
    versions = VERSIONS | {f"weights sha256 {number}": "0" * 64 for number in range(500)}
    segmentation = build_segmentation(make_source(), grid, score(make_labels(), grid), versions, None)
    assert len(segmentation.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0].AlgorithmParameters) == 10240


def test_frames_without_a_lesion_are_left_out(tmp_path: Path) -> None:
    labels = np.zeros((4, 3, 5), np.uint16)
    labels[2, 1, 1] = 1
    dataset = pydicom.dcmread(write(tmp_path / "seg.dcm", labels, make_grid()))
    assert dataset.NumberOfFrames == 1
    np.testing.assert_array_equal(read_segmentation(tmp_path / "seg.dcm", make_grid()), labels)


def test_more_than_255_lesions() -> None:
    grid = make_grid((4, 16, 16))
    labels = np.zeros(grid.shape, np.uint16)
    labels.ravel()[::3][:300] = np.arange(1, 301)
    segmentation = build_segmentation(make_source(), grid, score(labels, grid), VERSIONS, None)
    assert len(segmentation.SegmentSequence) == 300 and segmentation.NumberOfFrames == 300


def test_no_lesions_and_lesions_that_overlap_are_defects() -> None:
    grid = make_grid()
    with pytest.raises(ValueError, match="at least one lesion"):
        build_segmentation(make_source(), grid, [], VERSIONS, None)
    scored = score(make_labels(), grid)
    with pytest.raises(ValueError, match="lesion 2 overlaps another"):
        build_segmentation(make_source(), grid, [*scored, scored[1]], VERSIONS, None)


@pytest.mark.parametrize("other", [
    make_grid((4, 3, 6)), make_grid((4, 5, 3)), make_grid((3, 3, 5)), make_grid(spacing_mm=(4.0, 2.0, 1.7)), make_grid(spacing_mm=(4.4, 2.0, 1.5)),
    make_grid(origin_mm=(-10.0, -20.0, 32.0)), make_grid(origin_mm=(-9.8, -20.0, 30.0)), make_grid(origin_mm=(-10.0, -20.0, 34.0)),
    make_grid(rotation=Rotation.from_euler("z", 10, degrees=True).as_matrix()), make_grid(rotation=np.diag([-1.0, -1.0, 1.0]))])
def test_another_grid_is_refused(tmp_path: Path, other: Volume) -> None:
    path = write(tmp_path / "seg.dcm", make_labels(), make_grid())
    message = message_of(lambda: read_segmentation(path, other))
    assert "seg.dcm, the grid: expected frames on the slices of the images" in message and "elsewhere, frame" in message


def test_a_grid_that_goes_on_above_and_below_is_the_same(tmp_path: Path) -> None:
    """Slices without a lesion are not in the object: nothing says how many there are."""
    path = write(tmp_path / "seg.dcm", make_labels(), make_grid())
    found = read_segmentation(path, make_grid((7, 3, 5), origin_mm=(-10.0, -20.0, 22.0)))
    np.testing.assert_array_equal(found[2:6], make_labels())
    assert not found[:2].any() and not found[6:].any()


def test_a_grid_to_rounding_is_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "seg.dcm", make_labels(), make_grid())
    np.testing.assert_array_equal(read_segmentation(path, make_grid(origin_mm=(-10.0004, -20.0, 30.0003))), make_labels())


def test_another_frame_of_reference_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "seg.dcm", make_labels(), make_grid())
    np.testing.assert_array_equal(read_segmentation(path, make_grid(), "1.2.3.9"), make_labels())
    assert "FrameOfReferenceUID: expected 9.9, found 1.2.3.9" in message_of(lambda: read_segmentation(path, make_grid(), "9.9"))


def fractional(dataset: Any) -> None:
    dataset.SegmentationType = "FRACTIONAL"


def drop_frames(dataset: Any) -> None:
    dataset.PerFrameFunctionalGroupsSequence = list(dataset.PerFrameFunctionalGroupsSequence)[:-1]


def drop_positions(dataset: Any) -> None:
    for group in dataset.PerFrameFunctionalGroupsSequence:
        del group.PlanePositionSequence


def drop_shared(dataset: Any) -> None:
    del dataset.SharedFunctionalGroupsSequence


def drop_pixels(dataset: Any) -> None:
    del dataset.PixelData


def shorten_pixels(dataset: Any) -> None:
    dataset.PixelData = dataset.PixelData[:-4]


def overlap(dataset: Any) -> None:
    """The second segment lies on the place of the first."""
    groups = list(dataset.PerFrameFunctionalGroupsSequence)
    first = next(index for index, group in enumerate(groups) if group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 1)
    frames = dataset.pixel_array
    frames[:] = frames[first]
    for group in groups:
        group.PlanePositionSequence = groups[first].PlanePositionSequence
    dataset.PixelData = np.packbits(frames.ravel(), bitorder="little").tobytes()


@pytest.mark.parametrize("edit, words", [
    (fractional, "SegmentationType: expected BINARY, found FRACTIONAL"), (drop_frames, "functional groups for 4 frames, found 3"),
    (drop_positions, "a whole segmentation"), (drop_shared, "a whole segmentation"), (drop_pixels, "a whole segmentation"),
    (shorten_pixels, "a whole segmentation"), (overlap, "segments that do not overlap, found segments 1 and 2")])
def test_a_broken_object_is_refused(tmp_path: Path, edit: Callable[[Any], None], words: str) -> None:
    path = write(tmp_path / "seg.dcm", make_labels(), make_grid(), edit)
    assert words in message_of(lambda: read_segmentation(path, make_grid()))


def test_other_files_are_refused(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    (tmp_path / "text.dcm").write_text("Dear colleague")
    (tmp_path / "empty.dcm").write_bytes(b"")
    image = write_image(tmp_path / "image.dcm", np.zeros((3, 5), np.uint16))
    for path, words in (
            (tmp_path / "text.dcm", "without the DICM mark"), (tmp_path / "empty.dcm", "without the DICM mark"), (tmp_path / "none.dcm", "No such file"),
            (tmp_path, "Is a directory"), (image, "expected Segmentation Storage, found MR Image Storage")):
        assert words in message_of(lambda path=path: read_segmentation(path, make_grid()))


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    content = write(tmp_path / "seg.dcm", make_labels(), make_grid()).read_bytes()
    for length in (*range(0, len(content) - 2, 97), *range(len(content) - 12, len(content) - 2)):
        (tmp_path / "short.dcm").write_bytes(content[:length])
        assert "short.dcm" in message_of(lambda: read_segmentation(tmp_path / "short.dcm", make_grid()))


def test_a_broken_file_never_gives_another_kind_of_error(tmp_path: Path) -> None:
    content = bytearray(write(tmp_path / "seg.dcm", make_labels(), make_grid()).read_bytes())
    rng = np.random.default_rng(0)
    for _ in range(150):
        spoilt = bytearray(content)
        for place in rng.integers(132, len(content), 6):
            spoilt[place] = rng.integers(256)
        (tmp_path / "spoilt.dcm").write_bytes(spoilt)
        try:
            labels = read_segmentation(tmp_path / "spoilt.dcm", make_grid())
        except InputError:
            continue
        assert labels.shape == (4, 3, 5)


def test_real_segmentations_of_other_programs(real_data: Path) -> None:
    """From dcmqi: segments that overlap, which a label map cannot hold, and the liver on slices of a CT."""
    folder = real_data / "seg_sr_examples" / "segmentations"
    # The images are headers without pixels.
    slices = sorted((pydicom.dcmread(path) for path in (folder / "ct-3slice").iterdir()), key=lambda image: float(image.ImagePositionPatient[2]))
    positions = np.array([image.ImagePositionPatient for image in slices], float)
    row_mm, column_mm = map(float, slices[0].PixelSpacing)
    assert list(map(float, slices[0].ImageOrientationPatient)) == [1, 0, 0, 0, 1, 0]
    distance_mm = float(positions[1, 2] - positions[0, 2])
    grid = make_grid((3, slices[0].Rows, slices[0].Columns), (distance_mm, row_mm, column_mm), origin_mm=tuple(positions[0]))
    labels = read_segmentation(folder / "liver.dcm", grid)
    dataset = pydicom.dcmread(folder / "liver.dcm")
    assert set(np.unique(labels)) == {0, 1} and np.count_nonzero(labels) == np.count_nonzero(dataset.pixel_array)
    assert "segments that do not overlap" in message_of(lambda: read_segmentation(folder / "partial_overlaps.dcm", grid))
