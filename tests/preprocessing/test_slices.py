from __future__ import annotations

import numpy as np
import pytest
from slice_studies import MATRIX, SCALE, make_dataset, make_input, make_study, standardise

from lirads_keras.config.preprocessing import AugmentationSettings, PreprocessingSettings
from lirads_keras.errors import InputError
from lirads_keras.preprocessing.intensity import IntensityScale
from lirads_keras.preprocessing.segmentation_input import ScaledImage, read_segmentation_input
from lirads_keras.preprocessing.slices import FixedSlices, stack_slices
from lirads_keras.preprocessing.store import read_stored_study, write_stored_study


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 100])
def test_s_slices_give_s_stacks_with_replicated_edges(batch_size):
    raw = np.random.default_rng(0).integers(0, 900, (7, 5, 6)).astype(np.uint16)
    image = SCALE.apply(raw)
    parts = list(stack_slices(make_input(ScaledImage(raw, SCALE)), batch_size))
    assert [first for first, _ in parts] == list(range(0, 7, batch_size))
    stacks = np.concatenate([stack for _, stack in parts])
    assert stacks.shape == (7, 5, 6, 3) and stacks.dtype == np.float32
    for z in range(7):
        for channel, neighbour in enumerate([max(z - 1, 0), z, min(z + 1, 6)]):
            np.testing.assert_array_equal(stacks[z, ..., channel], image[neighbour])


def test_a_single_slice_is_its_own_neighbour():
    (first, stack), = stack_slices(make_input(ScaledImage(np.full((1, 2, 2), 390), SCALE)), 4)
    # Half way between the cut-off and the percentile.
    assert first == 0 and stack.shape == (1, 2, 2, 3) and stack == pytest.approx((0.5 - 0.4) / 0.3, abs=1e-6)


@pytest.mark.parametrize("scale", [
    SCALE,
    IntensityScale((80.0,) * 7, tuple(range(600, 670, 10)), tuple(np.linspace(0.3, 0.5, 7)), tuple(np.linspace(0.2, 0.4, 7))),
])
def test_raw_slices_are_standardised_as_they_are_read(scale):
    raw = np.random.default_rng(0).integers(0, 900, (7, 5, 6)).astype(np.uint16)
    padded = np.pad(scale.apply(raw), ((1, 1), (0, 0), (0, 0)), mode="edge")
    expected = np.stack([padded[:-2], padded[1:-1], padded[2:]], axis=-1)
    for batch_size in (1, 3):
        np.testing.assert_array_equal(np.concatenate([stack for _, stack in stack_slices(make_input(ScaledImage(raw, scale)), batch_size)]), expected)


# --- training batches ---

def weigh(array):
    """One number that any other value or order of values changes."""
    return float((array.astype(np.float64) * np.cos(np.arange(array.size)).reshape(array.shape)).sum())


def test_samples_of_one_phase_are_those_of_the_version_before_several_phases(studies, tmp_path):
    """Its numbers, written down from it."""
    ct = make_study(tmp_path / "C", ct=True)
    for dataset, expected in (
            (make_dataset(studies), [[-0.2712, -0.1101], [13.2128, 3.6652]]),
            (make_dataset(studies, augmentation=None, drop_phase=1.0), [[-7.718, -0.5056], [2.0036, -2.2167]]),
            (make_dataset([ct], classes=3, phases=("ct",)), [[1.1521, -0.9996], [18.5082, 1.6998]])):
        np.testing.assert_allclose([[weigh(array) for array in dataset[number]] for number in (0, 17)], expected, atol=1e-3)
    fixed = FixedSlices(studies, phases=("delayed",), classes=2, crop_px=16, batch_size=4, samples=10)
    np.testing.assert_allclose([weigh(array) for array in fixed[1]], [30.3289, 6.7425], atol=1e-3)
    stacks = [stack for _, stack in stack_slices(read_segmentation_input(studies[1], ("delayed",)), 3)]
    assert weigh(np.concatenate(stacks)) == pytest.approx(25.1503, abs=1e-3)


