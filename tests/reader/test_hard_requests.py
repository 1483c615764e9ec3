"""Five hundred requests that no page would send: only refusals, and the server goes on."""
from __future__ import annotations

import gzip
import json
import socket
import struct
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from scripted import ALPHA, BETA, SHAPE, Reader, make_mask, to_nifti

STUDY = f"/api/studies/{ALPHA}"
WRONG_IDS = ["..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "a" * 15, "a" * 17, "A" * 16, "a" * 5000, "' OR 1=1 --", "ａ" * 16, "%ff%fe", "*", "{study_id}",
             "0" * 16, "null", "-1"]
PATHS = ["/etc/passwd", "/../x", "/web/../api.py", "/web/..%2fserver.py", "/web/%2e%2e/journal.py", "/web/....//", "/web/journal.sqlite", "//evil.example/",
         "/api", "/api/", "/api/studies/", "/docs", "/openapi.json", "/redoc", "/favicon.ico", "/.git/config", "/web/", "/web/index.html%00.js", "/%",
         "/api/studies/" + "x/" * 500]
VALUES = [None, True, 1, -1, 1.5, 1e400, float("nan"), "x", "", [], {}, [None], [[[]]], {"a": 1}, 10 ** 30, "\ud800", "\x00", "../..", "x" * 10_000]
RAW_BODIES = [b"", b"{", b"nul", b"\xff\xfe", b"[1,2", b'{"revision":}', b'{"revision":1}{"revision":1}', b'"x"', b"1" * 5000, b"[" * 60_000, b'{"a":' * 10_000,
              b'{"revision": NaN}', b'{"revision": Infinity}', b'{"revision": 0, "revision": "x"}', b"\x00" * 100, b"<xml/>", b"revision=0",
              b'{"__proto__": {}, "revision": 0}', gzip.compress(b'{"revision": 0}')]
NAMES = ["", "%20", "%zz%ff", "x" * 65, "%00", "a%0d%0aX: y", "a" * 5000, "%F0%9F%98%80" * 65, "%E2%80%AEannA"]
POSTS = ["run", "next", "edits", "undo", "save", f"set-aside/{10 ** 30}/apply", "set-aside/-1/apply", "set-aside/x/apply", "lesions/P1/explanation",
         "lesions/..%2f/explanation", "lesions/P999999/explanation"]


def hard_requests(revision: int) -> Iterator[tuple[str, str, dict]]:
    """Method, path and what httpx takes."""
    reader = {"X-Lirads-Reader": "Ann"}
    for wrong in WRONG_IDS:
        for place in ("/api/studies/{}", "/api/studies/{}/identity", "/api/studies/{}/volumes/delayed.nii", f"{STUDY}/volumes/{{}}.nii",
                      f"{STUDY}/masks/{{}}.nii", f"{STUDY}/saved/1/{{}}", f"{STUDY}/saved/{{}}/report.json", f"{STUDY}/lesions/{{}}/explanation"):
            yield "GET", place.format(wrong), {}
        yield "POST", f"/api/studies/{wrong}/run", {"json": {"revision": 0}, "headers": reader}
        yield "POST", f"/api/studies/{wrong}/mask?revision=0", {"content": b"x", "headers": reader}
    for path in PATHS:
        yield "GET", path, {}
    for method in ("PUT", "PATCH", "DELETE", "POST", "TRACE", "CONNECT", "PROPFIND", "X" * 30):
        yield method, "/api/session", {"headers": reader}
        yield method, f"{STUDY}/identity", {"headers": reader}
    for value in VALUES:
        yield "POST", f"{STUDY}/run", {"content": json.dumps({"revision": value}).encode(), "headers": reader | {"Content-Type": "application/json"}}
        for field in ("aphe", "overrides", "tie", "rules", value):
            wrong_value = {"no": "value"} if value is None or value is True or value == [] else value
            edit = {"revision": revision, "lesion_id": "P1" if field != "rules" else None, "field": field, "value": wrong_value}
            yield "POST", f"{STUDY}/edits", {"content": json.dumps(edit).encode(), "headers": reader | {"Content-Type": "application/json"}}
        edit = {"revision": revision, "lesion_id": value, "field": "aphe", "value": True}
        yield "POST", f"{STUDY}/edits", {"content": json.dumps(edit).encode(), "headers": reader | {"Content-Type": "application/json"}}
        if isinstance(value, (str, float)) and value != "":
            yield "POST", f"{STUDY}/mask", {"params": {"revision": ascii(value)}, "content": b"x", "headers": reader}
    for body in RAW_BODIES:
        for path in ("run", "edits"):
            yield "POST", f"{STUDY}/{path}", {"content": body, "headers": reader | {"Content-Type": "application/json"}}
    # One byte of a good request changed: no JSON any more, or another key.
    good = json.dumps({"revision": revision, "lesion_id": "P1", "field": "aphe", "value": True}).encode()
    for index in range(0, len(good)):
        yield "POST", f"{STUDY}/edits", {"content": good[:index] + b"\x07" + good[index + 1:], "headers": reader | {"Content-Type": "application/json"}}
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/json; charset=utf-7", "x" * 3000):
        yield "POST", f"{STUDY}/edits", {"content": b'{"revision": 0}', "headers": reader | {"Content-Type": content_type}}
    for name in NAMES:
        yield "POST", f"{STUDY}/undo", {"json": {"revision": revision}, "headers": {"X-Lirads-Reader": name}}
        yield "GET", STUDY, {"headers": {"X-Lirads-Reader": name}}
    yield "POST", f"{STUDY}/undo", {"json": {"revision": revision}}
    for path in POSTS:
        yield "POST", f"{STUDY}/{path}", {"json": {"revision": revision, "more": 1}, "headers": reader}
        yield "POST", f"{STUDY}/{path}", {"json": {"revision": revision + 1000}, "headers": reader}
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        yield "POST", f"{STUDY}/undo", {"json": {"revision": revision}, "headers": reader | headers}
    yield from hard_masks(revision, reader)


