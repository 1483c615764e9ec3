"""Images and label maps drawn in ITK-SNAP (http://www.itksnap.org), the program with which the paper's masks were drawn (§2.3).

Any NIfTI images, with their label maps side by side: `X.nii.gz` with `X_seg.nii.gz` (or -seg, _segmentation, _label, _labels, _mask), in one folder
or in any folders below it; or a folder a patient that holds one image and one label map called `seg`, `segmentation`, `label`, `labels` or `mask`.
The names of labels come from ITK-SNAP's label description (Segmentation → Save Label Descriptions), a text file at the top of the folder; without
one they have numbers only. Licence: that of your own data.
"""
from __future__ import annotations

import re
from pathlib import Path

from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.datasets.common import ImportedCase, ImportedSet, natural_order, nifti_files
from lirads_keras.io.label_names import is_snap_labels, read_snap_labels
from lirads_keras.progress import Progress

_WORD = r"(seg|segmentation|labels?|mask)"
_LABEL_MAP = re.compile(rf"(?P<image>.+)[-_. ]{_WORD}", re.IGNORECASE)
_LABEL_ALONE = re.compile(_WORD, re.IGNORECASE)


def read_itksnap(folder: Path, out: Path, progress: Progress) -> ImportedSet:
    """Pairs of images and label maps.

    Raises:
        InputError: images without label map, label maps without image, two patients of one name, no pair at all, or two label descriptions.
    """
    if not folder.is_dir():
        raise InputError(Problem(str(folder), "a folder with images and label maps", "a file" if folder.exists() else "no such folder"))
    problems: list[Problem] = []
    found: dict[str, ImportedCase] = {}
    for place in (folder, *sorted(path for path in folder.rglob("*") if path.is_dir())):
        for case in _pair(place, problems):
            if case.patient_id in found:
                problems.append(Problem(str(case.mask), "each patient's name once", f"{case.patient_id} again (first {found[case.patient_id].mask})"))
            found.setdefault(case.patient_id, case)
    descriptions = [path for path in sorted([*folder.glob("*.txt"), *folder.glob("*.label")]) if is_snap_labels(path)]
    if len(descriptions) > 1:
        problems.append(Problem(str(folder), "one label description file", ", ".join(path.name for path in descriptions)))
    if not found and not problems:
        problems.append(Problem(str(folder), "NIfTI images with label maps such as X.nii.gz and X_seg.nii.gz", "none"))
    raise_if_any(problems)
    names: dict[str, tuple[int, ...]] = {}
    for label, name in (read_snap_labels(descriptions[0]) if descriptions else {}).items():
        names[name] = (*names.get(name, ()), label)
    cases = tuple(found[patient_id] for patient_id in sorted(found, key=natural_order))
    return ImportedSet(folder.resolve().name, "MR", cases, names)


def _pair(place: Path, problems: list[Problem]) -> list[ImportedCase]:
    files = nifti_files(place)
    maps = {stem: match["image"] for stem in files if (match := _LABEL_MAP.fullmatch(stem)) and match["image"] in files}
    images = {stem for stem in files if stem not in maps and not _LABEL_ALONE.fullmatch(stem) and not _LABEL_MAP.fullmatch(stem)}
    alone = [stem for stem in files if _LABEL_ALONE.fullmatch(stem)]
    if len(alone) == 1 and len(images) == 1 and not maps:
        return [ImportedCase(place.name, {"": files[images.pop()]}, files[alone[0]])]
    problems += [Problem(str(files[stem]), "the image that it labels, beside it", "none" if stem not in alone else f"{len(images)} images in the folder")
                 for stem in files if stem not in maps and stem not in images]
    of_image: dict[str, list[str]] = {}
    for stem, image in maps.items():
        of_image.setdefault(image, []).append(stem)
    problems += [Problem(str(files[image]), f"one label map, such as {image}_seg.nii.gz", "none") for image in sorted(images - set(of_image))]
    problems += [Problem(str(files[image]), "one label map", ", ".join(stems)) for image, stems in of_image.items() if len(stems) > 1]
    return [ImportedCase(image, {"": files[image]}, files[stems[0]]) for image, stems in of_image.items()]
