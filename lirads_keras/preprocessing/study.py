"""The phases of a study that are read, on one grid."""
from __future__ import annotations

from collections.abc import Mapping

from lirads_keras.config.preprocessing import Registration
from lirads_keras.entities import READ_PHASES, Phase, Series, Volume, find_grid_phase
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.read_series import describe_series
from lirads_keras.io.volumes import read_volume
from lirads_keras.preprocessing.registration import register_phases
from lirads_keras.preprocessing.resample import align_phases
from lirads_keras.words import name_phases


def read_aligned_phases(series: Mapping[Phase, Series], registration: Registration = "none") -> dict[Phase, Volume]:
    """The phases that are read as raw volumes (z, y, x) on one grid, that of `find_grid_phase`; a phase that the study lacks is absent.

    Args:
        series: of the study's phases, a delayed or portal venous one among them; phases that are not read are left alone.
        registration: of the other phases to that of the grid; without it, patient coordinates alone bring them together.

    Raises:
        InputError: series that cannot be read, all of them, or phases that lie elsewhere in the patient or cannot be registered; without registration,
            phases of several frames of reference.
    """
    volumes: dict[Phase, Volume] = {}
    problems: list[Problem] = []
    for phase in READ_PHASES:
        if phase in series:
            try:
                volumes[phase] = read_volume(series[phase])
            except InputError as error:
                problems += error.problems
    raise_if_any(problems)
    if registration == "none":
        _check_frame_of_reference(volumes, series)
    if registration == "none" or registration == "assumed":
        return align_phases(volumes, volumes[find_grid_phase(volumes)])
    return register_phases(volumes, registration)


def _check_frame_of_reference(volumes: Mapping[Phase, Volume], series: Mapping[Phase, Series]) -> None:
    """Raises InputError if the coordinates of two phases have no common meaning, as after the patient left the table."""
    phases: dict[str, list[Phase]] = {}
    for phase, volume in volumes.items():
        if volume.frame_of_reference_uid:
            phases.setdefault(volume.frame_of_reference_uid, []).append(phase)
    if len(phases) > 1:
        found = "; ".join(f"{name_phases(of_one)} in {uid}" for uid, of_one in phases.items())
        where = " and ".join(describe_series(series[of_one[0]]) for of_one in phases.values())
        raise InputError(Problem(
            f"{where}, FrameOfReferenceUID", "phases of one frame of reference; else a registration (preprocessing.registration), "
            "or --assume-aligned where they are known to lie in one place", found))
