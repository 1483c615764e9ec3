"""A DICOMweb server (PS3.18): search by QIDO-RS, retrieval by WADO-RS, storage by STOW-RS, over dicomweb-client.

Whatever goes wrong is one InputError that names the server's address, what was asked of it and what was found. Identifiers of patients and of
their studies stay out of messages and logs.
"""
from __future__ import annotations

import logging
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import pydicom
import requests
from dicomweb_client import DICOMwebClient
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from requests.utils import get_netrc_auth
from urllib3.exceptions import ReadTimeoutError

from lirads_keras.errors import InputError, Problem, raise_if_any
from lirads_keras.io.dicom_elements import quiet_pydicom

TIMEOUT_S = (5.0, 60.0)
"""Longest wait for the connection, and for the next piece of an answer."""

SEARCH_BYTES_MAX = 1 << 28
"""No list of studies or images is longer."""

IMAGE_MODALITIES = ("MR", "CT")
ANY_SYNTAX = (("application/dicom", "*"),)
"""Images as they are stored: the server need not decompress them."""

_UID = re.compile(r"[0-9.]{1,64}")
"""PS3.5, 9.1, without the rule on leading zeros, which archives are known to break."""

_NETRC = "user and password are read from ~/.netrc, or from the file that NETRC names"

_WRONG_CONTENT = (ValueError, LookupError, TypeError, AttributeError, EOFError, OverflowError, NotImplementedError, RecursionError, struct.error,
                  zlib.error, ParseError, InvalidDicomError)
"""What pydicom and dicomweb-client raise on answers that are not DICOM."""

for _logger in ("dicomweb_client", "urllib3"):
    # Both write the addresses of studies, which hold their UIDs.
    logging.getLogger(_logger).setLevel(logging.CRITICAL)


