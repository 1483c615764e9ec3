"""Builds the virtual CT set of pre-training."""
from __future__ import annotations

from pathlib import Path

from lirads_keras.config.cohorts import CtSettings
from lirads_keras.phantom.ct import build_ct_volume
from lirads_keras.phantom.parts import build_parts, claim_folder
from lirads_keras.phantom.scan import check_field_of_view
from lirads_keras.progress import Progress


def build_ct(settings: CtSettings, folder: Path, *, jobs: int, progress: Progress) -> None:
    """Builds the virtual CT set in LiTS layout, `volume-N.nii.gz` (HU, int16) and `segmentation-N.nii.gz` (0, liver 1, tumour 2), N from 0.

    Raises:
        InputError: the grid is too small for a patient, or the folder holds another set.
    """
    check_field_of_view("ct", settings)
    claim_folder(folder, settings, settings.patients)
    records = {number: folder / "records" / f"{number}.json" for number in range(settings.patients)}
    build_parts("CT", build_ct_volume, {number: (number, settings, folder, record) for number, record in records.items()}, records, jobs, progress)
