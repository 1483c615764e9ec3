"""Epochs of a small training fed by this package, against the same dataset handed to Keras' `fit`, which lets tf.data tune the pipeline.

python experiments/benchmarks/feed.py [--rounds N]. VGG16 of `cpu`, as many made-up crops as a fold has; side by side, each in a process of its own. Exit code
1 if the feed is not faster.
"""
from __future__ import annotations

import argparse
import os
import statistics
import sys
from pathlib import Path
from typing import Any

from turns import Worker, format_table, median_ratio, serve, take_turns

PROFILE = Path(__file__).resolve().parents[1] / "profiles" / "cpu.yaml"
LESIONS = 155
EPOCHS = 4


def serve_fit(fed: bool, threads: int) -> None:
    import keras
    import numpy as np

    from lirads_keras.config.profile import read_profile
    from lirads_keras.entities import HEAD_FEATURES
    from lirads_keras.training.adam import FusedAdam
    from lirads_keras.training.characterization import CropDataset, LesionCrops, build_characterization_network
    from lirads_keras.training.feed import feed_training
    from lirads_keras.training.runtime import configure_tensorflow

    configure_tensorflow(threads=threads)
    settings, generator = read_profile(PROFILE).characterization, np.random.default_rng(0)
    crops = LesionCrops(generator.normal(size=(LESIONS, 3, settings.crop_px, settings.crop_px, 3)).astype(np.float32), np.ones((LESIONS, 3), bool),
                        generator.integers(0, 2, (LESIONS, 3)).astype(np.float32), np.zeros(LESIONS, int), np.full(LESIONS, 20.0))
    dataset = CropDataset(crops, mode="adaptive", batch_size=settings.batch_size, augmentation=settings.augmentation, seed=0, stream=0)
    model = build_characterization_network(settings, "vgg16")
    model.compile(FusedAdam(1e-5), loss={str(feature): "binary_crossentropy" for feature in HEAD_FEATURES})

    class PerEpoch(keras.utils.PyDataset):
        """The first epoch's batches as a dataset with a length, as Keras expects one: it opens its pipeline anew for each epoch."""

        def __len__(self) -> int:
            return dataset.batches_per_epoch

        def __getitem__(self, index: int) -> Any:
            return dataset[index]

    def fit() -> None:
        if fed:
            model.fit(feed_training(dataset, 0), steps_per_epoch=dataset.batches_per_epoch, epochs=EPOCHS, shuffle=False, verbose=0)
        else:
            model.fit(PerEpoch(), epochs=EPOCHS, shuffle=False, verbose=0)

    serve(str(dataset.batches_per_epoch), fit)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--worker", choices=("keras", "fed"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        serve_fit(arguments.worker == "fed", arguments.threads)
        return 0
    script = [sys.executable, str(Path(__file__).resolve()), "--threads", str(arguments.threads), "--worker"]
    workers = [Worker(name, [*script, name]) for name in ("keras", "fed")]
    times = take_turns(workers, rounds=arguments.rounds, repetitions=1)
    ratio = median_ratio(times["fed"], times["keras"])
    print(format_table([f"{EPOCHS} epochs of {workers[0].description} steps", "s", "of Keras' own"], [
        ["PyDataset handed to fit", statistics.median(times["keras"]), ""], ["fed", statistics.median(times["fed"]), ratio]]))
    for worker in workers:
        worker.close()
    return int(ratio >= 1)


if __name__ == "__main__":
    sys.exit(main())