class DicomWebServer:
    """A server by the address of its DICOMweb services, such as http://localhost:8042/dicom-web.

    Args:
        url: http or https, without user and password.
        timeout_s: longest wait for the connection, and for the next piece of an answer.

    Raises:
        InputError: no such address; as every method does if the server does not answer as asked.
    """

    def __init__(self, url: str, *, timeout_s: tuple[float, float] = TIMEOUT_S) -> None:
        self.url = _check_url(url)
        self._timeout_s = timeout_s

    def find_studies(self) -> list[str]:
        """StudyInstanceUIDs of the studies that hold MR or CT, in the server's order."""
        studies = self._search("search for studies", "StudyInstanceUID", lambda client, offset: client.search_for_studies(offset=offset))
        return [uid for uid, row in studies.items() if _holds_images(row, "ModalitiesInStudy")]

    def find_study_of(self, series_uid: str) -> str | None:
        """StudyInstanceUID of the study with this series, None where there is none."""
        if not _UID.fullmatch(series_uid):
            return None
        series = self._search("search for a series", "SeriesInstanceUID", lambda client, offset: client.search_for_series(
            offset=offset, search_filters={"SeriesInstanceUID": series_uid}))
        studies = _texts(series.get(series_uid, {}), "StudyInstanceUID")
        return studies[0] if studies and _UID.fullmatch(studies[0]) else None

    def find_images(self, study_uid: str) -> dict[str, tuple[str, ...]]:
        """SOPInstanceUIDs of each MR or CT series of a study, by SeriesInstanceUID."""
        series = self._search("search for a study's series", "SeriesInstanceUID", lambda client, offset: client.search_for_series(study_uid, offset=offset))
        return {uid: self._find_images_of(study_uid, uid) for uid, row in series.items() if _holds_images(row, "Modality")}

    def retrieve_series(self, study_uid: str, series_uid: str, bytes_max: int) -> Iterator[Dataset]:
        """Yields the images of a series, one at a time as they arrive; refused when there are more than `bytes_max` bytes of them."""
        with self._talking("retrieval of a series", bytes_max) as client:
            yield from client.iter_series(study_uid, series_uid, media_types=ANY_SYNTAX)

    def retrieve_images(self, study_uid: str, series_uid: str, sop_uids: Sequence[str], bytes_max: int) -> Iterator[Dataset]:
        """As `retrieve_series`, only these images."""
        with self._talking("retrieval of an image", bytes_max) as client:
            for sop_uid in sop_uids:
                yield client.retrieve_instance(study_uid, series_uid, sop_uid, media_types=ANY_SYNTAX)

    def store(self, study_uid: str, files: Sequence[Path]) -> None:
        """Stores DICOM files of a study, and makes sure that the server has them.

        Raises:
            InputError: also for a file that is no DICOM file, and for each that the server did not take.
        """
        datasets = [_read_dataset(path) for path in files]
        names = {read_identifier(dataset, "SOPInstanceUID"): path.name for dataset, path in zip(datasets, files, strict=True)}
        with self._talking("storage", SEARCH_BYTES_MAX) as client, quiet_pydicom():
            answer = client.store_instances(datasets, study_instance_uid=study_uid)
            failed = {str(item.ReferencedSOPInstanceUID): int(item.FailureReason) for item in answer.get("FailedSOPSequence") or ()}
            stored = {str(item.ReferencedSOPInstanceUID) for item in answer.get("ReferencedSOPSequence") or ()}
        problems = []
        for uid, name in names.items():
            if uid in failed:
                problems.append(Problem(f"{self.url}, storage", f"{name} to be stored", f"failure reason 0x{failed[uid]:04X} (PS3.18, I.2)"))
            # A server need not say what it stored in a form that can be read (PS3.18, 10.5.3.2).
            elif uid not in stored and not self._holds(study_uid, uid):
                problems.append(Problem(f"{self.url}, storage", f"{name} to be stored", "no such object there afterwards"))
        raise_if_any(problems)

    def _find_images_of(self, study_uid: str, series_uid: str) -> tuple[str, ...]:
        return tuple(sorted(self._search("search for a series' images", "SOPInstanceUID", lambda client, offset: (
            client.search_for_instances(study_uid, series_uid, offset=offset)))))

    def _holds(self, study_uid: str, sop_uid: str) -> bool:
        return sop_uid in self._search("search for what was stored", "SOPInstanceUID", lambda client, offset: (
            client.search_for_instances(study_uid, offset=offset, search_filters={"SOPInstanceUID": sop_uid})))

    def _search(self, what: str, keyword: str, search: Callable[[DICOMwebClient, int], Any]) -> dict[str, dict[str, Any]]:
        """All results of a search, by the UID of this keyword.

        Servers answer with as many results at a time as they like; some know no offset and answer with the first ones again.
        """
        found: dict[str, dict[str, Any]] = {}
        received, known = 0, -1
        with self._talking(what, SEARCH_BYTES_MAX) as client:
            while len(found) > known:
                known = len(found)
                page = search(client, received)
                received += len(page)
                for row in page:
                    uid = _texts(row, keyword)[0]
                    if not _UID.fullmatch(uid):
                        raise ValueError(keyword)
                    found.setdefault(uid, row)
        return found

    @contextmanager
    def _talking(self, what: str, bytes_max: int) -> Iterator[DICOMwebClient]:
        """A client whose every failure becomes an InputError; together its answers may have `bytes_max` bytes."""
        watch = _Watch(bytes_max)
        with requests.Session() as session:
            # Images of patients go to the server that was named, not through a proxy or by redirection to another one.
            session.trust_env = False
            session.max_redirects = 0
            session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
            session.auth = get_netrc_auth(self.url)
            session.headers.update({"Accept": "application/dicom+json", "Accept-Encoding": "identity"})
            client = DICOMwebClient(self.url, session=session, callback=watch.look, permissive_uid=True, timeout=self._timeout_s)
            client.set_http_retry_params(retry=False)
            try:
                yield client
            except (requests.RequestException, _TooMuch, *_WRONG_CONTENT) as error:
                # Without the original error, whose text may quote addresses with UIDs.
                raise InputError(Problem(f"{self.url}, {what}", *self._describe(error, watch))) from None

    def _describe(self, error: Exception, watch: _Watch) -> tuple[str, str]:
        """What was expected and what was found instead."""
        server = "a DICOMweb server that answers"
        if isinstance(error, _TooMuch):
            return f"at most {watch.bytes_max} bytes", "more"
        if isinstance(error, requests.exceptions.ConnectTimeout):
            return server, f"no connection within {self._timeout_s[0]:g} s"
        if isinstance(error, requests.Timeout) or error.args and isinstance(error.args[0], ReadTimeoutError):
            return server, f"silence for {self._timeout_s[1]:g} s"
        if isinstance(error, requests.exceptions.SSLError):
            return "a certificate that is trusted (REQUESTS_CA_BUNDLE can name another authority's)", "another one, or no TLS"
        if isinstance(error, requests.exceptions.ChunkedEncodingError):
            return "a whole answer", "one that broke off"
        if isinstance(error, requests.ConnectionError):
            return server, f"no answer ({_reason(error)})"
        if isinstance(error, requests.TooManyRedirects):
            return "the address of the server itself", "a redirection to another one"
        if isinstance(error, requests.HTTPError) and error.response is not None:
            status = error.response.status_code
            phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
            return "DICOMweb services at this address", f"{status} {phrase}".strip() + (f" ({_NETRC})" if status in (401, 403) else "")
        return "an answer as DICOMweb has it", f"an answer of type {watch.content_type!r} that cannot be read ({type(error).__name__})"


