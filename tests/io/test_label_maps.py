"""NRRD and MetaImage label maps, written as bytes by hand where SimpleITK does not write what other programs do."""
from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from lirads_keras.entities import Volume
from lirads_keras.errors import InputError
from lirads_keras.io.grids import from_itk, place_on_grid
from lirads_keras.io.label_maps import read_label_map, read_label_map_on_grid, read_volume_file, split_name
from lirads_keras.io.nifti import as_labels

LABELS = np.zeros((4, 5, 6), np.uint8)
LABELS[1:3, 2, 1:4], LABELS[3, 4, 5] = 1, 2


def as_image(array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.5, 2, 4))
    image.SetOrigin((-10, -20, 30))
    return image


GRID = from_itk(as_image(LABELS))
ONE_LAYER = ((1, 0, "lesion 1"), (2, 0, "Zyste ä"))


def write_nrrd(path: Path, array: np.ndarray, *, segments: tuple[tuple[int, int, str], ...] = (), origin: tuple[float, ...] = (-10, -20, 30),
               space: str = "left-posterior-superior", axes: str = "(1.5,0,0) (0,2,0) (0,0,4)", cut: int = 0) -> None:
    """Voxels (z, y, x), or (z, y, x, layer), with a header as 3D Slicer writes it."""
    layered = array.ndim == 4
    kind = "double" if array.dtype == float else array.dtype.name
    lines = ["NRRD0004", f"type: {kind}", f"dimension: {array.ndim}", f"space: {space}", f"sizes: {' '.join(map(str, array.shape[::-1]))}",
             f"space directions: {'none ' * layered}{axes}", f"kinds: {'list ' * layered}domain domain domain", "endian: little", "encoding: gzip",
             f"space origin: ({','.join(map(str, origin))})"]
    for number, (label, layer, name) in enumerate(segments):
        lines += [f"Segment{number}_ID:=Segment_{number}", f"Segment{number}_Name:={name}", f"Segment{number}_LabelValue:={label}",
                  f"Segment{number}_Layer:={layer}"]
    content = gzip.compress(array.tobytes())
    path.write_bytes("\n".join([*lines, "", ""]).encode() + content[:len(content) - cut])


def write_renamed(path: Path, image: sitk.Image, suffix: str) -> None:
    sitk.WriteImage(image, str(path.with_name(f"plain{suffix}")))
    path.with_name(f"plain{suffix}").rename(path)


@pytest.mark.parametrize("name, suffix", [
    ("X.seg.nrrd", ".seg.nrrd"), ("X.SEG.NRRD", ".seg.nrrd"), ("X.nrrd", ".nrrd"), ("X.MHA", ".mha"), ("X.nii.gz", ".nii.gz"), ("X.NII", ".nii")])
def test_suffixes_are_known_in_any_case(name: str, suffix: str) -> None:
    assert split_name(name) == ("X", suffix) and split_name("X.gz") is None and split_name("nrrd") is None


@pytest.mark.parametrize("name", ["m.nrrd", "m.mha", "m.mhd", "m.nhdr", "m.nii", "m.nii.gz"])
@pytest.mark.parametrize("kind", [sitk.sitkUInt8, sitk.sitkInt16, sitk.sitkFloat64])
def test_each_format_gives_the_same_labels(tmp_path: Path, name: str, kind: int) -> None:
    sitk.WriteImage(sitk.Cast(as_image(LABELS), kind), str(tmp_path / name))
    labels, names = read_label_map_on_grid(tmp_path / name, GRID)
    assert labels.dtype == np.uint8 and names == {}
    np.testing.assert_array_equal(labels, LABELS)
    np.testing.assert_array_equal(read_volume_file(tmp_path / name).array, LABELS)


@pytest.mark.parametrize("name, suffix", [("M.NRRD", ".nrrd"), ("M.MHA", ".mha"), ("M.NII.GZ", ".nii.gz"), ("M.Seg.Nrrd", ".nrrd")])
def test_the_case_of_the_suffix_does_not_matter(tmp_path: Path, name: str, suffix: str) -> None:
    write_renamed(tmp_path / name, as_image(LABELS), suffix)
    np.testing.assert_array_equal(read_label_map_on_grid(tmp_path / name, GRID)[0], LABELS)


