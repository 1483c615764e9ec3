"""The stages of a run: what each depends on, and the digest that tells whether it has to be run again.

A stage's digest covers its sections of the profile, the source files it uses and the digests of the stages before it; a user's manifest counts
with its tables, its masks, and the names and sizes of its series' files. The Snakefile, the wrapper and the stage scripts read everything from here.
"""
from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lirads_keras.config import Profile, TrunkName, read_profile
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.atomic import write_json
from lirads_keras.io.manifests import describe_files, read_manifest

EXPERIMENTS = Path(__file__).resolve().parent
CHECKOUT = EXPERIMENTS.parent


@dataclass(frozen=True)
class Stage:
    """`sections` of the profile (dotted) without those under `without`; `rooms`: source files or folders, below the checkout."""

    sections: tuple[str, ...]
    rooms: tuple[str, ...]
    needs: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


_IO = ("lirads_keras/io", "lirads_keras/entities.py")
_STORE = (*_IO, *(f"lirads_keras/preprocessing/{name}.py" for name in ("store", "integers", "intensity", "resample")), "experiments/store_studies.py")
_NETWORK = ("lirads_keras/models", "lirads_keras/losses/segmentation.py", "lirads_keras/training/segmentation.py", "lirads_keras/training/callbacks.py",
            "lirads_keras/training/resumable.py", "lirads_keras/training/feed.py", "lirads_keras/training/adam.py", "lirads_keras/training/metrics.py",
            "lirads_keras/training/runtime.py", "lirads_keras/preprocessing/slices.py", "lirads_keras/preprocessing/endless.py",
            "lirads_keras/preprocessing/augmentation.py", "lirads_keras/preprocessing/sampling.py", "lirads_keras/preprocessing/splits.py",
            "lirads_keras/preprocessing/manifest_folds.py")

STAGES = {
    "cohort": Stage(("cohort",), ("lirads_keras/phantom", "lirads_keras/lesions.py", "lirads_keras/lirads", *_IO)),
    "ct": Stage(("ct",), ("lirads_keras/phantom", *_IO)),
    "ct_store": Stage(("preprocessing",), (*_STORE, "experiments/build_ct_store.py"), ("ct",), without=("preprocessing.registration",)),
    "store": Stage(("preprocessing",), (*_STORE, "lirads_keras/preprocessing/study.py", "lirads_keras/preprocessing/registration.py",
                                        "experiments/build_store.py"), ("cohort",)),
    "pretrain": Stage(("seed", "segmentation", "workflow.threads"),
                      (*_NETWORK, "lirads_keras/evaluation/overlap.py", "experiments/score_pretraining.py", "experiments/pretrain.py"), ("ct_store",),
                      without=("segmentation.finetune", "segmentation.folds")),
    "folds": Stage(("segmentation", "inference", "evaluation.thresholds"),
                   ("lirads_keras/inference/segmentation.py", "lirads_keras/inference/body_box.py", "lirads_keras/inference/halves.py",
                    "lirads_keras/inference/predictors.py", "lirads_keras/inference/openvino_predictor.py", "lirads_keras/evaluation/overlap.py",
                    "lirads_keras/evaluation/classification.py", "lirads_keras/cross_validation.py", "experiments/stage_data.py", "experiments/train_folds.py"),
                   ("store", "pretrain"), without=("inference.folds",)),
    "lesions": Stage((
        "lesions", "characterization.crop_px", "characterization.margin_fraction", "characterization.channels"),
                     ("lirads_keras/lesions.py", "lirads_keras/preprocessing/crops.py", "lirads_keras/evaluation/detection.py",
                      "experiments/extract_lesions.py"), ("folds",)),
    "trunks": Stage(("characterization.weights", "characterization.formula", "characterization.width_factor", "characterization.crop_px",
                     "segmentation.precision", "workflow.threads"),
                    (*(f"lirads_keras/models/{name}.py" for name in ("trunk", "vgg", "resnet", "cbam", "batch_norm", "pretrained", "width")),
                     "lirads_keras/training/formula.py", "lirads_keras/training/callbacks.py", "lirads_keras/training/resumable.py",
                     "lirads_keras/training/feed.py", "lirads_keras/preprocessing/endless.py",
                     "lirads_keras/training/runtime.py", "lirads_keras/training/adam.py", "lirads_keras/preprocessing/formula_images.py",
                     "experiments/pretrain_trunks.py",
                     "lirads_keras/io/atomic.py", "lirads_keras/io/records.py", "lirads_keras/entities.py")),
    "characterization": Stage(("characterization",), ("lirads_keras/training/characterization.py", "lirads_keras/training/direct.py",
                                                      "lirads_keras/losses/adaptive.py", "lirads_keras/inference/features.py",
                                                      "lirads_keras/inference/direct.py", "lirads_keras/preprocessing/half_split.py",
                                                      "experiments/trainings.py", "experiments/train_variants.py"), ("lesions", "trunks"),
                              without=("characterization.rules", "characterization.decision_threshold", "characterization.variants",
                                       "characterization.seeds", "characterization.half_split")),
    "results": Stage(("evaluation", "characterization"), ("lirads_keras/evaluation", "lirads_keras/lirads", "experiments/score_variants.py",
                                                          "experiments/overlay_figures.py", "experiments/score_baseline.py",
                                                          "experiments/score_surface.py", "experiments/describe_cohort.py",
                                                          "experiments/diagrams", "lirads_keras/pipeline.py",
                                                          "experiments/durations.py", "experiments/results_tables.py", "r_analysis/schema.csv",
                                                          "lirads_keras/variants.py", "experiments/export_results.py"), ("characterization",)),
    "report": Stage((), ("r_analysis", "data_manifests/paper_results.csv", "experiments/render_report.py", "experiments/model_card.py",
                         "experiments/durations.py", "CITATION.cff"), ("results",)),
}


