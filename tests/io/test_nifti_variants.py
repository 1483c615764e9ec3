"""NIfTI files as programs write them, and as they should not be: each row says first what is right, to read or to refuse."""
from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from lirads_keras.cli import main
from lirads_keras.errors import InputError
from lirads_keras.io.grids import from_itk, same_grid
from lirads_keras.io.nifti import read_mask_on_grid, read_nifti

SPACING = (1.5, 2.0, 4.0)
ORIGIN = (-30.0, -25.0, 10.0)

# Field → format and offset in version 1 (nifti1.h), then in version 2 (nifti2.h).
FIELDS: dict[str, tuple[str, int, str, int]] = {
    "sizeof_hdr": ("i4", 0, "i4", 0), "dim": ("8i2", 40, "8i8", 16), "datatype": ("i2", 70, "i2", 12), "bitpix": ("i2", 72, "i2", 14),
    "pixdim": ("8f4", 76, "8f8", 104), "vox_offset": ("f4", 108, "i8", 168), "scl_slope": ("f4", 112, "f8", 176), "scl_inter": ("f4", 116, "f8", 184),
    "xyzt_units": ("u1", 123, "i4", 500), "qform_code": ("i2", 252, "i4", 344), "sform_code": ("i2", 254, "i4", 348),
    "quatern": ("3f4", 256, "3f8", 352), "qoffset": ("3f4", 268, "3f8", 376), "srow": ("(3,4)f4", 280, "(3,4)f8", 400), "magic": ("S4", 344, "S8", 4)}
CODES = {"uint8": 2, "int16": 4, "int32": 8, "float32": 16, "float64": 64, "int8": 256, "uint16": 512, "uint32": 768, "int64": 1024, "uint64": 1280}


def build(voxels: np.ndarray, *, version: int = 1, order: str = "<", between: bytes = b"", **fields: Any) -> bytes:
    """A NIfTI file of voxels (x, y, z, …), axes along R, A, S; `fields` replace those of the header."""
    size = (348, 540)[version - 1]
    layout = np.dtype({
        "names": list(FIELDS), "formats": [order + form[2 * version - 2] if form[0][0] != "(" and not form[0][0].isdigit() else
                                           form[2 * version - 2].replace("f", f"{order}f").replace("i", f"{order}i") for form in FIELDS.values()],
        "offsets": [form[2 * version - 1] for form in FIELDS.values()], "itemsize": size})
    header = np.zeros((), layout)
    dim = [voxels.ndim, *voxels.shape] + [1] * (7 - voxels.ndim)
    srow = np.hstack([np.diag(SPACING), np.array(ORIGIN)[:, None]])
    values = {
        "sizeof_hdr": size, "dim": dim, "datatype": CODES[voxels.dtype.name], "bitpix": 8 * voxels.dtype.itemsize, "pixdim": [1, *SPACING, 0, 0, 0, 0],
        "vox_offset": size + 4 + len(between), "scl_slope": 1, "xyzt_units": 2, "qform_code": 1, "sform_code": 1, "qoffset": ORIGIN, "srow": srow,
        "magic": b"n+1" if version == 1 else b"n+2\0\r\n\x1a\n"} | fields
    for name, value in values.items():
        header[name] = value
    content = voxels.astype(voxels.dtype.newbyteorder(order)).tobytes(order="F")
    return header.tobytes() + (b"\1\0\0\0" if between else bytes(4)) + between + content


IMAGE = np.arange(7 * 6 * 5, dtype=np.int16).reshape(7, 6, 5) + 50
LABELS = np.zeros((7, 6, 5), np.uint8)
LABELS[1:4, 2:4, 1:3], LABELS[5, 4, 3] = 1, 2
ZOOMED = np.hstack([np.eye(3), np.array(ORIGIN)[:, None]])
MIRRORED = np.hstack([np.diag([-1.5, 2, 4]), np.array([-30 + 6 * 1.5, -25, 10])[:, None]])
SHEARED = np.array([[1.5, 0, 0.8, -30], [0, 2, 0, -25], [0, 0, 4, 10]])


