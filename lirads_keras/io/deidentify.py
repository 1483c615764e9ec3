"""`lirads data deidentify`: copies of MR and CT images that do not tell whom they show."""
from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from pydicom.uid import DeflatedExplicitVRLittleEndian

from lirads_keras.entities import Phase
from lirads_keras.errors import InputError, Problem
from lirads_keras.io.atomic import replacing, write_text
from lirads_keras.io.deidentify_rules import clean_dataset
from lirads_keras.io.dicom_elements import Unusable, quiet_pydicom, words
from lirads_keras.io.dicom_headers import Header
from lirads_keras.io.dicom_scan import list_files, read_headers
from lirads_keras.io.dicom_walk import read_dataset
from lirads_keras.io.phases import find_phase
from lirads_keras.io.pseudonyms import Pseudonyms
from lirads_keras.progress import Progress, ignore_progress, tell_count

NO_PHASE = "no contrast phase"
"""SeriesDescription of a copy whose series was of another kind; the phase rules know it."""


@dataclass(frozen=True)
class DeidentifySummary:
    """Files written and left out; the latter with reasons in `list_path`, which names the original files."""

    written: int
    patients: int
    left_out: int
    list_path: Path


def deidentify_folder(
        folder: Path, out: Path, key: Path, open_pseudonyms: Callable[[], Pseudonyms], *, keep_intervals: bool,
        progress: Progress = ignore_progress) -> DeidentifySummary:
    """Writes `out/<patient>/<series UID>/<instance UID>.dcm` for each MR or CT image of a heap.

    Left out are files that are no such image, images with burned-in text, localizers, mosaics (whose geometry stands in private elements that
    are removed), and files that cannot be cleaned. They are listed beside the key, since their paths may tell names.

    Args:
        folder: searched with its subfolders.
        out: folder for the copies.
        key: file of the pseudonyms' key; the list stands beside it.
        open_pseudonyms: gives the pseudonyms, once there is something to write.
        keep_intervals: see `clean_dataset`.
        progress: told each file that is done, from the first on.

    Raises:
        InputError: no such folder, no image in it, or a key inside of `out`.
    """
    if not folder.is_dir():
        raise InputError(Problem(str(folder), "a folder with DICOM files", "a file" if folder.exists() else "no such folder"))
    if key.absolute().is_relative_to(out.absolute()):
        raise InputError(Problem(f"--key {key}", "a file outside of the copies' folder, which is passed on without it", "one inside"))
    paths = list_files(folder, leave_out=out)
    left_out: list[tuple[Path, str]] = []
    patients: set[str] = set()
    written = 0
    pseudonyms = None
    with quiet_pydicom():
        for done, path in enumerate(paths, start=1):
            try:
                header = read_headers(path)[0]
                if header.tile is not None:
                    raise Unusable("an image whose geometry is public", "a mosaic, whose slices' place stands in private elements that are removed")
                pseudonyms = pseudonyms or open_pseudonyms()
                patients.add(_write_copy(path, header, out, pseudonyms, keep_intervals))
                written += 1
            except Unusable as problem:
                left_out.append((path, problem.found if problem.expected == "an MR or CT image" else f"expected {problem.expected}, found {problem.found}"))
            except OSError as error:
                left_out.append((path, error.strerror or str(error)))
            tell_count(progress, "file", done, len(paths))
    if not written:
        raise InputError(Problem(str(folder), "MR or CT images that can be cleaned", f"{len(left_out)} other file(s)" if left_out else "an empty folder"))
    list_path = key.with_name(f"{key.name}.left_out.csv")
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([("path", "reason"), *left_out])
    write_text(list_path, text.getvalue())
    return DeidentifySummary(written, len(patients), len(left_out), list_path)


def _write_copy(path: Path, header: Header, out: Path, pseudonyms: Pseudonyms, keep_intervals: bool) -> str:
    """Cleans and writes one file; the patient's pseudonym.

    Raises:
        Unusable: the file cannot be cleaned.
    """
    phase, _ = find_phase(header.description, header.protocol)
    try:
        dataset = read_dataset(path)
        clean_dataset(dataset, pseudonyms, NO_PHASE if phase is Phase.OTHER else str(phase or ""), keep_intervals=keep_intervals)
        target = out / str(dataset.PatientID) / str(dataset.SeriesInstanceUID) / f"{dataset.SOPInstanceUID}.dcm"
    except OSError:
        raise
    except Exception as error:  # noqa: B902  a file that cannot be cleaned is left out, whatever the reason
        raise Unusable("a file that can be cleaned", words(error)) from error
    if target.exists():
        raise Unusable("each SOPInstanceUID once", "another file with that of this one")
    with replacing(target) as beside:
        try:
            dataset.save_as(beside, enforce_file_format=dataset.file_meta.TransferSyntaxUID != DeflatedExplicitVRLittleEndian)
        except OSError:
            raise
        except Exception as error:  # noqa: B902  as above
            raise Unusable("a file that can be written again", words(error)) from error
    return str(dataset.PatientID)
