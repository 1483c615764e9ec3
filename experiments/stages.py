"""The stages of a run: what each depends on, and the digest that tells whether it has to be run again.

A stage's digest covers its sections of the profile, its sources (`sources.py`) and the digests of the stages before it; a user's manifest counts
with its tables, its masks, and the names and sizes of its series' files. The Snakefile, the wrapper and the stage scripts read everything from here.
"""
from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sources import compute_sources_digest

from lirads_keras.config.profile import Profile
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.atomic import write_json
from lirads_keras.io.manifests import describe_files, read_manifest
from lirads_keras.io.records import Record
from lirads_keras.run import NetworkFolder, RunFolder
from lirads_keras.variants import CHARACTERIZATION_VARIANTS, SEGMENTATION_VARIANTS, TRUNKS, TrunkName

EXPERIMENTS = Path(__file__).resolve().parent
CHECKOUT = EXPERIMENTS.parent


@dataclass(frozen=True)
class Stage:
    """`script`, beside this file; `sections` of the profile (dotted) without those under `without`."""

    script: str
    sections: tuple[str, ...]
    needs: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


STAGES = {
    "cohort": Stage("build_cohort.py", ("cohort",)),
    "ct": Stage("build_ct.py", ("ct",)),
    "ct_store": Stage("build_ct_store.py", ("preprocessing",), ("ct",), without=("preprocessing.registration",)),
    "store": Stage("build_store.py", ("preprocessing",), ("cohort",)),
    "pretrain": Stage("pretrain.py", ("seed", "segmentation", "workflow.threads"), ("ct_store",),
                      without=("segmentation.shared_start", "segmentation.finetune", "segmentation.folds", "segmentation.variants", "segmentation.drop_phase",
                               "segmentation.validation_negatives")),
    "starts": Stage("train_starts.py", ("segmentation",), ("store", "pretrain"), without=("segmentation.variants", "segmentation.finetune")),
    "folds": Stage("train_folds.py", ("segmentation", "inference", "lesions"), ("starts",),
                   without=("segmentation.variants", "lesions.minimum_overlap_iou")),
    "full": Stage("train_full.py", (), ("folds",)),
    "draw_store": Stage("store_draws.py", ("preprocessing", "draws"), ("cohort",), without=("draws.moved_mm",)),
    "draws": Stage("score_draws.py", ("draws",), ("full", "draw_store")),
    "lesions": Stage("extract_lesions.py", ("segmentation.variants", "lesions.minimum_overlap_iou", "characterization.crop_px",
                                            "characterization.margin_fraction", "characterization.channels"), ("folds",)),
    "trunks": Stage("pretrain_trunks.py", ("characterization.weights", "characterization.formula", "characterization.width_factor", "characterization.crop_px",
                                           "segmentation.precision", "workflow.threads")),
    "characterization": Stage("train_variants.py", ("characterization",), ("lesions", "trunks"),
                              without=("characterization.rules", "characterization.decision_threshold", "characterization.variants",
                                       "characterization.seeds", "characterization.half_split")),
    "results": Stage("export_results.py", ("segmentation.variants", "evaluation", "characterization"), ("characterization", "draws")),
    "report": Stage("render_report.py", (), ("results",)),
}

UNORDERED = ("segmentation.variants",)
"""Lists of the profile whose order says nothing."""

DIGEST_RULE = 2
"""Of what digests are made, and how; it rises with each change of that. 1: of files and folders that were listed by hand, with their comments."""

QUEUED_STAGES = ("starts", "folds", "full", "draws", "characterization")
"""Stages whose trainings or scorings several processes share out."""


