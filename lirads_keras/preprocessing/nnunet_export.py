"""A manifest in nnU-Net's raw format, with this project's folds: the strongest peer on the same patients (Isensee et al., Nat Methods 2021;18:203)."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from lirads_keras.entities import ENHANCED_PHASES, Phase, Series, Volume
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.atomic import write_json
from lirads_keras.io.label_names import read_label_names
from lirads_keras.io.manifests import Manifest, describe_files, series_of
from lirads_keras.io.nifti import read_mask_on_grid, write_nifti
from lirads_keras.preprocessing.manifest_folds import read_folds
from lirads_keras.preprocessing.segmented_image import read_segmented_image
from lirads_keras.preprocessing.study import read_aligned_phases
from lirads_keras.progress import Progress, tell_count

_Labels = dict[str, tuple[int, tuple[int, ...]]]
"""Name → number in nnU-Net, and labels in the manifest's masks; none: all but 0."""


def export_nnunet(manifest: Manifest, out: Path, *, name: str, folds: int, seed: int, segmentation_only: bool, progress: Progress) -> Path:
    """Writes `out/<name>/` with imagesTr, labelsTr, dataset.json and splits_final.json; an export that was stopped goes on.

    Channels are the enhanced phases that all patients have, on the delayed grid; of a segmentation set its one image. Lesions are one label; the
    labels of a segmentation set keep their names and are numbered from 1. In each split, `val` are the fold's test patients and `train` the
    positive patients of the other folds, as this project trains.

    Args:
        manifest: with masks that outline.
        name: of the data set: Dataset, three digits, underscore, a word.
        folds, seed: of `split_folds`.
        segmentation_only: as `read_manifest`.
        progress: told each patient that is done.

    Raises:
        InputError: the folder holds another export, boxes for masks, labels of which nnU-Net could not tell the number, or what reading raises.
    """
    root = out / name
    identity = {"files": describe_files(manifest), "folds": folds, "seed": seed}
    _claim(root, identity)
    positives, fold_of = read_folds(manifest.patients, folds, seed)
    modality = set(manifest.series["modality"].replace("", "MR"))
    if len(modality) != 1:
        raise InputError(Problem(str(manifest.folder / "series.csv"), "one modality", ", ".join(sorted(modality))))
    labels: _Labels = _number_labels(manifest) if segmentation_only else {"lesion": (1, ())}
    channels = [modality.pop()] if segmentation_only else [str(phase) for phase in _shared_phases(manifest)]
    problems: list[Problem] = []
    for done, patient_id in enumerate(fold_of, start=1):
        try:
            _export_patient(manifest, patient_id, root, channels, labels, segmentation_only)
        except InputError as error:
            problems += error.problems
        tell_count(progress, "patient", done, len(fold_of))
    raise_if_any(problems)
    write_json(root / "splits_final.json", [
        {"train": [one for one in positives if fold_of[one] != fold], "val": [one for one, of in fold_of.items() if of == fold]} for fold in range(folds)])
    write_json(root / "dataset.json", {
        "channel_names": {str(number): channel for number, channel in enumerate(channels)},
        "labels": {"background": 0, **{label: number for label, (number, _) in labels.items()}}, "numTraining": len(fold_of), "file_ending": ".nii.gz"})
    return root


def _claim(root: Path, identity: object) -> None:
    """Takes the folder for this export, or goes on with one that was stopped."""
    path = root / "export.json"
    wanted = json.loads(json.dumps(identity))
    if root.exists() and any(root.iterdir()):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = None
        if found != wanted:
            raise InputError(Problem(str(root), "a new folder, or an export of the same manifest and folds", "something else"))
        return
    write_json(path, wanted)


def _shared_phases(manifest: Manifest) -> list[Phase]:
    phases = manifest.series.groupby("patient_id")["phase"].agg(set)
    return [phase for phase in ENHANCED_PHASES if all(str(phase) in found for found in phases)]


def _number_labels(manifest: Manifest) -> _Labels:
    """Numbers from 1, as nnU-Net wants them; a name that is the union of others (liver with tumours) gets what they leave."""
    names = read_label_names(manifest.folder)
    if not names:
        return {"foreground": (1, ())}
    single = {labels[0] for labels in names.values() if len(labels) == 1}
    own = {name: tuple(label for label in labels if len(labels) == 1 or label not in single) for name, labels in names.items()}
    kept = {name: labels for name, labels in own.items() if labels}
    return {name: (number, labels) for number, (name, labels) in enumerate(kept.items(), start=1)}


def _export_patient(manifest: Manifest, patient_id: str, root: Path, channels: list[str], labels: _Labels,
                    segmentation_only: bool) -> None:
    images = [root / "imagesTr" / f"{patient_id}_{number:04d}.nii.gz" for number in range(len(channels))]
    label_map = root / "labelsTr" / f"{patient_id}.nii.gz"
    if label_map.exists():
        return
    volumes = _read_channels(series_of(manifest, patient_id), channels, segmentation_only)
    for path, volume in zip(images, volumes, strict=True):
        write_nifti(path, volume)
    # The label map is written last: where it is, the patient is complete.
    write_nifti(label_map, volumes[-1].with_array(_relabel(manifest.mask_path(patient_id), volumes[-1], labels)))


def _read_channels(series: dict[Phase, Series], channels: list[str], segmentation_only: bool) -> list[Volume]:
    if segmentation_only:
        return [read_segmented_image(series)]
    aligned = read_aligned_phases(series)
    return [aligned[Phase(channel)] for channel in channels]


def _relabel(path: Path | None, grid: Volume, labels: _Labels) -> np.ndarray:
    relabelled = np.zeros(grid.shape, np.uint8)
    if path is None:
        return relabelled
    mask = read_mask_on_grid(path, grid)
    for number, wanted in labels.values():
        relabelled[np.isin(mask, wanted) if wanted else mask > 0] = number
    return relabelled
