"""A study's enhanced phases on one grid."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from lirads_keras.entities import ENHANCED_PHASES, Phase, Series, Volume, find_grid_phase
from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.volumes import read_volume
from lirads_keras.preprocessing.registration import register_phases
from lirads_keras.preprocessing.resample import align_phases


def read_aligned_phases(series: Mapping[Phase, Series], registration: Literal["none", "rigid", "bspline"] = "none") -> dict[Phase, Volume]:
    """The enhanced phases as raw volumes (z, y, x) on one grid, that of `find_grid_phase`; a phase that the study lacks is absent.

    Args:
        series: of the study's phases, a delayed or portal venous one among them; phases that are not read are left alone.
        registration: of the other phases to that of the grid; without it, patient coordinates alone bring them together.

    Raises:
        InputError: series that cannot be read, all of them, or phases that lie elsewhere in the patient or cannot be registered.
    """
    volumes: dict[Phase, Volume] = {}
    problems: list[Problem] = []
    for phase in ENHANCED_PHASES:
        if phase in series:
            try:
                volumes[phase] = read_volume(series[phase])
            except InputError as error:
                problems += error.problems
    raise_if_any(problems)
    if registration == "none":
        return align_phases(volumes, volumes[find_grid_phase(volumes)])
    return register_phases(volumes, registration)
