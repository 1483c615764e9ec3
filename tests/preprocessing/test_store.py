from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.entities import Volume
from lirads_keras.errors import InputError
from lirads_keras.preprocessing.intensity import compute_ct_scale, compute_intensity_scale
from lirads_keras.preprocessing.resample import to_segmentation_grid
from lirads_keras.preprocessing.store import read_stored_study, write_stored_study

SETTINGS = PreprocessingSettings(matrix_px=32)


def make_volume(shape=(6, 32, 32), spacing=(4.4, 2.0, 2.0), seed=0, highest=900.0):
    array = np.random.default_rng(seed).uniform(0, highest, shape).astype(np.float32)
    affine = np.zeros((4, 4))
    affine[[2, 1, 0], [0, 1, 2]] = spacing
    affine[:, 3] = [-100, -80, 50, 1]
    return Volume(array, spacing, affine)


def make_mask(shape=(6, 32, 32)):
    mask = np.zeros(shape, np.uint8)
    mask[2:4, 10:14, 12:18] = 1
    mask[5, 3:5, 3:5] = 2
    return mask


def make_ct(seed=1):
    volume = make_volume(seed=seed)
    return volume.with_array(volume.array * 2 - 1000)


def test_what_is_written_is_read(tmp_path):
    volumes = {phase: make_volume(seed=seed) for seed, phase in enumerate(["arterial", "portal_venous", "delayed"])}
    write_stored_study(tmp_path / "P001", volumes, make_mask(), SETTINGS)
    study = read_stored_study(tmp_path / "P001")
    assert study.patient_id == "P001" and set(study.phases) == set(volumes)
    assert study.shape == (6, 32, 32) and study.spacing_mm == (4.4, 2.0, 2.0)
    np.testing.assert_array_equal(study.affine, volumes["delayed"].affine)
    for phase, volume in volumes.items():
        stored = study.image(phase)
        assert stored.dtype == np.uint16 and isinstance(stored, np.memmap)
        np.testing.assert_array_equal(stored, np.rint(volume.array))
        assert study.scales[phase] == compute_intensity_scale(np.asarray(stored), SETTINGS, phase)
    np.testing.assert_array_equal(study.mask(), make_mask())
    np.testing.assert_array_equal(study.volume("arterial").affine, study.affine)
    assert study.lesion_slices == (2, 3, 5)
    assert study.preprocessing_digest == SETTINGS.digest()


def test_an_equal_segmentation_grid_stores_nothing_twice(tmp_path):
    write_stored_study(tmp_path / "P001", {"delayed": make_volume()}, make_mask(), SETTINGS)
    assert sorted(path.name for path in (tmp_path / "P001").iterdir()) == ["delayed.npy", "geometry.json", "mask.npy"]
    study = read_stored_study(tmp_path / "P001")
    np.testing.assert_array_equal(study.segmentation_image("delayed"), study.image("delayed"))
    np.testing.assert_array_equal(study.segmentation_mask(), study.mask())
    assert study.segmentation_scales["delayed"] == study.scales["delayed"]
    assert study.segmentation_grid().shape == study.grid().shape == (6, 32, 32)


def test_another_segmentation_grid_has_its_own_arrays_and_scale(tmp_path):
    shape = (6, 40, 48)
    write_stored_study(tmp_path / "P001", {"delayed": make_volume(shape)}, make_mask(shape), SETTINGS)
    study = read_stored_study(tmp_path / "P001")
    assert study.segmentation_image("delayed").shape == study.segmentation_mask().shape == study.segmentation_grid().shape == (6, 32, 32)
    assert study.image("delayed").shape == study.grid().shape == shape
    # 40 rows of 2 mm are 26 and two thirds of 3 mm: the centres of 26 rows lie on the image, three rows above and below are padding.
    image = np.asarray(study.segmentation_image("delayed"))
    assert not image[:, :2].any() and not image[:, 30:].any() and image[:, 3:29].all(axis=(1, 2)).any()
    assert study.segmentation_scales["delayed"] == compute_intensity_scale(image[:, 3:29], SETTINGS, "P001")
    assert set(np.unique(study.segmentation_mask())) <= {0, 1, 2}
    # 48 columns of 2 mm become 32 of 3 mm.
    np.testing.assert_allclose(study.segmentation.spacing_mm, (4.4, 3.0, 3.0))
    np.testing.assert_allclose(np.linalg.norm(study.segmentation_grid().affine[:3, :3], axis=0), (4.4, 3.0, 3.0))


