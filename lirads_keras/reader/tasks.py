"""What the worker process can do: run a study, read the lesions of a mask, explain a lesion, segment a study or one image."""
from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lirads_keras.entities import Lesion, Phase, Study, Volume, find_grid_phase
from lirads_keras.errors import InputError, Problem
from lirads_keras.inference.engine import RunModels, read_run_models
from lirads_keras.inference.explanation import LesionExplanation, plot_explanation
from lirads_keras.inference.run_files import RunFiles
from lirads_keras.io.grids import describe_grid, same_grid, to_order_of, turn_upright
from lirads_keras.io.nifti import read_nifti
from lirads_keras.lesions import mark_lesions, measure_lesions
from lirads_keras.lirads.applicability import find_reason_to_withhold, of_study
from lirads_keras.pipeline import analyse_study, compute_scales, score_lesion, segment
from lirads_keras.preprocessing.crops import crop_lesions, crop_mask
from lirads_keras.preprocessing.cutoff_check import list_cutoff_notices
from lirads_keras.preprocessing.study import read_aligned_phases
from lirads_keras.progress import Progress
from lirads_keras.reader.findings import FINDINGS, Findings, find_partners, name_lesions, to_measured
from lirads_keras.reader.masks import label_lesions, pack_mask, select_components, unpack_mask
from lirads_keras.variants import PAPER_SEGMENTATION


@dataclass(frozen=True, eq=False)
class _Read:
    """The study that was read last, which the next job usually asks for again."""

    study: Study
    volumes: Mapping[Phase, Volume]


