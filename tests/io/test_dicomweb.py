"""Against a scripted server on loopback, which can do everything wrong; a real one is in tests/reader/test_sources.py."""
from __future__ import annotations

import base64
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pydicom
import pytest

from lirads_keras.errors import InputError
from lirads_keras.io.dicom import read_study
from lirads_keras.io.dicomweb import DicomWebServer
from lirads_keras.io.dicomweb_fetch import fetch_study

STUDY = "1.2.826.0.1.3680043.8.498.1"
SECRETS = ["Doe", "Jane", "ID-4711", STUDY]
IDENTITY = {"PatientID": "ID-4711", "PatientName": "Doe^Jane"}
BOUNDARY = "half-way"

Answer = Callable[["Handler", str], bool]


class Handler(BaseHTTPRequestHandler):
    """Routes of PS3.18, 10.4 to 10.6, as far as they are used."""

    server: Pacs

    def do_GET(self) -> None:
        self._do("GET")

    def do_POST(self) -> None:
        self._do("POST")

    def log_message(self, *_: Any) -> None:
        pass

    def _do(self, method: str) -> None:
        parts = urlsplit(self.path)
        self.server.requests.append(f"{method} {parts.path}")
        self.server.authorizations.append(self.headers.get("Authorization", ""))
        if self.server.misbehave(self, self.path):
            return
        path, query = parts.path.removeprefix("/dicom-web"), {name: values[0] for name, values in parse_qs(parts.query).items()}
        if method == "POST":
            length = self.headers.get("Content-Length")
            content = self.rfile.read(int(length)) if length else self._read_chunks()
            files = [part.split(b"\r\n\r\n", 1)[1][:-2] for part in content.split(b"--0f3cf5c0-70e0-41ef-baef-c6f9f65ec3e1")[1:-1]]
            return self.send_json(self.server.take(files), 200)
        match path.split("/")[1:]:
            case ["studies"]:
                self.page(self.server.studies(), query)
            case ["series"]:
                self.page([row for row in self.server.series(None) if row["0020000E"]["Value"] == [query["SeriesInstanceUID"]]], query)
            case ["studies", study, "series"]:
                self.page(self.server.series(study), query)
            case ["studies", study, "series", series, "instances"]:
                self.page(self.server.instances(study, series), query)
            case ["studies", study, "instances"]:
                self.page([row for row in self.server.instances(study, None) if row["00080018"]["Value"] == [query["SOPInstanceUID"]]], query)
            case ["studies", study, "series", series]:
                self.send_parts([content for uid, content in self.server.files(study, series).items() if uid not in self.server.held_back])
            case ["studies", study, "series", series, "instances", uid]:
                self.send_parts([self.server.files(study, series)[uid]])
            case _:
                self.send_error(404)

    def _read_chunks(self) -> bytes:
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def page(self, rows: list[dict[str, Any]], query: dict[str, str]) -> None:
        offset = int(query.get("offset", 0)) if self.server.knows_offset else 0
        self.send_json(rows[offset:offset + self.server.page_size])

    def send_json(self, content: Any, status: int = 200) -> None:
        self.send(json.dumps(content).encode(), "application/dicom+json", status)

    def send(self, content: bytes, content_type: str | None, status: int = 200, *, length: int | None = None) -> None:
        self.send_response(status)
        if content_type is not None:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def send_parts(self, files: list[bytes], *, cut: int = 0) -> None:
        """The files as multipart/related; `cut` bytes less than were promised."""
        body = b"".join(b"--%b\r\nContent-Type: application/dicom\r\n\r\n%b\r\n" % (BOUNDARY.encode(), content) for content in files)
        body += b"--%b--\r\n" % BOUNDARY.encode()
        self.send(body[:len(body) - cut], f'multipart/related; type="application/dicom"; boundary={BOUNDARY}', length=len(body))


