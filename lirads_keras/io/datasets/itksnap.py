"""Images and label maps drawn in ITK-SNAP (http://www.itksnap.org), the program with which the paper's masks were drawn (§2.3).

Any NIfTI, NRRD or MetaImage images, with their label maps side by side: `X.nii.gz` with `X_seg.nii.gz` (or -seg, _segmentation, _label, _labelmap,
_mask, or the word before X; also X.seg.nrrd of 3D Slicer), in one folder or in any folders below it; or a folder a patient that holds one image and one
label map called `seg`, `segmentation`, `label`, `labels`, `labelmap` or `mask`. The names of labels come from ITK-SNAP's label description
(Segmentation → Save Label Descriptions), a text file at the top of the folder, or from 3D Slicer's segments; without them they have numbers only.
Licence: that of your own data.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.datasets.common import ImportedCase, ImportedSet, image_files, is_hidden, natural_order
from lirads_keras.io.dicom_scan import list_files
from lirads_keras.io.label_names import is_snap_labels, read_snap_labels
from lirads_keras.progress import Progress

_WORD = r"(?:seg|segmentation|labels?|labelmap|masks?)"
_LABEL_MAPS = (re.compile(rf"(?P<image>.+?)(?:[-_. ]{_WORD})+", re.IGNORECASE), re.compile(rf"(?:{_WORD}[-_. ])+(?P<image>.+)", re.IGNORECASE))
_LABEL_ALONE = re.compile(rf"{_WORD}(?:[-_. ]{_WORD})*", re.IGNORECASE)
_NOT_READ = {".hdr", ".img", ".mgz", ".mgh", ".mnc", ".gipl", ".npy", ".npz", ".mat"}
"""Other files that hold images or label maps; two that belong together would be missed without a word."""


def read_itksnap(folder: Path, out: Path, progress: Progress) -> ImportedSet:
    """Pairs of images and label maps.

    Raises:
        InputError: images without label map, label maps without image, two patients of one name, no pair at all, or two label descriptions.
    """
    if not folder.is_dir():
        raise InputError(Problem(str(folder), "a folder with images and label maps", "a file" if folder.exists() else "no such folder"))
    paths = [path for path in list_files(folder, leave_out=out) if not is_hidden(path, folder)]
    problems = [Problem(str(path), "a readable folder below", "one that cannot be read, or a link to a folder above") for path in paths if path.is_dir()]
    found: dict[str, ImportedCase] = {}
    for place in sorted({path.parent for path in paths}):
        for case in _pair(place, problems):
            if case.patient_id in found:
                problems.append(Problem(str(case.mask), "each patient's name once", f"{case.patient_id} again (first {found[case.patient_id].mask})"))
            found.setdefault(case.patient_id, case)
    descriptions = [path for path in sorted([*folder.glob("*.txt"), *folder.glob("*.label")]) if is_snap_labels(path)]
    if len(descriptions) > 1:
        problems.append(Problem(str(folder), "one label description file", ", ".join(path.name for path in descriptions)))
    if not found and not problems:
        problems.append(Problem(str(folder), "images (NIfTI, NRRD, MetaImage) with label maps such as X.nii.gz and X_seg.nii.gz", "none"))
    raise_if_any(problems)
    names: dict[str, tuple[int, ...]] = {}
    for label, name in (read_snap_labels(descriptions[0]) if descriptions else {}).items():
        names[name] = (*names.get(name, ()), label)
    cases = tuple(found[patient_id] for patient_id in sorted(found, key=natural_order))
    return ImportedSet(folder.resolve().name, "MR", cases, names)


def _pair(place: Path, problems: list[Problem]) -> list[ImportedCase]:
    files = image_files(place)
    problems += [Problem(str(path), "a NIfTI, NRRD or MetaImage file", f"{path.suffix}, which is not read")
                 for path in sorted(place.iterdir()) if path.suffix.lower() in _NOT_READ and not path.name.startswith(".")]
    found = {stem: _find_image(stem, files) for stem in files}
    maps = {stem: image for stem, image in found.items() if image}
    images = {stem for stem in files if stem not in maps and not _is_label_map(stem)}
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


def _find_image(stem: str, files: Mapping[str, Path]) -> str:
    """The image whose name is in that of a label map, in the same case or, if that leaves one, in another; "" if there is none."""
    for match in (pattern.fullmatch(stem) for pattern in _LABEL_MAPS):
        if match is None:
            continue
        near = [name for name in files if name.casefold() == match["image"].casefold() and not _is_label_map(name)]
        if match["image"] in near or len(near) == 1:
            return match["image"] if match["image"] in near else near[0]
    return ""


def _is_label_map(stem: str) -> bool:
    return bool(_LABEL_ALONE.fullmatch(stem) or any(pattern.fullmatch(stem) for pattern in _LABEL_MAPS))