def test_a_detached_header_is_known_in_lower_case_only(tmp_path: Path) -> None:
    write_renamed(tmp_path / "M.MHD", as_image(LABELS), ".mhd")
    with pytest.raises(InputError, match="a suffix in lower case, .mhd"):
        read_label_map(tmp_path / "M.MHD")


def test_segments_of_one_layer_are_read_with_their_names(tmp_path: Path) -> None:
    write_nrrd(tmp_path / "m.seg.nrrd", LABELS, segments=(*ONE_LAYER, (3, 0, "nothing drawn")))
    labels, names = read_label_map_on_grid(tmp_path / "m.seg.nrrd", GRID)
    np.testing.assert_array_equal(labels, LABELS)
    assert names == {1: "lesion 1", 2: "Zyste ä"}


def test_one_layer_as_a_fourth_axis_and_other_axes_are_read(tmp_path: Path) -> None:
    write_nrrd(tmp_path / "list.seg.nrrd", LABELS[..., None], segments=ONE_LAYER)
    write_nrrd(tmp_path / "ras.nrrd", LABELS, space="right-anterior-superior", origin=(10, 20, 30), axes="(-1.5,0,0) (0,-2,0) (0,0,4)")
    write_nrrd(tmp_path / "turned.nrrd", LABELS[::-1, :, ::-1].copy(), origin=(-10 + 5 * 1.5, -20, 30 + 3 * 4), axes="(-1.5,0,0) (0,2,0) (0,0,-4)")
    for name in ("list.seg.nrrd", "ras.nrrd", "turned.nrrd"):
        np.testing.assert_array_equal(read_label_map_on_grid(tmp_path / name, GRID)[0], LABELS)


def test_a_cropped_segmentation_is_filled_up_and_a_cropped_label_map_is_not(tmp_path: Path) -> None:
    part = LABELS[1:, 2:, 1:].copy()
    origin = (-10 + 1.5, -20 + 2 * 2, 30 + 4)
    write_nrrd(tmp_path / "m.seg.nrrd", part, segments=ONE_LAYER, origin=origin)
    np.testing.assert_array_equal(read_label_map_on_grid(tmp_path / "m.seg.nrrd", GRID)[0], LABELS)
    write_nrrd(tmp_path / "m.nrrd", part, origin=origin)
    write_nrrd(tmp_path / "between.seg.nrrd", part, segments=ONE_LAYER, origin=(origin[0] + 0.7, *origin[1:]))
    write_nrrd(tmp_path / "outside.seg.nrrd", part, segments=ONE_LAYER, origin=(origin[0], origin[1], origin[2] + 4))
    write_nrrd(tmp_path / "elsewhere.seg.nrrd", part, segments=ONE_LAYER, origin=(500, 0, 0))
    for name in ("m.nrrd", "between.seg.nrrd", "outside.seg.nrrd", "elsewhere.seg.nrrd"):
        with pytest.raises(InputError, match="the grid: expected 4 × 5 × 6 voxels"):
            read_label_map_on_grid(tmp_path / name, GRID)


def test_zeros_beyond_the_grid_are_cut_off() -> None:
    wide = Volume(np.pad(LABELS, 2), GRID.spacing_mm, GRID.affine.copy())
    wide.affine[:, 3] = GRID.affine @ [-2, -2, -2, 1]
    placed = place_on_grid(wide, GRID)
    assert placed is not None
    np.testing.assert_array_equal(placed, LABELS)