def test_every_phase_is_kept_on_another_segmentation_grid(tmp_path):
    shape = (6, 40, 48)
    volumes = {phase: make_volume(shape, seed=seed) for seed, phase in enumerate(["arterial", "portal_venous", "delayed"])}
    write_stored_study(tmp_path / "P", volumes, make_mask(shape), SETTINGS)
    study = read_stored_study(tmp_path / "P")
    for phase, volume in volumes.items():
        image = study.segmentation_image(phase)
        assert image.dtype == np.uint16 and isinstance(image, np.memmap)
        np.testing.assert_array_equal(image, np.rint(to_segmentation_grid(volume.with_array(np.rint(volume.array)), 32).array))
        assert study.segmentation_scales[phase] == compute_intensity_scale(np.asarray(image[:, 3:29]), SETTINGS, phase) != study.scales[phase]
    # What the delayed phase is does not depend on the others.
    write_stored_study(tmp_path / "alone", {"delayed": volumes["delayed"]}, None, SETTINGS)
    alone = read_stored_study(tmp_path / "alone")
    np.testing.assert_array_equal(alone.segmentation_image("delayed"), study.segmentation_image("delayed"))
    assert alone.segmentation_scales["delayed"] == study.segmentation_scales["delayed"]
    with pytest.raises(KeyError, match="no phase arterial"):
        alone.segmentation_image("arterial")
    (tmp_path / "P" / "segmentation_arterial.npy").unlink()
    with pytest.raises(InputError, match="segmentation_arterial.npy: expected a .npy array"):
        read_stored_study(tmp_path / "P")


def test_lesion_slices_are_those_of_the_segmentation_grid(tmp_path):
    shape = (6, 64, 64)
    mask = np.zeros(shape, np.uint8)
    mask[1, 20:30, 20:30] = 1
    write_stored_study(tmp_path / "P", {"delayed": make_volume(shape)}, mask, SETTINGS)
    study = read_stored_study(tmp_path / "P")
    assert study.lesion_slices == tuple(np.flatnonzero(study.segmentation_mask().any(axis=(1, 2)))) == (1,)


def test_a_study_without_lesion_has_an_empty_mask_and_no_file(tmp_path):
    write_stored_study(tmp_path / "N001", {"delayed": make_volume()}, None, SETTINGS)
    study = read_stored_study(tmp_path / "N001")
    assert not study.has_mask and not (tmp_path / "N001" / "mask.npy").exists()
    assert study.mask().shape == study.segmentation_mask().shape == (6, 32, 32)
    assert study.mask().dtype == np.uint8 and not study.mask().any() and study.lesion_slices == ()


def test_ct_keeps_its_sign_its_window_and_counts_tumour_slices_only(tmp_path):
    mask = np.zeros((6, 32, 32), np.uint8)
    mask[1:5, 5:20, 5:20] = 1
    mask[3, 8:10, 8:10] = 2
    write_stored_study(tmp_path / "C1", {"ct": make_ct()}, mask, SETTINGS)
    study = read_stored_study(tmp_path / "C1")
    assert study.phases == ("ct",) and study.image("ct").dtype == np.int16 and study.image("ct").min() < 0
    assert study.lesion_slices == (3,)
    assert study.segmentation_scales["ct"] == compute_ct_scale(np.asarray(study.image("ct")), SETTINGS.ct_window_hu)


def test_per_slice_scales_survive(tmp_path):
    settings = SETTINGS.model_copy(update={"scope": "slice"})
    write_stored_study(tmp_path / "P", {"delayed": make_volume()}, None, settings)
    study = read_stored_study(tmp_path / "P")
    assert study.segmentation_scales["delayed"] == compute_intensity_scale(np.asarray(study.image("delayed")), settings, "P")


@given(hnp.arrays(np.float32, (3, 4, 5), elements=st.floats(-30000, 30000, width=32)))
def test_rounding_is_to_the_nearest_integer_and_negative_values_stay(tmp_path_factory, array):
    array[0, 0, :2] = [-20000, 20000]
    folder = tmp_path_factory.mktemp("store") / "C"
    grid = make_volume((3, 4, 5))
    write_stored_study(folder, {"ct": grid.with_array(array)}, None, SETTINGS)
    stored = read_stored_study(folder).image("ct")
    assert stored.dtype == np.int16 and np.abs(stored - array).max() <= 0.5
    shutil.rmtree(folder)


@pytest.mark.parametrize(("change", "expected"), [
    (lambda array: np.where(array > 800, np.nan, array), "finite voxels"),
    (lambda array: np.where(array > 800, np.inf, array), "finite voxels"),
    (lambda array: array * 100, "voxels of 16 bits (0 … 65535)"),
    (lambda array: array * 50 - 10, "voxels of 16 bits (-32768 … 32767)"),
    (lambda array: array / 900, "voxels that span at least 100 scanner units, or whole numbers"),
])
def test_voxels_that_16_bits_cannot_keep_are_refused(tmp_path, change, expected):
    volume = make_volume()
    with pytest.raises(InputError) as raised:
        write_stored_study(tmp_path / "P007", {"delayed": volume.with_array(change(volume.array))}, None, SETTINGS)
    assert raised.value.problems[0].where == "P007, delayed" and raised.value.problems[0].expected == expected
    assert not (tmp_path / "P007").exists()


def test_all_problems_of_a_study_come_at_once(tmp_path):
    volume = make_volume()
    with pytest.raises(InputError) as raised:
        write_stored_study(
            tmp_path / "P", {"delayed": volume.with_array(volume.array * np.nan), "arterial": volume.with_array(volume.array * 1e6)},
            np.full(volume.shape, 300), SETTINGS)
    assert [problem.where for problem in raised.value.problems] == ["P, arterial", "P, delayed", "P, mask"]


