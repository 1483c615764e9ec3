from __future__ import annotations

import json

import numpy as np
import pytest

from lirads_keras.io.atomic import replacing, write_array, write_bytes, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "table.csv"
    write_text(path, "old")

    def fail(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bytes(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_sees_the_final_suffix(tmp_path):
    with replacing(tmp_path / "deep" / "mask.nii.gz") as beside:
        assert beside.name.endswith(".nii.gz") and beside.parent == tmp_path / "deep"
        beside.write_bytes(b"x")
    assert (tmp_path / "deep" / "mask.nii.gz").read_bytes() == b"x"


def test_equal_json_gives_equal_bytes(tmp_path):
    write_json(tmp_path / "a", {"b": 1, "a": "ä"})
    write_json(tmp_path / "b", {"a": "ä", "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert json.loads((tmp_path / "a").read_text(encoding="utf-8")) == {"a": "ä", "b": 1}


def test_an_array_can_be_mapped(tmp_path):
    array = np.arange(6, dtype=np.uint16).reshape(2, 3)
    write_array(tmp_path / "a.npy", array)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert isinstance(mapped, np.memmap) and np.array_equal(mapped, array)
