"""The one image of a study that a segmentation is trained on, where there is nothing else to do with the study."""
from __future__ import annotations

from collections.abc import Mapping

from lirads_keras.entities import Phase, Series, Volume
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.volumes import read_volume


def read_segmented_image(series: Mapping[Phase, Series]) -> Volume:
    """The delayed phase (§2.5), or the only image.

    Args:
        series: of one patient; `read_manifest` has made sure that one of both is there.

    Returns:
        float32 (z, y, x), scanner units or HU.

    Raises:
        InputError: it cannot be read, or none of several images is delayed.
    """
    if Phase.DELAYED in series:
        return read_volume(series[Phase.DELAYED])
    if len(series) != 1:
        raise InputError(Problem("series", f"one image, or one of the phase {Phase.DELAYED}", ", ".join(series) or "none"))
    return read_volume(next(iter(series.values())))
