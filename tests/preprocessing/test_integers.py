from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lirads_keras.preprocessing.integers import to_integers, to_labels


@given(hnp.arrays(np.float32, (2, 3, 4), elements=st.floats(-40000, 70000, width=32)))
def test_voxels_are_kept_within_half_a_unit_or_refused(array):
    problems = []
    integers = to_integers(array, "P1, delayed", problems)
    if problems:
        assert len(problems) == 1 and problems[0].where == "P1, delayed" and not integers.any()
        span = float(array.max()) - float(array.min())
        assert span < 100 or np.rint(array.max()) > (65535 if np.rint(array.min()) >= 0 else 32767) or np.rint(array.min()) < -32768
    else:
        assert np.abs(integers - array.astype(np.float64)).max() <= 0.5
        assert integers.dtype == (np.int16 if np.rint(array.min()) < 0 else np.uint16)


@pytest.mark.parametrize(("array", "dtype"), [
    (np.array([0, 65535], np.int32), np.uint16), (np.array([-1, 32767], np.int64), np.int16), (np.array([3, 7], np.uint8), np.uint16),
    (np.array([0.0, 5.0]), np.uint16), (np.array([-0.4, 200.4]), np.uint16), (np.array([False, True]), np.uint16)])
def test_the_type_follows_the_sign(array, dtype):
    problems = []
    integers = to_integers(array, "here", problems)
    assert not problems and integers.dtype == dtype
    np.testing.assert_array_equal(integers, np.rint(array.astype(float)))


def test_labels_become_bytes():
    problems = []
    np.testing.assert_array_equal(to_labels(np.array([0.0, 2.0, 255.0]), 255, "here", problems), np.array([0, 2, 255], np.uint8))
    assert not problems
    for bad in (np.array([0.5]), np.array([-1]), np.array([3]), np.array([np.nan])):
        assert not to_labels(bad, 2, "here", problems).any()
    assert [problem.found for problem in problems] == [
        "fractions or values that are not finite", "-1 … -1", "3 … 3", "fractions or values that are not finite"]
