from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lirads_keras.config import AugmentationSettings, PreprocessingSettings
from lirads_keras.entities import Volume
from lirads_keras.errors import InputError
from lirads_keras.preprocessing.intensity import IntensityScale
from lirads_keras.preprocessing.segmentation_input import ScaledImage, SegmentationInput, read_segmentation_input
from lirads_keras.preprocessing.slices import FixedSlices, SliceDataset, SliceDraw, stack_slices
from lirads_keras.preprocessing.store import read_stored_study, write_stored_study
from lirads_keras.training.feed import feed_training, feed_validation

MATRIX = 32


def make_study(folder, slices=7, seed=0, lesions=(3,), ct=False):
    shape = (slices, MATRIX, MATRIX)
    array = np.random.default_rng(seed).uniform(0, 900, shape).astype(np.float32)
    mask = np.zeros(shape, np.uint8)
    for z in lesions:
        mask[z, 4 + seed:8 + seed, 20:25] = 2 if ct else 1
    if ct:
        mask[:, 10:30, 2:18] = 1
        array = array - 400
    affine = np.zeros((4, 4))
    affine[[2, 1, 0, 3], [0, 1, 2, 3]] = [4, 2, 2, 1]
    write_stored_study(folder, {"ct" if ct else "delayed": Volume(array, (4.0, 2.0, 2.0), affine)}, mask if lesions else None,
                       PreprocessingSettings(matrix_px=MATRIX))
    return read_stored_study(folder)


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    return [make_study(folder / f"P{seed}", slices=6 + seed, seed=seed, lesions=() if seed == 2 else (2, 3 + seed)) for seed in range(3)]


def make_dataset(studies, **changes):
    options = {"phases": ("delayed",), "classes": 2, "crop_px": 16, "batch_size": 4, "samples_per_epoch": 13, "seed": 11, "stream": 2,
               "sampling": "lesion_oversampled", "lesion_fraction": 0.5, "augmentation": AugmentationSettings(), "workers": 1} | changes
    workers = options.pop("workers")
    return SliceDataset(studies, SliceDraw(**options), workers=workers)


def standardise(study, phase="delayed"):
    return study.segmentation_scales[phase].apply(np.asarray(study.segmentation_image(phase)))


SCALE = IntensityScale(80.0, 700.0, 0.4, 0.3)


def make_input(*images):
    """Raw volumes, each with its scale, as the images of a network's phases; None for one that is absent."""
    shape = next(image.array.shape for image in images if image is not None)
    grid = Volume(np.broadcast_to(np.uint8(0), shape), (4.0, 2.0, 2.0), np.diag([4.0, 2.0, 2.0, 1.0]))
    return SegmentationInput(grid, images)


# --- inference ---

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


@given(st.data())
def test_the_stacks_of_phases_are_the_stacks_of_each_side_by_side(data):
    shape = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4)))
    voxels = hnp.arrays(np.uint16, shape, elements=st.integers(0, 900))
    images = [ScaledImage(data.draw(voxels), scale) for scale in (SCALE, IntensityScale(10.0, 500.0, 0.2, 0.7))]
    batch_size = data.draw(st.integers(1, 6))
    together, first, second = (np.concatenate([stack for _, stack in stack_slices(make_input(*chosen), batch_size)])
                               for chosen in (images, images[:1], images[1:]))
    np.testing.assert_array_equal(together, np.concatenate([first, second], axis=-1))


def test_an_absent_phase_is_a_stack_of_zeros():
    raw = np.random.default_rng(0).integers(0, 900, (4, 5, 6)).astype(np.uint16)
    for lacking in (make_input(None, ScaledImage(raw, SCALE), None), make_input(*[ScaledImage(raw, SCALE)] * 3).without(0).without(2)):
        stacks = np.concatenate([stack for _, stack in stack_slices(lacking, 3)])
        (_, alone), = stack_slices(make_input(ScaledImage(raw, SCALE)), 4)
        assert stacks.dtype == np.float32 and not stacks[..., :3].any() and not stacks[..., 6:].any()
        np.testing.assert_array_equal(stacks[..., 3:6], alone)


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


PHASES = ("arterial", "portal_venous", "delayed")


def make_phased(folder, phases=PHASES, seed=0):
    """A study of several phases with a lesion, each phase of its own brightness."""
    study = make_study(folder, seed=seed)
    volumes = {phase: study.volume("delayed").with_array(np.random.default_rng((seed, PHASES.index(phase))).uniform(
        0, 600 + 300 * PHASES.index(phase), study.shape).astype(np.float32)) for phase in phases}
    write_stored_study(folder, volumes, np.asarray(study.mask()), PreprocessingSettings(matrix_px=MATRIX))
    return read_stored_study(folder)


