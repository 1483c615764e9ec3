"""One training step of the full-width VGG16 with three heads and Eq. 4 on 8 × 224 × 224, against the same in PyTorch (channels last) side by side.

python experiments/benchmarks/multitask_step.py [--torch-python PYTHON] [--rounds N]. PyTorch may live in an environment of its own; its CPU build is enough.
Exit code 1 if the median of the rounds' ratios is above the limit.
"""
from __future__ import annotations

import argparse
import os
import statistics
import sys
from pathlib import Path

BATCH, CROP_PX, HEAD_UNITS = 8, 224, 256
LIMIT = 0.95
"""Largest allowed time as a part of PyTorch's."""
BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""VGG16: channels and convolutions of the five blocks, for PyTorch's side, which runs without this package."""


def serve_keras(threads: int) -> None:
    import numpy as np

    from lirads_keras.entities import ENHANCED_PHASES, HEAD_FEATURES
    from lirads_keras.losses.adaptive import phase_masks
    from lirads_keras.models.multitask import build_multitask
    from lirads_keras.training.adam import FusedAdam
    from lirads_keras.training.runtime import configure_tensorflow

    configure_tensorflow(threads=threads)
    from turns import serve

    generator = np.random.default_rng(0)
    crops = generator.normal(size=(BATCH, CROP_PX, CROP_PX, 3)).astype(np.float32)
    labels = {str(feature): generator.integers(0, 2, (BATCH, 1)).astype(np.float32) for feature in HEAD_FEATURES}
    masks = phase_masks(generator.integers(0, len(ENHANCED_PHASES), BATCH))
    model = build_multitask("vgg16", crop_px=CROP_PX, width_factor=1, head_units=HEAD_UNITS, weights="random")
    model.compile(FusedAdam(1e-5), loss={name: "binary_crossentropy" for name in labels})
    serve(f"{model.count_params() / 1e6:.1f}", lambda: model.train_on_batch(crops, labels, sample_weight=masks))


def serve_torch(threads: int) -> None:
    """Runs in PyTorch's own environment: nothing of this package is imported. The layers are those of torchvision's vgg16().features."""
    import torch
    from torch import nn
    from turns import serve

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    channels = 3
    for width, convolutions in BLOCKS:
        for _ in range(convolutions):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        layers.append(nn.MaxPool2d(2))
    trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, HEAD_UNITS), nn.ReLU(inplace=True))
    model = nn.Sequential(trunk, nn.Linear(HEAD_UNITS, 3)).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-5)
    crops = torch.randn(BATCH, 3, CROP_PX, CROP_PX).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 2, (BATCH, 3)).float()
    x = torch.randint(0, 2, (BATCH, 1)).float()
    masks = torch.cat([1 - x, x, x], dim=1)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        (nn.functional.binary_cross_entropy_with_logits(model(crops), labels, weight=masks, reduction="sum") / BATCH).backward()
        optimizer.step()

    serve(f"{sum(parameter.numel() for parameter in model.parameters()) / 1e6:.1f}", step)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", default=sys.executable, help="interpreter of the environment with torch")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--worker", choices=("keras", "torch"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        (serve_keras if arguments.worker == "keras" else serve_torch)(arguments.threads)
        return 0
    from turns import Worker, format_table, median_ratio, take_turns

    workers = [Worker(name, [python, str(Path(__file__).resolve()), "--worker", worker, "--threads", str(arguments.threads)])
               for name, python, worker in (("pytorch", arguments.torch_python, "torch"), ("keras", sys.executable, "keras"))]
    times = take_turns(workers, rounds=arguments.rounds, repetitions=1)
    ratio = median_ratio(times["keras"], times["pytorch"])
    print(format_table(["multi-task VGG16 step, 8 × 224²", "parameters, 10⁶", "median, s", "of PyTorch", "allowed"], [
        ["pytorch", workers[0].description, statistics.median(times["pytorch"]), 1.0, ""],
        ["keras", workers[1].description, statistics.median(times["keras"]), ratio, LIMIT]]))
    for worker in workers:
        worker.close()
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
