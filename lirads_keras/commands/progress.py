"""Progress bars of commands."""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from tqdm import tqdm


def follow(bar: tqdm[NoReturn]) -> Callable[[int, int], None]:
    """Shows (done, total) on a progress bar."""
    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return show
