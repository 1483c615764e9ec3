"""`lirads read`: the reading application, a page that shows studies, runs the networks, and lets a reader edit and save what they say."""
from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lirads_keras.commands.arguments import add_assumption_argument, add_network_arguments, check_out, choose_registration, parse_cutoff, parse_non_negative
from lirads_keras.errors import InputError, Problem, raise_if_any

if TYPE_CHECKING:
    from lirads_keras.inference.run_files import RunFiles
    from lirads_keras.reader.sources import StudySource

PORT = 8765
RUNS = Path("runs")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command to the parser's commands."""
    read = commands.add_parser(
        "read", help="a web page to run the networks on studies, edit what they say, and save it",
        description="Serves a page on this machine and prints its address; Ctrl-C ends it. Every edit is kept in OUT/journal.sqlite before it is answered, so "
                    "that the same command goes on after any stop. Research use only.")
    read.add_argument("--run", type=Path, help="run folder with trained networks (default: the newest finished one in runs/)")
    read.add_argument("--studies", type=Path, metavar="DIR", help="folder each of whose subfolders is a study")
    read.add_argument("--dicomweb", metavar="URL", help="a PACS' DICOMweb services, instead of a folder; what is saved is stored there, too")
    read.add_argument("--out", type=Path, help="folder for the journal and what is saved (default: reader in the run's folder)")
    read.add_argument("--port", type=_parse_port, default=PORT, help=f"default: {PORT}; 0: any that is free")
    read.add_argument("--host", help="an address of this machine at which others may ask, too; they need the token")
    read.add_argument("--token-file", type=Path, metavar="FILE",
                      help="the token that the server asks for (with --host, one is made and printed where this is not given)")
    read.add_argument("--allow-origin", action="append", default=[], metavar="URL",
                      help="another web page, such as OHIF, that may use the MONAI Label services; may be given again")
    read.add_argument("--phase-map", type=Path, metavar="FILE", help="YAML file that says which series or time point is which phase (README: your own data)")
    add_network_arguments(read)
    read.add_argument("--background-cutoff", type=parse_cutoff, metavar="auto|UNITS",
                      help="Eq. 1's cut-off for a scanner on another intensity scale (default: the run's)")
    add_assumption_argument(read)
    read.add_argument("--reader", metavar="NAME", help="name that the page fills in for the reader")
    read.set_defaults(command=_read)


def find_newest_run(runs: Path, segmentation: str | None, networks: str) -> RunFiles:
    """The run whose networks were finished last, of those that have such networks as `find_run_files` is asked for.

    Raises:
        InputError: no run is finished.
    """
    from lirads_keras.inference.run_files import find_run_files

    finished = []
    for path in sorted(runs.iterdir()) if runs.is_dir() else []:
        try:
            finished.append(find_run_files(path, segmentation=segmentation, networks=networks))
        except InputError:
            continue
    if not finished:
        raise InputError(Problem("--run", f"a finished run (none is in {runs}/; `make reproduce` makes one)", "not given"))
    return max(finished, key=lambda files: max(path.stat().st_mtime for path in files.characterization_weights))


def _read(parsed: argparse.Namespace) -> None:
    problems = [] if (parsed.studies is None) != (parsed.dicomweb is None) else [
        Problem("studies", "either --studies DIR or --dicomweb URL", "both" if parsed.studies else "neither")]
    problems += [Problem(f"--allow-origin {origin}", "scheme, host and perhaps port of a page (http://localhost:3000)", "something else")
                 for origin in parsed.allow_origin if not _is_origin(origin)]
    raise_if_any(problems)
    # The folders are looked at before the slow imports: a wrong path should not take seconds to be told.
    from lirads_keras.inference.run_files import find_run_files

    if parsed.run is None:
        files = find_newest_run(RUNS, parsed.segmentation, parsed.networks)
    else:
        files = find_run_files(parsed.run, segmentation=parsed.segmentation, networks=parsed.networks)
    chosen = {"background_cutoff": parsed.background_cutoff, "registration": choose_registration(files.profile, parsed)}
    preprocessing = files.profile.preprocessing.model_copy(update={name: value for name, value in chosen.items() if value is not None})
    files = replace(files, profile=files.profile.model_copy(update={"preprocessing": preprocessing}))
    out = parsed.out or files.run.reader
    check_out(out)
    from lirads_keras.inference.openvino_predictor import check_engine
    from lirads_keras.reader.assets import check_assets
    from lirads_keras.reader.messages import check_name
    from lirads_keras.reader.server import ServerOptions, bind_socket, describe_url, make_token, open_application, read_token, serve, until_stopped

    check_engine(files.profile.inference.engine)
    check_assets()
    if parsed.reader is not None:
        check_name(parsed.reader, "--reader")
    source = _open_source(parsed, out)
    token = read_token(parsed.token_file) if parsed.token_file else make_token() if parsed.host else None
    options = ServerOptions(parsed.host, parsed.port, token, parsed.allow_origin, parsed.reader)
    bound = bind_socket(options.host, options.port)
    with until_stopped(), bound, open_application(files, source, out, options) as app:
        print(f"{describe_url(bound, options, with_token=parsed.token_file is None)}  (Ctrl-C ends it; results in {out})", flush=True)
        print("Research use only. Not for diagnosis.", file=sys.stderr)
        serve(app, bound)


def _open_source(parsed: argparse.Namespace, out: Path) -> StudySource:
    from lirads_keras.io.phase_map import read_phase_map
    from lirads_keras.reader.sources import DicomWebSource, FolderSource

    if parsed.phase_map is not None:
        read_phase_map(parsed.phase_map)
    if parsed.studies is not None:
        return FolderSource(parsed.studies, parsed.phase_map)
    return DicomWebSource(parsed.dicomweb, out / "dicomweb", parsed.phase_map)


def _parse_port(text: str) -> int:
    port = parse_non_negative(text)
    if port > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, found {port}")
    return port


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and f"{parts.scheme}://{parts.netloc}" == text and "@" not in text
