"""Progress bars of commands."""
from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from lirads_keras.progress import Progress

if TYPE_CHECKING:
    from tqdm import tqdm


def follow(bar: tqdm[NoReturn]) -> Progress:
    """Shows a work in equal parts on a bar that counts them.

    A bar without a total takes it from the first share that it is told: the work must then tell of each part, beginning with the first.
    """
    def show(fraction: float | None, message: str) -> None:
        if fraction is None:
            return
        if bar.total is None and fraction > 0:
            bar.total = round(1 / fraction)
        bar.update(round(fraction * (bar.total or 0)) - bar.n)

    return show
