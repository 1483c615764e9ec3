"""ATLAS: 60 contrast-enhanced T1-weighted MR of patients with unresectable HCC, with liver and tumours (Quinton et al., Data 2023;8:79).

To be had after registration at https://atlas-challenge.u-bourgogne.fr/dataset (atlas-train-dataset-1.0.1.zip); CC BY-NC-SA 4.0. Layout:
`train/imagesTr/imN.nii.gz` and `train/labelsTr/lbN.nii.gz`. Labels: 1 liver (without tumours), 2 tumour. Phase, sequence and scanner differ from
patient to patient; the phase stays empty. Intensities of several makers: Eq. 1 wants `--background-cutoff auto`.
"""
from __future__ import annotations

from pathlib import Path

from lirads_keras.io.datasets.common import ImportedSet, find_folder, image_files
from lirads_keras.io.datasets.lits import LABELS
from lirads_keras.io.datasets.pairs import pair_files
from lirads_keras.progress import Progress


def read_atlas(folder: Path, out: Path, progress: Progress) -> ImportedSet:
    """The training set of ATLAS.

    Raises:
        InputError: another layout, or images and label maps that are not pairs.
    """
    train = find_folder(folder, "imagesTr", "labelsTr")
    cases = pair_files(image_files(train / "imagesTr"), image_files(train / "labelsTr"), lambda stem: "lb" + stem.removeprefix("im"),
                       lambda stem: "ATLAS-" + stem.removeprefix("im"), train)
    return ImportedSet("ATLAS", "MR", cases, LABELS)
