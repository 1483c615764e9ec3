"""Data sets whose images and label maps are one file each."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from lirads_keras.errors import Problem, raise_if_any
from lirads_keras.io.datasets.common import ImportedCase, natural_order


def pair_files(images: Mapping[str, Path], labels: Mapping[str, Path], label_of: Callable[[str], str], name: Callable[[str], str],
               where: Path) -> tuple[ImportedCase, ...]:
    """Cases of one image each, of no known phase, with their label maps.

    Args:
        images, labels: NIfTI files by stem.
        label_of: the stem of the label map that belongs to an image's stem.
        name: the patient's id from an image's stem.
        where: the folder, for messages.

    Raises:
        InputError: no image, an image without label map, or a label map without image; all of them.
    """
    problems = [] if images else [Problem(str(where), "NIfTI images in the layout of the set", "none")]
    wanted = {label_of(stem): stem for stem in images}
    problems += [Problem(str(images[stem]), f"its label map {label}.nii.gz", "no such file") for label, stem in wanted.items() if label not in labels]
    problems += [Problem(str(path), "the image that it labels", "no such file") for stem, path in labels.items() if stem not in wanted]
    raise_if_any(problems)
    return tuple(ImportedCase(name(stem), {"": images[stem]}, labels[label_of(stem)]) for stem in sorted(images, key=natural_order))
