"""One training step of the full-width network on 2 × 256 × 256, against PyTorch's UNet++ (segmentation-models-pytorch, channels last) side by side.

python experiments/benchmarks/train_step.py [--torch-python PYTHON] [--rounds N]. PyTorch may live in an environment of its own; its CPU build is enough.
Loss, gradient clipping and Adam are part of the step on both sides; CBAM is on ours alone. The last row is ours without TensorFlow's fixed order of
operations: what a run that repeats bit for bit costs.
"""
from __future__ import annotations

import argparse
import os
import statistics
import sys
from pathlib import Path

BATCH, SIDE_PX, CLASSES = 2, 256, 2
DECODER_FILTERS = (256, 128, 64, 32, 16)
FREE_ORDER = "float32-free-order"
LIMITS = {"keras float32": 0.95, "keras mixed_bfloat16": 0.55}
"""Largest allowed time as a part of PyTorch's."""


def serve_keras(precision: str, threads: int) -> None:
    import numpy as np
    import tensorflow as tf

    from lirads_keras.losses.segmentation import HybridSegmentationLoss
    from lirads_keras.models.unet_plus_plus import build_unet_plus_plus
    from lirads_keras.training.adam import FusedAdam
    from lirads_keras.training.runtime import configure_tensorflow

    if precision == FREE_ORDER:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    else:
        configure_tensorflow(threads=threads, precision=precision)  # type: ignore[arg-type]
    from turns import serve

    generator = np.random.default_rng(0)
    image = generator.normal(size=(BATCH, SIDE_PX, SIDE_PX, 3)).astype(np.float32)
    label = np.eye(CLASSES, dtype=np.float32)[generator.integers(0, CLASSES, (BATCH, SIDE_PX, SIDE_PX))]
    model = build_unet_plus_plus("resnet34", classes=CLASSES, width_factor=1.0, decoder_filters=DECODER_FILTERS)
    model.compile(optimizer=FusedAdam(1e-3, clipnorm=1.0), loss=HybridSegmentationLoss())
    serve(f"{model.count_params() / 1e6:.1f}", lambda: model.train_on_batch(image, label))


def serve_torch(threads: int) -> None:
    """Runs in PyTorch's own environment: nothing of this package is imported."""
    import torch
    from turns import serve

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        # PyPI's torchvision is built for CUDA; beside a CPU build of PyTorch it lacks these operators, which the network does not use.
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor boxes, Tensor scores, float iou_threshold) -> Tensor")
    import segmentation_models_pytorch as smp

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    image = torch.randn(BATCH, 3, SIDE_PX, SIDE_PX).to(memory_format=torch.channels_last)
    label = torch.randint(0, CLASSES, (BATCH, SIDE_PX, SIDE_PX))
    model = smp.UnetPlusPlus("resnet34", encoder_weights=None, classes=CLASSES, decoder_channels=DECODER_FILTERS).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    dice, focal = smp.losses.DiceLoss("multiclass"), smp.losses.FocalLoss("multiclass")

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        score = model(image)
        (dice(score, label) + focal(score, label)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    serve(f"{sum(parameter.numel() for parameter in model.parameters()) / 1e6:.1f}", step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", default=sys.executable, help="interpreter of the environment with torch and segmentation-models-pytorch")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker == "torch":
        return serve_torch(arguments.threads)
    if arguments.worker:
        return serve_keras(arguments.worker, arguments.threads)
    from turns import Worker, format_table, median_ratio, take_turns

    def start(name: str, python: str, worker: str) -> Worker:
        return Worker(name, [python, str(Path(__file__).resolve()), "--worker", worker, "--threads", str(arguments.threads)])

    workers = [start("pytorch float32", arguments.torch_python, "torch"), start("keras float32", sys.executable, "float32"),
               start("keras mixed_bfloat16", sys.executable, "mixed_bfloat16"), start("keras float32, free order", sys.executable, FREE_ORDER)]
    times = take_turns(workers, rounds=arguments.rounds, repetitions=1)
    reference = times["pytorch float32"]
    print(format_table(["train step, 2 × 256²", "parameters, 10⁶", "median, s", "of PyTorch", "allowed"], [
        [worker.name, worker.description, statistics.median(times[worker.name]), median_ratio(times[worker.name], reference), LIMITS.get(worker.name, "")]
        for worker in workers]))
    for worker in workers:
        worker.close()


if __name__ == "__main__":
    main()