@pytest.fixture(scope="module")
def phased(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phased")
    return [make_phased(folder / f"P{seed}", seed=seed) for seed in range(2)]


def test_a_sample_of_three_phases_is_that_of_each_side_by_side(phased):
    """Drawn, moved, padded and cut alike."""
    together = make_dataset(phased, phases=PHASES)
    for number in (0, 5):
        images, labels = together[number]
        assert images.shape == (4, 16, 16, 9)
        for place, phase in enumerate(PHASES):
            of_phase, same_labels = make_dataset(phased, phases=(phase,))[number]
            np.testing.assert_array_equal(images[..., 3 * place:3 * place + 3], of_phase)
            np.testing.assert_array_equal(labels, same_labels)
    fixed = FixedSlices(phased, phases=PHASES, classes=2, crop_px=16, batch_size=4, samples=4)[0][0]
    parts = [FixedSlices(phased, phases=(phase,), classes=2, crop_px=16, batch_size=4, samples=4)[0][0] for phase in PHASES]
    np.testing.assert_array_equal(fixed, np.concatenate(parts, axis=-1))


def find_dropped(images):
    """Of each sample, which phases are all zero: bool (n, phase)."""
    return ~images.reshape(*images.shape[:3], -1, 3).any(axis=(1, 2, 4))


def test_phases_are_dropped_as_often_as_asked_each_as_often_as_the_others(phased):
    dropping = make_dataset(phased, phases=PHASES, drop_phase=0.6, samples_per_epoch=400)
    kept = make_dataset(phased, phases=PHASES, samples_per_epoch=400)
    dropped = np.concatenate([find_dropped(dropping[number][0]) for number in range(100)])
    assert not np.concatenate([find_dropped(kept[number][0]) for number in range(10)]).any()
    assert dropped.sum(axis=1).max() == 1
    # 400 draws: standard deviations 9.8 and 8.
    assert abs(dropped.any(axis=1).sum() - 240) < 4 * 9.8 and (abs(dropped.sum(axis=0) - 80) < 4 * 8).all()
    # What is left is as it was, and the draw is of the sample, not of the batch's place in time.
    for number in (7, 3):
        images, labels = dropping[number]
        whole, same_labels = kept[number]
        there = np.repeat(~find_dropped(images), 3, axis=1)[:, None, None]
        np.testing.assert_array_equal(images, np.where(there, whole, 0))
        np.testing.assert_array_equal(labels, same_labels)
        np.testing.assert_array_equal(make_dataset(phased[::-1], phases=PHASES, drop_phase=0.6, workers=3)[number][0], images)


def test_a_dropped_phase_is_an_absent_one(phased, tmp_path):
    """A study that never had the phase gives the same sample, bit for bit."""
    dataset = make_dataset(phased[:1], phases=PHASES, drop_phase=1.0)
    images = dataset[0][0]
    for sample, place in enumerate(find_dropped(images).argmax(axis=1)):
        if PHASES[place] != "delayed":
            left = [phase for phase in PHASES if phase != PHASES[place]]
            lacking = make_phased(tmp_path / f"{sample}" / "P0", left)
            np.testing.assert_array_equal(make_dataset([lacking], phases=PHASES)[0][0][sample], images[sample])


@pytest.mark.parametrize("phases, dropped", [(("portal_venous", "delayed"), {(1, 1, 0), (1, 0, 1)}), (("delayed",), {(1, 1, 0)})])
def test_a_phase_is_dropped_only_if_another_is_left(tmp_path, phases, dropped):
    dataset = make_dataset([make_phased(tmp_path / "P0", phases)], phases=PHASES, drop_phase=1.0)
    assert {tuple(row) for number in range(10) for row in find_dropped(dataset[number][0]).astype(int).tolist()} == dropped


def test_a_network_of_one_phase_loses_none(phased):
    dataset = make_dataset(phased, drop_phase=1.0)
    np.testing.assert_array_equal(dataset[0][0], make_dataset(phased)[0][0])


def test_a_study_without_any_phase_of_the_network_is_refused(phased):
    for build in (lambda: make_dataset(phased, phases=("hepatobiliary",)),
                  lambda: FixedSlices(phased, phases=("hepatobiliary",), classes=2, crop_px=16, batch_size=4, samples=4)):
        with pytest.raises(InputError, match="P0: expected an image of the phase hepatobiliary, found arterial, delayed, portal_venous"):
            build()


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


# --- Keras ---

class Recorder(keras.Model):
    """A model that keeps the pixel that fit() shows it first, batch by batch."""

    def __init__(self):
        super().__init__()
        self.head = keras.layers.Conv2D(2, 1, activation="softmax")
        self.seen = []

    def call(self, images):
        return self.head(images)

    def train_step(self, data):
        tf.py_function(lambda images: self.seen.append(images.numpy()), [data[0]], [])
        return super().train_step(data)


def fit_and_record(dataset, *, epochs, initial_epoch=0, built=True, feed=feed_training):
    model = Recorder()
    if built:
        model(np.zeros((1, 16, 16, 3), np.float32))
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(feed(dataset, initial_epoch), steps_per_epoch=dataset.batches_per_epoch, epochs=epochs, initial_epoch=initial_epoch, shuffle=False, verbose=0)
    return model.seen


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("samples_per_epoch", [4, 20])
@pytest.mark.parametrize("feed", [feed_training, lambda dataset, first_epoch: dataset], ids=["fed", "plain"])
def test_fit_sees_exactly_the_batches_in_order(studies, workers, built, samples_per_epoch, feed):
    """One batch an epoch, too; and with the pipeline that Keras makes of the dataset itself."""
    dataset = make_dataset(studies, workers=workers, samples_per_epoch=samples_per_epoch)
    seen = fit_and_record(dataset, epochs=3, built=built, feed=feed)
    expected = [make_dataset(studies, samples_per_epoch=samples_per_epoch)[number] for number in range(3 * dataset.batches_per_epoch)]
    assert len(seen) == len(expected)
    for images, (wanted, _) in zip(seen, expected):
        np.testing.assert_array_equal(images, wanted)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_fit_sees_the_batches_that_were_left(studies, workers):
    uninterrupted = fit_and_record(make_dataset(studies, workers=workers), epochs=4)
    resumed = fit_and_record(make_dataset(studies, workers=workers), epochs=1)
    resumed += fit_and_record(make_dataset(studies, workers=workers), epochs=4, initial_epoch=1)
    assert len(resumed) == len(uninterrupted) == 12
    for got, wanted in zip(resumed, uninterrupted):
        np.testing.assert_array_equal(got, wanted)


def test_validation_between_epochs_changes_nothing(studies):
    model = Recorder()
    model.compile("sgd", "categorical_crossentropy")
    fixed = FixedSlices(studies, phases=("delayed",), classes=2, crop_px=16, batch_size=4, samples=8)
    model.fit(feed_training(make_dataset(studies, workers=2), 0), steps_per_epoch=3, validation_data=feed_validation(fixed), epochs=3, verbose=0)
    assert len(model.seen) == 9
    for position, images in enumerate(model.seen):
        np.testing.assert_array_equal(images, make_dataset(studies)[position][0])


REPLICAS = """
import sys
from pathlib import Path
import numpy as np, tensorflow as tf, keras
from lirads_keras.config import AugmentationSettings
from lirads_keras.preprocessing.segmentation_input import ScaledImage, SegmentationInput, read_segmentation_input
from lirads_keras.preprocessing.slices import SliceDataset, SliceDraw
from lirads_keras.preprocessing.store import read_stored_study
from lirads_keras.training.feed import feed_training

class Recorder(keras.Model):
    def __init__(self):
        super().__init__()
        self.head, self.seen = keras.layers.Conv2D(2, 1, activation="softmax"), []
    def call(self, images):
        return self.head(images)
    def train_step(self, data):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        tf.py_function(lambda images, replica: self.seen.append((int(replica), images.numpy())), [data[0], replica], [])
        return super().train_step(data)

cpu, = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
def make_dataset():
    return SliceDataset([read_stored_study(Path(folder)) for folder in sys.argv[1:]], SliceDraw(
        phases=("delayed",), classes=2, crop_px=16, batch_size=4, samples_per_epoch=20, seed=11, stream=2, augmentation=AugmentationSettings()), workers=2)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = Recorder()
    model(np.zeros((1, 16, 16, 3), np.float32))
    model.compile("sgd", "categorical_crossentropy")
    model.fit(feed_training(make_dataset(), 0), steps_per_epoch=5, epochs=3, verbose=0)
halves = [[images for number, images in model.seen if number == replica] for replica in (0, 1)]
assert len(halves[0]) == len(halves[1]) == 15, len(model.seen)
for position, parts in enumerate(zip(*halves)):
    np.testing.assert_array_equal(np.concatenate(parts), make_dataset()[position][0])
"""


@pytest.mark.slow
def test_two_replicas_see_exactly_the_batches_in_order(studies):
    """In a process of its own: logical devices are made before TensorFlow starts."""
    result = subprocess.run([sys.executable, "-c", REPLICAS, *(str(study.folder) for study in studies)], capture_output=True, text=True, check=False,
                            cwd=Path(__file__).parents[2])
    assert result.returncode == 0, result.stderr[-2000:]