def hard_masks(revision: int, reader: dict) -> Iterator[tuple[str, str, dict]]:
    good, oblique = to_nifti(make_mask()), to_nifti(make_mask(), turned=True)
    huge = good[:40] + struct.pack("<8h", *[32767] * 8) + good[56:]
    bodies = [b"", b"x", good[:100], good[:352], good[:-1], gzip.compress(good)[:-10], gzip.compress(good)[:30], oblique, gzip.compress(oblique),
              gzip.compress(bytes(60_000_000)), gzip.compress(gzip.compress(good)), bytes(400), b"\x1f\x8b" + bytes(100), huge, np.zeros(SHAPE).tobytes(),
              b"PK\x03\x04" + bytes(400), b"\x89PNG" + bytes(400), bytes(3_000_000)]
    for body in bodies:
        yield "POST", f"{STUDY}/mask?revision={revision}", {"content": body, "headers": reader}
    for query in ("", "?revision=", "?revision=x", "?revision=-1", f"?revision={10 ** 30}", "?revision=1.5", "?revision[]=1"):
        yield "POST", f"{STUDY}/mask{query}", {"content": good, "headers": reader}
    for offset in range(0, 352, 4):
        broken = bytearray(good)
        broken[offset:offset + 4] = struct.pack("<f", float("nan"))
        if offset in (40, 44, 68, 72, 108, 112, 116, 344):
            yield "POST", f"{STUDY}/mask?revision={revision}", {"content": bytes(broken), "headers": reader}


@pytest.fixture
def reader(scripted):
    application = scripted()
    ann = Reader(application.serve())
    ann.do("run")
    ann.application = application
    return ann


def test_five_hundred_hard_requests(reader):
    asked, odd = 0, []
    before = reader.look()
    with httpx.Client(base_url=str(reader.http.base_url), timeout=30) as client:
        for method, path, options in hard_requests(before["revision"]):
            try:
                # httpx tidies paths up: what is sent is what stands here.
                request = client.build_request(method, "/", **options)
                target, _, query = path.partition("?")
                raw = target.encode() if target.isascii() else quote(target, safe="/%").encode()
                query = query or request.url.query.decode()
                request.url = request.url.copy_with(raw_path=raw + (f"?{query}".encode() if query else b""))
                status = client.send(request).status_code
            except (httpx.RemoteProtocolError, httpx.WriteError, httpx.ReadError):
                # Refused in the middle of a body that is too large, or of a header that is none.
                status = 400
            except (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeEncodeError):
                continue
            asked += 1
            if not 400 <= status < 500:
                odd.append((method, path[:80], status, str(options)[:200]))
    assert not odd and asked >= 500, (asked, odd)
    after = reader.look()
    assert (after["revision"], after["mask"], after["lesions"]) == (before["revision"], before["mask"], before["lesions"])
    assert {entry["kind"] for entry in after["history"]} <= {"run", "set_aside"}
    reader.edit("P1", "washout", True)
    assert reader.lesion()["category"] == "LR-5"
    assert Reader(str(reader.http.base_url), study_id=BETA).do("run")["stage"] == "characterised"
    # Nothing that was sent is left behind.
    assert not list((reader.application.folder / "out" / "cache" / "bodies").iterdir())


@pytest.mark.parametrize("sent", [
    b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X%d: y\r\n" % number for number in range(20_000)) + b"\r\n",
    b"POST /api/studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"POST /api/studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\nzz\r\n",
    b"GET /\x00\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /api/session HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"])
def test_bytes_that_are_hardly_http(reader, sent):
    with socket.create_connection((reader.http.base_url.host, reader.http.base_url.port), timeout=20) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while block := connection.recv(65536):
                answer += block
        except OSError as error:
            # The server may have hung up before all was sent; that it does not answer at all is something else.
            assert not isinstance(error, TimeoutError)
            answer = b""
    assert not answer.startswith(b"HTTP/1.1 5"), answer[:200]
    assert reader.look()["stage"] == "characterised"


def test_a_body_without_end_is_ended(reader):
    """A million blocks to a route that takes 64 KiB."""
    def blocks() -> Iterator[bytes]:
        for _ in range(1_000_000):
            yield b"[" * 1000

    try:
        status = reader.http.post(f"{STUDY}/edits", content=blocks(), headers={"Content-Type": "application/json"}).status_code
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        status = 413
    assert status == 413 and reader.look()["stage"] == "characterised"
