"""From volumes to a report, with stand-ins for the networks: what is found, measured and categorized can be worked out by hand."""
from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from lirads_keras import pipeline
from lirads_keras.config.profile import Profile, read_profile
from lirads_keras.entities import (
    ENHANCED_PHASES,
    READ_PHASES,
    SCORED_CATEGORIES,
    Applicability,
    ArterialTiming,
    Category,
    FeatureProbabilities,
    Observation,
    Phase,
    Series,
    Study,
    Volume,
)
from lirads_keras.errors import InputError
from lirads_keras.inference.features import predict_features
from lirads_keras.inference.report import report_to_json
from lirads_keras.progress import ignore_progress

SPACING_MM = (4.0, 2.0, 2.0)
SHAPE = (6, 48, 64)
LARGE, SMALL = (slice(1, 4), slice(10, 23), slice(20, 24)), (slice(4, 5), slice(40, 44), slice(50, 51))


@pytest.fixture(scope="module")
def profile() -> Profile:
    return read_profile(Path(__file__).parent.parent / "experiments" / "profiles" / "smoke.yaml")


def make_volume(array: np.ndarray) -> Volume:
    return Volume(array, SPACING_MM, np.diag([*SPACING_MM, 1.0]))


def make_volumes(phases=ENHANCED_PHASES) -> dict[Phase, Volume]:
    return {phase: make_volume(np.random.default_rng(number).uniform(0, 900, SHAPE).astype(np.float32))
            for number, phase in enumerate(READ_PHASES) if phase in phases}


def make_probability() -> np.ndarray:
    """Two lesions, and three voxels that are too few for one."""
    probability = np.zeros(SHAPE, np.float32)
    probability[LARGE], probability[SMALL] = 0.9, 0.6
    probability[0, 0, :3] = 1.0
    return probability


class StubNetwork:
    """The same features for every crop."""

    def __init__(self, aphe: float, washout: float, capsule: float) -> None:
        self._features = {"aphe": aphe, "washout": washout, "capsule": capsule}

    def predict_on_batch(self, images):
        return {name: np.full((len(images), 1), value) for name, value in self._features.items()}


@dataclass
class StubModels:
    """Gives a fixed probability on the delayed grid, resampled to the grid asked for, and fixed features; keeps what it was asked."""

    probability: Volume
    network: StubNetwork = field(default_factory=lambda: StubNetwork(0.75, 0.625, 0.25))
    threshold: float = 0.5
    minimum_volume_mm3: float = 4 * 16.0
    segmented_phases: tuple[Phase, ...] = (Phase.DELAYED,)
    versions: dict[str, str] = field(default_factory=lambda: {"made": "by hand"})
    asked: list = field(default_factory=list)

    def describe_result(self, study, phases):
        return self.versions, (f"{study.patient_id} read {' '.join(phases)}",)

    def predict_probability(self, given, *, batch_size):
        self.asked.append((given, batch_size))
        return given.grid.with_array(pipeline.from_segmentation_grid(self.probability, given.grid))

    def predict_features(self, images, present):
        self.asked.append((images, present))
        return predict_features(self.network, images, present, "adaptive")


def make_study(phases=ENHANCED_PHASES) -> Study:
    return Study("P7", "1.2.3", Path("nowhere"), tuple(Series(f"1.{phase}", (), phase, "test") for phase in phases))


def analyse(monkeypatch, profile, phases=ENHANCED_PHASES, *, models=None, volumes=None, steps=None):
    monkeypatch.setattr(pipeline, "read_aligned_phases", lambda series, registration: volumes or make_volumes(tuple(series)))
    models = models or StubModels(make_volume(make_probability()))
    progress = ignore_progress if steps is None else lambda *told: steps.append(told)
    return pipeline.analyse_study(make_study(phases), models, profile, progress), models


def test_lesions_are_found_measured_and_categorized(monkeypatch, profile):
    steps: list[tuple[float | None, str]] = []
    # At the studys own matrix nothing is resampled: sizes come out exactly.
    square = profile.model_copy(update={"preprocessing": profile.preprocessing.model_copy(update={"matrix_px": 64})})
    result, models = analyse(monkeypatch, square, steps=steps)
    report = result.report
    assert (report.patient_id, report.study_uid, report.versions) == ("P7", "1.2.3", {"made": "by hand"})
    # Noise that fills the image from edge to edge is no body in air.
    first, *of_cutoff = report.notices
    assert first == "P7 read arterial portal_venous delayed"
    assert [notice[:40] for notice in of_cutoff] == [f"In the {phase} phase Eq. 1's cut-off of 80"[:40] for phase in ("arterial", "portal venous", "delayed")]
    large, small = report.lesions
    assert [lesion.lesion.lesion_id for lesion in report.lesions] == ["P1", "P2"]
    # 13 × 4 pixels of 2 mm, 4 × 1 pixels.
    assert large.lesion.diameter_mm == pytest.approx(2 * np.hypot(12, 3) + 0.8)
    assert small.lesion.diameter_mm == pytest.approx(2 * 3 + 0.8)
    assert large.observation == Observation(large.lesion.diameter_mm, True, True, False)
    assert large.probabilities == FeatureProbabilities(0.75, 0.625, 0.25)
    assert (large.category, large.reasons) == (Category.LR_5, "APHE, washout, 25.5 mm: LR-5")
    assert (small.category, small.reasons) == (Category.LR_4, "APHE, washout, 6.8 mm: LR-4")
    assert steps == [(0.1, "reading the series"), (0.2, "segmenting the delayed phase"), (0.8, "characterising 2 lesion(s)")]
    assert set(result.volumes) == set(ENHANCED_PHASES) and result.probability.shape == SHAPE


