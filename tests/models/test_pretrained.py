"""Weights come in whole, or the message says why not and what to do."""
from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from lirads_keras.errors import InputError
from lirads_keras.models import pretrained
from lirads_keras.models.pretrained import WeightFile, find_weight_file, load_layer_weights

CONTENT = b"the published weights"
PUBLISHED = WeightFile("net.h5", "https://example.org/releases/net.h5", hashlib.md5(CONTENT).hexdigest())


def small_model(units: int = 3) -> keras.Model:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, name="first"), keras.layers.BatchNormalization(name="norm"),
                             keras.layers.Dense(2, use_bias=False, name="last")])


def test_a_file_put_into_the_cache_by_hand_is_found_without_a_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(pretrained.keras.utils, "get_file", lambda *_, **__: pytest.fail("tried to download"))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "net.h5").write_bytes(CONTENT)
    assert find_weight_file(PUBLISHED) == tmp_path / "models" / "net.h5"


def test_a_missing_file_is_downloaded_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "server" / "net.h5"
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    path = find_weight_file(WeightFile("net.h5", source.as_uri(), PUBLISHED.md5))
    assert path == tmp_path / "models" / "net.h5"
    assert path.read_bytes() == CONTENT


def test_a_failed_download_names_the_file_and_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise Exception(f"URL fetch failure on {PUBLISHED.url}: None -- Name or service not known")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(pretrained.keras.utils, "get_file", fail)
    with pytest.raises(InputError) as caught:
        find_weight_file(PUBLISHED)
    for part in (str(tmp_path / "models" / "net.h5"), PUBLISHED.url, "by hand", "Name or service not known"):
        assert part in str(caught.value)


def test_another_file_in_the_cache_is_reported_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "net.h5").write_bytes(b"half a file")
    with pytest.raises(InputError, match=f"MD5 {PUBLISHED.md5}"):
        find_weight_file(PUBLISHED)
    assert (tmp_path / "models" / "net.h5").read_bytes() == b"half a file"


@pytest.mark.parametrize("layout", ["weights", "model"])
def test_every_weight_comes_in_by_name(layout: str, tmp_path: Path, write_weight_file: Callable[[keras.Model, Path], None],
                                       randomize: Callable[[keras.Model], None]) -> None:
    source, target = small_model(), small_model()
    randomize(source)
    if layout == "weights":
        write_weight_file(source, tmp_path / "w.h5")
    else:
        source.save(tmp_path / "w.h5")
    load_layer_weights(target.layers, tmp_path / "w.h5")
    for loaded, written in zip(target.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(loaded, written)


def test_all_layers_that_do_not_fit_are_listed_and_nothing_is_changed(tmp_path: Path, write_weight_file: Callable[[keras.Model, Path], None]) -> None:
    write_weight_file(small_model(units=5), tmp_path / "w.h5")
    target = small_model()
    target.add(keras.layers.Dense(1, name="further"))
    before = target.get_weights()
    with pytest.raises(InputError) as caught:
        load_layer_weights(target.layers, tmp_path / "w.h5")
    assert [problem.where.split()[-1] for problem in caught.value.problems] == ["first", "norm", "last", "further"]
    assert "(4, 3)" in caught.value.problems[0].expected
    assert "(4, 5)" in caught.value.problems[0].found
    assert caught.value.problems[3].found == "no such layer"
    for now, then in zip(target.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("content", [None, b"not HDF5"])
def test_no_weight_file(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "w.h5").write_bytes(content)
    with pytest.raises(InputError, match="a Keras HDF5 weight file"):
        load_layer_weights(small_model().layers, tmp_path / "w.h5")