class Pacs(ThreadingHTTPServer):
    """A server over a list of DICOM files."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.contents: dict[str, bytes] = {}
        self.held_back: set[str] = set()
        self.requests: list[str] = []
        self.authorizations: list[str] = []
        self.page_size = 1000
        self.knows_offset = True
        self.says_modalities = True
        self.misbehave: Answer = lambda handler, path: False

    def handle_error(self, *_: Any) -> None:
        """Clients that hang up are part of the tests."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/dicom-web"

    @property
    def retrievals(self) -> list[str]:
        """The WADO requests so far."""
        return [line for line in self.requests if re.search(r"/series/[0-9.]+(/instances/[0-9.]+)?$", line)]

    def add(self, paths: list[Path]) -> None:
        for path in paths:
            self.contents[str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)] = path.read_bytes()

    def take(self, files: list[bytes]) -> dict[str, Any]:
        taken = []
        for content in files:
            uid = str(pydicom.dcmread(BytesIO(content)).SOPInstanceUID)
            self.contents[uid] = content
            taken.append({"00081155": {"vr": "UI", "Value": [uid]}})
        return {"00081199": {"vr": "SQ", "Value": taken}}

    def datasets(self) -> list[pydicom.FileDataset]:
        return [pydicom.dcmread(BytesIO(content), stop_before_pixels=True) for content in self.contents.values()]

    def files(self, study: str, series: str) -> dict[str, bytes]:
        return {str(dataset.SOPInstanceUID): self.contents[dataset.SOPInstanceUID] for dataset in self.datasets()
                if (dataset.StudyInstanceUID, dataset.SeriesInstanceUID) == (study, series)}

    def studies(self) -> list[dict[str, Any]]:
        rows: dict[str, dict[str, Any]] = {}
        for dataset in self.datasets():
            row = rows.setdefault(dataset.StudyInstanceUID, {
                "0020000D": {"vr": "UI", "Value": [dataset.StudyInstanceUID]}, "00100020": {"vr": "LO", "Value": [dataset.PatientID]}})
            if self.says_modalities:
                row.setdefault("00080061", {"vr": "CS", "Value": []})["Value"].append(dataset.Modality)
        return list(rows.values())

    def series(self, study: str | None) -> list[dict[str, Any]]:
        rows: dict[str, dict[str, Any]] = {}
        for dataset in self.datasets():
            if study in (None, dataset.StudyInstanceUID):
                rows[dataset.SeriesInstanceUID] = {
                    "0020000D": {"vr": "UI", "Value": [dataset.StudyInstanceUID]}, "0020000E": {"vr": "UI", "Value": [dataset.SeriesInstanceUID]},
                    **({"00080060": {"vr": "CS", "Value": [dataset.Modality]}} if self.says_modalities else {})}
        return list(rows.values())

    def instances(self, study: str, series: str | None) -> list[dict[str, Any]]:
        return [{"00080018": {"vr": "UI", "Value": [dataset.SOPInstanceUID]}} for dataset in self.datasets()
                if dataset.StudyInstanceUID == study and series in (None, dataset.SeriesInstanceUID)]


@contextmanager
def serving() -> Iterator[Pacs]:
    with Pacs() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture()
def pacs() -> Iterator[Pacs]:
    with serving() as server:
        yield server


@pytest.fixture()
def images(pacs: Pacs, tmp_path: Path, write_series: Callable[..., list[Path]]) -> list[Path]:
    """A study of two series of four slices, on the server, as files."""
    paths = write_series(tmp_path / "sent", description="LAVA DELAYED 180s", series=1, **IDENTITY)
    paths += write_series(tmp_path / "sent", description="LAVA ARTERIAL 25s", series=2, first_value=50, **IDENTITY)
    pacs.add(paths)
    return paths


def contents(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in folder.iterdir()}


def part_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.part")


def catch(call: Callable[[], Any], *words: str) -> None:
    """Calls, and expects one problem that has the words, and nothing that identifies the patient."""
    with pytest.raises(InputError) as raised:
        call()
    assert len(raised.value.problems) == 1
    told = str(raised.value)
    for word in words:
        assert word in told
    assert not any(secret in told for secret in SECRETS), told


def test_what_is_listed(pacs: Pacs, images: list[Path], tmp_path: Path, write_series) -> None:
    pacs.add(write_series(tmp_path / "other", 1, series=3, Modality="SR", **IDENTITY))
    pacs.add(write_series(tmp_path / "reports", 1, series=4, Modality="SR", StudyInstanceUID=STUDY + ".9"))
    pacs.add(write_series(tmp_path / "ct", 1, series=5, Modality="CT", StudyInstanceUID=STUDY + ".8"))
    server = DicomWebServer(pacs.url)
    assert server.find_studies() == [STUDY, STUDY + ".8"]
    listed = server.find_images(STUDY)
    assert list(listed) == [STUDY + ".1", STUDY + ".2"]
    for series, uids in listed.items():
        assert uids == tuple(sorted(pacs.files(STUDY, series))) and len(uids) == 4
    assert server.find_study_of(STUDY + ".2") == STUDY
    assert server.find_study_of(STUDY + ".77") is None and server.find_study_of("../../etc/passwd") is None


