"""`lirads predict` over many studies: each gets a subfolder, what is finished stays, and one that fails does not stop the others."""
from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lirads_keras.errors import InputError, Problem, raise_if_any

if TYPE_CHECKING:
    from lirads_keras.entities import ScoredLesion
    from lirads_keras.inference.engine import RunModels
    from lirads_keras.inference.run_files import RunFiles
    from lirads_keras.progress import Progress

    ReportStudy = Callable[[Path, Path, RunModels, Progress], Sequence[ScoredLesion]]
    """Analyses the study in the first folder and writes its result into the second."""

CALL_FILE = "batch.json"
CHECKSUM = "sha256 of "
NOT_OF_THE_RESULT = ("study", "studies", "out", "command")
"""Arguments that say which studies, not how they are analysed."""


def list_studies(named: Sequence[Path], parent: Path | None) -> list[Path]:
    """The studies of a call: the folders named, then the subfolders of `parent` by name, without hidden ones and those with results of a call.

    Raises:
        InputError: no study at all, folders that are not there, or two of one name, which would share a result folder.
    """
    problems = []
    folders = list(named)
    if parent is not None:
        entries = sorted(parent.iterdir()) if parent.is_dir() else []
        found = [path for path in entries if path.is_dir() and not path.name.startswith(".") and not (path / CALL_FILE).exists()]
        if not found:
            problems.append(Problem(f"--studies {parent}", "a folder with a subfolder for each study", "no subfolder" if parent.is_dir() else "no such folder"))
        folders += found
    elif not folders:
        problems.append(Problem("STUDY", "the folder of a study, or --studies", "neither"))
    if len(folders) > 1:
        problems += [Problem(str(folder), "the folder of a study", "no such folder") for folder in folders if not folder.is_dir()]
    names = Counter(folder.absolute().name for folder in folders)
    problems += [Problem(f"studies named {name}", "each name once, because it becomes the result's", f"{count}") for name, count in names.items() if count > 1]
    raise_if_any(problems)
    return folders


def describe_call(parsed: argparse.Namespace, files: RunFiles) -> dict[str, str]:
    """What the results depend on beside the studies: the options, and the checksums of the weights and the phase map."""
    from lirads_keras.provenance import compute_sha256

    weights = (*files.segmentation_weights, *files.characterization_weights)
    options = {name: str(value) for name, value in vars(parsed).items() if name not in NOT_OF_THE_RESULT}
    phase_map = [parsed.phase_map] if parsed.phase_map and parsed.phase_map.is_file() else []
    return options | {f"{CHECKSUM}{path}": compute_sha256(path) for path in (*weights, *phase_map)}


def claim_folder(out: Path, call: dict[str, str]) -> None:
    """Takes a new folder for this call, or an earlier call's with the same options.

    Raises:
        InputError: the folder holds something else, or the results of other options or weights.
    """
    from lirads_keras.io.atomic import write_json

    path = out / CALL_FILE
    if not path.exists():
        if out.exists() and any(out.iterdir()):
            raise InputError(Problem(f"--out {out}", "a new or an empty folder, or that of an earlier call", "something else"))
        write_json(path, call)
        return
    try:
        earlier: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(Problem(str(path), "the options of an earlier call", f"{type(error).__name__}: {error}")) from error
    if not isinstance(earlier, dict):
        raise InputError(Problem(str(path), "the options of an earlier call", f"a {type(earlier).__name__}"))
    other = [name for name in sorted({*earlier, *call}) if earlier.get(name) != call.get(name)]
    # Other networks or another variant have other weights, too: the option alone says it.
    told = [name for name in other if not name.startswith(CHECKSUM)] or other
    raise_if_any([Problem(f"--out {out}, {name}", f"{earlier.get(name)}, as in the earlier call (another --out otherwise)", f"{call.get(name)}")
                  for name in told])


def predict_studies(folders: Sequence[Path], out: Path, load_models: Callable[[], RunModels], report_study: ReportStudy) -> None:
    """Analyses the studies that have no report.json yet, each into `out/<name of its folder>`.

    Raises:
        InputError: studies failed; all of their problems, when the others are done.
    """
    from tqdm import tqdm

    places = {folder: out / folder.absolute().name for folder in folders}
    pending = [folder for folder, place in places.items() if not (place / "report.json").is_file()]
    if done := len(folders) - len(pending):
        print(f"{done} of {len(folders)} studies were done by an earlier call")
    if not pending:
        return
    models = load_models()
    problems: list[Problem] = []
    failed = 0
    with tqdm(total=len(folders), initial=done, unit="study") as bar:
        for folder in pending:
            name = places[folder].name

            def show(fraction: float | None, message: str, name: str = name) -> None:
                bar.set_postfix_str(f"{name}: {message}")

            try:
                lesions = report_study(folder, places[folder], models, show)
                bar.write(f"{name}: {len(lesions)} lesion(s) {' '.join(str(scored.category) for scored in lesions)}".rstrip(), file=sys.stdout)
            except InputError as error:
                failed += 1
                problems += [Problem(f"study {folder}: {problem.where}", problem.expected, problem.found) for problem in error.problems]
            # One defect must not cost the night's other studies; it is shown as one.
            except Exception as error:
                failed += 1
                bar.write(traceback.format_exc(), file=sys.stderr)
                problems.append(Problem(f"study {folder}", "no defect of this program", f"{type(error).__name__}: {error}"))
            bar.update()
    print(f"{len(pending) - failed} of {len(pending)} studies analysed, {failed} failed; {out}")
    raise_if_any(problems)
