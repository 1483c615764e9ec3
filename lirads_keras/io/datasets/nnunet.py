"""nnU-Net's raw data format, version 2 (Isensee et al., Nat Methods 2021;18:203; documentation/dataset_format.md of MIC-DKFZ/nnUNet).

Any data set somebody has brought into it, under its own licence. Layout: `dataset.json`, `imagesTr/<case>_0000.nii.gz` … one file a channel,
`labelsTr/<case>.nii.gz`. With several channels each must be named by a phase (`arterial`, `T1 portal venous`, …: the rules for SeriesDescription), one of them
delayed; a channel called CT is in HU. `imagesTs` has no labels and is not read.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from lirads_keras.entities import Phase
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.datasets.common import ImportedCase, ImportedSet, find_folder, image_files, natural_order
from lirads_keras.io.phases import find_phase
from lirads_keras.progress import Progress


def read_nnunet(folder: Path, out: Path, progress: Progress) -> ImportedSet:
    """The training cases of a raw nnU-Net data set.

    Raises:
        InputError: another layout, channels that name no phase, or cases with missing files; all of them.
    """
    root = find_folder(folder, "dataset.json", "imagesTr", "labelsTr")
    channels, labels = _read_description(root / "dataset.json")
    modality: Literal["MR", "CT"] = "CT" if [name.upper() for name in channels.values()] == ["CT"] else "MR"
    phases = _find_phases(root / "dataset.json", channels)
    images, masks = image_files(root / "imagesTr"), image_files(root / "labelsTr")
    problems = [Problem(str(path), "a name that ends in a channel of dataset.json, such as _0000", path.name)
                for stem, path in images.items() if stem[-5:] not in phases]
    cases = sorted({stem[:-5] for stem in images if stem[-5:] in phases}, key=natural_order)
    problems += [Problem(str(root / "imagesTr" / f"{case}{suffix}.nii.gz"), "every channel of a case", "no such file")
                 for case in cases for suffix in phases if case + suffix not in images]
    problems += [Problem(str(root / "labelsTr" / f"{case}.nii.gz"), f"the label map of {case}", "no such file") for case in cases if case not in masks]
    problems += [Problem(str(path), "the image that it labels", "no such file") for case, path in masks.items() if case not in cases]
    if not cases and not problems:
        problems.append(Problem(str(root / "imagesTr"), "NIfTI images named <case>_0000.nii.gz", "none"))
    raise_if_any(problems)
    return ImportedSet(root.name, modality, tuple(
        ImportedCase(case, {phase: images[case + suffix] for suffix, phase in phases.items()}, masks[case]) for case in cases), labels)


def _read_description(path: Path) -> tuple[dict[str, str], dict[str, tuple[int, ...]]]:
    """Channel number → name, and name → labels; a region is several labels."""
    try:
        content: Any = json.loads(path.read_bytes())
        channels = {str(int(number)): str(name) for number, name in content["channel_names"].items()}
        labels = {str(name): tuple(int(label) for label in (value if isinstance(value, list) else [value])) for name, value in content["labels"].items()}
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(Problem(str(path), "a dataset.json of nnU-Net v2 with channel_names and labels (name: number)",
                                 f"{type(error).__name__}: {error}")) from error
    return channels, {name: kept for name, values in labels.items() if name not in ("background", "ignore") and (kept := tuple(filter(None, values)))}


def _find_phases(path: Path, channels: dict[str, str]) -> dict[str, str]:
    """File suffix → phase; "" where there is one channel, which needs none."""
    if len(channels) == 1:
        return {f"_{int(number):04d}": "" for number in channels}
    phases = {f"_{int(number):04d}": name if name in list(Phase) else str(find_phase(name)[0] or "") for number, name in channels.items()}
    named = [phase for phase in phases.values() if phase]
    if len(set(named)) < len(channels) or Phase.DELAYED not in named:
        raise InputError(Problem(f"{path}, channel_names", f"one channel, or several that each name a phase, one of them {Phase.DELAYED}",
                                 ", ".join(f"{name} ({phase or 'no phase'})" for name, phase in zip(channels.values(), phases.values(), strict=True))))
    return phases
