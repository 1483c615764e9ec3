"""A patient of a manifest into a store: enhanced phases on one grid, and the lesions of the mask."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.entities import ENHANCED_PHASES, Volume, find_grid_phase
from lirads_keras.io.manifests import Manifest, series_of
from lirads_keras.io.nifti import read_mask_on_grid
from lirads_keras.preprocessing.study import read_aligned_phases
from lirads_keras.preprocessing.study_store import identify, store_study
from lirads_keras.provenance import compute_sha256

TakeLesions = Callable[[np.ndarray | None], np.ndarray | None]
"""Gives the labels (z, y, x) of lesions, 0 … 255, for those of a mask on the same grid; None: no mask, no lesion."""


def store_patient(folder: Path, manifest: Manifest, patient_id: str, settings: PreprocessingSettings, take_lesions: TakeLesions,
                  basis: Sequence[object]) -> None:
    """Stores a patient, unless the folder holds what was stored of the same files, settings and basis.

    Args:
        folder: of the patient in the store.
        manifest: the patient's.
        patient_id: one of its patients.
        settings: registration, Eq. 1 and the matrix.
        take_lesions: makes lesions of the mask; its InputError is passed on.
        basis: what `take_lesions` depends on, and whatever else shall make a stored patient another; goes into JSON.

    Raises:
        InputError: series or mask that cannot be read or do not lie together, or as `write_stored_study`.
    """
    series = series_of(manifest, patient_id)
    mask_path = manifest.mask_path(patient_id)
    images = [[str(phase), one.temporal_index, one.frames, [compute_sha256(path) for path in dict.fromkeys(one.files)]]
              for phase, one in sorted(series.items()) if phase in ENHANCED_PHASES]
    identity = identify([images, compute_sha256(mask_path) if mask_path else None, settings.digest(), list(basis)])

    def read() -> tuple[dict[str, Volume], np.ndarray | None]:
        volumes = read_aligned_phases(series, settings.registration)
        mask = read_mask_on_grid(mask_path, volumes[find_grid_phase(volumes)]) if mask_path else None
        return {str(phase): volume for phase, volume in volumes.items()}, take_lesions(mask)

    store_study(folder, identity, read, settings)
