"""The store of a segmentation set: one image a patient, and the voxels of the label that is to be found."""
from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.entities import Phase, Volume
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.manifest_checks import find_box_problems
from lirads_keras.io.manifests import Manifest, series_of
from lirads_keras.io.nifti import read_mask_on_grid
from lirads_keras.preprocessing.segmented_image import read_segmented_image
from lirads_keras.preprocessing.store import CT, CT_LABELS, StoredStudy, read_stored_study
from lirads_keras.preprocessing.study_store import identify, store_studies, store_study
from lirads_keras.progress import Progress


def store_segmentation_set(manifest: Manifest, labels: tuple[int, ...], folder: Path, settings: PreprocessingSettings, *, jobs: int,
                           progress: Progress) -> dict[str, StoredStudy]:
    """Stores every patient's image with a mask of `labels`; what an earlier call has stored stays.

    Args:
        manifest: read for a segmentation.
        labels: of the masks; their union is what is to be found.
        folder: gets a folder a patient.
        settings: Eq. 1 (MR) or the window (CT), and the matrix.
        jobs: processes.
        progress: told after each patient.

    Returns:
        Patient → study, in the manifest's order.

    Raises:
        InputError: images or masks that cannot be read or do not lie together, all of them; masks that are boxes; or no mask with the labels.
    """
    raise_if_any(find_box_problems(manifest.folder, manifest.patients))
    patient_ids = [str(name) for name in manifest.patients["patient_id"]]
    tasks = {name: partial(store_labelled_image, folder / name, manifest, name, labels, settings) for name in patient_ids}
    store_studies(folder, tasks, jobs=jobs, progress=progress)
    studies = {name: read_stored_study(folder / name) for name in patient_ids}
    if not any(study.lesion_slices for study in studies.values()):
        masks = sum(bool(path) for path in manifest.patients["mask_path"])
        raise InputError(Problem("--label", "a label that occurs in the masks", f"{', '.join(map(str, labels))}, which is in none of {masks}"))
    return studies


def store_labelled_image(folder: Path, manifest: Manifest, patient_id: str, labels: tuple[int, ...], settings: PreprocessingSettings) -> None:
    """Stores one patient, unless that was done with these labels and settings; the images are those that the run was claimed for.

    The store's word for what is to be found is a lesion (MR) or a tumour (CT).

    Raises:
        InputError: the image or mask cannot be read, or they lie on different grids.
    """
    def read() -> tuple[dict[str, Volume], np.ndarray | None]:
        volume = read_segmented_image(series_of(manifest, patient_id))
        path = manifest.mask_path(patient_id)
        is_ct = (manifest.series.loc[manifest.series["patient_id"] == patient_id, "modality"] == "CT").any()
        mask = None if path is None else np.isin(read_mask_on_grid(path, volume), labels).astype(np.uint8)
        if is_ct and mask is not None:
            mask *= np.uint8(CT_LABELS["tumour"])
        return {CT if is_ct else str(Phase.DELAYED): volume}, mask

    store_study(folder, identify([list(labels), settings.digest()]), read, settings)
