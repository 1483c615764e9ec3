"""What Eq. 3 costs: Lovász-Softmax with its gradient at 2 × 256 × 256 × 2, as a part of the full-width network's training step.

python experiments/benchmarks/lovasz.py [--rounds N]
"""
from __future__ import annotations

import argparse
import os
import statistics
import sys
from pathlib import Path

from turns import Worker, format_table, median_ratio, serve, take_turns

ALLOWED = 0.15
"""Of the training step."""


def serve_lovasz(threads: int) -> None:
    import numpy as np
    import tensorflow as tf

    from lirads_keras.losses.segmentation import compute_lovasz_softmax
    from lirads_keras.training.runtime import configure_tensorflow

    configure_tensorflow(threads=threads)
    generator = np.random.default_rng(0)
    label = tf.constant(np.eye(2, dtype=np.float32)[(generator.random((2, 256, 256)) < 0.02).astype(int)])
    score = tf.constant(generator.normal(size=(2, 256, 256, 2)).astype(np.float32))

    @tf.function
    def gradient() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(score)
            loss = tf.reduce_mean(compute_lovasz_softmax(label, tf.nn.softmax(score), classes="all"))
        return tape.gradient(loss, score)

    serve("Eq. 3", lambda: gradient().numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return serve_lovasz(arguments.threads)
    here, threads = Path(__file__).resolve(), ["--threads", str(arguments.threads)]
    workers = [Worker("train step", [sys.executable, str(here.with_name("train_step.py")), "--worker", "float32", *threads]),
               Worker("Lovász with gradient", [sys.executable, str(here), "--worker", *threads])]
    times = take_turns(workers, rounds=arguments.rounds, repetitions=1)
    print(format_table(["2 × 256² × 2, float32", "median, s", "of the step", "allowed"], [
        [worker.name, statistics.median(times[worker.name]), median_ratio(times[worker.name], times["train step"]), ALLOWED if worker is workers[1] else ""]
        for worker in workers]))
    for worker in workers:
        worker.close()


if __name__ == "__main__":
    main()
