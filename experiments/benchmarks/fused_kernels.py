"""One training step of the networks of `cpu` with this package's fused batch normalisation and Adam, against the same with Keras' own.

python experiments/benchmarks/fused_kernels.py [--rounds N]. Random input of the profile's sizes; side by side, each in a process of its own.
Exit code 1 if the UNet++ or the ResNet-50 is not faster (VGG16 has no batch normalisation and few weights: it is listed for comparison).
"""
from __future__ import annotations

import argparse
import os
import statistics
import sys
from pathlib import Path
from typing import Any

PROFILE = Path(__file__).resolve().parents[1] / "profiles" / "cpu.yaml"
NETWORKS = ("unet++", "resnet50", "vgg16")


def serve_network(network: str, kernels: str, threads: int) -> None:
    import keras

    from lirads_keras.config.profile import read_profile
    from lirads_keras.models.batch_norm import BatchNormalization
    from lirads_keras.training.adam import FusedAdam
    from lirads_keras.training.runtime import configure_tensorflow

    configure_tensorflow(threads=threads)
    from turns import serve

    def unfuse(layer: keras.layers.Layer) -> keras.layers.Layer:
        cls = keras.layers.BatchNormalization if isinstance(layer, BatchNormalization) else type(layer)
        return cls.from_config(layer.get_config())

    model, loss, data = _build(network, read_profile(PROFILE))
    if kernels == "keras":
        model = keras.models.clone_model(model, clone_function=unfuse)
    model.compile((FusedAdam if kernels == "fused" else keras.optimizers.Adam)(1e-4, clipnorm=1.0), loss=loss)
    serve(f"{model.count_params() / 1e6:.2f}", lambda: model.train_on_batch(*data))


def _build(network: str, profile: Any) -> tuple[Any, Any, tuple[Any, Any]]:
    """Model, loss and one batch."""
    import numpy as np

    from lirads_keras.entities import HEAD_FEATURES
    from lirads_keras.losses.segmentation import HybridSegmentationLoss
    from lirads_keras.preprocessing.slices import MR_CLASSES
    from lirads_keras.training.characterization import build_characterization_network
    from lirads_keras.training.segmentation import build_segmentation_network

    generator = np.random.default_rng(0)
    if network == "unet++":
        settings, side = profile.segmentation, profile.segmentation.training_crop_px
        batch = settings.finetune.batch_size
        labels: Any = np.eye(MR_CLASSES, dtype=np.float32)[generator.integers(0, MR_CLASSES, (batch, side, side))]
        model = build_segmentation_network(settings, MR_CLASSES, "random")
        loss: Any = HybridSegmentationLoss.from_settings(settings.loss)
    else:
        settings, side = profile.characterization, profile.characterization.crop_px
        batch = settings.batch_size
        labels = {str(feature): generator.integers(0, 2, (batch, 1)).astype(np.float32) for feature in HEAD_FEATURES}
        model = build_characterization_network(settings, network)  # type: ignore[arg-type]
        loss = {name: "binary_crossentropy" for name in labels}
    return model, loss, (generator.normal(size=(batch, side, side, 3)).astype(np.float32), labels)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--worker", nargs=2, metavar=("NETWORK", "KERNELS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        network, kernels = arguments.worker
        serve_network(network, kernels, arguments.threads)
        return 0
    from turns import Worker, format_table, median_ratio, take_turns

    rows, slower = [], False
    for network in NETWORKS:
        workers = [Worker(kernels, [sys.executable, str(Path(__file__).resolve()), "--worker", network, kernels, "--threads", str(arguments.threads)])
                   for kernels in ("keras", "fused")]
        times = take_turns(workers, rounds=arguments.rounds, repetitions=3)
        ratio = median_ratio(times["fused"], times["keras"])
        rows.append([network, workers[0].description, statistics.median(times["keras"]), statistics.median(times["fused"]), ratio])
        slower |= network != "vgg16" and ratio >= 1
        for worker in workers:
            worker.close()
    print(format_table(["training step of `cpu`", "parameters, 10⁶", "Keras, s", "fused, s", "fused / Keras"], rows))
    return int(slower)


if __name__ == "__main__":
    sys.exit(main())
