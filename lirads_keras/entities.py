"""The nouns of the project: study, series, volume, lesion, observation, report.

Arrays are (z, y, x). Patient coordinates are DICOM's LPS in mm (PS3.3 C.7.6.2.1.1). Nothing here imports Keras.
"""
from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import numpy as np


class Phase(StrEnum):
    """Contrast phase of a series (LI-RADS v2018, technique)."""

    PRECONTRAST = "precontrast"
    ARTERIAL = "arterial"
    PORTAL_VENOUS = "portal_venous"
    DELAYED = "delayed"
    TRANSITIONAL = "transitional"
    HEPATOBILIARY = "hepatobiliary"
    OTHER = "other"


ENHANCED_PHASES = (Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED)
"""The three phases the paper reads (§2.3), in order of time."""

READ_PHASES = (*ENHANCED_PHASES, Phase.TRANSITIONAL)
"""The phases that the result of a study is read from. With gadoxetate, what is imaged 2 to 5 minutes after injection is a transitional phase: hepatocytes have
taken the agent up, so that no washout can be seen, and a capsule can (LI-RADS v2018). No network is trained on it."""


GRID_PHASES = (Phase.DELAYED, Phase.PORTAL_VENOUS)
"""A study is read on the grid of the first of these that it has: lesions are segmented on the delayed phase (§2.5), and without it on the phase before."""


def find_grid_phase(phases: Collection[Phase]) -> Phase:
    """The phase on whose grid a study of these phases is read.

    Raises:
        ValueError: it has none of GRID_PHASES.
    """
    for phase in GRID_PHASES:
        if phase in phases:
            return phase
    raise ValueError(f"a study has a phase {' or '.join(GRID_PHASES)}, not {', '.join(phases) or 'none'} alone")


class ArterialTiming(StrEnum):
    """Early arterial: the portal vein has no contrast yet; late arterial: it has some, the hepatic veins have none. APHE may be seen in the late one
    alone, which LI-RADS v2018 therefore strongly prefers."""

    EARLY = "early"
    LATE = "late"


class ContrastAgent(StrEnum):
    """What the agents of liver MRI differ in (LI-RADS v2018, technique): with gadoxetate there is no delayed phase; with gadobenate there is, and a
    hepatobiliary one after an hour or more; extracellular agents have no hepatobiliary phase."""

    GADOXETATE = "gadoxetate"
    GADOBENATE = "gadobenate"
    EXTRACELLULAR = "extracellular"


@dataclass(frozen=True)
class AgentFinding:
    """A study's contrast agent, None where it is not known, and the evidence in words."""

    agent: ContrastAgent | None = None
    evidence: str = "not told"


class Feature(StrEnum):
    """Major features of LI-RADS; the first three are B1, B2 and B3 of Table 3."""

    APHE = "aphe"
    WASHOUT = "washout"
    CAPSULE = "capsule"
    THRESHOLD_GROWTH = "threshold_growth"


HEAD_FEATURES = (Feature.APHE, Feature.WASHOUT, Feature.CAPSULE)
"""Features with a network head, in the order of the heads (Fig. 6); the order of every array with a feature axis."""

FEATURE_PHASES = {
    Feature.APHE: (Phase.ARTERIAL,),
    Feature.WASHOUT: (Phase.PORTAL_VENOUS, Phase.DELAYED),
    Feature.CAPSULE: (Phase.PORTAL_VENOUS, Phase.DELAYED)}
"""The phases that show each feature of a head, in the order of ENHANCED_PHASES (§2.5.2, the switch of Eq. 4). From this table follow the masks of the
loss, the fusion at prediction, the activation maps, the words of the reasons and the diagrams."""

READ_FEATURE_PHASES = FEATURE_PHASES | {Feature.CAPSULE: (*FEATURE_PHASES[Feature.CAPSULE], Phase.TRANSITIONAL)}
"""FEATURE_PHASES with what the result of a study is read from besides, in the order of READ_PHASES."""


class Category(StrEnum):
    """LI-RADS v2018 categories; the paper scores LR-3, LR-4 and LR-5."""

    LR_NC = "LR-NC"
    LR_TIV = "LR-TIV"
    LR_1 = "LR-1"
    LR_2 = "LR-2"
    LR_M = "LR-M"
    LR_3 = "LR-3"
    LR_4 = "LR-4"
    LR_5 = "LR-5"


SCORED_CATEGORIES = (Category.LR_3, Category.LR_4, Category.LR_5)


@dataclass(frozen=True)
class NotGiven:
    """What stands in the place of a category that is not given, and is scored as none: a range, whose categories are `possible`, or that it is withheld."""

    words: str
    possible: tuple[Category, ...] = ()

    def __str__(self) -> str:
        return self.words


Verdict = Category | NotGiven
"""What is said of a lesion."""


VIRTUAL_COHORT = "virtual cohort"
"""Name of the simulated patients, in every table, report and result that is of them or of networks which were trained on them."""


@dataclass(frozen=True)
class Series:
    """Files of one time point of one DICOM series, sorted along the slice normal, and the phase it was given.

    `phase_evidence` says in words why the phase was given ("phase map", "SeriesDescription 'LAVA DELAYED'"). `frames` is the
    frame (or the slice of a mosaic) of each file, from 0, where files hold several; then a file stands once for each of its slices.
    `number` is SeriesNumber. `acquired_s` counts from a midnight that the series of a study share, `seconds_after_contrast` from
    ContrastBolusStartTime. None where the files do not tell.
    `arterial_timing` is what the name of an arterial series says, if it does.
    """

    series_uid: str
    files: tuple[Path, ...]
    phase: Phase | None
    phase_evidence: str
    description: str = ""
    temporal_index: int = 0
    frames: tuple[int, ...] = ()
    number: int | None = None
    acquired_s: float | None = None
    seconds_after_contrast: float | None = None
    arterial_timing: ArterialTiming | None = None


