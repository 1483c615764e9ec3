from __future__ import annotations

import pytest

from lirads_keras.progress import Progress, ignore_progress, part_of, tell_count

Told = list[tuple[float | None, str]]


def keep(told: Told) -> Progress:
    return lambda fraction, message: told.append((fraction, message))


def test_a_part_is_a_stretch_of_the_whole() -> None:
    told: Told = []
    part = part_of(keep(told), 0.25, 0.75, "fold 2 of 2, ")
    for fraction, message in ((0, "starting"), (0.5, "epoch 1 of 2"), (1, "done")):
        part(fraction, message)
    assert told == [(0.25, "fold 2 of 2, starting"), (0.5, "fold 2 of 2, epoch 1 of 2"), (0.75, "fold 2 of 2, done")]


def test_what_nobody_knows_of_a_part_nobody_knows_of_the_whole() -> None:
    told: Told = []
    part_of(keep(told), 0.25, 0.75)(None, "waiting")
    part_of(keep(told), 0.5, 1, "b: ")(None, "waiting")
    assert told == [(None, "waiting"), (None, "b: waiting")]


def test_a_part_of_a_part_has_the_outer_prefix_first() -> None:
    told: Told = []
    part_of(part_of(keep(told), 0.5, 1, "fold 2, "), 0, 0.5, "epochs: ")(0.5, "1 of 2")
    assert told == [(0.625, "fold 2, epochs: 1 of 2")]


def test_a_part_of_no_length_stays_where_it_is() -> None:
    told: Told = []
    part = part_of(keep(told), 0.5, 0.5)
    part(0, "a")
    part(1, "b")
    assert told == [(0.5, "a"), (0.5, "b")]


def test_raising_passes_through_and_ends_the_work() -> None:
    class Cancelled(Exception):
        pass

    def cancel(fraction: float | None, message: str) -> None:
        raise Cancelled(f"{fraction} {message}")

    with pytest.raises(Cancelled, match="^0.25 a: b$"):
        part_of(cancel, 0, 0.5, "a: ")(0.5, "b")
    with pytest.raises(Cancelled, match="^0.75 patient 3 of 4$"):
        tell_count(cancel, "patient", 3, 4)


def test_equal_parts_are_counted() -> None:
    told: Told = []
    for done, total in ((0, 4), (3, 12), (4, 4), (0, 0)):
        tell_count(keep(told), "patient", done, total)
    assert told == [(0, "patient 0 of 4"), (0.25, "patient 3 of 12"), (1, "patient 4 of 4"), (1, "patient 0 of 0")]


def test_whom_it_does_not_concern() -> None:
    tell_count(part_of(ignore_progress, 0, 1), "patient", 1, 2)
    ignore_progress(None, "")
