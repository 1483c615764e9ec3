"""A study's enhanced phases on one grid."""
from __future__ import annotations

from collections.abc import Mapping

from lirads_keras.entities import ENHANCED_PHASES, Phase, Series, Volume
from lirads_keras.io.dicom import read_volume
from lirads_keras.preprocessing.resample import align_phases


def read_aligned_phases(series: Mapping[Phase, Series]) -> dict[Phase, Volume]:
    """The enhanced phases as raw volumes (z, y, x) on the delayed grid; a phase that the study lacks is absent.

    Raises:
        InputError: a series that cannot be read.
    """
    volumes = {phase: read_volume(series[phase]) for phase in ENHANCED_PHASES if phase in series}
    return align_phases(volumes, volumes[Phase.DELAYED])