def test_a_server_that_does_not_tell_modalities_is_asked_for_everything(pacs: Pacs, images: list[Path]) -> None:
    pacs.says_modalities = False
    assert DicomWebServer(pacs.url).find_studies() == [STUDY]
    assert len(DicomWebServer(pacs.url).find_images(STUDY)) == 2


@pytest.mark.parametrize("page_size", [1, 3, 4, 1000])
def test_lists_that_come_in_pages(pacs: Pacs, images: list[Path], page_size: int) -> None:
    pacs.page_size = page_size
    assert sum(map(len, DicomWebServer(pacs.url).find_images(STUDY).values())) == 8


def test_a_server_that_knows_no_offset_is_not_asked_for_ever(pacs: Pacs, images: list[Path]) -> None:
    pacs.knows_offset = False
    assert sum(map(len, DicomWebServer(pacs.url).find_images(STUDY).values())) == 8
    assert len(pacs.requests) == 6


def test_a_study_arrives_as_it_is(pacs: Pacs, images: list[Path], tmp_path: Path) -> None:
    told: list[tuple[float | None, str]] = []
    fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "cache" / "a", lambda *progress: told.append(progress))
    folder = tmp_path / "cache" / "a"
    assert contents(folder) == {path.read_bytes() for path in images} and not part_of(folder).exists()
    assert all(re.fullmatch(r"[0-9a-f]{32}\.dcm", path.name) for path in folder.iterdir())
    assert folder.parent.stat().st_mode & 0o077 == 0
    assert told == [(0, "fetching series 1 of 2: 0 of 4 images"), (0.5, "fetching series 2 of 2: 0 of 4 images")]
    sent, got = read_study(tmp_path / "sent"), read_study(folder)
    assert [(one.series_uid, one.phase, len(one.files)) for one in got.series] == [(one.series_uid, one.phase, len(one.files)) for one in sent.series]
    assert len(pacs.retrievals) == 2
    fetch_study(DicomWebServer(pacs.url), STUDY, folder)
    assert len(pacs.retrievals) == 2


def test_how_far_a_fetch_is_counts_the_images_of_all_series(pacs: Pacs, tmp_path: Path, write_series) -> None:
    pacs.add(write_series(tmp_path / "sent" / "1", 30, series=1, **IDENTITY))
    pacs.add(write_series(tmp_path / "sent" / "2", 10, series=2, **IDENTITY))
    told: list[tuple[float | None, str]] = []
    fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "a", lambda *progress: told.append(progress))
    assert [message for _, message in told] == [
        "fetching series 1 of 2: 0 of 30 images", "fetching series 1 of 2: 20 of 30 images", "fetching series 2 of 2: 0 of 10 images"]
    assert [fraction for fraction, _ in told] == pytest.approx([0, 20 / 40, 30 / 40])


def test_an_interrupted_fetch_goes_on(pacs: Pacs, tmp_path: Path, write_series, write_image) -> None:
    folder = tmp_path / "a"
    server = DicomWebServer(pacs.url)
    images = write_series(tmp_path / "sent", series=1, **IDENTITY)
    # Larger than the blocks in which an answer is read.
    images += [write_image(tmp_path / "sent" / f"2-{z}.dcm", np.full((1000, 700), z, np.uint16), SeriesInstanceUID=STUDY + ".2", InstanceNumber=z + 1,
                           ImagePositionPatient=[0, 0, 4 * z], **IDENTITY) for z in range(4)]
    pacs.add(images)

    def break_off(handler: Handler, path: str) -> bool:
        if not path.endswith(f"/series/{STUDY}.2"):
            return False
        handler.send_parts(list(pacs.files(STUDY, STUDY + ".2").values()), cut=images[-1].stat().st_size + 100)
        handler.close_connection = True
        return True

    pacs.misbehave = break_off
    catch(lambda: fetch_study(server, STUDY, folder), pacs.url, "one that broke off")
    assert not folder.exists() and 4 < len(list(part_of(folder).iterdir())) < 8
    there = len(list(part_of(folder).iterdir()))
    (part_of(folder) / ".12345678.0123.dcm").write_bytes(b"left by a kill")
    pacs.misbehave = lambda handler, path: False
    pacs.requests.clear()
    fetch_study(server, STUDY, folder)
    assert contents(folder) == {path.read_bytes() for path in images} and not part_of(folder).exists()
    assert len(pacs.retrievals) == 8 - there and all("/instances/" in line for line in pacs.retrievals)


