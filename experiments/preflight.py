"""What the paper profile will cost, said before it starts."""
from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import psutil
from network_cost import NetworkCost, count_cost
from stages import find_lits

from lirads_keras.config.profile import Profile
from lirads_keras.config.segmentation import SegmentationSettings
from lirads_keras.entities import ENHANCED_PHASES
from lirads_keras.errors import InputError, Problem
from lirads_keras.variants import CHARACTERIZATION_VARIANTS, SEGMENTATION_VARIANTS, TRUNK_FORWARD_TFLOP_224

PAPER_COST = count_cost("resnet34", stem="paper", width_factor=1.0, decoder_filters=(256, 128, 64, 32, 16))
"""Of the network that the next three numbers are of."""
FORWARD_TFLOP_512 = 0.147
"""One 512 × 512 slice through the ResNet-34 UNet++ with CBAM (counted, 26 M parameters)."""
PAPER_GPU_GB, PAPER_BATCH = 20.0, 6
"""What trains it in half precision on so many windows of 512 × 512 at a time: an assumption that fits a 24 GB card."""
GPU_TFLOP_PER_S = 20.0
"""Sustained by a 24 GB card of the paper's generation in mixed precision: an assumption, good to a factor of two."""
CPU_TFLOP_PER_S = 0.16
"""Sustained by two AVX-512 cores in float32."""
RESNET_FILE = "{}_imagenet_1000_no_top.h5"
TRUNK_FILES = {"vgg16": "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", "resnet50": RESNET_FILE.format("resnet50")}
"""Names of lirads_keras.models, which are not imported from there: TensorFlow takes seconds."""


def gpu_memory_gb() -> float:
    """Memory of the largest NVIDIA GPU; 0 without one."""
    try:
        answer = subprocess.run(["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"], capture_output=True, text=True, check=True)
        return max((float(line) / 1024 for line in answer.stdout.split("\n") if line.strip()), default=0.0)
    except (OSError, subprocess.CalledProcessError, ValueError):
        return 0.0


def estimate_cost(profile: Profile, device_tflop_per_s: float) -> dict[str, float]:
    """Hours, disk_gb and memory_gb of a run; training counts three forward passes."""
    segmentation, cohort = profile.segmentation, profile.cohort
    patients = cohort.patients_positive + cohort.patients_negative
    per_image = FORWARD_TFLOP_512 * _count(segmentation).multiplications / PAPER_COST.multiplications
    per_slice = per_image * (profile.preprocessing.matrix_px / 512) ** 2
    per_window = per_image * (segmentation.training_crop_px / 512) ** 2
    variants = len(segmentation.variants)
    trained = segmentation.pretrain.epochs * segmentation.pretrain.samples_per_epoch
    # The networks on all patients, too.
    trained += variants * (segmentation.folds + 1) * segmentation.finetune.epochs * segmentation.finetune.samples_per_epoch
    if segmentation.shared_start:
        trained += variants * (segmentation.start_groups + 1) * segmentation.shared_start.epochs * segmentation.shared_start.samples_per_epoch
    # Each patient is predicted by its test fold, each positive by one early-stopping set a fold.
    predicted = variants * cohort.slices_written * (patients + segmentation.folds * segmentation.validation_fraction * cohort.patients_positive)
    # Both draws, and for networks of several phases the curves.
    several = sum(len(SEGMENTATION_VARIANTS[name].phases) > 1 for name in segmentation.variants)
    drawn, draws = 2 * sum(profile.draws.patients(cohort)), profile.draws
    scanned_again = draws.curve_patients * len(draws.arterial_later_s) if several else 0
    changed = draws.curve_patients * (2 * len(draws.moved_mm) + len(ENHANCED_PHASES))
    predicted += cohort.slices_written * (variants * drawn + several * (changed + scanned_again))
    tflop = 3 * trained * per_window + predicted * per_slice
    crops = 3 * 174 * profile.characterization.epochs * segmentation.folds * len(profile.characterization.seeds)
    for variant in profile.characterization.variants:
        per_crop = TRUNK_FORWARD_TFLOP_224[CHARACTERIZATION_VARIANTS[variant].trunk]
        tflop += 3 * crops * per_crop * (profile.characterization.crop_px / 224) ** 2 * profile.characterization.width_factor ** 2
    kept = patients + drawn + scanned_again
    voxels = cohort.matrix_px ** 2 * cohort.slices_written * kept
    # 3 phases as DICOM and in the store (2 bytes each), mask as a file and in the store, each variant's prediction (1 byte each); CT once more. On a
    # segmentation grid of another matrix the phases and the mask are stored again.
    disk = voxels * (3 * 2 * 2 + 2) + variants * voxels * patients / kept + profile.ct.patients * profile.ct.matrix_px ** 2 * profile.ct.slices * 6
    if profile.preprocessing.matrix_px != cohort.matrix_px:
        disk += profile.preprocessing.matrix_px ** 2 * cohort.slices_written * kept * (3 * 2 + 1)
    memory = 4 * 3 * cohort.matrix_px ** 2 * cohort.slices_written * 4
    return {"hours": tflop / device_tflop_per_s / 3600, "disk_gb": disk / 1e9, "memory_gb": memory / 1e9 + 6}


