"""What a finished run left for reading new studies; checked here without Keras, so that a wrong path is told before TensorFlow is imported."""
from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lirads_keras.config.profile import Profile
from lirads_keras.entities import Study
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.trained_studies import compute_study_hash, read_trained_studies
from lirads_keras.run import NetworkFolder, RunFolder
from lirads_keras.variants import CHARACTERIZATION_VARIANTS, PAPER_SEGMENTATION, SEGMENTATION_VARIANTS, CharacterizationVariant, SegmentationVariant
from lirads_keras.words import name_phases

FULL, ENSEMBLE, FOLD_PREFIX = "full", "ensemble", "fold-"
"""Which networks read a study: those that were trained on all patients, or those of all folds; `fold-K` are those of one fold."""


@dataclass(frozen=True)
class RunFiles:
    """The chosen networks of a run.

    `networks` is "full", "ensemble" or "fold-K". `segmentation_weights` and `characterization_weights` are one file a network. `threshold` and
    `minimum_volume_mm3`, below which a component is no lesion, are those of the segmentation network; of several networks the medians, of an even number of
    them the lower of the middle two, so that each is one that was chosen from. `trained_studies` are the test folds by `compute_study_hash` of the studies that
    were trained on.
    """

    run: RunFolder
    profile: Profile
    segmentation: SegmentationVariant
    characterization: CharacterizationVariant
    networks: str
    segmentation_weights: tuple[Path, ...]
    characterization_weights: tuple[Path, ...]
    threshold: float
    minimum_volume_mm3: float
    trained_studies: Mapping[str, int] = field(default_factory=dict)

    def was_trained_on(self, study_uid: str) -> bool:
        """Whether one of the networks saw the study in its training; False also where the run does not know its studies (NIfTI)."""
        fold = self.trained_studies.get(compute_study_hash(study_uid))
        return fold is not None and self.networks != f"{FOLD_PREFIX}{fold}"

    def check_study(self, study: Study) -> None:
        """That the segmentation variant can read the study.

        Raises:
            InputError: it has none of the variant's phases; another variant of the run that could read it is named.
        """
        phases = study.phases()
        if self.segmentation.select_phases(phases):
            return
        others = [name for name in self.profile.segmentation.variants if SEGMENTATION_VARIANTS[name].select_phases(phases)]
        instead = "".join(f", or --segmentation {name}, which reads a study without it" for name in others[:1])
        raise InputError(Problem(str(study.folder), f"a series of the {name_phases(self.segmentation.phases)}, which the segmentation variant "
                                 f"{self.segmentation.name} reads{instead}", ", ".join(phases) or "none"))

    def of_images(self) -> RunFiles:
        """The same networks of the paper's segmentation variant, which reads an image of which no study is known.

        Raises:
            InputError: the run has none.
        """
        try:
            files = find_run_files(self.run.path, variant=self.characterization.name, segmentation=PAPER_SEGMENTATION, networks=self.networks)
        except InputError as error:
            expected = f"a run with networks of the segmentation variant {PAPER_SEGMENTATION}, which alone reads it ({self.networks})"
            raise InputError(Problem("an image without its study", expected, f"{self.run.name}, which has none")) from error
        return replace(files, profile=self.profile)


def find_run_files(run: Path, *, variant: str | None = None, segmentation: str | None = None, networks: str = FULL) -> RunFiles:
    """The profile, weights, threshold and least volume of a finished run.

    Args:
        run: run folder.
        variant: characterisation variant; the profile's first (the paper's own) by default.
        segmentation: segmentation variant; of the profile's the one that reads most phases by default.
        networks: "full", "ensemble" (the mean over the folds) or "fold-K".

    Raises:
        InputError: no run folder, an unknown variant or fold, or weights, thresholds or volumes that are missing (each is named).
    """
    folder = RunFolder(run)
    profile = folder.read_profile()
    problems: list[Problem] = []
    of_masks, of_features = _choose_segmentation(profile, segmentation, problems), _choose_characterization(profile, variant, problems)
    folds = _choose_folds(profile, networks, problems)
    raise_if_any(problems)
    assert of_masks is not None and of_features is not None and folds is not None

    def list_networks(name: str) -> list[NetworkFolder]:
        return [folder.fold(name, fold) for fold in folds] if folds else [folder.full(name)]

    segmenting = list_networks(of_masks.name)
    weights, feature_weights = (tuple(network.weights for network in list_networks(name)) for name in (of_masks.name, of_features.name))
    expected = "weights of a finished run" if folds else "weights that were trained on all patients (--networks ensemble takes the folds' instead)"
    problems = [Problem(str(path), expected, "no such file") for path in (*weights, *feature_weights) if not path.is_file()]
    choices = _read_choices(segmenting, problems)
    raise_if_any(problems)
    threshold, volume_mm3 = (statistics.median_low(values) for values in zip(*choices, strict=True))
    return RunFiles(folder, profile, of_masks, of_features, networks, weights, feature_weights, threshold, volume_mm3,
                    read_trained_studies(folder.trained_studies))


def _choose_segmentation(profile: Profile, asked: str | None, problems: list[Problem]) -> SegmentationVariant | None:
    """The variant that is asked for, or the one of the run's that reads most phases."""
    known = {name: SEGMENTATION_VARIANTS[name] for name in profile.segmentation.variants}
    if asked is None:
        return max(known.values(), key=lambda variant: len(variant.phases))
    if asked not in known:
        problems.append(Problem("--segmentation", f"one of this run's, {', '.join(known)}", asked))
    return known.get(asked)


def _choose_characterization(profile: Profile, asked: str | None, problems: list[Problem]) -> CharacterizationVariant | None:
    """The variant that is asked for, or the profile's first; a direct network has no features to report."""
    known = [name for name in profile.characterization.variants if CHARACTERIZATION_VARIANTS[name].reads_features]
    name = asked or next(iter(known), "a run of direct networks only")
    if name in known:
        return CHARACTERIZATION_VARIANTS[name]
    possible = known or [variant.name for variant in CHARACTERIZATION_VARIANTS.values() if variant.reads_features]
    problems.append(Problem("--variant", f"one of {', '.join(possible)}", name))
    return None


def _choose_folds(profile: Profile, networks: str, problems: list[Problem]) -> tuple[int, ...] | None:
    """The folds whose networks are meant; none for those that were trained on all patients."""
    folds = tuple(range(profile.segmentation.folds))
    if networks == FULL:
        return ()
    if networks == ENSEMBLE:
        return folds
    for fold in folds:
        if networks == f"{FOLD_PREFIX}{fold}":
            return (fold,)
    problems.append(Problem("--networks", f"{FULL}, {ENSEMBLE} or {FOLD_PREFIX}0 … {FOLD_PREFIX}{folds[-1]}", networks))
    return None


def _read_choices(networks: Sequence[NetworkFolder], problems: list[Problem]) -> list[tuple[float, float]]:
    """Threshold and minimum volume of each network's record; what cannot be read is appended to the problems."""
    choices = []
    for network in networks:
        try:
            choices.append(network.cut)
        except InputError as error:
            problems += error.problems
    return choices