def test_a_fetch_that_is_cancelled_leaves_no_study(pacs: Pacs, images: list[Path], tmp_path: Path) -> None:
    class Cancelled(Exception):
        pass

    def cancel(fraction: float | None, message: str) -> None:
        if "series 2" in message:
            raise Cancelled

    with pytest.raises(Cancelled):
        fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "a", cancel)
    assert not (tmp_path / "a").exists() and len(list(part_of(tmp_path / "a").iterdir())) == 4
    fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "a")
    assert len(contents(tmp_path / "a")) == 8


def test_a_half_sent_study_is_none(pacs: Pacs, images: list[Path], tmp_path: Path) -> None:
    uid = next(iter(pacs.files(STUDY, STUDY + ".2")))
    pacs.held_back = {uid}
    catch(lambda: fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "a"), pacs.url, "the 4 images that it lists", "found 3")
    assert not (tmp_path / "a").exists()
    fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "a")
    assert contents(tmp_path / "a") == {path.read_bytes() for path in images}


def test_a_study_that_changed_on_the_server(pacs: Pacs, images: list[Path], tmp_path: Path, write_series) -> None:
    folder = tmp_path / "a"
    fetch_study(DicomWebServer(pacs.url), STUDY, folder)
    new = write_series(tmp_path / "new", description="LAVA PORTAL VENOUS 70s", series=3, **IDENTITY)
    gone = pacs.contents.pop(next(iter(pacs.files(STUDY, STUDY + ".2"))))
    pacs.add(new)
    pacs.requests.clear()
    fetch_study(DicomWebServer(pacs.url), STUDY, folder)
    assert contents(folder) == {path.read_bytes() for path in images + new} - {gone}
    assert pacs.retrievals == [f"GET /dicom-web/studies/{STUDY}/series/{STUDY}.3"]


def test_a_study_that_is_still_arriving(pacs: Pacs, images: list[Path], tmp_path: Path, write_series) -> None:
    late = write_series(tmp_path / "late", 1, series=2, InstanceNumber=9, ImagePositionPatient=[-10, -20, 46], **IDENTITY)

    def arrive(handler: Handler, path: str) -> bool:
        if path.endswith(f"/series/{STUDY}.2"):
            pacs.add(late)
        return False

    pacs.misbehave = arrive
    catch(lambda: fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "a"), "still arriving")
    assert not (tmp_path / "a").exists()
    fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "a")
    assert contents(tmp_path / "a") == {path.read_bytes() for path in images + late}


def test_two_who_ask_for_one_study_fetch_it_once(pacs: Pacs, images: list[Path], tmp_path: Path) -> None:
    threads = [threading.Thread(target=fetch_study, args=(DicomWebServer(pacs.url), STUDY, tmp_path / "a")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pacs.retrievals) == 2 and contents(tmp_path / "a") == {path.read_bytes() for path in images}


def answering(content: bytes, content_type: str | None, status: int = 200) -> Answer:
    def answer(handler: Handler, path: str) -> bool:
        handler.send(content, content_type, status)
        return True

    return answer


def sending(rows: Any) -> Answer:
    return answering(json.dumps(rows).encode(), "application/dicom+json")


def redirecting(handler: Handler, path: str) -> bool:
    handler.send_response(302)
    handler.send_header("Location", "http://127.0.0.1:1/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()
    return True


def hanging_up(handler: Handler, path: str) -> bool:
    handler.close_connection = True
    return True


SECRET_ROW = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}, "00100020": {"vr": "LO", "Value": ["ID-4711"]}}


