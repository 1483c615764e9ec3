"""Why a request is refused, beside bad input (`InputError`)."""
from __future__ import annotations

from typing import Any


class NotFound(Exception):
    """Nothing of this name: `what` says what kind of thing was asked for, and never repeats what the client sent."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Busy(Exception):
    """Someone else's request opens the same study; `doing` says how far it is."""

    def __init__(self, doing: str) -> None:
        super().__init__(doing)
        self.doing = doing


class TooLarge(Exception):
    """A body beyond its limit, in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit}")
        self.limit = limit


class Stale(Exception):
    """The study is no longer what the client saw.

    `by` is who changed it, or who started the job that works on it; `set_aside` the event under which the edit is kept, None where there was nothing to
    keep; `state` is the present one.
    """

    def __init__(self, by: str, why: str, set_aside: int | None, state: dict[str, Any]) -> None:
        super().__init__(why)
        self.by, self.why, self.set_aside, self.state = by, why, set_aside, state