@pytest.mark.parametrize("phases, words", [
    ((Phase.PORTAL_VENOUS, Phase.DELAYED), "(no arterial phase)"),
    ((Phase.DELAYED,), "(no arterial phase) (no portal venous phase: washout and capsule have the delayed phase alone)"),
    ((Phase.ARTERIAL, Phase.DELAYED), "(no portal venous phase: washout and capsule have the delayed phase alone)"),
])
def test_a_missing_phase_leaves_its_features_out_and_says_so(monkeypatch, profile, phases, words):
    result, models = analyse(monkeypatch, profile, phases)
    _, present = models.asked[-1]
    np.testing.assert_array_equal(present, [[phase in phases for phase in ENHANCED_PHASES]] * 2)
    for scored in result.report.lesions:
        assert (scored.probabilities.aphe is None) == (Phase.ARTERIAL not in phases)
        assert scored.probabilities.washout == 0.625
        assert scored.reasons.endswith(words)
        assert scored.observation.aphe == (True if Phase.ARTERIAL in phases else None)
        assert ("APHE not assessed" in scored.reasons) == (Phase.ARTERIAL not in phases)
    # 25.5 and 6.8 mm with washout: LR-4 or LR-5, and LR-3 or LR-4, which lie on both sides.
    expected = ["LR-5", "LR-4"] if Phase.ARTERIAL in phases else ["LR-4 or LR-5", "LR-NC"]
    assert [str(scored.category) for scored in result.report.lesions] == expected


def test_with_gadoxetate_washout_is_of_the_portal_venous_phase_and_the_transitional_one_is_never_segmented(monkeypatch, profile):
    phases = (Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.TRANSITIONAL)
    result, models = analyse(monkeypatch, profile, phases, models=StubModels(make_volume(make_probability()), segmented_phases=ENHANCED_PHASES))
    (given, _), (images, present) = models.asked
    assert [image is not None for image in given.images] == [True, True, False]
    np.testing.assert_array_equal(present, [[phase in phases for phase in READ_PHASES]] * 2)
    assert np.abs(images[:, READ_PHASES.index(Phase.TRANSITIONAL)]).max() > 0
    for scored in result.report.lesions:
        assert scored.reasons.endswith("(no delayed phase: washout has the portal venous phase alone, "
                                       "capsule has the portal venous and transitional phases alone)")
    with pytest.raises(InputError, match="an image of the phase delayed"):
        analyse(monkeypatch, profile, phases)


@pytest.mark.parametrize("age_years, answers, withheld", [
    (17.0, Applicability(), True), (17.0, Applicability(despite_age=True), False), (18.0, Applicability(), False), (None, Applicability(), False),
    (60.0, Applicability(high_risk=False), True), (60.0, Applicability(untreated=False), True), (60.0, Applicability(None, True, True), False)])
def test_whom_lirads_is_not_for_gets_no_category(monkeypatch, profile, age_years, answers, withheld):
    monkeypatch.setattr(pipeline, "read_aligned_phases", lambda series, registration: make_volumes())
    study = dataclasses.replace(make_study(ENHANCED_PHASES), age_years=age_years)
    report = pipeline.analyse_study(study, StubModels(make_volume(make_probability())), profile, answers=answers).report
    assert [str(scored.category) for scored in report.lesions] == (["withheld"] * 2 if withheld else ["LR-5", "LR-4"])
    assert all(("category withheld (" in scored.reasons) == withheld == ("LR-" not in scored.reasons) for scored in report.lesions)
    assert report.applicability == dataclasses.replace(answers, is_adult=None if age_years is None else age_years >= 18)
    content = report_to_json(report)
    assert {lesion["category"] for lesion in content["lesions"]} & {"LR-5", "LR-4"} == (set() if withheld else {"LR-5", "LR-4"})
    told = " ".join(content["population"])
    assert "adults at high risk" in told and "another algorithm" in told and ("Categories are withheld" in told) == withheld
    assert content["applicability"]["adult"] == report.applicability.is_adult


@pytest.mark.parametrize("timing, aphe, expected", [
    (ArterialTiming.EARLY, 0.25, None), (ArterialTiming.EARLY, 0.75, True), (ArterialTiming.LATE, 0.25, False), (None, 0.25, False)])