@pytest.mark.parametrize("answer, found", [
    (answering(b"Doe^Jane", "text/plain", 401), "401 Unauthorized (user and password are read from ~/.netrc"),
    (answering(b"", None, 403), "403 Forbidden"),
    (answering(b"<h1>Doe^Jane", "text/html", 404), "404 Not Found"),
    (answering(b"", None, 500), "500 Internal Server Error"),
    (answering(b"", None, 799), "found 799"),
    (answering(b"<html>Doe^Jane, please log in</html>", "text/html"), "an answer of type 'text/html' that cannot be read"),
    (answering(b"\xff\xfe\x00", "application/dicom+json"), "that cannot be read"),
    (answering(b'[{"0020000D": ', "application/dicom+json"), "that cannot be read"),
    (answering(b"[" * 200_000, "application/dicom+json"), "that cannot be read"),
    (sending({"message": "Doe^Jane not found"}), "that cannot be read"),
    (sending("Doe^Jane"), "that cannot be read"), (sending(7), "that cannot be read"), (sending([None, 3]), "that cannot be read"),
    (sending([SECRET_ROW]), "that cannot be read"),
    (sending([{"0020000D": {"vr": "UI", "Value": []}}]), "that cannot be read"), (sending([{"0020000D": ["Doe^Jane"]}]), "that cannot be read"),
    (sending([{"0020000D": {"vr": "UI", "Value": ["../../../etc/passwd"]}}]), "that cannot be read"),
    (sending([{"0020000D": {"vr": "UI", "Value": [{"Doe": 1}]}}]), "that cannot be read"),
    (sending([{"0020000D": {"vr": "UI", "Value": ["1" * 65]}}]), "that cannot be read"),
    (redirecting, "a redirection to another one"), (hanging_up, "no answer (")])
def test_answers_to_a_search_that_are_none(pacs: Pacs, answer: Answer, found: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    pacs.misbehave = answer
    catch(DicomWebServer(pacs.url).find_studies, f"{pacs.url}, search for studies: expected", found)
    assert not any(secret in caplog.text for secret in SECRETS)


@pytest.mark.parametrize("modalities", [[], "MR", {"Value": "MR"}, {"Value": None}, {"Value": 4}, None])
def test_modalities_in_a_form_that_cannot_be_read_are_none(pacs: Pacs, modalities: Any) -> None:
    pacs.misbehave = sending([{"0020000D": {"vr": "UI", "Value": [STUDY]}, "00080061": modalities}])
    assert DicomWebServer(pacs.url).find_studies() == [STUDY]


def test_no_server() -> None:
    with serving() as server:
        url = server.url
    catch(DicomWebServer(url).find_studies, url, "no answer (Connection refused)")


def test_no_such_host() -> None:
    catch(DicomWebServer("http://pacs.invalid/dicom-web").find_studies, "http://pacs.invalid/dicom-web", "no answer (")


def test_a_server_without_tls(pacs: Pacs) -> None:
    catch(DicomWebServer(pacs.url.replace("http:", "https:")).find_studies, "a certificate that is trusted")


@pytest.mark.parametrize("started", [False, True])
def test_silence(pacs: Pacs, started: bool) -> None:
    over = threading.Event()

    def wait(handler: Handler, path: str) -> bool:
        if started:
            handler.send(b"[", "application/dicom+json", length=100)
        over.wait(10)
        return True

    pacs.misbehave = wait
    begin = time.monotonic()
    catch(DicomWebServer(pacs.url, timeout_s=(0.3, 0.3)).find_studies, "silence for 0.3 s")
    assert time.monotonic() - begin < 3
    over.set()


def foreign(pacs: Pacs, **attributes: str) -> Answer:
    """Answers to retrievals with the first image, made one of another patient."""
    def answer(handler: Handler, path: str) -> bool:
        if "/instances" in path or not path.endswith(".1"):
            return False
        dataset = pydicom.dcmread(BytesIO(next(iter(pacs.contents.values()))))
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        content = BytesIO()
        dataset.save_as(content)
        handler.send_parts([content.getvalue()])
        return True

    return answer


def retrieving(change: Callable[[bytes], bytes]) -> Answer:
    """Answers to the retrieval of the first series with changed files."""
    def answer(handler: Handler, path: str) -> bool:
        if "/instances" in path or not path.endswith(".1"):
            return False
        handler.send_parts([change(content) for content in handler.server.files(STUDY, STUDY + ".1").values()])
        return True

    return answer


def wado(answer: Answer) -> Answer:
    return lambda handler, path: "/instances" not in path and path.endswith(".1") and answer(handler, path)


@pytest.mark.parametrize("answer, found", [
    (wado(answering(b"", None, 404)), "404 Not Found"),
    (wado(answering(b"<html>", "text/html")), "an answer of type 'text/html'"),
    (wado(answering(b"", None)), "an answer of type ''"),
    (wado(answering(b"Doe^Jane", "application/dicom")), "an answer of type 'application/dicom'"),
    (wado(answering(b"--x\r\nno header", "multipart/related; boundary=x")), "that cannot be read"),
    (wado(answering(b"Doe", "multipart/related")), "that cannot be read"),
    (retrieving(lambda content: b"Doe^Jane"), "that cannot be read"),
    (retrieving(lambda content: content[:-7]), "bytes of PixelData"),
    (retrieving(lambda content: content[:-42]), "the end of the file"),
    (retrieving(lambda content: content[:400]), "found an image of another one"),
    (retrieving(lambda content: content[:200]), "found")])
def test_retrievals_that_bring_no_study(pacs: Pacs, images: list[Path], tmp_path: Path, answer: Answer, found: str,
                                        caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    pacs.misbehave = answer
    catch(lambda: fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "a"), f"{pacs.url}, ", found)
    assert not (tmp_path / "a").exists() and not any(part_of(tmp_path / "a").iterdir())
    assert not any(secret in caplog.text for secret in SECRETS)
    pacs.misbehave = lambda handler, path: False
    fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "a")
    assert contents(tmp_path / "a") == {path.read_bytes() for path in images}