@pytest.mark.parametrize("mask", [np.full((6, 32, 32), -1), np.full((6, 32, 32), 0.5), np.full((6, 32, 32), 256)])
def test_labels_that_are_no_labels_are_refused(tmp_path, mask):
    with pytest.raises(InputError, match="P, mask"):
        write_stored_study(tmp_path / "P", {"delayed": make_volume()}, mask, SETTINGS)


def test_ct_labels_are_those_of_lits(tmp_path):
    with pytest.raises(InputError, match="labels 0 … 2, found 0 … 3"):
        write_stored_study(tmp_path / "C", {"ct": make_ct()}, make_mask() + (make_mask() == 2).astype(np.uint8), SETTINGS)


def test_an_image_without_signal_is_refused_by_name(tmp_path):
    volume = make_volume()
    with pytest.raises(InputError, match="P, delayed"):
        write_stored_study(tmp_path / "P", {"delayed": volume.with_array(np.full(volume.shape, 20, np.float32))}, None, SETTINGS)


def test_without_a_delayed_phase_the_grid_is_the_portal_venous_phases(tmp_path):
    volumes = {"arterial": make_volume(), "portal_venous": make_volume()}
    write_stored_study(tmp_path / "P", volumes, None, SETTINGS)
    study = read_stored_study(tmp_path / "P")
    assert study.phases == ("arterial", "portal_venous") and study.shape == volumes["portal_venous"].shape
    with pytest.raises(KeyError, match="no phase delayed"):
        study.image("delayed")


def test_phases_of_other_grids_are_refused(tmp_path):
    with pytest.raises(ValueError, match="align the phases first"):
        write_stored_study(tmp_path / "P", {"delayed": make_volume(), "arterial": make_volume(spacing=(4.4, 2.5, 2.5))}, None, SETTINGS)
    with pytest.raises(ValueError, match="mask's shape"):
        write_stored_study(tmp_path / "P", {"delayed": make_volume()}, np.zeros((6, 32, 31)), SETTINGS)
    with pytest.raises(ValueError, match="not \\['arterial'\\]"):
        write_stored_study(tmp_path / "P", {"arterial": make_volume()}, None, SETTINGS)


def test_geometry_comes_last_and_its_absence_means_incomplete(tmp_path, monkeypatch):
    written = []
    import lirads_keras.preprocessing.store as store
    real = store.write_array

    def failing(path, array):
        written.append(path.name)
        if path.name == "mask.npy":
            raise OSError("no space left")
        real(path, array)

    write_stored_study(tmp_path / "P", {"delayed": make_volume()}, make_mask(), SETTINGS)
    monkeypatch.setattr(store, "write_array", failing)
    with pytest.raises(OSError):
        write_stored_study(tmp_path / "P", {"delayed": make_volume(seed=3)}, make_mask(), SETTINGS)
    assert written == ["delayed.npy", "mask.npy"]
    with pytest.raises(InputError, match="the geometry of a complete stored study"):
        read_stored_study(tmp_path / "P")


def test_a_replaced_study_is_mapped_anew(tmp_path):
    for seed in (1, 2):
        write_stored_study(tmp_path / "P", {"delayed": make_volume(seed=seed)}, None, SETTINGS)
        np.testing.assert_array_equal(read_stored_study(tmp_path / "P").image("delayed"), np.rint(make_volume(seed=seed).array))


def test_damaged_arrays_are_all_named(tmp_path):
    folder = tmp_path / "P"
    write_stored_study(folder, {"delayed": make_volume(), "arterial": make_volume()}, make_mask(), SETTINGS)
    (folder / "arterial.npy").unlink()
    (folder / "delayed.npy").write_bytes((folder / "delayed.npy").read_bytes()[:-100])
    np.save(folder / "mask.npy", np.zeros((1, 2, 3), np.uint8))
    with pytest.raises(InputError) as raised:
        read_stored_study(folder)
    assert sorted(problem.where.rsplit("/", 1)[-1] for problem in raised.value.problems) == ["arterial.npy", "delayed.npy", "mask.npy"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 2}', '{"format": 2, "phases": 3}', "\udcff"])
def test_a_damaged_geometry_is_an_input_error(tmp_path, text):
    (tmp_path / "geometry.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match="geometry.json"):
        read_stored_study(tmp_path)


def test_a_grid_that_is_none_is_an_input_error(tmp_path):
    write_stored_study(tmp_path / "P", {"delayed": make_volume()}, None, SETTINGS)
    path = tmp_path / "P" / "geometry.json"
    content = json.loads(path.read_text())
    content["grid"]["affine"] = [[1, 0], [0, 1]]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="4 × 4 affine"):
        read_stored_study(tmp_path / "P")


def test_an_absent_phase_is_a_key_error(tmp_path):
    write_stored_study(tmp_path / "P", {"delayed": make_volume()}, None, SETTINGS)
    with pytest.raises(KeyError, match="no phase arterial"):
        read_stored_study(tmp_path / "P").image("arterial")
