from __future__ import annotations

import numpy as np
import pytest

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.entities import ENHANCED_PHASES, Phase, Volume
from lirads_keras.errors import InputError
from lirads_keras.preprocessing.intensity import compute_intensity_scale
from lirads_keras.preprocessing.segmentation_input import build_segmentation_input, read_segmentation_input
from lirads_keras.preprocessing.store import read_stored_study, write_stored_study

SETTINGS = PreprocessingSettings(matrix_px=32)


def make_volumes(phases=ENHANCED_PHASES, shape=(4, 32, 32)):
    spacing = (4.0, 64 / shape[1], 64 / shape[2])
    return {phase: Volume(np.random.default_rng(number).integers(0, 700 + 100 * number, shape).astype(np.float32), spacing, np.diag([*spacing, 1.0]))
            for number, phase in enumerate(ENHANCED_PHASES) if phase in phases}


def store(folder, volumes):
    write_stored_study(folder, {str(phase): volume for phase, volume in volumes.items()}, None, SETTINGS)
    return read_stored_study(folder)


@pytest.mark.parametrize("phases", [ENHANCED_PHASES, ENHANCED_PHASES[::-1], (Phase.DELAYED,), (Phase.PORTAL_VENOUS, Phase.DELAYED)])
def test_a_study_gives_the_same_from_the_store_and_from_volumes(tmp_path, phases):
    volumes = make_volumes()
    stored, built = read_segmentation_input(store(tmp_path / "P", volumes), phases), build_segmentation_input(volumes, phases, SETTINGS, "P")
    for given in (stored, built):
        assert given.grid.shape == (4, 32, 32) and len(given.images) == len(phases)
        np.testing.assert_array_equal(given.grid.affine, volumes[Phase.DELAYED].affine)
        for image, phase in zip(given.images, phases, strict=True):
            np.testing.assert_array_equal(image.array, volumes[phase].array)
            assert image.scale == compute_intensity_scale(volumes[phase].array, SETTINGS, "P")


def test_both_lie_on_the_segmentation_grid_each_phase_with_its_own_scale(tmp_path):
    volumes = make_volumes(shape=(4, 48, 64))
    stored, built = (read_segmentation_input(store(tmp_path / "P", volumes), ENHANCED_PHASES),
                     build_segmentation_input(volumes, ENHANCED_PHASES, SETTINGS, "P"))
    assert stored.grid.shape == built.grid.shape == (4, 32, 32)
    np.testing.assert_allclose(stored.grid.affine, built.grid.affine)
    for of_store, of_volume in zip(stored.images, built.images, strict=True):
        # The store rounds.
        assert np.abs(of_store.array - of_volume.array).max() <= 0.5
        for image in (of_store, of_volume):
            assert image.scale == compute_intensity_scale(np.asarray(image.array), SETTINGS, "P")
    assert len({image.scale for image in stored.images}) == 3


@pytest.mark.parametrize("there, latest", [
    (ENHANCED_PHASES, Phase.DELAYED), ((Phase.ARTERIAL, Phase.DELAYED), Phase.DELAYED), ((Phase.ARTERIAL, Phase.PORTAL_VENOUS), Phase.PORTAL_VENOUS),
    ((Phase.ARTERIAL,), Phase.ARTERIAL)])
def test_a_phase_that_the_study_lacks_is_none(there, latest):
    volumes = make_volumes(there)
    given = build_segmentation_input(volumes, ENHANCED_PHASES, SETTINGS, "P")
    assert [image is not None for image in given.images] == [phase in there for phase in ENHANCED_PHASES]
    np.testing.assert_array_equal(given.latest.array, volumes[latest].array)
    if len(there) > 1:
        without = given.without(ENHANCED_PHASES.index(latest))
        assert [image is not None for image in without.images] == [phase in there and phase != latest for phase in ENHANCED_PHASES]


def test_a_stored_study_may_lack_phases(tmp_path):
    given = read_segmentation_input(store(tmp_path / "P", make_volumes((Phase.PORTAL_VENOUS, Phase.DELAYED))), ENHANCED_PHASES)
    assert given.images[0] is None and None not in given.images[1:]