def test_whole_slices_without_augmentation_are_the_standardised_neighbours(studies):
    dataset = make_dataset(studies, crop_px=MATRIX, augmentation=None, sampling="uniform")
    assert dataset.batches_per_epoch == 3
    for index in range(3):
        images, labels = dataset[index]
        assert images.shape == (4, MATRIX, MATRIX, 3) and labels.shape == (4, MATRIX, MATRIX, 2) and images.dtype == labels.dtype == np.float32
        for image, label, sample in zip(images, labels, dataset.samples(index)):
            np.testing.assert_array_equal(image, np.moveaxis(standardise(sample.study)[sample.z - 1:sample.z + 2], 0, -1))
            lesion = sample.study.segmentation_mask()[sample.z] > 0
            np.testing.assert_array_equal(label[..., 1], lesion)
            np.testing.assert_array_equal(label.sum(axis=-1), 1)


def test_a_window_is_cut_from_image_and_labels_alike(studies):
    dataset = make_dataset(studies, augmentation=None, samples_per_epoch=160, sampling="uniform")
    starts = set()
    for index in range(dataset.batches_per_epoch):
        for image, label, sample in zip(*dataset[index], dataset.samples(index)):
            whole = np.moveaxis(standardise(sample.study)[sample.z - 1:sample.z + 2], 0, -1)
            found = np.argwhere(whole[..., 1] == image[0, 0, 1])
            matches = [(y, x) for y, x in found if np.array_equal(whole[y:y + 16, x:x + 16], image)]
            assert len(matches) == 1
            y, x = matches[0]
            starts.add((int(y), int(x)))
            np.testing.assert_array_equal(label[..., 1], sample.study.segmentation_mask()[sample.z, y:y + 16, x:x + 16] > 0)
    # Uniform over all 17 × 17 windows, the outermost included.
    assert len(starts) > 80 and {y for y, _ in starts} == {x for _, x in starts} == set(range(17))


@pytest.mark.parametrize("augmentation", [None, AugmentationSettings(), AugmentationSettings(rotation_deg=180, shift_fraction=0.8)])
def test_a_sample_drawn_for_its_lesion_shows_it(studies, augmentation):
    dataset = make_dataset(studies, augmentation=augmentation, samples_per_epoch=120)
    shown = [label[..., 1].any() for index in range(dataset.batches_per_epoch) for label in dataset[index][1][:2]]
    assert len(shown) == 60 and all(shown)


def test_a_lesion_of_one_pixel_is_never_lost(tmp_path):
    study = make_study(tmp_path / "P")
    mask = np.zeros(study.shape, np.uint8)
    mask[3, 0, 31] = 1
    write_stored_study(tmp_path / "P", {"delayed": study.volume("delayed")}, mask, PreprocessingSettings(matrix_px=MATRIX))
    dataset = make_dataset([read_stored_study(tmp_path / "P")], lesion_fraction=1.0, samples_per_epoch=100)
    assert all(dataset[index][1][..., 1].any(axis=(1, 2)).all() for index in range(dataset.batches_per_epoch))


def test_three_classes_are_background_liver_and_tumour(tmp_path):
    study = make_study(tmp_path / "C", ct=True)
    dataset = make_dataset([study], classes=3, crop_px=MATRIX, augmentation=None, samples_per_epoch=4)
    images, labels = dataset[0]
    assert labels.shape == (4, MATRIX, MATRIX, 3)
    for label, sample in zip(labels, dataset.samples(0)):
        np.testing.assert_array_equal(label.argmax(axis=-1), study.segmentation_mask()[sample.z])
    cropped = make_dataset([study], classes=3, samples_per_epoch=80)
    assert all(cropped[index][1][:2, ..., 2].any(axis=(1, 2)).all() for index in range(cropped.batches_per_epoch))


def test_augmented_padding_is_the_standardised_zero(studies):
    dataset = make_dataset(studies, crop_px=MATRIX, sampling="uniform", augmentation=AugmentationSettings(rotation_deg=0, shift_fraction=0.5))
    scale = {study.patient_id: study.segmentation_scales["delayed"] for study in studies}
    found = 0
    for image, sample in zip(dataset[0][0], dataset.samples(0)):
        zero = np.float32(-scale[sample.study.patient_id].mean / scale[sample.study.patient_id].standard_deviation)
        assert image.min() >= zero - 1e-5
        found += int(np.isclose(image[[0, -1]], zero, atol=1e-5).all(axis=(1, 2)).any())
    assert found


