"""LiTS, and task 3 (liver) of the Medical Segmentation Decathlon, which is made from it.

LiTS: 131 contrast-enhanced CT of several hospitals with liver and tumours (Bilic et al., Med Image Anal 2023;84:102680). To be had after
registration at https://competitions.codalab.org/competitions/17094. For non-commercial use (Creative Commons BY-NC-SA or BY-NC-ND 4.0,
depending on where it is loaded from: read the terms there). Layout: `volume-N.nii` and `segmentation-N.nii`, in one folder or in those of the
batches.

Decathlon: Antonelli et al., Nat Commun 2022;13:4128, http://medicaldecathlon.com, CC BY-SA 4.0. Layout: `Task03_Liver/imagesTr/liver_N.nii.gz`
and `labelsTr/liver_N.nii.gz` of the same name; `imagesTs` has no labels and is not read.

Labels of both: 1 liver (without tumours), 2 tumour.
"""
from __future__ import annotations

from pathlib import Path

from lirads_keras.errors import InputError, Problem
from lirads_keras.io.datasets.common import ImportedSet, by_stem, find_folder, image_files, is_hidden
from lirads_keras.io.datasets.pairs import pair_files
from lirads_keras.progress import Progress

LABELS = {"liver": (1, 2), "tumour": (2,)}
"""Names of LiTS' and ATLAS' labels; "liver" is the whole organ, tumours with it."""


def read_lits(folder: Path, out: Path, progress: Progress) -> ImportedSet:
    """LiTS or Task03_Liver, whichever `folder` holds.

    Raises:
        InputError: neither, or images and label maps that are not pairs.
    """
    if not folder.is_dir():
        raise InputError(Problem(str(folder), "the data set's folder", "a file" if folder.exists() else "no such folder"))
    volumes = _find(folder, "volume-*")
    if volumes:
        cases = pair_files(volumes, _find(folder, "segmentation-*"), lambda stem: stem.replace("volume-", "segmentation-", 1),
                           lambda stem: stem.replace("volume-", "LiTS-", 1), folder)
        return ImportedSet("LiTS", "CT", cases, LABELS)
    task = find_folder(folder, "imagesTr", "labelsTr")
    cases = pair_files(image_files(task / "imagesTr"), image_files(task / "labelsTr"), lambda stem: stem, lambda stem: f"MSD-{stem}", task)
    return ImportedSet("MSD Task03", "CT", cases, LABELS)


def _find(folder: Path, pattern: str) -> dict[str, Path]:
    return by_stem(path for path in folder.rglob(pattern) if not path.is_dir() and not is_hidden(path, folder))
