"""Who is let in: names, origins, tokens; and what every answer says to the browser."""
from __future__ import annotations

import httpx
import pytest
from scripted import ALPHA

from lirads_keras.reader.security import build_access

TOKEN = "t0ken-of-sixteen-or-more"
READER = {"X-Lirads-Reader": "Ann"}
OHIF = "http://ohif.example:3000"


@pytest.fixture
def ask(scripted):
    """Asks an application in this process: `ask(host=…, token=…, origins=…)` gives a client."""
    def make(host=None, token=None, origins=(), base_url="http://127.0.0.1:8765") -> httpx.AsyncClient:
        application = scripted(access=build_access(host, token, origins))
        return _Client(application.app, base_url)

    return make


class _Client:
    def __init__(self, app, base_url) -> None:
        self._app, self._base_url = app, base_url

    def request(self, method: str, path: str, **options) -> httpx.Response:
        import anyio

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url=self._base_url) as client:
                return await client.request(method, path, **options)

        return anyio.run(ask)

    def get(self, path: str, **options) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options) -> httpx.Response:
        return self.request("POST", path, **options)


@pytest.mark.parametrize("host, status", [
    ("127.0.0.1:8765", 200), ("localhost:9000", 200), ("LOCALHOST", 200), ("[::1]:8765", 200), ("evil.example", 421), ("127.0.0.1.evil.example", 421),
    ("localhost.evil.example:8765", 421), ("192.168.0.7:8765", 421), ("", 421), ("localhost:8765@evil.example", 421), ("evil.example:127.0.0.1", 421)])
def test_only_the_servers_own_names_are_answered(ask, host, status):
    """A name of someone else's that points to this machine makes a foreign page the same origin (DNS rebinding)."""
    assert ask().get("/api/session", headers={"Host": host}).status_code == status


@pytest.mark.parametrize("host, status", [("192.168.0.7:8765", 200), ("[fd00::7]", 200), ("lab-pc", 200), ("lab-pc.evil.example", 421), ("evil.example", 421)])
def test_a_server_for_others_is_asked_by_its_name_or_any_address(ask, host, status):
    assert ask(host="lab-pc", token=TOKEN).get("/api/session", headers={"Host": host, "Authorization": f"Bearer {TOKEN}"}).status_code == status


@pytest.mark.parametrize("headers, status", [
    ({}, 202), ({"Origin": "http://127.0.0.1:8765"}, 202), ({"Origin": "http://127.0.0.1:8765", "Sec-Fetch-Site": "same-origin"}, 202),
    ({"Sec-Fetch-Site": "same-origin"}, 202), ({"Origin": "http://localhost:8765"}, 403), ({"Origin": "http://127.0.0.1:9999"}, 403),
    ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Origin": ""}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403), ({"Sec-Fetch-Site": "none"}, 403), ({"Origin": OHIF}, 403)])
def test_only_the_servers_own_page_or_a_program_changes_anything(ask, headers, status):
    client = ask(origins=[OHIF])
    assert client.post(f"/api/studies/{ALPHA}/run", json={"revision": 0}, headers=READER | headers).status_code == status
    assert client.get("/api/session", headers=headers).status_code == 200, "what changes nothing, a foreign page may ask for but not read"


def test_a_page_that_is_allowed_gets_what_lies_outside_api_alone(ask):
    client = ask(origins=[OHIF])
    preflight = {"Origin": OHIF, "Access-Control-Request-Method": "POST"}
    assert client.request("OPTIONS", "/infer/lirads", headers=preflight).headers["access-control-allow-origin"] == OHIF
    assert client.get("/info/", headers={"Origin": OHIF}).headers["access-control-allow-origin"] == OHIF
    for path, headers in (("/infer/x", preflight | {"Origin": "http://evil.example"}), (f"/api/studies/{ALPHA}/run", preflight)):
        assert "access-control-allow-origin" not in client.request("OPTIONS", path, headers=headers).headers
    assert "access-control-allow-origin" not in client.get("/api/session", headers={"Origin": OHIF}).headers
    assert "access-control-allow-origin" not in ask().get("/info/", headers={"Origin": OHIF}).headers


@pytest.mark.parametrize("headers, status", [
    ({}, 401), ({"Authorization": "Bearer wrong"}, 401), ({"Authorization": f"Basic {TOKEN}"}, 401), ({"Authorization": "Bearer "}, 401),
    ({"Authorization": f"Bearer {TOKEN}x"}, 401), ({"Cookie": f"lirads_token={TOKEN}x"}, 401), ({"Cookie": f"other={TOKEN}"}, 401),
    ({"Cookie": "lirads_token"}, 401), ({"Cookie": "\x80=\xff;;;=" .encode("latin-1")}, 401),
    ({"Authorization": f"Bearer {TOKEN}"}, 200), ({"Authorization": f"bearer {TOKEN}"}, 200), ({"Cookie": f"a=b; lirads_token={TOKEN}"}, 200)])
def test_the_token_is_asked_for(ask, headers, status):
    answer = ask(host="lab-pc", token=TOKEN).get("/api/session", headers=headers)
    assert answer.status_code == status and TOKEN not in answer.text
    assert status == 200 or answer.headers["www-authenticate"] == "Bearer" and "error" in answer.json()


def test_the_address_with_the_token_opens_the_page_once_and_for_all(ask):
    client = ask(host="lab-pc", token=TOKEN)
    entered = client.get("/", params={"token": TOKEN})
    cookie = entered.headers["set-cookie"]
    assert entered.status_code == 200 and 'content="0; url=/"' in entered.text and TOKEN not in entered.text
    assert cookie.startswith(f"lirads_token={TOKEN};") and "HttpOnly" in cookie and "SameSite=strict" in cookie and "Domain" not in cookie
    for wrong in ("x", "", TOKEN[:-1]):
        assert client.get("/", params={"token": wrong}).status_code == 401
    assert client.get("/api/session", params={"token": TOKEN}).status_code == 401, "only the page's own address takes it"
    assert client.request("GET", f"/?token={TOKEN}&token=x").status_code == 401


def test_a_loopback_server_with_a_token_asks_for_it_too(ask):
    assert ask(token=TOKEN).get("/api/session").status_code == 401


@pytest.mark.parametrize("path", ["/api/session", "/api/nothing", f"/api/studies/{ALPHA}", "/web/nothing.js", "/nothing"])
def test_every_answer_has_the_headers(ask, path):
    for answer in (ask().get(path), ask().get(path, headers={"Host": "evil.example"})):
        assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["referrer-policy"] == "no-referrer"
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'") and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert answer.headers["cache-control"] == ("no-cache" if path.startswith("/web/") else "no-store")
