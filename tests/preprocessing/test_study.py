from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lirads_keras.entities import Phase, Series, Volume
from lirads_keras.errors import InputError, Problem
from lirads_keras.preprocessing import study
from lirads_keras.preprocessing.study import read_aligned_phases


def make_volume(value: float, *, start_mm: float = 0.0, shape=(4, 8, 8)) -> Volume:
    affine = np.diag([4.0, 2.0, 2.0, 1.0])
    affine[0, 3] = start_mm
    return Volume(np.full(shape, value, np.float32), (4.0, 2.0, 2.0), affine)


@pytest.fixture
def series(monkeypatch) -> dict[Phase, Series]:
    """A series of each phase; `volumes` of the returned mapping's series are what reading them gives."""
    volumes = {
        Phase.ARTERIAL: make_volume(1), Phase.PORTAL_VENOUS: make_volume(2, start_mm=4.0), Phase.DELAYED: make_volume(3, shape=(3, 8, 8)),
        Phase.PRECONTRAST: InputError(Problem("precontrast", "to be left alone", "read"))}

    def read(of: Series) -> Volume:
        found = volumes[Phase(of.description)]
        if isinstance(found, InputError):
            raise found
        return found

    monkeypatch.setattr(study, "read_volume", read)
    monkeypatch.setattr(study, "volumes", volumes, raising=False)
    return {phase: Series(f"1.{number}", (), phase, "test", str(phase)) for number, phase in enumerate(volumes)}


def test_the_enhanced_phases_come_on_the_delayed_grid(series):
    aligned = read_aligned_phases(series)
    assert list(aligned) == [Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED]
    for volume in aligned.values():
        assert volume.shape == (3, 8, 8)
        np.testing.assert_array_equal(volume.affine, aligned[Phase.DELAYED].affine)
    assert (aligned[Phase.ARTERIAL].array == 1).all() and (aligned[Phase.DELAYED].array == 3).all()
    # It begins one slice later: what lies before is outside of its field of view.
    assert (aligned[Phase.PORTAL_VENOUS].array[0] == 0).all() and (aligned[Phase.PORTAL_VENOUS].array[1:] == 2).all()


def test_a_phase_that_the_study_lacks_is_absent(series):
    del series[Phase.ARTERIAL], series[Phase.PRECONTRAST]
    assert set(read_aligned_phases(series)) == {Phase.PORTAL_VENOUS, Phase.DELAYED}


def test_without_a_delayed_phase_the_portal_venous_gives_the_grid(series):
    del series[Phase.DELAYED]
    aligned = read_aligned_phases(series)
    assert set(aligned) == {Phase.ARTERIAL, Phase.PORTAL_VENOUS} and aligned[Phase.ARTERIAL].affine[0, 3] == 4
    # The arterial phase ends one slice earlier.
    assert (aligned[Phase.ARTERIAL].array[:3] == 1).all() and (aligned[Phase.ARTERIAL].array[3] == 0).all()
    assert (aligned[Phase.PORTAL_VENOUS].array == 2).all()


def test_all_series_that_cannot_be_read_are_told(series):
    for phase in (Phase.ARTERIAL, Phase.DELAYED):
        study.volumes[phase] = InputError(Problem(f"series {phase}", "slices", "a gap"), Problem(f"series {phase}", "pixels", "none"))
    with pytest.raises(InputError) as caught:
        read_aligned_phases(series)
    assert [problem.where for problem in caught.value.problems] == ["series arterial"] * 2 + ["series delayed"] * 2


def test_a_phase_elsewhere_in_the_patient_is_told(series):
    study.volumes[Phase.ARTERIAL] = make_volume(1, start_mm=500.0)
    with pytest.raises(InputError, match="phase arterial"):
        read_aligned_phases(series)


@pytest.mark.parametrize("frames, refused", [(("1.1", "1.2", "1.2"), True), (("1.1", "1.1", "1.1"), False), (("", "1.2", ""), False), (("", "", ""), False)])
def test_phases_of_two_frames_of_reference_are_refused_unless_assumed_aligned(series, frames, refused):
    for phase, uid in zip((Phase.ARTERIAL, Phase.PORTAL_VENOUS, Phase.DELAYED), frames, strict=True):
        study.volumes[phase] = replace(study.volumes[phase], frame_of_reference_uid=uid)
    assumed = read_aligned_phases(series, "assumed")
    if not refused:
        plain = read_aligned_phases(series)
        assert all(np.array_equal(plain[phase].array, assumed[phase].array) for phase in assumed)
        return
    with pytest.raises(InputError) as caught:
        read_aligned_phases(series)
    problem, = caught.value.problems
    assert problem.found == "arterial phase in 1.1; portal venous and delayed phases in 1.2" and "FrameOfReferenceUID" in problem.where
    assert "--assume-aligned" in problem.expected