class Tasks:
    """The jobs, one method each; each takes `progress` and what `Jobs.submit` was given as payload.

    Raises:
        InputError: as `read_run_models`.
    """

    def __init__(self, files: RunFiles) -> None:
        self._models: RunModels = read_run_models(files)
        self._of_images: RunModels | None = None
        self._profile = files.profile
        self._last: _Read | None = None
        self._of_cutoff: tuple[Mapping[Phase, Volume], tuple[str, ...]] | None = None

    def run(self, study: Study, grid: Volume, previous: tuple[bytes, dict[str, int]] | None, next_number: int, progress: Progress) -> dict[str, Any]:
        """Segments and reads a study, as `lirads predict` does.

        Args:
            study: to be read.
            grid: that of the study as the page shows it.
            previous: the packed mask of the lesions that were listed before, and their first voxels by id; None at the first run.
            next_number: of a lesion that was not there before.

        Returns:
            `mask`, packed, and `findings`, as JSON values.

        Raises:
            InputError: as `analyse_study`, or the study lacks the phases of the segmentation variant, or now lies on another grid.
        """
        self._models.files.check_study(study)
        result = analyse_study(study, self._models, self._profile, progress)
        self._last = _Read(study, result.volumes)
        _check_grid(result.probability, grid)
        mask = _make_mask(result.probability, self._models)
        labels, ignored = label_lesions(mask, self._models.minimum_volume_mm3, grid.voxel_mm3)
        lesions = name_lesions([scored.lesion for scored in result.report.lesions], find_partners(previous, labels), next_number)
        probabilities = [scored.probabilities for scored in result.report.lesions]
        return {"mask": pack_mask(mask), "findings": self._to_json(study, lesions, probabilities, result.volumes, ignored)}

    def next(self, study: Study, grid: Volume, mask: bytes, previous: tuple[bytes, dict[str, int]] | None, next_number: int,
             progress: Progress) -> dict[str, Any]:
        """Measures and reads the lesions of a mask; arguments and result as those of `run`, `mask` packed.

        Raises:
            InputError: images that cannot be read, or lie on another grid.
        """
        progress(0.1, "reading the series")
        volumes = self._read(study, grid)
        labels, ignored = label_lesions(unpack_mask(mask), self._models.minimum_volume_mm3, grid.voxel_mm3)
        lesions = name_lesions(measure_lesions(labels, grid), find_partners(previous, labels), next_number)
        progress(0.5, f"characterising {len(lesions)} lesion(s)")
        images, present = self._crop(study, volumes, lesions)
        return {"findings": self._to_json(study, lesions, self._models.predict_features(images, present), volumes, ignored)}

    def explanation(self, study: Study, grid: Volume, mask: bytes, lesion_id: str, first_voxel: int, progress: Progress) -> bytes:
        """The class-activation maps of one lesion of a mask, as PNG.

        Raises:
            InputError: images that cannot be read, or lie on another grid.
        """
        progress(0.1, "reading the series")
        volumes = self._read(study, grid)
        lesion = replace(measure_lesions(select_components(unpack_mask(mask), [first_voxel]), grid)[0], lesion_id=lesion_id)
        progress(0.5, "computing the maps")
        settings = self._profile.characterization
        images, present = self._crop(study, volumes, [lesion])
        scored = score_lesion(
            lesion, self._models.predict_features(images, present)[0], tuple(volumes), settings, find_reason_to_withhold(of_study(study)),
            early_arterial=study.has_early_arterial_only)
        outline = crop_mask(lesion, grid.spacing_mm, crop_px=settings.crop_px, margin_fraction=settings.margin_fraction)
        figure = plot_explanation(LesionExplanation(images[0], present[0], self._models.explain_features(images, present)[0], outline), scored)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=110)
        return picture.getvalue()

    def segment_study(self, study: Study, grid: Volume, progress: Progress) -> np.ndarray:
        """The lesion mask (z, y, x), bool, of a study, on its grid as the page shows it.

        Raises:
            InputError: as `run`.
        """
        self._models.files.check_study(study)
        progress(0.1, "reading the series")
        volumes = self._read(study, grid)
        progress(0.2, "segmenting the study")
        return _make_mask(segment(volumes, self._models, self._profile, study.patient_id), self._models)

    def segment_image(self, path: Path, progress: Progress) -> Volume:
        """The lesion mask (z, y, x), uint8, of one image, a NIfTI file in scanner units, which the paper's variant reads as a delayed phase.

        Raises:
            InputError: the run has no networks of that variant, the file cannot be read, or Eq. 1 cannot scale it.
        """
        if self._of_images is None:
            progress(0.1, "loading the networks")
            files = self._models.files
            self._of_images = self._models if files.segmentation.name == PAPER_SEGMENTATION else read_run_models(files.of_images())
        progress(0.2, "segmenting the image")
        image = read_nifti(path)
        upright = turn_upright(image.with_array(image.array.astype(np.float32)))
        probability = segment({Phase.DELAYED: upright}, self._of_images, self._profile, path.name)
        return image.with_array(to_order_of(_make_mask(probability, self._of_images).astype(np.uint8), upright, image))

    def _read(self, study: Study, grid: Volume) -> Mapping[Phase, Volume]:
        if self._last is None or self._last.study != study:
            self._last = None
            self._last = _Read(study, read_aligned_phases(study.phases(), self._profile.preprocessing.registration))
        _check_grid(self._last.volumes[find_grid_phase(self._last.volumes)], grid)
        return self._last.volumes

    def _crop(self, study: Study, volumes: Mapping[Phase, Volume], lesions: Sequence[Lesion]) -> tuple[np.ndarray, np.ndarray]:
        return crop_lesions(volumes, compute_scales(volumes, self._profile, study.patient_id), lesions, self._profile.characterization)

    def _to_json(self, study: Study, lesions: Sequence[Lesion], probabilities: Sequence[Any], volumes: Mapping[Phase, Volume], ignored: int) -> Any:
        settings = self._profile.characterization
        versions, notices = self._models.describe_result(study, volumes)
        if self._of_cutoff is None or self._of_cutoff[0] is not volumes:
            self._of_cutoff = volumes, list_cutoff_notices(volumes, compute_scales(volumes, self._profile, study.patient_id))
        notices = (*notices, *self._of_cutoff[1])
        grid = volumes[find_grid_phase(volumes)]
        measured = tuple(to_measured(lesion, of_lesion, grid) for lesion, of_lesion in zip(lesions, probabilities, strict=True))
        return FINDINGS.dump_python(
            Findings(
                measured, ignored, tuple(volumes), settings.decision_threshold, settings.rules, versions, notices, study.has_early_arterial_only),
            mode="json")


def _make_mask(probability: Volume, models: RunModels) -> np.ndarray:
    return mark_lesions(probability, models.threshold, minimum_volume_mm3=models.minimum_volume_mm3)


def _check_grid(found: Volume, expected: Volume) -> None:
    if not same_grid(found, expected):
        raise InputError(Problem("the study", f"the grid of the images that were opened: {describe_grid(expected)}", describe_grid(found)))
