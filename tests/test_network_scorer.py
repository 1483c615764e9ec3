"""A network of three phases that takes for a lesion what is bright in the arterial and dark in the delayed phase, on a lesion that is both."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lirads_keras import network_scorer
from lirads_keras.config.profile import read_profile
from lirads_keras.entities import Volume
from lirads_keras.errors import InputError
from lirads_keras.evaluation.conditions import AS_ACQUIRED, list_changes
from lirads_keras.network_scorer import NetworkScorer
from lirads_keras.preprocessing.store import read_stored_study, write_stored_study
from lirads_keras.run import NetworkFolder
from lirads_keras.variants import SEGMENTATION_VARIANTS

SMOKE = Path(__file__).parent.parent / "experiments" / "profiles" / "smoke.yaml"
SHAPE = (12, 64, 64)
LESION = (slice(4, 8), slice(24, 40), slice(24, 40))


class BrightThenDark:
    window_px = 1

    def __call__(self, stacks, window):
        # The middle slices of the arterial and the delayed phase; a channel of 0 is that of a phase that is missing.
        arterial, delayed = stacks[..., 1], stacks[..., 7]
        return ((arterial > 0.5) & (delayed < arterial - 1)).astype(np.float32)[(slice(None), *window)]


@pytest.fixture
def rows(tmp_path, monkeypatch):
    profile = read_profile(SMOKE)
    rng, images = np.random.default_rng(0), {}
    for phase, signal in (("arterial", 900), ("portal_venous", 500), ("delayed", 300)):
        images[phase] = rng.normal(500, 5, SHAPE).astype(np.float32)
        images[phase][:, :8], images[phase][:, -8:] = 90, 90
        images[phase][LESION] = signal
    mask = np.zeros(SHAPE, np.uint8)
    mask[LESION] = 1
    spacing = (4.0, 2.0, 2.0)
    write_stored_study(tmp_path / "P", {phase: Volume(image, spacing, np.diag([*spacing, 1.0])) for phase, image in images.items()}, mask,
                       profile.preprocessing)
    folder = NetworkFolder(tmp_path / "full")
    folder.write_choice("test", threshold=0.5, minimum_volume_mm3=0.0, validation_dice=None)
    for name in ("configure_tensorflow", "build_segmentation_network", "load_weights"):
        monkeypatch.setattr(network_scorer, name, lambda *arguments, **options: None)
    monkeypatch.setattr(network_scorer, "build_predictor", lambda *arguments: BrightThenDark())
    variant = SEGMENTATION_VARIANTS["three-phase"]
    scorer = NetworkScorer(profile, variant, folder, 1)
    found = scorer.score(read_stored_study(tmp_path / "P"), [AS_ACQUIRED, *list_changes(variant.phases, (0.0, 10.0, 15.0))])
    return {(row.pop("condition"), row.pop("amount")): row for row in found}


def test_moved_by_0_mm_it_finds_what_it_finds_in_the_patient(rows):
    assert rows["as_acquired", None] == {"dice": 1.0, "n_reference": 1, "n_detected": 1, "n_predicted": 1, "n_matched": 1}
    assert rows["arterial_moved", 0.0] == rows["portal_venous_moved", 0.0] == rows["as_acquired", None]


def test_what_the_network_needs_costs_it_dice_when_it_moves_and_what_it_does_not_look_at_nothing(rows):
    # 10 mm are 7.1 mm of 16 through the slices, and 5 mm of 32 in both directions within them: a share of 0.56 · 0.84² = 0.40 stays.
    dice = rows["arterial_moved", 10.0]["dice"]
    assert 2 * 0.25 / 1.25 < dice < 2 * 0.6 / 1.6
    assert rows["arterial_moved", 15.0]["dice"] < dice
    assert rows["portal_venous_moved", 15.0] == rows["portal_venous_missing", None] == rows["as_acquired", None]
    assert rows["arterial_missing", None]["n_detected"] == 0


def test_a_network_that_is_not_finished_is_told(tmp_path):
    with pytest.raises(InputError, match="the fold's threshold"):
        NetworkScorer(read_profile(SMOKE), SEGMENTATION_VARIANTS["delayed"], NetworkFolder(tmp_path), 1)
