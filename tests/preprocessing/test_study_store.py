from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.entities import Volume
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.records import Record
from lirads_keras.preprocessing.store import FORMAT, read_stored_study
from lirads_keras.preprocessing.study_store import identify, store_studies, store_study

SETTINGS = PreprocessingSettings(matrix_px=32)


def read_noise(seed: int):
    array = np.random.default_rng(seed).uniform(100, 900, (4, 32, 32)).astype(np.float32)
    return {"delayed": Volume(array, (4.0, 2.0, 2.0), np.diag([4.0, 2.0, 2.0, 1.0]))}, None


def store_noise(folder: Path, seed: int) -> None:
    """A task that a worker process can be given; odd seeds are bad input."""
    if seed % 2:
        raise InputError(Problem(folder.name, "an even seed", str(seed)))
    store_study(folder, str(seed), partial(read_noise, seed), SETTINGS)


def test_parts_that_differ_have_other_identities():
    parts = [["a", 1], ["a", "1"], ["a1"], [["a"], 1], ["a", 1, None], []]
    assert len({identify(one) for one in parts}) == len(parts) and identify(["a", 1]) == identify(["a", 1])


def test_a_study_is_read_once_under_one_identity(tmp_path):
    read: list[int] = []

    def read_study():
        read.append(1)
        return read_noise(2)

    for identity, times in (("a", 1), ("a", 1), ("b", 2), ("a", 3)):
        store_study(tmp_path / "P1", identity, read_study, SETTINGS)
        assert len(read) == times and Record(tmp_path / "P1" / "source.json").made_from(f"{identity}, format {FORMAT}")
    np.testing.assert_array_equal(read_stored_study(tmp_path / "P1").image("delayed"), np.rint(read_noise(2)[0]["delayed"].array))


def test_a_study_of_another_format_is_stored_again_and_its_files_go(tmp_path, monkeypatch):
    monkeypatch.setattr("lirads_keras.preprocessing.study_store.FORMAT", FORMAT - 1)
    store_study(tmp_path / "P1", "a", partial(read_noise, 2), SETTINGS)
    np.save(tmp_path / "P1" / "segmentation_image.npy", np.zeros(1))
    monkeypatch.undo()
    store_study(tmp_path / "P1", "a", partial(read_noise, 4), SETTINGS)
    np.testing.assert_array_equal(read_stored_study(tmp_path / "P1").image("delayed"), np.rint(read_noise(4)[0]["delayed"].array))
    assert not (tmp_path / "P1" / "segmentation_image.npy").exists()


def test_a_study_that_is_replaced_in_part_passes_for_neither(tmp_path, monkeypatch):
    store_study(tmp_path / "P1", "old", partial(read_noise, 2), SETTINGS)
    monkeypatch.setattr("lirads_keras.preprocessing.study_store.write_stored_study", lambda *arguments: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        store_study(tmp_path / "P1", "new", partial(read_noise, 4), SETTINGS)
    assert Record(tmp_path / "P1" / "source.json").read() == {}


def test_what_cannot_be_read_leaves_the_study_of_before(tmp_path):
    store_study(tmp_path / "P1", "old", partial(read_noise, 2), SETTINGS)

    def fail():
        raise InputError(Problem("P1", "slices", "a gap"))

    with pytest.raises(InputError, match="a gap"):
        store_study(tmp_path / "P1", "new", fail, SETTINGS)
    assert Record(tmp_path / "P1" / "source.json").made_from(f"old, format {FORMAT}")


@pytest.mark.parametrize("jobs", [1, 2])
def test_all_studies_are_tried_before_problems_are_told_and_nothing_else_stays(tmp_path, jobs):
    (tmp_path / "store" / "P9").mkdir(parents=True)
    (tmp_path / "store" / "notes.txt").touch()
    told: list[tuple[float | None, str]] = []
    tasks = {f"P{seed}": partial(store_noise, tmp_path / "store" / f"P{seed}", seed) for seed in range(5)}
    with pytest.raises(InputError) as caught:
        store_studies(tmp_path / "store", tasks, jobs=jobs, progress=lambda fraction, message: told.append((fraction, message)))
    assert {problem.where for problem in caught.value.problems} == {"P1", "P3"}
    assert {path.name for path in (tmp_path / "store").iterdir()} == {"P0", "P2", "P4"}
    assert told == [(done / 5, f"study {done} of 5") for done in range(1, 6)]
