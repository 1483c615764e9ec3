"""From DICOM to LI-RADS in ten lines (Fig. 5); the workflow's stages call the same functions.

    read_study            DICOM folder -> Study               series grouped by UID, each with its Phase
    read_aligned_phases   Study -> {Phase: Volume}            raw voxels (z, y, x) on one grid, in patient coordinates
    segment               {Phase: Volume} -> probability      Eq. 1, 2.5D stacks (n, y, x, 3 a phase), UNet++
    extract_lesions       probability -> list[Lesion]         components, largest slice, diameter_mm
    crop_lesions          lesions -> (n, phase, y, x, 3)      one square box in all phases
    predict_features      crops -> FeatureProbabilities       each feature from its own phases (FEATURE_PHASES, Eq. 4)
    categorize            Observation -> Category, reasons    Table 3
"""
from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from lirads_keras.config.characterization import CharacterizationSettings
from lirads_keras.config.profile import Profile
from lirads_keras.entities import Applicability, FeatureProbabilities, Lesion, Phase, Report, ScoredLesion, Study, Volume
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.inference.engine import RunModels
from lirads_keras.inference.explanation import LesionExplanation
from lirads_keras.lesions import extract_lesions
from lirads_keras.lirads.applicability import find_reason_to_withhold, of_study
from lirads_keras.lirads.observation import categorize_probabilities
from lirads_keras.preprocessing.crops import crop_lesions, crop_mask
from lirads_keras.preprocessing.cutoff_check import list_cutoff_notices
from lirads_keras.preprocessing.intensity import IntensityScale, compute_intensity_scale
from lirads_keras.preprocessing.resample import from_segmentation_grid
from lirads_keras.preprocessing.segmentation_input import build_segmentation_input
from lirads_keras.preprocessing.study import read_aligned_phases
from lirads_keras.progress import Progress, ignore_progress
from lirads_keras.words import name_phases

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class StudyResult:
    """The report on a study, and what it was read from: the aligned phases and the lesion probability, all (z, y, x) on one grid."""

    report: Report
    volumes: Mapping[Phase, Volume]
    probability: Volume


def analyse_study(study: Study, models: RunModels, profile: Profile, progress: Progress = ignore_progress,
                  answers: Applicability = Applicability()) -> StudyResult:
    """Finds, measures, characterises and categorises every lesion of a study.

    `answers` are the user's on whether LI-RADS is for the patient; the study tells the age.

    Raises:
        InputError: series that cannot be read, or images that Eq. 1 cannot scale.
    """
    # What is done when a step begins, roughly: the networks take most of the time. A bar shows that it has begun.
    progress(0.1, "reading the series")
    volumes = read_aligned_phases(study.phases(), profile.preprocessing.registration)
    scales = compute_scales(volumes, profile, study.patient_id)
    progress(0.2, f"segmenting the {name_phases([phase for phase in models.segmented_phases if phase in volumes])}")
    probability = segment(volumes, models, profile, study.patient_id)
    lesions = extract_lesions(probability, models.threshold, minimum_volume_mm3=models.minimum_volume_mm3)
    progress(0.8, f"characterising {len(lesions)} lesion(s)")
    images, present = crop_lesions(volumes, scales, lesions, profile.characterization)
    applicability = of_study(study, answers)
    withheld = find_reason_to_withhold(applicability)
    scored = tuple(score_lesion(lesion, probabilities, tuple(volumes), profile.characterization, withheld, early_arterial=study.has_early_arterial_only)
                   for lesion, probabilities in zip(lesions, models.predict_features(images, present), strict=True))
    versions, notices = models.describe_result(study, volumes)
    of_cutoff = list_cutoff_notices(volumes, scales)
    for notice in of_cutoff:
        _log.warning(notice)
    report = Report(study.patient_id, study.study_uid, scored, versions, (*notices, *of_cutoff), study.list_read(), study.left_out, applicability,
                    contrast_agent=study.contrast_agent)
    return StudyResult(report, volumes, probability)


def explain_lesions(result: StudyResult, models: RunModels, profile: Profile) -> dict[str, LesionExplanation]:
    """For each lesion of a result, by its id, where on its crops the networks read each feature.

    Raises:
        InputError: a weight file is damaged or of another network.
    """
    lesions = [scored.lesion for scored in result.report.lesions]
    settings = profile.characterization
    images, present = crop_lesions(result.volumes, compute_scales(result.volumes, profile, result.report.patient_id), lesions, settings)
    maps = models.explain_features(images, present)
    return {lesion.lesion_id: LesionExplanation(images[row], present[row], maps[row], crop_mask(
        lesion, result.probability.spacing_mm, crop_px=settings.crop_px, margin_fraction=settings.margin_fraction)) for row, lesion in enumerate(lesions)}


def compute_scales(volumes: Mapping[Phase, Volume], profile: Profile, patient_id: str) -> dict[Phase, IntensityScale]:
    """Eq. 1's numbers for each phase.

    Raises:
        InputError: images that Eq. 1 cannot scale, all of them.
    """
    scales: dict[Phase, IntensityScale] = {}
    problems: list[Problem] = []
    for phase, volume in volumes.items():
        try:
            scales[phase] = compute_intensity_scale(volume.array, profile.preprocessing, f"{patient_id}, {phase}")
        except InputError as error:
            problems += error.problems
    raise_if_any(problems)
    return scales


def segment(volumes: Mapping[Phase, Volume], models: RunModels, profile: Profile, name: str) -> Volume:
    """Lesion probability (z, y, x) on the grid of the volumes, which are one study's raw voxels.

    Raises:
        InputError: as `build_segmentation_input`; `name` says there which study it is.
    """
    given = build_segmentation_input(volumes, models.segmented_phases, profile.preprocessing, name)
    probability = models.predict_probability(given, batch_size=profile.segmentation.prediction_batch_size)
    grid = next(iter(volumes.values()))
    return grid.with_array(from_segmentation_grid(probability, grid))


def score_lesion(lesion: Lesion, probabilities: FeatureProbabilities, phases: Collection[Phase], settings: CharacterizationSettings, withheld: str = "", *,
                 early_arterial: bool = False) -> ScoredLesion:
    """Features by the decision threshold, then the category by the profile's rules; `phases` are those that the study has, `withheld` as in `categorize`,
    `early_arterial` as in `categorize_probabilities`."""
    observation, category, reasons = categorize_probabilities(
        lesion.diameter_mm, probabilities, decision_threshold=settings.decision_threshold, rules=settings.rules, phases=phases, withheld=withheld,
        early_arterial=early_arterial)
    return ScoredLesion(lesion, probabilities, observation, category, reasons)