@pytest.mark.parametrize("attributes", [{"StudyInstanceUID": "1.2.3"}, {"SeriesInstanceUID": "1.2.3"}, {"StudyInstanceUID": "../../evil"}])
def test_images_of_another_study_are_refused(pacs: Pacs, images: list[Path], tmp_path: Path, attributes: dict[str, str]) -> None:
    pacs.misbehave = foreign(pacs, **attributes)
    catch(lambda: fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "a"), "an image of another one")
    assert not (tmp_path / "a").exists() and not any(part_of(tmp_path / "a").iterdir())


def test_an_image_that_is_not_listed_is_not_kept(pacs: Pacs, images: list[Path], tmp_path: Path) -> None:
    pacs.misbehave = foreign(pacs, SOPInstanceUID="../../../evil")
    catch(lambda: fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "a"), "the 4 images that it lists, found 0")
    assert not any(part_of(tmp_path / "a").iterdir())


def test_an_empty_study(pacs: Pacs, tmp_path: Path, write_series) -> None:
    catch(lambda: fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "a"), "MR or CT images, found none")
    pacs.add(write_series(tmp_path / "reports", 1, Modality="SR"))
    catch(lambda: fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "a"), "MR or CT images, found none")


def test_a_study_beyond_the_bound(pacs: Pacs, images: list[Path], tmp_path: Path) -> None:
    most = sum(path.stat().st_size for path in images) - 1
    catch(lambda: fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "a", bytes_max=most), "bytes, found more")
    assert not (tmp_path / "a").exists()
    fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "a", bytes_max=2 * most)
    assert len(contents(tmp_path / "a")) == 8


def test_an_answer_without_end_is_cut(pacs: Pacs, images: list[Path], tmp_path: Path) -> None:
    sent = 0

    def flood(handler: Handler, path: str) -> bool:
        nonlocal sent
        handler.send(b"--x\r\nContent-Type: application/dicom\r\n\r\n", "multipart/related; boundary=x", length=1 << 40)
        try:
            while sent < 1 << 30:
                handler.wfile.write(bytes(1 << 20))
                sent += 1 << 20
        except OSError:
            pass
        return True

    pacs.misbehave = wado(flood)
    catch(lambda: fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "a", bytes_max=5 << 20), "at most 5242880 bytes, found more")
    assert sent < 64 << 20


