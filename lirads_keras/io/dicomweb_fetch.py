"""A study of a DICOMweb server as a folder of DICOM files, which is there only when it is whole."""
from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock
from pydicom.dataset import Dataset

from lirads_keras.errors import InputError, Problem
from lirads_keras.io.atomic import replacing
from lirads_keras.io.dicom_scan import scan_files
from lirads_keras.io.dicomweb import DicomWebServer, read_identifier
from lirads_keras.progress import Progress, ignore_progress, part_of

STUDY_BYTES_MAX = 20 << 30
"""A study of six phases of 300 slices of 512 × 512 has about 1 GiB."""

_TOLD_EVERY = 20
"""Images between two words on progress."""


def fetch_study(server: DicomWebServer, study_uid: str, folder: Path, progress: Progress = ignore_progress, *,
                bytes_max: int = STUDY_BYTES_MAX) -> None:
    """Brings the MR and CT images of a study into `folder`.

    What has arrived waits beside it in `.<name>.part`, each file whole, until the server's list is complete; a fetch that was stopped goes on
    there. Where the folder is there already, it is compared with the server's list: new images are added, and those that the server no
    longer has leave. File names are hashes of UIDs, never what a server said.

    Raises:
        InputError: the server does not answer as asked, sends other images than it lists, more than `bytes_max` bytes or images that are broken,
            or its list changed meanwhile; no room on the disk.
    """
    part = folder.with_name(f".{folder.name}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            listed = server.find_images(study_uid)
            wanted = {_file_name(uid) for uids in listed.values() for uid in uids}
            if not wanted:
                raise InputError(Problem(f"{server.url}, a study", "MR or CT images", "none"))
            if folder.exists() and {path.name for path in folder.iterdir()} == wanted:
                return
            _open_part(folder, part, wanted)
            before, total = 0, sum(len(uids) for uids in listed.values())
            for number, (series_uid, uids) in enumerate(listed.items(), start=1):
                of_series = part_of(progress, before / total, (before + len(uids)) / total, f"fetching series {number} of {len(listed)}: ")
                _fetch_series(server, study_uid, series_uid, uids, part, bytes_max, of_series)
                before += len(uids)
            if server.find_images(study_uid) != listed:
                raise InputError(Problem(
                    f"{server.url}, a study", "the same images before and after they were fetched", "others (still arriving? fetch it again)"))
            part.rename(folder)
    except OSError as error:
        raise InputError(Problem(str(folder), "room for the images of a study", error.strerror or type(error).__name__)) from error


def _open_part(folder: Path, part: Path, wanted: set[str]) -> None:
    """Goes on with what an earlier fetch left: with the folder, or with its part; what is not wanted leaves."""
    if folder.exists():
        shutil.rmtree(part, ignore_errors=True)
        folder.rename(part)
    part.mkdir(exist_ok=True, mode=0o700)
    for path in part.iterdir():
        if path.name not in wanted:
            path.unlink()


def _fetch_series(server: DicomWebServer, study_uid: str, series_uid: str, uids: tuple[str, ...], part: Path, bytes_max: int,
                  progress: Progress) -> None:
    missing = [uid for uid in uids if not (part / _file_name(uid)).exists()]
    count = len(uids) - len(missing)
    _tell(progress, count, len(uids))
    bytes_left = max(bytes_max - sum(path.stat().st_size for path in part.iterdir()), 0)
    for dataset in _retrieve(server, study_uid, series_uid, uids, missing, bytes_left):
        uid = read_identifier(dataset, "SOPInstanceUID")
        found = (read_identifier(dataset, "StudyInstanceUID"), read_identifier(dataset, "SeriesInstanceUID"))
        if found != (study_uid, series_uid):
            raise InputError(Problem(f"{server.url}, retrieval of a series", "images of this series", "an image of another one"))
        path = part / _file_name(uid)
        # One that arrived since the list was made is found by the list that is made afterwards.
        if uid in uids and not path.exists():
            _write(dataset, path, server.url)
            count += 1
            if count % _TOLD_EVERY == 0:
                _tell(progress, count, len(uids))
    if count < len(uids):
        raise InputError(Problem(f"{server.url}, retrieval of a series", f"the {len(uids)} images that it lists", f"{count} (half sent? fetch it again)"))


def _tell(progress: Progress, count: int, total: int) -> None:
    # A server may list a series without images.
    progress(count / max(total, 1), f"{count} of {total} images")


def _retrieve(server: DicomWebServer, study_uid: str, series_uid: str, uids: tuple[str, ...], missing: list[str], bytes_max: int) -> Iterator[Dataset]:
    """The whole series in one answer, or the rest of one image by image."""
    if len(missing) == len(uids):
        return server.retrieve_series(study_uid, series_uid, bytes_max)
    return server.retrieve_images(study_uid, series_uid, missing, bytes_max)


def _write(dataset: Dataset, path: Path, url: str) -> None:
    with replacing(path) as beside:
        try:
            dataset.save_as(beside, enforce_file_format=True)
        except (ValueError, AttributeError, TypeError, KeyError) as error:
            raise InputError(Problem(f"{url}, an image", "a whole DICOM file", f"one that cannot be written ({type(error).__name__})")) from None
        for expected, found in scan_files([beside]).broken:
            raise InputError(Problem(f"{url}, an image", expected, found))


def _file_name(uid: str) -> str:
    return f"{hashlib.sha256(uid.encode()).hexdigest()[:32]}.dcm"
