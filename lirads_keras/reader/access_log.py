"""One line a request: method, route, status, milliseconds; never an address, a label or a name."""
from __future__ import annotations

import logging
import time
import traceback

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("lirads_keras.reader.access")


class AccessLog:
    """Logs requests; of a defect the place in the code, not what was asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        started, status = time.perf_counter(), 0

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        # Whatever it is, the server goes on, and the application has answered it; its message may hold what was asked.
        except Exception as error:
            _log.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
        finally:
            route = getattr(scope.get("route"), "path", "-")
            _log.info("%s %s %d %.0f ms", scope["method"] if scope["method"].isalpha() else "-", route, status, 1000 * (time.perf_counter() - started))