def test_no_room(pacs: Pacs, images: list[Path], tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file")
    catch(lambda: fetch_study(DicomWebServer(pacs.url), STUDY, tmp_path / "cache" / "a"), "room for the images of a study, found")


def test_results_are_stored(pacs: Pacs, images: list[Path], tmp_path: Path, write_image) -> None:
    result = write_image(tmp_path / "seg.dcm", np.zeros((2000, 2000), np.uint16), SeriesInstanceUID=STUDY + ".5", Modality="SEG")
    DicomWebServer(pacs.url).store(STUDY, [result])
    assert pydicom.dcmread(BytesIO(list(pacs.contents.values())[-1])) == pydicom.dcmread(result)
    assert pacs.requests == [f"POST /dicom-web/studies/{STUDY}"]
    # Results are no images: a study that was fetched is still whole.
    assert list(DicomWebServer(pacs.url).find_images(STUDY)) == [STUDY + ".1", STUDY + ".2"]


def test_a_server_that_stores_in_silence_is_asked_afterwards(pacs: Pacs, tmp_path: Path, write_series) -> None:
    paths = write_series(tmp_path / "results", 2, Modality="SR", **IDENTITY)
    kept = pydicom.dcmread(paths[0]).SOPInstanceUID

    def be_silent(handler: Handler, path: str) -> bool:
        if handler.command != "POST":
            return False
        handler.rfile.read(int(handler.headers["Content-Length"]))
        pacs.add(paths[:1])
        handler.send(b"", None)
        return True

    pacs.misbehave = be_silent
    catch(lambda: DicomWebServer(pacs.url).store(STUDY, paths), f"{pacs.url}, storage", "1-1.dcm to be stored, found no such object there afterwards")
    assert list(pacs.contents) == [kept]


def test_results_that_are_refused(pacs: Pacs, tmp_path: Path, write_series) -> None:
    paths = write_series(tmp_path / "results", 1, Modality="SR", **IDENTITY)
    uid = str(pydicom.dcmread(paths[0]).SOPInstanceUID)
    failed = {"00081198": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [0xA700]}}]}}

    def refuse(status: int, content: Any) -> Answer:
        def answer(handler: Handler, path: str) -> bool:
            if handler.command != "POST":
                return False
            handler.rfile.read(int(handler.headers["Content-Length"]))
            handler.send_json(content, status)
            return True

        return answer

    server = DicomWebServer(pacs.url)
    pacs.misbehave = refuse(202, failed)
    catch(lambda: server.store(STUDY, paths), "1-0.dcm to be stored, found failure reason 0xA700")
    pacs.misbehave = refuse(409, failed)
    catch(lambda: server.store(STUDY, paths), "409 Conflict")
    for junk in ("Doe", 3, {"00081198": {"vr": "SQ", "Value": ["Doe"]}}, {"00081198": {"vr": "SQ", "Value": [{}]}}):
        pacs.misbehave = refuse(200, junk)
        catch(lambda: server.store(STUDY, paths), pacs.url)


def test_only_dicom_is_stored(pacs: Pacs, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<p>Doe")
    catch(lambda: DicomWebServer(pacs.url).store(STUDY, [tmp_path / "report.html"]), "report.html: expected a DICOM file")
    catch(lambda: DicomWebServer(pacs.url).store(STUDY, [tmp_path / "none.dcm"]), "none.dcm: expected a DICOM file")
    assert not pacs.requests


def test_user_and_password_come_from_netrc(pacs: Pacs, images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login reader password s3cret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    DicomWebServer(pacs.url).find_studies()
    assert set(pacs.authorizations) == {"Basic " + base64.b64encode(b"reader:s3cret").decode()}


def test_no_proxy_sees_a_patient(pacs: Pacs, images: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert DicomWebServer(pacs.url).find_studies() == [STUDY]


@pytest.mark.parametrize("url", [
    "", "localhost:8042/dicom-web", "ftp://localhost/dicom-web", "http://", "http:///dicom-web", "http://localhost:99999/x", "http://localhost:port/x",
    "http://[::1]:8042/x", "http://[::1", "file:///etc/passwd", "http://localhost/dicom-web?x=1", "http://localhost/#x"])
def test_what_is_no_address(url: str) -> None:
    catch(lambda: DicomWebServer(url), "the server's address: expected http://HOST:PORT/PATH")


def test_an_address_with_a_password_is_not_repeated() -> None:
    with pytest.raises(InputError) as raised:
        DicomWebServer("http://reader:s3cret@localhost/dicom-web")
    assert "NETRC" in str(raised.value) and "s3cret" not in str(raised.value)


def test_a_slash_at_the_end_changes_nothing(pacs: Pacs, images: list[Path]) -> None:
    assert DicomWebServer(pacs.url + "/").find_studies() == [STUDY]
