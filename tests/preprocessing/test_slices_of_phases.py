"""Slices of several phases: side by side, absent, and dropped in training."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from slice_studies import MATRIX, SCALE, make_dataset, make_input, make_study

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.errors import InputError
from lirads_keras.preprocessing.intensity import IntensityScale
from lirads_keras.preprocessing.segmentation_input import ScaledImage
from lirads_keras.preprocessing.slices import FixedSlices, stack_slices
from lirads_keras.preprocessing.store import read_stored_study, write_stored_study

PHASES = ("arterial", "portal_venous", "delayed")


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
