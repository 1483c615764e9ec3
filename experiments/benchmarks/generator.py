"""Samples that the 2.5D generator delivers, against what the training step consumes.

python experiments/benchmarks/generator.py [--rounds N]. `cpu`: both are measured, in turns. `paper`: the generator is measured with one and two threads and
carried to eight by Amdahl's law; the consumption is derived from the network's arithmetic and a card's sustained rate, since the profile is for a GPU.
"""
from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from turns import Worker, format_table, median_ratio, serve, take_turns

PROFILES = Path(__file__).resolve().parents[1] / "profiles"
ALLOWED = {"cpu": 10.0, "paper": 3.0}
"""Smallest allowed supply as a multiple of the consumption."""
FORWARD_GFLOP_512 = 147.0
"""One 512 × 512 slice through the ResNet-34 UNet++ with CBAM; the backward pass takes twice as much again."""
SUSTAINED_TFLOPS = 35.0
"""Assumed of a 24 GB card in half precision: half of the 71 TFLOP/s that its vendor gives for an RTX 3090's tensor cores."""
PAPER_THREADS = 8
STUDIES, SLICES = 8, 44


def serve_generator(profile_name: str, threads: int) -> None:
    import numpy as np

    from lirads_keras.config.profile import read_profile
    from lirads_keras.entities import Volume
    from lirads_keras.preprocessing.slices import SliceDataset, SliceDraw
    from lirads_keras.preprocessing.store import read_stored_study, write_stored_study

    profile = read_profile(PROFILES / f"{profile_name}.yaml")
    settings, side = profile.segmentation, profile.preprocessing.matrix_px
    with tempfile.TemporaryDirectory() as folder:
        for number in range(STUDIES):
            image = np.random.default_rng(number).uniform(0, 900, (SLICES, side, side)).astype(np.float32)
            mask = np.zeros(image.shape, np.uint8)
            mask[15:25, side // 3:side // 2, side // 3:side // 2] = 1
            volume = Volume(image, (4.4, 2.4, 2.4), np.diag([4.4, 2.4, 2.4, 1.0]))
            write_stored_study(Path(folder) / f"N{number}", {"delayed": volume}, mask, profile.preprocessing)
        dataset = SliceDataset([read_stored_study(path) for path in sorted(Path(folder).iterdir())],
                               SliceDraw.of_stage(settings, settings.finetune, phases=("delayed",), classes=2, seed=0, stream=0), workers=threads)
        batches = iter(range(10**9))
        serve(f"{settings.finetune.batch_size}", lambda: dataset[next(batches)])


def serve_step() -> None:
    import numpy as np

    from lirads_keras.config.profile import read_profile
    from lirads_keras.preprocessing.slices import MR_CLASSES
    from lirads_keras.training.runtime import configure_tensorflow
    from lirads_keras.training.segmentation import SegmentationTrainer

    profile = read_profile(PROFILES / "cpu.yaml")
    settings, side = profile.segmentation, profile.segmentation.training_crop_px
    configure_tensorflow(threads=profile.workflow.threads, precision=settings.precision)
    trainer = SegmentationTrainer(settings, settings.finetune, phases=("delayed",), classes=MR_CLASSES, seed=0, pretrained=None)
    generator = np.random.default_rng(0)
    image = generator.normal(size=(settings.finetune.batch_size, side, side, 3)).astype(np.float32)
    label = np.eye(MR_CLASSES, dtype=np.float32)[generator.integers(0, MR_CLASSES, image.shape[:3])]
    serve(f"{settings.finetune.batch_size}", lambda: trainer.model.train_on_batch(image, label))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker == "step":
        return serve_step()
    if arguments.worker:
        return serve_generator(arguments.worker, arguments.threads)

    def start(name: str, worker: str, threads: int = 2) -> Worker:
        return Worker(name, [sys.executable, str(Path(__file__).resolve()), "--worker", worker, "--threads", str(threads)])

    workers = [start("step", "step"), start("cpu", "cpu"), start("one thread", "paper", 1), start("two threads", "paper", 2)]
    times = take_turns(workers, rounds=arguments.rounds, repetitions=3)
    batch = {worker.name: int(worker.description) for worker in workers}
    rate = {name: batch[name] / statistics.median(seconds) for name, seconds in times.items()}
    speedup = median_ratio(times["one thread"], times["two threads"])
    serial = min(max(2 / speedup - 1, 0.0), 1.0)
    supply = rate["one thread"] / (serial + (1 - serial) / PAPER_THREADS)
    consumption = SUSTAINED_TFLOPS * 1000 / (3 * FORWARD_GFLOP_512)
    print(format_table(["samples/s", "generator", "training step", "ratio", "at least"], [
        ["cpu, two threads, measured", rate["cpu"], rate["step"], median_ratio(times["step"], times["cpu"]), ALLOWED["cpu"]],
        ["paper, eight threads, derived", supply, consumption, supply / consumption, ALLOWED["paper"]]]))
    print(f"\npaper: one thread {rate['one thread']:.3g}, two {rate['two threads']:.3g} samples/s, so a serial part of {serial:.0%}")
    for worker in workers:
        worker.close()


if __name__ == "__main__":
    main()