def test_each_slice_may_have_its_own_scale(tmp_path):
    volume = make_study(tmp_path / "P").volume("delayed")
    settings = PreprocessingSettings(matrix_px=MATRIX, scope="slice")
    # A brighter slice has a larger percentile, mean and standard deviation.
    brighter = volume.with_array((volume.array * np.linspace(1, 3, 7)[:, None, None]).astype(np.float32))
    write_stored_study(tmp_path / "P", {"delayed": brighter}, None, settings)
    study = read_stored_study(tmp_path / "P")
    shifted = make_dataset([study], crop_px=MATRIX, sampling="uniform", batch_size=5, augmentation=AugmentationSettings(rotation_deg=0, shift_fraction=0.5))
    plain = make_dataset([study], crop_px=MATRIX, sampling="uniform", batch_size=5, augmentation=None)
    scale = study.segmentation_scales["delayed"]
    zero = -np.array(scale.mean) / np.array(scale.standard_deviation)
    assert len(set(zero)) == 7
    for moved, whole, sample in zip(shifted[0][0], plain[0][0], plain.samples(0)):
        z = sample.z
        np.testing.assert_array_equal(whole, np.moveaxis(standardise(study)[z - 1:z + 2], 0, -1))
        # Eq. 1 sends a tenth of the pixels to 0: each channel's lowest value is its own zero, before and after padding.
        np.testing.assert_allclose(moved.min(axis=(0, 1)), zero[z - 1:z + 2], atol=1e-5)
        np.testing.assert_allclose(whole.min(axis=(0, 1)), zero[z - 1:z + 2], atol=1e-5)


def test_batches_do_not_depend_on_threads_order_or_instance(studies):
    expected = {number: make_dataset(studies)[number] for number in (0, 1, 2, 3, 4, 15)}
    threaded = make_dataset(studies[::-1], workers=4)
    for number in reversed(list(expected)):
        for got, wanted in zip(threaded[number], expected[number]):
            np.testing.assert_array_equal(got, wanted)
    other = make_dataset(studies, stream=3)[0][0]
    assert not np.array_equal(other, expected[0][0])
    assert len({images.tobytes() for images, _ in expected.values()}) == len(expected)


def test_unfit_windows_epochs_and_classes_are_refused(studies):
    with pytest.raises(ValueError, match="larger than the slices of P0"):
        make_dataset(studies, crop_px=64)
    with pytest.raises(ValueError, match="no full batch of 32"):
        make_dataset(studies, batch_size=32)
    with pytest.raises(ValueError, match="2 or 3 classes"):
        make_dataset(studies, classes=4)
    with pytest.raises(InputError, match="a slice with a lesion"):
        make_dataset(studies[2:])


# --- validation batches ---

def test_fixed_slices_are_half_lesions_and_always_the_same(studies):
    fixed = FixedSlices(studies, phases=("delayed",), classes=2, crop_px=16, batch_size=4, samples=10)
    again = FixedSlices(studies[::-1], phases=("delayed",), classes=2, crop_px=16, batch_size=4, samples=10)
    assert len(fixed) == len(again) == 2
    for index in (1, 0):
        for got, wanted in zip(fixed[index], again[index]):
            np.testing.assert_array_equal(got, wanted)
        assert fixed[index][0].shape == (4, 16, 16, 3)
        # Every batch is mixed, and a window drawn for a lesion shows it.
        assert fixed[index][1][..., 1].any(axis=(1, 2)).sum() == 2
    chosen = [(study.patient_id, z) for index in range(2) for study, z in fixed.samples(index)]
    assert len(set(chosen)) == 8 and {patient for patient, _ in chosen} == {"P0", "P1", "P2"}
    assert all(1 <= z <= study.shape[0] - 2 for index in range(2) for study, z in fixed.samples(index))


def test_fixed_slices_of_studies_without_lesions(studies):
    fixed = FixedSlices(studies[2:], phases=("delayed",), classes=2, crop_px=MATRIX, batch_size=4, samples=2)
    assert len(fixed) == 1 and not fixed[0][1][..., 1].any()
    image = np.moveaxis(standardise(studies[2])[:3], 0, -1)
    assert fixed.samples(0)[0][1] == 1
    np.testing.assert_array_equal(fixed[0][0][0], image)


def test_fixed_slices_need_a_slice_with_neighbours(tmp_path):
    with pytest.raises(InputError, match="at least 3 slices"):
        FixedSlices([make_study(tmp_path / "P", slices=2, lesions=())], phases=("delayed",), classes=2, crop_px=16, batch_size=2, samples=2)