def shifted(mm: float) -> dict[str, Any]:
    place = (ORIGIN[0] + mm, *ORIGIN[1:])
    return {"qoffset": place, "srow": np.hstack([np.diag(SPACING), np.array(place)[:, None]])}


def stored(values: tuple[float, float, float], dtype: str) -> np.ndarray:
    """The label map with other numbers in the place of 0, 1 and 2."""
    return np.array(values, dtype)[LABELS]


READ = {
    "plain": build(LABELS),
    "packed by nobody, named .gz": build(LABELS),
    "packed twice": gzip.compress(gzip.compress(build(LABELS))),
    "packed in parts": gzip.compress(build(LABELS)[:400]) + gzip.compress(build(LABELS)[400:]),
    "version 2": build(LABELS, version=2), "version 2, big endian": build(LABELS, version=2, order=">"),
    "big endian": build(stored((0, 1, 2), "int16"), order=">"),
    "an extension": build(LABELS, between=bytes(16)), "bytes after the voxels": build(LABELS) + bytes(99), "vox_offset left out": build(LABELS, vox_offset=0),
    **{f"whole numbers as {dtype}": build(LABELS.astype(dtype)) for dtype in CODES},
    "slope 0": build(LABELS, scl_slope=0), "slope NaN": build(LABELS, scl_slope=np.nan, scl_inter=np.nan),
    "hundredths": build(stored((0, 100, 200), "uint8"), scl_slope=0.01),
    "0, 1, 2 in 255 steps": build(stored((0, 128, 255), "uint8"), scl_slope=2 / 255),
    "0, 1, 2 in 65535 steps": build(stored((-32768, 0, 32767), "int16"), scl_slope=2 / 65535, scl_inter=32768 * 2 / 65535),
    "float32 rounding": build(stored((0, 0.99999994, 2.0000002), "float32")),
    "float32 rounding kept in float64": build(stored((1e-9, 0.99999994, 2.0000002), "float64")),
    "a fourth dimension of 1": build(LABELS[..., None]), "a fourth and fifth of 1": build(LABELS[..., None, None]),
    "mirrored with its header": build(LABELS[::-1], srow=MIRRORED, qform_code=0),
    "0.1 mm beside": build(LABELS, **shifted(0.1)),
    "1e-8 in the axes": build(LABELS, srow=np.hstack([np.diag(SPACING) + 1e-8, np.array(ORIGIN)[:, None]])),
    "qform alone": build(LABELS, sform_code=0, srow=0), "sform alone": build(LABELS, qform_code=0, qoffset=0),
    "sform alone, no pixdim": build(LABELS, qform_code=0, pixdim=[1, 0, 0, 0, 0, 0, 0, 0]),
    "negative pixdim": build(LABELS, pixdim=[1, -1.5, 2, 4, 0, 0, 0, 0]),
    "sform of another space": build(LABELS, sform_code=4, srow=ZOOMED), "micrometres": build(
        LABELS, xyzt_units=3, pixdim=[1, 1500, 2000, 4000, 0, 0, 0, 0], qoffset=np.multiply(ORIGIN, 1000), sform_code=0)}

