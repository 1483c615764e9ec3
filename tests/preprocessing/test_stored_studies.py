from __future__ import annotations

import numpy as np
import pytest

from lirads_keras.config.preprocessing import PreprocessingSettings
from lirads_keras.entities import Volume
from lirads_keras.errors import InputError
from lirads_keras.preprocessing.store import write_stored_study
from lirads_keras.preprocessing.stored_studies import StoredStudies
from lirads_keras.run import RunFolder


def test_a_patient_is_read_when_asked_for(tmp_path):
    run = RunFolder(tmp_path)
    volume = Volume(np.random.default_rng(0).uniform(100, 900, (3, 32, 32)).astype(np.float32), (4.0, 2.0, 2.0), np.diag([4.0, 2.0, 2.0, 1.0]))
    write_stored_study(run.store("P1"), {"delayed": volume}, None, PreprocessingSettings(matrix_px=32))
    studies = StoredStudies(run, ["P2", "P1"])
    # P2 has no folder, and nobody asked for it.
    assert list(studies) == ["P2", "P1"] and len(studies) == 2 and "P2" not in {"P1"}
    assert studies["P1"].patient_id == "P1" and studies["P1"] is studies["P1"]
    with pytest.raises(InputError, match="P2/geometry.json"):
        studies["P2"]
    with pytest.raises(KeyError):
        studies["P3"]
