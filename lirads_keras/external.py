"""How a run's segmentation networks of all patients fare on real patients of a public set; what was stored or scored before is not done again."""
from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.config.profile import Profile
from lirads_keras.errors import InputError, Problem
from lirads_keras.evaluation.conditions import AS_ACQUIRED
from lirads_keras.evaluation.external_readings import COLUMNS as PHASE_COLUMNS
from lirads_keras.evaluation.external_readings import Reading
from lirads_keras.io.atomic import write_text
from lirads_keras.io.datasets.common import write_manifest
from lirads_keras.io.datasets.registry import ADAPTERS
from lirads_keras.io.label_names import choose_labels, read_label_names
from lirads_keras.io.manifests import Manifest
from lirads_keras.io.records import Record
from lirads_keras.lesions import label_components
from lirads_keras.preprocessing.patient_store import store_patient
from lirads_keras.preprocessing.store import read_stored_study
from lirads_keras.preprocessing.study_store import identify, store_studies
from lirads_keras.progress import Progress, tell_count
from lirads_keras.run import DrawFolder, NetworkFolder, RunFolder
from lirads_keras.variants import SEGMENTATION_VARIANTS

LESION_LABEL = "tumour"
"""The name of lesions in the labels of `registry.EXTERNAL_SETS`."""

SCORE_COLUMNS = ("draw", "condition", "amount", "segmentation", "draw_patient_id", "group", "dice", "n_reference", "n_detected", "n_predicted", "n_matched",
                 "phases", "threshold", "minimum_volume_mm3")
"""Of scores.csv: those of draws.csv, with the set in the place of a draw, then the phases that were read and what the network takes for a lesion."""


@dataclass(frozen=True)
class ExternalFolder(DrawFolder):
    """Of an external set: beside the patients' store and scores its manifest and its tables."""

    @property
    def manifest(self) -> Path:
        return self.path / "manifest"

    @property
    def imported(self) -> Record:
        """Says which files the manifest was made from."""
        return Record(self.manifest / "imported.json")

    @property
    def scores_table(self) -> Path:
        """Written last."""
        return self.path / "scores.csv"

    @property
    def phases_table(self) -> Path:
        return self.path / "phases.csv"


def find_full_networks(run: RunFolder, profile: Profile) -> tuple[dict[str, NetworkFolder], list[Problem]]:
    """The network of all patients of each segmentation variant of a run, and what is missing of them."""
    networks = {variant: run.full(variant) for variant in profile.segmentation.variants}
    problems: list[Problem] = []
    for network in networks.values():
        if not network.weights.is_file():
            problems.append(Problem(str(network.weights), "weights of a finished run that were trained on all patients", "no such file"))
        try:
            network.cut
        except InputError as error:
            problems += error.problems
    return networks, problems


def import_set(name: str, source: Path, folder: ExternalFolder, progress: Progress) -> None:
    """Makes the manifest of a set, unless it was made of the same files.

    Raises:
        InputError: as the set's adapter, which tells all problems; or the set has other files than those that were scored.
    """
    identity = _identify_files(source)
    if folder.imported.made_from(identity):
        return
    if folder.scores_table.exists():
        raise InputError(Problem(f"--out {folder.path}", f"the files of {source} as they were scored there (another --out otherwise)", "other ones"))
    if folder.manifest.exists():
        shutil.rmtree(folder.manifest)
    write_manifest(ADAPTERS[name](source, folder.manifest, progress), folder.manifest)
    folder.imported.write(identity)


def store_set(manifest: Manifest, folder: ExternalFolder, settings: PreprocessingSettings, *, jobs: int, progress: Progress) -> None:
    """Stores every patient of the manifest: enhanced phases, and each component of a tumour's voxels as a lesion.

    Raises:
        InputError: as `store_patient`, of all patients.
    """
    labels = choose_labels(LESION_LABEL, read_label_names(manifest.folder))
    tasks = {str(name): partial(_store_patient, folder.store(str(name)), manifest, str(name), settings, labels) for name in manifest.patients["patient_id"]}
    store_studies(folder.stores, tasks, jobs=jobs, progress=progress)


