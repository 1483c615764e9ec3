"""The files of the page: a fixed list, so that no path of a client reaches the file system."""
from __future__ import annotations

from pathlib import Path

from lirads_keras.errors import InputError, Problem

WEB = Path(__file__).parent / "web"
NIIVUE = WEB / "node_modules" / "@niivue" / "niivue" / "dist" / "index.js"
"""The viewer in one module, which asks for nothing else; `index.min.js` beside it is no module."""

PAGE_FILES = (
    "index.html", "style.css", "api.js", "controls.js", "dom.js", "gestures.js", "grid.js", "identity.js", "keys.js", "lesions.js", "main.js", "mask_sync.js",
    "messages.js", "panel.js", "planes.js", "population.js", "prior.js", "reader_name.js", "records.js", "strokes.js", "study.js", "viewer.js", "words.js")

ASSETS = {name: WEB / name for name in PAGE_FILES} | {"niivue.js": NIIVUE}

_CONTENT_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}


def check_assets() -> None:
    """Looks whether every file of the page is there.

    Raises:
        InputError: NiiVue was not fetched, or files of the package are missing.
    """
    missing = [name for name, path in ASSETS.items() if not path.is_file()]
    if missing == ["niivue.js"]:
        raise InputError(Problem(str(NIIVUE), "the viewer NiiVue, which `make setup` fetches with npm", "no such file"))
    if missing:
        raise InputError(Problem(str(WEB), f"the files of the page ({', '.join(missing)})", "not there"))


def read_asset(name: str) -> tuple[bytes, str]:
    """A file of the page and its content type.

    Raises:
        KeyError: no file of the page has this name.
        InputError: the file is not there.
    """
    path = ASSETS[name]
    try:
        return path.read_bytes(), _CONTENT_TYPES[path.suffix]
    except OSError:
        check_assets()
        raise