def test_aphe_is_not_absent_in_an_early_arterial_phase_alone(monkeypatch, profile, timing, aphe, expected):
    study = make_study()
    series = tuple(replace(item, arterial_timing=timing) if item.phase is Phase.ARTERIAL else item for item in study.series)
    monkeypatch.setattr(pipeline, "read_aligned_phases", lambda series, registration: make_volumes(tuple(series)))
    models = StubModels(make_volume(make_probability()), StubNetwork(aphe, 0.625, 0.25))
    result = pipeline.analyse_study(replace(study, series=series), models, profile, ignore_progress)
    for scored in result.report.lesions:
        assert scored.observation.aphe is expected and scored.probabilities.aphe == aphe
        assert (scored.category not in SCORED_CATEGORIES) == (expected is None) == ("no APHE in an early arterial phase" in scored.reasons)


def test_the_network_sees_the_delayed_phase_on_its_own_grid_and_lesions_come_back(monkeypatch, profile):
    narrow = profile.model_copy(update={"preprocessing": profile.preprocessing.model_copy(update={"matrix_px": 32})})
    volumes = make_volumes()
    result, models = analyse(monkeypatch, narrow, volumes=volumes)
    given, batch_size = models.asked[0]
    (image,) = given.images
    assert image.array.shape == given.grid.shape == (6, 32, 32) and given.grid.spacing_mm == pytest.approx((4, 4, 4))
    assert batch_size == narrow.segmentation.prediction_batch_size
    # Eq. 1's numbers are those of the image that the network sees: 24 rows of 4 mm, without the rows that make it square.
    standardised = image.scale.apply(image.array)[:, 4:28]
    assert standardised.mean() == pytest.approx(0, abs=1e-4) and standardised.std() == pytest.approx(1, abs=1e-4)
    assert result.probability.shape == SHAPE
    np.testing.assert_array_equal(result.probability.affine, volumes[Phase.DELAYED].affine)
    z, y, x = (slice_.start for slice_ in result.report.lesions[0].lesion.bounding_box)
    assert (z, abs(y - 10) <= 1, abs(x - 20) <= 1) == (1, True, True)


@pytest.mark.parametrize("phases, words", [
    (ENHANCED_PHASES, "arterial, portal venous and delayed phases"), ((Phase.ARTERIAL, Phase.DELAYED), "arterial and delayed phases")])
def test_a_network_of_three_phases_is_given_those_that_the_study_has(monkeypatch, profile, phases, words):
    steps: list[tuple[float | None, str]] = []
    volumes = make_volumes(phases)
    result, models = analyse(monkeypatch, profile, phases, volumes=volumes, steps=steps,
                             models=StubModels(make_volume(make_probability()), segmented_phases=ENHANCED_PHASES))
    given, _ = models.asked[0]
    assert [image is not None for image in given.images] == [phase in phases for phase in ENHANCED_PHASES]
    for image in filter(None, given.images):
        # Each by its own Eq. 1.
        assert image.scale.apply(image.array)[:, 8:56].mean() == pytest.approx(0, abs=1e-4)
    assert steps[1] == (0.2, f"segmenting the {words}") and len(result.report.lesions) == 2


def test_a_network_of_the_delayed_phase_refuses_a_study_without_it(monkeypatch, profile):
    models = StubModels(make_volume(make_probability()))
    with pytest.raises(InputError, match="^P7: expected an image of the phase delayed, found arterial, portal_venous$"):
        analyse(monkeypatch, profile, (Phase.ARTERIAL, Phase.PORTAL_VENOUS), models=models)
    assert not models.asked


def test_no_lesion_gives_an_empty_report(monkeypatch, profile):
    result, models = analyse(monkeypatch, profile, models=StubModels(make_volume(np.zeros(SHAPE, np.float32))))
    assert result.report.lesions == ()
    images, present = models.asked[-1]
    assert len(images) == len(present) == 0


def test_the_threshold_decides_what_is_a_lesion(monkeypatch, profile):
    result, _ = analyse(monkeypatch, profile, models=StubModels(make_volume(make_probability()), threshold=0.75))
    assert len(result.report.lesions) == 1


def test_the_decision_threshold_and_the_rules_are_the_profiles(monkeypatch, profile):
    strict = profile.model_copy(update={"characterization": profile.characterization.model_copy(update={"decision_threshold": 0.8, "rules": "v2018"})})
    result, _ = analyse(monkeypatch, strict)
    assert [scored.category for scored in result.report.lesions] == [Category.LR_3, Category.LR_3]
    assert "LR-2 if the reader" in result.report.lesions[1].reasons


def test_images_without_signal_are_told_together_before_anything_is_predicted(monkeypatch, profile):
    volumes = make_volumes()
    for phase in (Phase.ARTERIAL, Phase.DELAYED):
        volumes[phase] = make_volume(np.full(SHAPE, 50, np.float32))
    models = StubModels(make_volume(make_probability()))
    with pytest.raises(InputError) as caught:
        analyse(monkeypatch, profile, volumes=volumes, models=models)
    assert [problem.where for problem in caught.value.problems] == ["P7, arterial", "P7, delayed"] and not models.asked
    assert all("percentile above the background cut-off" in problem.expected for problem in caught.value.problems)