@dataclass(frozen=True)
class Plan:
    """Where a run reads and writes, and the digest of each of its stages.

    `lits` is LiTS' folder if the profile asks for it and it is there. The digests are those of the run's start: code that is edited while the
    workflow runs does not move its folders.
    """

    run: RunFolder
    profile: Profile
    data: Path
    user_manifest: Path | None
    lits: Path | None
    digests: dict[str, str]

    @property
    def manifest(self) -> Path:
        """The folder with patients.csv, series.csv and lesions.csv."""
        return self.user_manifest or self.data / "cohorts" / self.digests["cohort"]

    @property
    def ct(self) -> Path:
        """The folder with volume-N.nii.gz and segmentation-N.nii.gz."""
        return self.lits or self.data / "cohorts" / f"ct-{self.digests['ct']}"

    @property
    def is_virtual(self) -> bool:
        return self.user_manifest is None

    @property
    def segmentations(self) -> tuple[str, ...]:
        """The profile's segmentation variants, in the registry's order."""
        return tuple(name for name in SEGMENTATION_VARIANTS if name in self.profile.segmentation.variants)

    @property
    def trunks(self) -> tuple[TrunkName, ...]:
        """The trunks of the profile's characterisation variants."""
        used = {CHARACTERIZATION_VARIANTS[name].trunk for name in self.profile.characterization.variants}
        return tuple(trunk for trunk in TRUNKS if trunk in used)

    @property
    def trunk_folder(self) -> Path:
        """Where pre-trained trunks are kept, for all runs that share them."""
        return self.data / "trunks" / self.digests["trunks"]

    def trunk(self, trunk: TrunkName) -> NetworkFolder:
        """The folder of a pre-trained trunk."""
        return NetworkFolder(self.trunk_folder / trunk)

    def done(self, stage: str, part: str = "") -> Record:
        """What says that a part of a stage is finished; of a virtual cohort and CT set, for all runs that share them."""
        if stage == "cohort" and self.is_virtual:
            return Record(self.manifest / "done.json")
        if stage == "ct" and not self.lits:
            return Record(self.ct / "done.json")
        return self.run.done(stage, part)

    def parts(self, stage: str) -> list[str]:
        """The parts a stage is worked off in, [""] for a stage in one piece: processes that share one queue, as many as there are jobs."""
        return [str(worker) for worker in range(self.profile.workflow.jobs)] if stage in QUEUED_STAGES else [""]

    def identity(self, stage: str, part: str = "") -> str:
        """What this part was made from: the stage's digest, and which trunks, folds, variants and seeds were asked for.

        A part of a queued stage stands for the whole queue, of so many processes: what it did not do itself, the others did or will have done when
        they are through.
        """
        characterization = self.profile.characterization
        asked: tuple[Any, ...] = ()
        if stage == "trunks":
            asked = self.trunks
        elif stage in ("starts", "folds", "full", "draws"):
            asked = (*self.segmentations, self.profile.workflow.jobs)
        elif stage == "draw_store":
            asked = self.segmentations
        elif stage == "characterization":
            asked = (*characterization.variants, *characterization.seeds, *(["half"] if characterization.half_split else []), self.profile.workflow.jobs)
        return " ".join(map(str, (self.digests[stage], *asked)))

    def is_done(self, stage: str, part: str = "") -> bool:
        """Whether this part was finished with today's identity."""
        return self.done(stage, part).made_from(self.identity(stage, part))


def write_plan(run: Path, profile: Profile, data: Path, user_manifest: Path | None) -> Plan:
    """Puts the plan's settings into the run folder, where the stages find them."""
    folder, lits = RunFolder(run), find_lits(profile, data)
    write_json(folder.profile_file, profile.model_dump(mode="json"))
    digests = _compute_digests(profile, user_manifest, lits)
    folder.inputs.write(
        " ".join(digests.values()), virtual=user_manifest is None, data=str(data.resolve()), manifest=str(user_manifest.resolve()) if user_manifest else None,
        lits=str(lits.resolve()) if lits else None, digest_rule=DIGEST_RULE, digests=digests)
    return read_plan(run)


def was_made_by_an_older_rule(run: Path) -> bool:
    """Whether there is a run in this folder whose digests were not made as they are made today."""
    try:
        inputs = RunFolder(run).inputs.read()
        return bool(inputs) and int(inputs.get("digest_rule", 1)) < DIGEST_RULE
    except (ValueError, TypeError):
        return False


def find_lits(profile: Profile, data: Path) -> Path | None:
    """LiTS' folder, if the profile asks for LiTS and it is there."""
    folder = data / "lits"
    return folder if profile.ct.source == "lits" and any(folder.glob("volume-*.nii*")) else None


def read_plan(run: Path) -> Plan:
    """The plan of a run folder.

    Raises:
        InputError: the folder holds no run.
    """
    folder = RunFolder(run.resolve())
    inputs = folder.inputs.read()
    if "digests" not in inputs:
        raise InputError(Problem(str(run), "a run folder (made by `make reproduce`)", f"{folder.inputs.path.name} that is absent or says nothing of it"))
    manifest, lits = (Path(inputs[name]) if inputs[name] else None for name in ("manifest", "lits"))
    return Plan(folder, folder.read_profile(), Path(inputs["data"]), manifest, lits, inputs["digests"])


def _compute_digests(profile: Profile, user_manifest: Path | None, lits: Path | None) -> dict[str, str]:
    digests: dict[str, str] = {}
    for name, stage in STAGES.items():
        parts: list[Any] = [_settings(profile, stage), compute_code_digest(name)]
        parts += [digests[need] for need in stage.needs]
        if name == "cohort" and user_manifest:
            parts = [*describe_files(read_manifest(user_manifest))]
        if name == "draw_store" and user_manifest:
            # Of a user's patients there are no further draws.
            parts = []
        if name == "ct" and lits:
            parts = [(path.name, path.stat().st_size) for path in sorted(lits.iterdir())]
        digests[name] = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
    return digests


def _settings(profile: Profile, stage: Stage) -> dict[str, Any]:
    dump = profile.model_dump(mode="json")
    for path in stage.without:
        section, key = path.split(".")
        del dump[section][key]
    chosen = {}
    for path in stage.sections:
        value: Any = dump
        for key in path.split("."):
            value = value[key]
        chosen[path] = sorted(value) if path in UNORDERED else value
    return chosen


def compute_code_digest(stage: str) -> str:
    """Of the sources of a stage alone, whatever its settings and data."""
    return compute_sources_digest(f"experiments/{STAGES[stage].script}", CHECKOUT)
