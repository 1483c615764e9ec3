from __future__ import annotations

import numpy as np
import pytest

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.entities import ENHANCED_PHASES, Phase, Volume
from lirads_keras.evaluation.conditions import list_changes
from lirads_keras.evaluation.patient_score import score_levels
from lirads_keras.preprocessing.segmentation_input import read_segmentation_input
from lirads_keras.preprocessing.store import StoredStudy, read_stored_study, write_stored_study

SHAPE = (6, 32, 32)


@pytest.fixture
def make_study(tmp_path):
    def make(mask: np.ndarray | None) -> StoredStudy:
        volumes = {str(phase): Volume(np.random.default_rng(number).uniform(100, 900, SHAPE).astype(np.float32), (4.0, 2.0, 2.0),
                                      np.diag([4.0, 2.0, 2.0, 1.0])) for number, phase in enumerate(ENHANCED_PHASES)}
        write_stored_study(tmp_path / "P", volumes, mask, PreprocessingSettings(matrix_px=32))
        return read_stored_study(tmp_path / "P")

    return make


def test_a_network_of_one_phase_has_no_curves():
    assert not list(list_changes((Phase.DELAYED,), (0, 3)))


def test_each_phase_but_the_delayed_is_moved_and_each_is_missing_in_turn(make_study):
    given = read_segmentation_input(make_study(None), ENHANCED_PHASES)
    conditions = list(list_changes(ENHANCED_PHASES, (0.0, 3.0)))
    assert [(condition.name, condition.amount) for condition in conditions] == [
        ("arterial_moved", 0.0), ("arterial_moved", 3.0), ("portal_venous_moved", 0.0), ("portal_venous_moved", 3.0),
        ("arterial_missing", None), ("portal_venous_missing", None), ("delayed_missing", None)]
    for condition, differs, missing in zip(conditions, (None, 0, None, 1, 0, 1, 2), (None, None, None, None, 0, 1, 2), strict=True):
        changed = condition.change(given)
        assert [place for place in range(3) if changed.images[place] is not given.images[place]] == ([] if differs is None else [differs])
        assert [place for place in range(3) if changed.images[place] is None] == ([] if missing is None else [missing])


def test_lesions_and_voxels_are_counted_at_the_cut(make_study):
    mask, levels = np.zeros((2, *SHAPE), np.uint8)
    # Lesions of 2 × 8 × 8 = 128 and 2 × 2 × 2 = 8 voxels of 16 mm³.
    mask[1:3, 4:12, 4:12], mask[4:6, 20:22, 20:22] = 1, 2
    # Half of the first; one voxel of the second in a component of 100 (IoU 1/107); 8 voxels elsewhere; a voxel that is too small. All at 0.6.
    for component in ((slice(1, 3), slice(4, 8), slice(4, 12)), (5, slice(21, 31), slice(21, 31)), (0, slice(28, 30), slice(0, 4)), (3, 30, 30)):
        levels[component] = 150
    study = make_study(mask)
    assert score_levels(levels, study, (0.5, 3 * 16.0), 0.1) == {
        "dice": pytest.approx(2 * 65 / (136 + 172)), "n_reference": 2, "n_detected": 1, "n_predicted": 3, "n_matched": 1}
    # Any shared voxel is enough for an IoU of 0.
    assert score_levels(levels, study, (0.5, 3 * 16.0), 0.0)["n_detected"] == 2
    assert score_levels(levels, study, (0.7, 0.0), 0.1) == {"dice": 0.0, "n_reference": 2, "n_detected": 0, "n_predicted": 0, "n_matched": 0}


def test_without_a_reference_lesion_there_is_no_dice(make_study):
    levels = np.zeros(SHAPE, np.uint8)
    levels[1, 1:3, 1:3] = 200
    assert score_levels(levels, make_study(None), (0.5, 0.0), 0.1) == {"dice": None, "n_reference": 0, "n_detected": 0, "n_predicted": 1, "n_matched": 0}