@dataclass(frozen=True)
class Study:
    """One examination of one patient, whose age at it is None where it is unknown. `notices` are sentences on how its phases were told, for whoever reads a
    result; `left_out` says in lines what of its folder is no part of it, and why; `contrast_agent` decides what later phases show."""

    patient_id: str
    study_uid: str
    folder: Path
    series: tuple[Series, ...]
    notices: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    age_years: float | None = None
    contrast_agent: AgentFinding = AgentFinding()

    def phases(self) -> dict[Phase, Series]:
        """The series of each phase that has one."""
        return {series.phase: series for series in self.series if series.phase is not None}

    def list_read(self) -> tuple[Series, ...]:
        """The series that results are made from, in the order of `READ_PHASES`."""
        phases = self.phases()
        return tuple(phases[phase] for phase in READ_PHASES if phase in phases)

    @property
    def has_early_arterial_only(self) -> bool:
        """Whether its arterial phase is an early one: a lesion that does not enhance there may do so in the late one, so that absent APHE is not assessed."""
        arterial = self.phases().get(Phase.ARTERIAL)
        return arterial is not None and arterial.arterial_timing is ArterialTiming.EARLY


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels (z, y, x) with their place in the patient.

    `affine` (4 × 4, float64) takes the homogeneous voxel index (z, y, x, 1) of a voxel centre to LPS mm;
    `spacing_mm` is (z, y, x) and equals the lengths of the affine's first three columns. `frame_of_reference_uid` says
    which volumes' coordinates have a common meaning (DICOM PS3.3 C.7.4.1); empty where nothing is known of it.
    """

    array: np.ndarray
    spacing_mm: tuple[float, float, float]
    affine: np.ndarray
    frame_of_reference_uid: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel."""
        return abs(float(np.linalg.det(self.affine[:3, :3])))

    def with_array(self, array: np.ndarray) -> Volume:
        """The same grid with other voxels; `array` must have the grid's shape."""
        if array.shape != self.array.shape:
            raise ValueError(f"a grid of {self.array.shape} cannot carry voxels of {array.shape}")
        return replace(self, array=array)


@dataclass(frozen=True, eq=False)
class Lesion:
    """One connected component of a mask, measured.

    `bounding_box` is three slices (z, y, x) of the grid; `mask` is the component inside it. `largest_slice` is the z index of
    the slice with the largest area, the one that is cropped (§2.4). `mean_probability` is None for a reference mask.
    """

    lesion_id: str
    bounding_box: tuple[slice, slice, slice]
    mask: np.ndarray
    largest_slice: int
    diameter_mm: float
    volume_ml: float
    centroid_lps_mm: tuple[float, float, float]
    mean_probability: float | None = None


@dataclass(frozen=True)
class FeatureProbabilities:
    """Probability that each feature is present; None where no phase showed it."""

    aphe: float | None
    washout: float | None
    capsule: float | None


@dataclass(frozen=True)
class Observation:
    """A lesion with all that LI-RADS asks of it; `diameter_mm` is continuous.

    A feature that a phase has to show is present, absent, or None: not assessed. `overrides` are categories that the reader gives instead of reading
    the table (LR-NC, LR-TIV, LR-1, LR-2, LR-M), `tie` the two between which the reader is undecided. `aphe` is nonrim; `rim_aphe` is another feature, and
    excludes it. `growth_proposed`: two sizes tell of threshold growth that does not count yet (see `lirads.growth`).
    """

    diameter_mm: float
    aphe: bool | None
    washout: bool | None
    capsule: bool | None
    threshold_growth: bool = False
    ancillary_malignant: bool = False
    ancillary_benign: bool = False
    overrides: tuple[Category, ...] = ()
    tie: tuple[Category, Category] | None = None
    rim_aphe: bool = False
    growth_proposed: bool = False


@dataclass(frozen=True)
class Applicability:
    """Whether LI-RADS is for a patient and the lesions; None: unknown, or not answered.

    `high_risk`: of hepatocellular carcinoma. `untreated`: the lesions, which have no pathological proof either. `despite_age`: categories are wanted for a
    patient under 18, too.
    """

    is_adult: bool | None = None
    high_risk: bool | None = None
    untreated: bool | None = None
    despite_age: bool = False


@dataclass(frozen=True)
class ScoredLesion:
    """A lesion's row of the report."""

    lesion: Lesion
    probabilities: FeatureProbabilities
    observation: Observation
    category: Verdict
    reasons: str


@dataclass(frozen=True)
class Report:
    """The result for one study. `versions` say what made it; `notices` are sentences on how it came about, for whoever reads it. `phases` are the series that
    were read as each phase, `left_out` says in lines what of the study was not read, and why. `tumor_in_vein` is a reader's finding, which belongs to the
    study."""

    patient_id: str
    study_uid: str
    lesions: tuple[ScoredLesion, ...]
    versions: dict[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    phases: tuple[Series, ...] = ()
    left_out: tuple[str, ...] = ()
    applicability: Applicability = Applicability()
    tumor_in_vein: bool = False
    contrast_agent: AgentFinding = AgentFinding()