def estimate_gpu_gb(profile: Profile) -> float:
    """Memory of the GPU that trains the segmentation network; it rises with the values that training keeps, and their bytes."""
    segmentation = profile.segmentation
    batch = max(segmentation.pretrain.batch_size, segmentation.finetune.batch_size)
    size = batch / PAPER_BATCH * (segmentation.training_crop_px / 512) ** 2 * (2 if segmentation.precision == "float32" else 1)
    return PAPER_GPU_GB * size * _count(segmentation).values / PAPER_COST.values


def _count(settings: SegmentationSettings) -> NetworkCost:
    return count_cost(settings.encoder, stem=settings.stem, width_factor=settings.width_factor, decoder_filters=settings.decoder_filters)


def list_weight_files(profile: Profile) -> list[Path]:
    """ImageNet weights that the profile asks for, where Keras looks for them."""
    names = set()
    if profile.segmentation.encoder_weights == "imagenet":
        names.add(RESNET_FILE.format(profile.segmentation.encoder))
    if profile.characterization.weights == "imagenet":
        names |= {TRUNK_FILES[CHARACTERIZATION_VARIANTS[variant].trunk] for variant in profile.characterization.variants}
    cache = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
    return [cache / name for name in sorted(names)]


def check_paper_profile(profile: Profile, data: Path, run: Path, *, force: bool) -> None:
    """Prints what the run will take and what stands in for what is missing.

    Raises:
        InputError: the machine has too little GPU memory, disk or memory, and `force` is not set.
    """
    gpu_gb, needed_gb = gpu_memory_gb(), estimate_gpu_gb(profile)
    cost = estimate_cost(profile, GPU_TFLOP_PER_S if gpu_gb >= needed_gb else CPU_TFLOP_PER_S)
    disk_free, memory = shutil.disk_usage(next(folder for folder in (run, *run.parents) if folder.exists())).free / 1e9, psutil.virtual_memory().total / 1e9
    print(f"The profile paper will take about {cost['hours']:,.0f} hours on {'this GPU' if gpu_gb >= needed_gb else 'this CPU'}, "
          f"{cost['disk_gb']:,.0f} GB of disk ({disk_free:,.0f} GB free) and {cost['memory_gb']:,.0f} GB of memory ({memory:,.0f} GB here).")
    if find_lits(profile, data):
        print(f"LiTS: found in {data / 'lits'}.")
    else:
        print(f"LiTS: not found in {data / 'lits'} (volume-N.nii, segmentation-N.nii); the virtual CT set is used for pre-training instead.")
    for path in list_weight_files(profile):
        print(f"ImageNet weights {path.name}: "
              + (f"found in {path.parent}." if path.exists() else f"not in {path.parent}; Keras downloads them. Where it cannot, put the file there, or copy "
                 "the profile and set weights and encoder_weights: random (He initialisation instead of ImageNet)."))
    problems = []
    if gpu_gb < needed_gb:
        problems.append(Problem("PROFILE=paper", f"a GPU with {needed_gb:.0f} GB of memory or more", f"{gpu_gb:.0f} GB"))
    if disk_free < cost["disk_gb"]:
        problems.append(Problem(f"disk of {run}", f"{cost['disk_gb']:,.0f} GB free", f"{disk_free:,.0f} GB"))
    if memory < cost["memory_gb"]:
        problems.append(Problem("memory", f"{cost['memory_gb']:,.0f} GB", f"{memory:,.0f} GB"))
    if problems and not force:
        problems.append(Problem("make reproduce PROFILE=paper", "FORCE=1 to start all the same", "no FORCE"))
        raise InputError(*problems)
