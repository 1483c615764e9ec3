from __future__ import annotations

import io
from typing import NoReturn

import pytest
from tqdm import tqdm

from lirads_keras.commands.progress import follow
from lirads_keras.progress import tell_count


def make_bar(total: int | None = None, *, disable: bool = False) -> tqdm[NoReturn]:
    return tqdm(total=total, unit="file", file=io.StringIO(), mininterval=0, miniters=0, disable=disable)


@pytest.mark.parametrize("total", [1, 3, 7, 49, 203, 99_991])
def test_a_bar_counts_what_is_told_as_a_share(total: int) -> None:
    for known in (total, None):
        with make_bar(known) as bar:
            show = follow(bar)
            for done in sorted({1, total // 3 or 1, total - 1 or 1, total}):
                tell_count(show, "file", done, total)
                assert (bar.n, bar.total) == (done, total)


def test_a_work_that_goes_on_begins_where_it_was() -> None:
    with make_bar(12) as bar:
        tell_count(follow(bar), "patient", 9, 12)
        assert (bar.n, bar.total) == (9, 12)


def test_a_share_that_nobody_can_say_leaves_the_bar() -> None:
    with make_bar() as bar:
        show = follow(bar)
        show(None, "looking")
        show(0, "file 0 of 4")
        assert (bar.n, bar.total) == (0, None)
        show(0.25, "file 1 of 4")
        show(None, "waiting")
        assert (bar.n, bar.total) == (1, 4)


def test_it_is_drawn_with_count_and_unit() -> None:
    with make_bar() as bar:
        tell_count(follow(bar), "file", 1, 3)
        tell_count(follow(bar), "file", 2, 3)
        drawn = bar.fp.getvalue()
    assert "2/3" in drawn and "file/s" in drawn


def test_a_bar_that_is_not_drawn_counts_nothing() -> None:
    bar = make_bar(disable=True)
    tell_count(follow(bar), "file", 1, 3)
    tell_count(follow(bar), "file", 2, 3)
    assert bar.n == 0