REFUSED = {
    "0.9999": (build(stored((0, 0.9999, 1.9999), "float64")), "whole-numbered labels, found fractions, such as 0.9999"),
    "probabilities in 255 steps": (build(stored((0, 100, 255), "uint8"), scl_slope=1 / 255), "found fractions, such as 0.392157"),
    "halves": (build(stored((0, 1, 2), "uint8"), scl_slope=0.5), "found fractions, such as 0.5"),
    "NaN for nothing": (build(stored((np.nan, 1, 2), "float32")), "its voxels: expected whole-numbered labels, found 197 of 210 NaN or infinite"),
    "infinity": (build(stored((0, 1, np.inf), "float64")), "found 1 of 210 NaN or infinite"),
    "negative": (build(stored((0, 1, -1), "int16")), "labels from 0 to 65535, found -1 … 1"),
    "700 000": (build(stored((0, 1, 700_000), "int32")), "found 0 … 700000"),
    "one-hot": (build(np.stack([LABELS == 1, LABELS == 2], 3).astype(np.uint8)), "three dimensions, found 7 × 6 × 5 × 2"),
    "vectors": (build(np.stack([LABELS] * 3, 3)[:, :, :, None]), "of three dimensions, found 7 × 6 × 5 of 3 components"),
    "colours": (build(LABELS, datatype=128), r"whole or real numbers, found colours \(RGB\)"),
    "complex numbers": (build(LABELS, datatype=32), "found complex numbers"),
    "0.3 mm beside": (build(LABELS, **shifted(0.3)), "the grid"),
    "mirrored without its header": (build(LABELS, srow=MIRRORED, qform_code=0, pixdim=[1, 3, 4, 8, 0, 0, 0, 0]), "sform: expected the spacing of pixdim"),
    "transposed": (build(LABELS.transpose(1, 0, 2).copy()), "the grid"),
    "twice as fine": (build(LABELS, pixdim=[1, .75, 1, 2, 0, 0, 0, 0], sform_code=0), "the grid"),
    "place lost": (build(LABELS, qform_code=0, sform_code=0), "the grid"),
    "sform of 1 mm": (build(LABELS, srow=ZOOMED), r"sform: expected the spacing of pixdim, 1.5 × 2 × 4 mm \(x, y, z\), found 1 × 1 × 1 mm"),
    "sform of 1 mm alone": (build(LABELS, srow=ZOOMED, qform_code=0), "sform: expected the spacing of pixdim"),
    "sform against qform": (build(LABELS, qoffset=(0, 0, 0)), "sform: expected the place that its qform says"),
    "sheared": (build(LABELS, srow=SHEARED, qform_code=0, pixdim=[1, 1.5, 2, np.hypot(4, .8), 0, 0, 0, 0]), "axes at right angles, found 78.7°"),
    "no spacing": (build(LABELS, sform_code=0, pixdim=[1, 0, 0, 0, 0, 0, 0, 0]), "pixdim: expected spacings in mm"),
    "metres": (build(LABELS, xyzt_units=1), "spacings of 0.01 to 100 mm"),
    "an Analyze file": (build(LABELS, magic=b""), "in one part"), "a header without its voxels": (build(LABELS, magic=b"ni1"), "in a second file"),
    "truncated": (build(LABELS)[:-5], r"of 562 bytes, found 557 bytes \(truncated file\)"),
    "packed and truncated": (gzip.compress(build(LABELS))[:-20], "NIfTI file|gzip file"),
    "a wrong checksum": (gzip.compress(build(LABELS))[:-8] + bytes(8), "a whole gzip file, found a broken one"),
    "an infinite offset": (build(LABELS, scl_inter=np.inf), "scl_inter"), "another file": (b"version https://git-lfs" * 30, "another kind of file"),
    "nothing": (b"", "a whole NIfTI file, found 0 bytes")}


@pytest.fixture()
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.nii"
    path.write_bytes(build(IMAGE))
    return path


