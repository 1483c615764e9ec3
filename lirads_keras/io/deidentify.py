"""`lirads data deidentify`: copies of MR and CT images that do not tell whom they show, and of which `lirads data index` makes what it makes of them."""
from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from pydicom.uid import DeflatedExplicitVRLittleEndian

from lirads_keras.errors import InputError, Problem
from lirads_keras.io.atomic import replacing, write_text
from lirads_keras.io.clocks import find_several_clocks
from lirads_keras.io.deidentify_plan import CopyPlan, plan_copies
from lirads_keras.io.deidentify_rules import Emptied, clean_dataset
from lirads_keras.io.dicom_elements import Unusable, quiet_pydicom, words
from lirads_keras.io.dicom_scan import list_files, merge_problem, scan_files
from lirads_keras.io.dicom_walk import read_dataset
from lirads_keras.io.pseudonyms import Pseudonyms
from lirads_keras.progress import Progress, ignore_progress, part_of, tell_count


@dataclass(frozen=True)
class DeidentifySummary:
    """Files written and left out; the latter with reasons in `list_path`, which names the original files, as `notices` do, which are lines for the user."""

    written: int
    patients: int
    left_out: int
    list_path: Path
    notices: tuple[str, ...]


def deidentify_folder(
        folder: Path, out: Path, key: Path, open_pseudonyms: Callable[[], Pseudonyms], *, keep_times: bool = True,
        progress: Progress = ignore_progress) -> DeidentifySummary:
    """Writes `out/<patient>/<series UID>/<instance UID>.dcm` for each MR or CT image of a heap.

    Left out are files that are no such image, images with burned-in text, localizers, copies of other files, mosaics (whose geometry stands in
    private elements that are removed), and files that cannot be cleaned. They are listed beside the key, since their paths may tell names.

    Args:
        folder: searched with its subfolders.
        out: folder for the copies.
        key: file of the pseudonyms' key; the list stands beside it.
        open_pseudonyms: gives the pseudonyms, once there is something to write.
        keep_times: see `clean_dataset`.
        progress: told each file that is read, and then each that is copied.

    Raises:
        InputError: no such folder, no image in it, or a key inside of `out`.
    """
    if not folder.is_dir():
        raise InputError(Problem(str(folder), "a folder with DICOM files", "a file" if folder.exists() else "no such folder"))
    if key.absolute().is_relative_to(out.absolute()):
        raise InputError(Problem(f"--key {key}", "a file outside of the copies' folder, which is passed on without it", "one inside"))
    scan = scan_files(list_files(folder, leave_out=out), part_of(progress, 0, 0.5))
    left_out = [(aside.path, aside.reason) for aside in scan.set_aside]
    left_out += [(path, f"expected {expected}, found {found}") for (expected, found), paths in scan.broken.items() for path in paths]
    mosaics = sorted({header.path for header in scan.headers if header.tile is not None})
    left_out += [(path, "expected an image whose geometry is public, found a mosaic, whose slices' place stands in private elements that are removed")
                 for path in mosaics]
    clocks = find_several_clocks(scan.headers) if keep_times else set()
    left_out += [(path, "expected times of one clock, since copies keep them without their offset from UTC, found several offsets in the study")
                 for path in sorted({header.path for header in scan.headers if header.tile is None and header.examination.study_uid in clocks})]
    kept = [header for header in scan.headers if header.tile is None and header.examination.study_uid not in clocks]
    plans = plan_copies(kept, keep_times=keep_times)
    patients: set[str] = set()
    emptied: dict[Emptied, list[Path]] = {}
    written: set[Path] = set()
    pseudonyms = open_pseudonyms() if plans.by_path else None
    copying = part_of(progress, 0.5, 1)
    with quiet_pydicom():
        for done, (path, plan) in enumerate(plans.by_path.items(), start=1):
            assert pseudonyms is not None
            try:
                patient, found = _write_copy(path, plan, out, pseudonyms, keep_times, written)
                patients.add(patient)
                for item in found:
                    emptied.setdefault(item, []).append(path)
            except Unusable as problem:
                left_out.append((path, f"expected {problem.expected}, found {problem.found}"))
            except OSError as error:
                left_out.append((path, error.strerror or str(error)))
            tell_count(copying, "copy", done, len(plans.by_path))
    if not written:
        raise InputError(Problem(str(folder), "MR or CT images that can be cleaned", f"{len(left_out)} other file(s)" if left_out else "an empty folder"))
    list_path = key.with_name(f"{key.name}.left_out.csv")
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([("path", "reason"), *sorted(left_out)])
    write_text(list_path, text.getvalue())
    notices = [f"{merge_problem(paths, f'{item.expected} as {item.keyword}', item.found)}: emptied" for item, paths in emptied.items()]
    return DeidentifySummary(len(written), len(patients), len(left_out), list_path, (*notices, *plans.notices))


def _write_copy(
        path: Path, plan: CopyPlan, out: Path, pseudonyms: Pseudonyms, keep_times: bool, written: set[Path]) -> tuple[str, list[Emptied]]:
    """Cleans and writes one file, and adds the copy to `written`; the patient's pseudonym, and what was emptied.

    Raises:
        Unusable: the file cannot be cleaned.
    """
    try:
        dataset = read_dataset(path)
        emptied = clean_dataset(dataset, pseudonyms, plan, keep_times=keep_times)
        target = out / str(dataset.PatientID) / str(dataset.SeriesInstanceUID) / f"{dataset.SOPInstanceUID}.dcm"
    except OSError:
        raise
    except Exception as error:  # noqa: B902  a file that cannot be cleaned is left out, whatever the reason
        raise Unusable("a file that can be cleaned", words(error)) from error
    # Other images under a SOPInstanceUID that was given twice are images of the series all the same.
    first, count = target, 1
    while target in written:
        count += 1
        target = first.with_name(f"{first.stem}-{count}.dcm")
    if target.exists():
        raise Unusable("no copies of an earlier run", "one of this image")
    with replacing(target) as beside:
        try:
            dataset.save_as(beside, enforce_file_format=dataset.file_meta.TransferSyntaxUID != DeflatedExplicitVRLittleEndian)
        except OSError:
            raise
        except Exception as error:  # noqa: B902  as above
            raise Unusable("a file that can be written again", words(error)) from error
    written.add(target)
    return str(dataset.PatientID), emptied