def test_a_ct_is_what_a_network_of_one_phase_reads(tmp_path):
    volume = make_volumes()[Phase.DELAYED]
    write_stored_study(tmp_path / "C", {"ct": volume.with_array(volume.array - 300)}, None, SETTINGS)
    study = read_stored_study(tmp_path / "C")
    for phases in (["ct"], [Phase.DELAYED]):
        (image,) = read_segmentation_input(study, phases).images
        np.testing.assert_array_equal(image.array, study.image("ct"))
        assert image.scale == study.scales["ct"]
    with pytest.raises(InputError, match="expected an image of the phase arterial or portal_venous or delayed, found ct"):
        read_segmentation_input(study, ENHANCED_PHASES)


def test_a_study_without_the_delayed_phase_is_refused_by_the_network_that_reads_it():
    with pytest.raises(InputError, match="^P7: expected an image of the phase delayed, found arterial, portal_venous$"):
        build_segmentation_input(make_volumes((Phase.ARTERIAL, Phase.PORTAL_VENOUS)), (Phase.DELAYED,), SETTINGS, "P7")
    with pytest.raises(InputError, match="^P7: expected an image of the phase delayed, found none$"):
        build_segmentation_input({}, (Phase.DELAYED,), SETTINGS, "P7")


def test_images_that_eq_1_cannot_scale_are_told_together_and_others_are_not_looked_at():
    volumes = make_volumes()
    for phase in (Phase.ARTERIAL, Phase.DELAYED):
        volumes[phase] = volumes[phase].with_array(np.full((4, 32, 32), 50, np.float32))
    with pytest.raises(InputError) as caught:
        build_segmentation_input(volumes, ENHANCED_PHASES, SETTINGS, "P7")
    assert [problem.where for problem in caught.value.problems] == ["P7, arterial", "P7, delayed"]
    assert build_segmentation_input(volumes, (Phase.PORTAL_VENOUS,), SETTINGS, "P7").images[0] is not None


@pytest.mark.parametrize("scope", ["volume", "slice"])
@pytest.mark.parametrize("shape", [(4, 16, 32), (4, 32, 20)])
def test_eq_1_comes_before_padding(tmp_path, shape, scope):
    """On pixels of the network's own size the padded image has the numbers of the image, and its padding is Eq. 1's zero."""
    settings = SETTINGS.model_copy(update={"scope": scope})
    array = np.random.default_rng(5).integers(0, 900, shape).astype(np.float32)
    volume = Volume(array, (4.0, 2.0, 2.0), np.diag([4.0, 2.0, 2.0, 1.0]))
    write_stored_study(tmp_path / "P", {"delayed": volume}, None, settings)
    image_scale = compute_intensity_scale(array, settings, "P")
    rows, columns = (slice((32 - count) // 2, (32 + count) // 2) for count in shape[1:])
    for given in (read_segmentation_input(read_stored_study(tmp_path / "P"), [Phase.DELAYED]),
                  build_segmentation_input({Phase.DELAYED: volume}, [Phase.DELAYED], settings, "P")):
        assert given.latest.scale == image_scale
        standardised = given.latest.scale.apply(np.asarray(given.latest.array))
        np.testing.assert_array_equal(standardised[:, rows, columns], image_scale.apply(array))
        standardised[:, rows, columns] = np.nan
        zero = np.broadcast_to(np.reshape(image_scale.zero, (-1, 1, 1)), standardised.shape)
        assert np.isnan(standardised).sum() == array.size
        np.testing.assert_allclose(standardised[np.isfinite(standardised)], zero[np.isfinite(standardised)], rtol=1e-6)


def test_padding_moves_no_number_of_another_pixel_size():
    """The same image wide and cut in two halves of rows: what lies around the half does not count."""
    wide = np.random.default_rng(6).integers(100, 900, (3, 128, 128)).astype(np.float32)
    wide[:, 64:] = wide[:, 63::-1]
    grids = [Volume(array, (4.0, 1.0, 1.0), np.diag([4.0, 1.0, 1.0, 1.0])) for array in (wide, wide[:, :64])]
    whole, half = (build_segmentation_input({Phase.DELAYED: volume}, [Phase.DELAYED], SETTINGS, "P").latest.scale for volume in grids)
    for name in ("upper", "mean", "standard_deviation"):
        assert getattr(half, name) == pytest.approx(getattr(whole, name), rel=0.03)