@pytest.mark.parametrize("name", READ)
def test_what_is_clear_is_read(tmp_path: Path, image: Path, name: str) -> None:
    (tmp_path / "mask.nii.gz").write_bytes(READ[name])
    labels = read_mask_on_grid(tmp_path / "mask.nii.gz", read_nifti(image))
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, LABELS.transpose(2, 1, 0))


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_unclear_is_refused_in_words(tmp_path: Path, image: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    content, message = REFUSED[name]
    (tmp_path / "mask.nii.gz").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_mask_on_grid(tmp_path / "mask.nii.gz", read_nifti(image))
    said = str(caught.value) + "".join(capfd.readouterr())
    assert "mask.nii.gz" in said and "0x" not in said and "ITK" not in said and "\n" not in said


@pytest.mark.parametrize("name", ["a.NII", "a.Nii.Gz", "a.nii", "a.NII.GZ"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_neither_the_names_case_nor_what_it_says_of_packing_matters(tmp_path: Path, name: str, pack: Any) -> None:
    (tmp_path / name).write_bytes(pack(build(IMAGE)))
    np.testing.assert_array_equal(read_nifti(tmp_path / name).array, IMAGE.transpose(2, 1, 0))


def test_an_image_with_nan_is_refused_and_a_scaled_one_is_read(tmp_path: Path) -> None:
    holes = IMAGE.astype(np.float32)
    holes[IMAGE > 200] = np.nan
    (tmp_path / "holes.nii").write_bytes(build(holes))
    with pytest.raises(InputError, match="finite numbers, found 59 of 210 NaN or infinite"):
        read_nifti(tmp_path / "holes.nii")
    assert np.count_nonzero(read_nifti(tmp_path / "holes.nii", nan_as_zero=True).array) == 151
    (tmp_path / "scaled.nii").write_bytes(build(IMAGE, scl_slope=0.5, scl_inter=-1024))
    np.testing.assert_array_equal(read_nifti(tmp_path / "scaled.nii").array, IMAGE.transpose(2, 1, 0) * 0.5 - 1024)


@settings(max_examples=30)
@given(angles=st.tuples(*[st.floats(-3, 3)] * 3), mirror=st.booleans(), coded=st.sampled_from(["q", "s", "qs"]),
       dtype=st.sampled_from(["uint8", "int16", "int32", "float32", "float64"]), shape=st.tuples(*[st.integers(1, 5)] * 3))
def test_simpleitk_reads_the_same(tmp_path_factory: pytest.TempPathFactory, angles: tuple[float, ...], mirror: bool, coded: str, dtype: str,
                                  shape: tuple[int, int, int]) -> None:
    rotation = np.array(sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix()).reshape(3, 3)
    versor = sitk.VersorRigid3DTransform()
    versor.SetMatrix(rotation.ravel().tolist())
    if mirror:
        rotation[:, 2] *= -1
    voxels = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    quaternion = np.array(versor.GetVersor())
    path = tmp_path_factory.mktemp("itk") / "a.nii"
    path.write_bytes(build(
        voxels, quatern=quaternion[:3] * np.sign(quaternion[3] or 1), pixdim=[-1 if mirror else 1, *SPACING, 0, 0, 0, 0], qform_code="q" in coded,
        sform_code="s" in coded, srow=np.hstack([rotation * SPACING, np.array(ORIGIN)[:, None]])))
    ours, itk = read_nifti(path), from_itk(sitk.ReadImage(str(path), imageIO="NiftiImageIO"))
    np.testing.assert_array_equal(ours.array, itk.array)
    assert ours.array.dtype == itk.array.dtype and same_grid(ours, itk)
    np.testing.assert_allclose(ours.affine, itk.affine, atol=1e-4)


def test_a_folder_of_variants_is_imported_and_what_is_refused_is_told_by_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for number, content in enumerate(READ.values()):
        (tmp_path / "good" / f"P{number}").mkdir(parents=True)
        (tmp_path / "good" / f"P{number}" / "t1.nii.gz").write_bytes(gzip.compress(build(IMAGE)))
        (tmp_path / "good" / f"P{number}" / "seg.NII.GZ").write_bytes(content)
    (tmp_path / "good" / "P0" / "._t1.nii.gz").write_bytes(b"\0\5\x16\7")
    (tmp_path / "good" / ".DS_Store").write_bytes(b"x")
    assert main(["data", "import", "itksnap", str(tmp_path / "good"), "--out", str(tmp_path / "manifest")]) == 0
    assert main(["data", "check", str(tmp_path / "manifest")]) in (0, None)
    assert f"no problem ({len(READ)} patients" in capfd.readouterr().out

    for number, (content, _) in enumerate(REFUSED.values()):
        (tmp_path / "bad" / f"P{number}").mkdir(parents=True)
        (tmp_path / "bad" / f"P{number}" / "t1.nii.gz").write_bytes(build(IMAGE))
        (tmp_path / "bad" / f"P{number}" / "seg.nii.gz").write_bytes(content)
    assert main(["data", "import", "itksnap", str(tmp_path / "bad"), "--out", str(tmp_path / "other")]) == 0
    with pytest.raises(SystemExit) as stop:
        main(["data", "check", str(tmp_path / "other")])
    said = "".join(capfd.readouterr())
    assert stop.value.code == 2 and "0x" not in said and "ITK" not in said and "Traceback" not in said
    assert [number for number in range(len(REFUSED)) if f"P{number}/seg.nii.gz" not in said] == []
