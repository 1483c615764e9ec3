"""Who may ask what: the server's own names, the same origin, the token; and what a browser is told about the answers."""
from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lirads_keras.reader.answers import error_response

COOKIE = "lirads_token"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")

CONTENT_SECURITY_POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob: data:", "connect-src 'self' blob: data:", "font-src 'self' data:",
    "worker-src 'self' blob:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"))
"""The page and NiiVue come from here alone; NiiVue makes blobs of what it draws, and has its font inside."""

_ENTER = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=/"><title>lirads read</title>'
"""A redirect from the address with the token would be a navigation from wherever it was clicked, and a strict cookie would stay at home."""


@dataclass(frozen=True)
class Access:
    """Who may ask.

    `names` are the Host headers that are answered (a name that someone else's DNS points here is not among them); any address in digits is, where
    `any_address`. `token` is None where everyone on this machine may ask. `origins` are other web pages that may ask for anything outside /api.
    """

    names: Collection[str]
    any_address: bool
    token: str | None
    origins: Collection[str]


def build_access(host: str | None, token: str | None, origins: Collection[str]) -> Access:
    """What follows from the command line: `host` is None for a server of this machine alone."""
    own = () if host is None else (host, socket.gethostname(), socket.getfqdn())
    return Access({*LOOPBACK_NAMES, *(name.lower() for name in own)}, host is not None, token, frozenset(origins))


class AccessControl:
    """Refuses what `Access` does not allow before the application sees it, and adds the security headers to every answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # WebSockets are not spoken here; uvicorn's start and stop are.
            return await (self._app(scope, receive, send) if scope["type"] == "lifespan" else send({"type": "websocket.close"}))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers_out = MutableHeaders(scope=message)
                _add_headers(headers_out, scope["path"])
                if message["status"] == 413:
                    # What is still to come of the body is not waited for.
                    headers_out["Connection"] = "close"
            await send(message)

        headers = Headers(scope=scope)
        if not self._is_own_name(headers.getlist("host")):
            answer: ASGIApp = error_response(421, "this server has another name", "Host", "one of the server's own names", "another")
        elif not self._is_from_here(scope, headers):
            answer = error_response(403, "another web page may not do this", "Origin", "this server's own page", "another")
        elif self._access.token is not None and _has_token_in_query(scope, self._access.token) and scope["method"] == "GET" and scope["path"] == "/":
            entered = HTMLResponse(_ENTER)
            entered.set_cookie(COOKIE, self._access.token, httponly=True, samesite="strict", path="/")
            answer = entered
        elif self._access.token is not None and not _is_preflight(scope, headers) and not _has_token(headers, self._access.token):
            answer = error_response(401, "this server asks for its token", "token", "the one that it printed at its start", "none, or another")
            answer.headers["WWW-Authenticate"] = "Bearer"
        else:
            answer = self._app
        await answer(scope, receive, send_with_headers)

    def _is_own_name(self, hosts: list[str]) -> bool:
        if len(hosts) != 1:
            return False
        name = _strip_port(hosts[0].lower())
        return name in self._access.names or self._access.any_address and _is_address(name.strip("[]"))

    def _is_from_here(self, scope: Scope, headers: Headers) -> bool:
        """Whether a request that changes something comes from this server's own page, or from a program that is no browser."""
        origins = headers.getlist("origin")
        foreign_allowed = not scope["path"].startswith("/api/") and len(origins) == 1 and origins[0] in self._access.origins
        if scope["method"] in SAFE_METHODS or foreign_allowed:
            return True
        if origins:
            return len(origins) == 1 and origins[0] in (f"http://{headers['host']}", f"https://{headers['host']}")
        return headers.get("sec-fetch-site", "same-origin") == "same-origin"


def _add_headers(headers: MutableHeaders, path: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cache-Control"] = "no-cache" if path == "/" or path.startswith("/web/") else "no-store"


def _strip_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() and not (name.startswith("[") and not name.endswith("]")) else host


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    return scope["method"] == "OPTIONS" and "access-control-request-method" in headers


def _has_token_in_query(scope: Scope, token: str) -> bool:
    try:
        given = parse_qs(scope["query_string"].decode("ascii"), max_num_fields=10).get("token", [])
    except ValueError:
        return False
    return len(given) == 1 and _is_equal(given[0], token)


def _has_token(headers: Headers, token: str) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and _is_equal(given.strip(), token):
        return True
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get("cookie", ""))
    except CookieError:
        return False
    return COOKIE in cookies and _is_equal(cookies[COOKIE].value, token)


def _is_equal(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())