TWO_LAYERS = np.stack([LABELS == 1, LABELS == 2], 3).astype(np.uint8)
REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "layers.seg.nrrd": (lambda path: write_nrrd(path, TWO_LAYERS, segments=((1, 0, "A"), (1, 1, "B"))),
                        r"one label map .*Export to labelmap\), found 2 values a voxel: A \(label 1, layer 0\); B \(label 1, layer 1\)"),
    "said.seg.nrrd": (lambda path: write_nrrd(path, LABELS, segments=((1, 0, "A"), (1, 1, "B"))), "found one value a voxel: A"),
    "shared.seg.nrrd": (lambda path: write_nrrd(path, LABELS, segments=((1, 0, "A"), (1, 0, "B"))), "each segment with a label of its own, found A"),
    "colours.mha": (lambda path: sitk.WriteImage(sitk.Image([6, 5, 4], sitk.sitkVectorUInt8, 3), str(path)), "found 3 values a voxel"),
    "four.mha": (lambda path: sitk.WriteImage(sitk.Image([6, 5, 4, 2], sitk.sitkUInt8), str(path)), "of three dimensions, found 6 × 5 × 4 × 2"),
    "flat.nrrd": (lambda path: sitk.WriteImage(sitk.Image([6, 5], sitk.sitkUInt8), str(path)), "of three dimensions, found 6 × 5"),
    "fractions.nrrd": (lambda path: write_nrrd(path, LABELS * np.float64(0.9999)), "fractions, such as"),
    "nan.nrrd": (lambda path: write_nrrd(path, np.where(LABELS, LABELS, np.nan)), "NaN or infinite"),
    "negative.nrrd": (lambda path: write_nrrd(path, -LABELS.astype(np.int16)), "labels from 0 to 65535, found -2 … 0"),
    "shear.nrrd": (lambda path: write_nrrd(path, LABELS, axes="(1.5,0,0) (0.5,2,0) (0,0,4)"), "axes at right angles|cannot be read"),
    "other.nrrd": (lambda path: write_nrrd(path, LABELS, axes="(3,0,0) (0,2,0) (0,0,4)"), "the grid"),
    "cut.nrrd": (lambda path: write_nrrd(path, LABELS, cut=12), "a whole NRRD file, found one that cannot be read"),
    "text.nrrd": (lambda path: path.write_bytes(b"hello"), "a whole NRRD file"),
    "empty.mha": (lambda path: path.write_bytes(b""), "a whole MetaImage file"),
    "text.mha": (lambda path: path.write_bytes(b"hello"), "a whole MetaImage file")}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_label_map_of_the_grid_is_told_without_a_librarys_inner_words(tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    write, message = REFUSED[name]
    write(tmp_path / name)
    with pytest.raises(InputError, match=message) as caught:
        read_label_map_on_grid(tmp_path / name, GRID)
    said = str(caught.value) + capfd.readouterr().err
    assert name in said and "0x" not in said and "ITK" not in said and "itk::" not in said


def test_truncated_voxels_and_lost_files_of_voxels_are_told(tmp_path: Path) -> None:
    sitk.WriteImage(as_image(LABELS), str(tmp_path / "cut.mha"))
    (tmp_path / "cut.mha").write_bytes((tmp_path / "cut.mha").read_bytes()[:-30])
    sitk.WriteImage(as_image(LABELS), str(tmp_path / "lost.mhd"))
    (tmp_path / "lost.raw").unlink()
    for name in ("cut.mha", "lost.mhd"):
        with pytest.raises(InputError, match="its header, or voxels that it announces, are not there"):
            read_label_map(tmp_path / name)


def test_a_file_without_voxels_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    header = "ObjectType = Image\nNDims = 3\nBinaryData = True\nDimSize = {} 5 4\nElementSpacing = 1 1 1\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    (tmp_path / "none.mha").write_bytes(header.format(0).encode())
    (tmp_path / "some.mha").write_bytes(header.format(1).encode() + bytes(20))
    (tmp_path / "none.nrrd").write_bytes(b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 0 5 4\nencoding: raw\n\n")
    for name in ("none.mha", "none.nrrd"):
        for read in (read_label_map, read_volume_file):
            with pytest.raises(InputError, match=name):
                read(tmp_path / name)
    assert read_label_map(tmp_path / "some.mha").volume.shape == read_volume_file(tmp_path / "some.mha").shape == (4, 5, 1)
    with pytest.raises(InputError, match="a label map with voxels, found none"):
        as_labels(np.zeros((0, 5, 4)), tmp_path / "mask")
    assert capfd.readouterr().err == ""
