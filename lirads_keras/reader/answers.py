"""Answers as JSON, errors among them: {"error": {"message", "problems": [{"where", "expected", "found"}]}}."""
from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from starlette.responses import Response

from lirads_keras.errors import Problem

FOUND_CHARACTERS_MAX = 500
"""What a client sent is given back in part only."""


class JsonResponse(Response):
    """JSON in ASCII, so that no text can be one that UTF-8 cannot carry."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def problems_to_json(message: str, problems: Iterable[Problem]) -> dict[str, Any]:
    """The body of an error."""
    return {"error": {"message": message, "problems": [
        {"where": problem.where, "expected": problem.expected, "found": problem.found[:FOUND_CHARACTERS_MAX]} for problem in problems]}}


def error_response(status: int, message: str, where: str, expected: str, found: str) -> JsonResponse:
    """An error with one problem."""
    return JsonResponse(problems_to_json(message, [Problem(where, expected, found)]), status)