def score_readings(profile: Profile, networks: Mapping[str, NetworkFolder], readings: Sequence[Reading], folder: ExternalFolder, identity: str,
                   progress: Progress) -> None:
    """Leaves a record of each patient whom a network can read and had not read before.

    Args:
        profile: of the run.
        networks: by variant.
        readings: those without images are passed over; patients are stored.
        folder: gets the records.
        identity: of all that a score depends on beside the stored patient.
        progress: told after each reading.

    Raises:
        InputError: as `NetworkScorer`.
    """
    from lirads_keras.network_scorer import NetworkScorer

    possible = [reading for reading in readings if reading.images]
    done = 0
    for variant, network in networks.items():
        scorer: NetworkScorer | None = None
        for reading in (reading for reading in possible if reading.segmentation == variant):
            record, basis = folder.score(variant, reading.patient_id), _identify_score(folder, reading.patient_id, identity)
            if not record.made_from(basis):
                scorer = scorer or NetworkScorer(profile, SEGMENTATION_VARIANTS[variant], network, profile.workflow.cores)
                row, = scorer.score(read_stored_study(folder.store(reading.patient_id)), [AS_ACQUIRED])
                record.write(basis, row=row)
            done += 1
            tell_count(progress, "patient", done, len(possible))


def read_scores(draw: str, networks: Mapping[str, NetworkFolder], readings: Sequence[Reading], folder: ExternalFolder) -> list[dict[str, Any]]:
    """Rows of scores.csv, from the records that `score_readings` left."""
    rows = []
    for reading in readings:
        if reading.images:
            row = folder.score(reading.segmentation, reading.patient_id).read()["row"]
            threshold, minimum_volume_mm3 = networks[reading.segmentation].cut
            rows.append({
                "draw": draw, "segmentation": reading.segmentation, "draw_patient_id": reading.patient_id,
                "group": "positive" if row["n_reference"] else "negative", **row, "phases": " ".join(reading.images), "threshold": threshold,
                "minimum_volume_mm3": minimum_volume_mm3})
    return rows


def write_tables(rows: Sequence[Mapping[str, Any]], readings: Sequence[Reading], draw: str, source: Path, folder: ExternalFolder) -> None:
    """Writes phases.csv and, last, scores.csv; tables that are there stay."""
    if not folder.scores_table.exists():
        write_text(folder.phases_table, _format_table(PHASE_COLUMNS, [reading.row(draw, source) for reading in readings]))
        write_text(folder.scores_table, _format_table(SCORE_COLUMNS, rows))


def _store_patient(folder: Path, manifest: Manifest, patient_id: str, settings: PreprocessingSettings, labels: tuple[int, ...]) -> None:
    def number_lesions(mask: np.ndarray | None) -> np.ndarray | None:
        return None if mask is None else label_components(np.isin(mask, labels))[0]

    store_patient(folder, manifest, patient_id, settings, number_lesions, ["components", *labels])


def _identify_files(source: Path) -> str:
    """Of the names, sizes and times of the NIfTI files in a folder; a folder that is not there has none."""
    found = sorted(path for pattern in ("*.nii", "*.nii.gz") for path in source.rglob(pattern) if path.is_file())
    return identify([[path.relative_to(source).as_posix(), path.stat().st_size, path.stat().st_mtime_ns] for path in found])


def _identify_score(folder: ExternalFolder, patient_id: str, identity: str) -> str:
    return identify([Record(folder.store(patient_id) / "source.json").read()["identity"], identity])


def _format_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow("" if row[name] is None else f"{row[name]:.6g}" if isinstance(row[name], float) else row[name] for name in columns)
    return text.getvalue()
