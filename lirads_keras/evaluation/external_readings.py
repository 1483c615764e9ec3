"""Which image of an external patient a segmentation network reads as which phase, and whom it does not read."""
from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lirads_keras.entities import ENHANCED_PHASES, Phase, find_grid_phase
from lirads_keras.io.manifests import Manifest
from lirads_keras.variants import PAPER_SEGMENTATION, SegmentationVariant
from lirads_keras.words import name_phases

COLUMNS = ("draw", "segmentation", "draw_patient_id", *map(str, ENHANCED_PHASES), "scored", "note")
"""Of phases.csv."""

UNNAMED = f"the set does not say the phase of the image; it stands in for the delayed phase, and {PAPER_SEGMENTATION} alone reads it"


@dataclass(frozen=True)
class Reading:
    """What a segmentation variant's network reads of a patient.

    `images` are files by phase; none where the network cannot read the patient. `note` says why not, or what is unusual; mostly it is empty.
    """

    segmentation: str
    patient_id: str
    images: Mapping[Phase, Path] = field(default_factory=dict)
    note: str = ""

    def row(self, draw: str, source: Path) -> dict[str, object]:
        """A row of phases.csv; files are named relative to the folder `source`, where they lie in it."""
        files = {phase: path.relative_to(source).as_posix() if path.is_relative_to(source) else str(path) for phase, path in self.images.items()}
        return dict(zip(COLUMNS, (draw, self.segmentation, self.patient_id, *(files.get(phase, "") for phase in ENHANCED_PHASES), int(bool(files)), self.note),
                        strict=True))


def list_readings(manifest: Manifest, variants: Sequence[SegmentationVariant]) -> list[Reading]:
    """A reading of each patient by each variant, variant by variant; patients whom the manifest excludes are among them, with its reason.

    Args:
        manifest: of NIfTI files, read for a segmentation and not for training.
        variants: of the run's networks.
    """
    unnamed = {row["patient_id"] for row in _read_rows(manifest.folder / "series.csv") if not row["phase"]}
    excluded = [(row["patient_id"], row["exclusion_reason"]) for row in _read_rows(manifest.folder / "patients.csv") if row["exclusion_reason"]]
    images: dict[str, dict[Phase, Path]] = {str(patient_id): {} for patient_id in manifest.patients["patient_id"]}
    for row in manifest.series.to_dict("records"):
        images[str(row["patient_id"])][Phase(row["phase"])] = manifest.resolve(row["path"])
    return [reading for variant in variants for reading in (
        *(_read_unnamed(variant, name, of_phases) if name in unnamed else _read_phases(variant, name, of_phases) for name, of_phases in images.items()),
        *(Reading(variant.name, name, note=reason) for name, reason in excluded))]


def _read_unnamed(variant: SegmentationVariant, patient_id: str, images: Mapping[Phase, Path]) -> Reading:
    return Reading(variant.name, patient_id, images if variant.name == PAPER_SEGMENTATION else {}, UNNAMED)


def _read_phases(variant: SegmentationVariant, patient_id: str, images: Mapping[Phase, Path]) -> Reading:
    read = variant.select_phases(images)
    lacking = [phase for phase in variant.phases if phase not in images]
    if not read:
        return Reading(variant.name, patient_id, note=f"no {name_phases(lacking)}, and {variant.name} reads nothing else")
    note = f"read without the {name_phases(lacking)}, on the grid of the {name_phases([find_grid_phase(images)])}" if lacking else ""
    return Reading(variant.name, patient_id, {phase: images[phase] for phase in read}, note)


def _read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