class _TooMuch(Exception):
    pass


class _Watch:
    """Counts what arrives, and remembers of what type it says it is."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.content_type = ""
        self._received = 0

    def look(self, response: requests.Response, *_: Any, **__: Any) -> None:
        """A hook of requests: called with each response before its content is read."""
        if response.status_code // 100 != 2 and not response.is_redirect:
            raise requests.HTTPError(response=response)
        self.content_type = response.headers.get("Content-Type", "")[:80]
        read = response.iter_content

        def count(*arguments: Any, **options: Any) -> Iterator[Any]:
            for block in read(*arguments, **options):
                self._received += len(block)
                if self._received > self.bytes_max:
                    raise _TooMuch
                yield block

        response.iter_content = count  # type: ignore[method-assign]


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise InputError(Problem("the server's address", "http://HOST:PORT/PATH", f"{error}")) from error
    if parts.username is not None or parts.password is not None:
        raise InputError(Problem("the server's address", f"none with a user in it ({_NETRC})", "a user"))
    if parts.scheme not in ("http", "https") or not host or ":" in host or parts.query or parts.fragment:
        raise InputError(Problem("the server's address", "http://HOST:PORT/PATH of a DICOMweb service", repr(url)))
    return url.rstrip("/")


def _holds_images(row: dict[str, Any], keyword: str) -> bool:
    """Whether a search result is of MR or CT; a server that does not say gets the benefit of the doubt."""
    modalities = _texts(row, keyword)
    return not modalities or not {*IMAGE_MODALITIES}.isdisjoint(modalities)


def _texts(row: dict[str, Any], keyword: str) -> list[str]:
    """Values of an attribute in the DICOM JSON model (PS3.18, F.2.2)."""
    element = row.get(f"{tag_for_keyword(keyword):08X}")
    values = element.get("Value") if isinstance(element, dict) else None
    return [str(value) for value in values] if isinstance(values, list) else []


def read_identifier(dataset: Dataset, keyword: str) -> str:
    """A UID as it is stored, empty where there is none: pydicom's own conversion would warn of an odd one, and show it."""
    element = dataset.get_item(keyword)
    value = getattr(element, "value", None)
    return (value.decode("ascii", "replace") if isinstance(value, bytes) else str(value or "")).rstrip("\0 ")


def _read_dataset(path: Path) -> Dataset:
    try:
        return pydicom.dcmread(path)
    except (InvalidDicomError, OSError, EOFError) as error:
        raise InputError(Problem(str(path), "a DICOM file", type(error).__name__)) from error


def _reason(error: BaseException) -> str:
    """What the operating system says, which stands at the bottom of a pile of exceptions."""
    reason = type(error).__name__
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, OSError) and below.strerror:
            reason = below.strerror
        below = below.__cause__ or below.__context__
    return reason