@dataclass(frozen=True)
class Plan:
    """Where a run reads and writes, and the digest of each of its stages.

    `lits` is LiTS' folder if the profile asks for it and it is there. The digests are those of the run's start: code that is edited while the
    workflow runs does not move its folders.
    """

    run: Path
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
    def fold_groups(self) -> list[list[int]]:
        """Folds that one process trains."""
        folds, size = self.profile.segmentation.folds, self.profile.workflow.folds_per_job
        return [list(range(first, min(first + size, folds))) for first in range(0, folds, size)]

    @property
    def trunks(self) -> tuple[TrunkName, ...]:
        """The trunks of the profile's characterisation variants; the direct networks stand on VGG16."""
        variants = self.profile.characterization.variants
        found: dict[TrunkName, bool] = {"vgg16": not all(name.startswith("resnet50") for name in variants),
                                        "resnet50": any(name.startswith("resnet50") for name in variants)}
        return tuple(name for name, used in found.items() if used)

    @property
    def trunk_folder(self) -> Path:
        """Where pre-trained trunks are kept, for all runs that share them."""
        return self.data / "trunks" / self.digests["trunks"]

    @property
    def variant_groups(self) -> list[tuple[str, ...]]:
        """Characterisation variants that one process trains."""
        variants, size = self.profile.characterization.variants, self.profile.workflow.variants_per_job
        return [variants[first:first + size] for first in range(0, len(variants), size)]

    def done_file(self, stage: str, part: str = "") -> Path:
        if stage == "cohort" and self.is_virtual:
            return self.manifest / "done.json"
        if stage == "ct" and not self.lits:
            return self.ct / "done.json"
        return self.run / "done" / f"{stage}{'-' + part if part else ''}.json"

    def parts(self, stage: str) -> list[str]:
        """The parts a stage is worked off in; [""] for a stage in one piece."""
        if stage == "folds":
            return [str(index) for index in range(len(self.fold_groups))]
        if stage == "characterization":
            return [str(index) for index in range(len(self.variant_groups))]
        return [""]

    def digest(self, stage: str, part: str = "") -> str:
        """What this part was made from: the stage's digest, and the trunks, folds or variants that the part stands for."""
        if stage == "trunks":
            return " ".join([self.digests[stage], *self.trunks])
        if not part:
            return self.digests[stage]
        if stage == "folds":
            return " ".join(map(str, [self.digests[stage], *self.fold_groups[int(part)]]))
        settings = self.profile.characterization
        half = ["half"] if settings.half_split else []
        return " ".join(map(str, [self.digests[stage], *self.variant_groups[int(part)], *settings.seeds, *half]))

    def is_done(self, stage: str, part: str = "") -> bool:
        """Whether this part was finished with today's digest."""
        try:
            return json.loads(self.done_file(stage, part).read_text())["digest"] == self.digest(stage, part)
        except (OSError, ValueError, KeyError, TypeError):
            return False


def write_plan(run: Path, profile: Profile, data: Path, user_manifest: Path | None) -> Plan:
    """Puts the plan's settings into the run folder, where the stages find them."""
    write_json(run / "profile.yaml", profile.model_dump(mode="json"))
    lits = find_lits(profile, data)
    write_json(run / "inputs.json", {
        "data": str(data.resolve()), "manifest": str(user_manifest.resolve()) if user_manifest else None, "lits": str(lits.resolve()) if lits else None,
        "digests": _compute_digests(profile, user_manifest, lits)})
    return read_plan(run)


def find_lits(profile: Profile, data: Path) -> Path | None:
    """LiTS' folder, if the profile asks for LiTS and it is there."""
    folder = data / "lits"
    return folder if profile.ct.source == "lits" and any(folder.glob("volume-*.nii*")) else None


def read_plan(run: Path) -> Plan:
    """The plan of a run folder.

    Raises:
        InputError: the folder holds no run.
    """
    try:
        inputs = json.loads((run / "inputs.json").read_text())
    except (OSError, ValueError) as error:
        raise InputError(Problem(str(run), "a run folder (made by `make reproduce`)", f"{type(error).__name__}: {error}")) from error
    manifest, lits = (Path(inputs[name]) if inputs[name] else None for name in ("manifest", "lits"))
    return Plan(run.resolve(), read_profile(run / "profile.yaml"), Path(inputs["data"]), manifest, lits, inputs["digests"])


def _compute_digests(profile: Profile, user_manifest: Path | None, lits: Path | None) -> dict[str, str]:
    digests: dict[str, str] = {}
    for name, stage in STAGES.items():
        parts: list[Any] = [_settings(profile, stage), _list_sources(stage)]
        parts += [digests[need] for need in stage.needs]
        if name == "cohort" and user_manifest:
            parts = [*describe_files(read_manifest(user_manifest))]
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
        chosen[path] = value
    return chosen


def compute_code_digest(stage: str) -> str:
    """Of the source files of a stage alone, whatever its settings and data."""
    return hashlib.sha256(json.dumps(_list_sources(STAGES[stage])).encode()).hexdigest()[:12]


def _list_sources(stage: Stage) -> list[str]:
    return [_source_digest(CHECKOUT / room) for room in stage.rooms]


def _source_digest(room: Path) -> str:
    files = sorted(path for path in room.rglob("*") if path.suffix in {".py", ".R", ".Rmd", ".yaml", ".csv", ".css", ".png"}) if room.is_dir() else [room]
    content = hashlib.sha256()
    for path in files:
        content.update(str(path.relative_to(CHECKOUT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return content.hexdigest()[:12]
