from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lirads_keras.errors import InputError
from lirads_keras.lirads.steps import OVERRIDE_ORDER, TIES
from lirads_keras.reader import assets
from lirads_keras.reader.assets import ASSETS, NIIVUE, PAGE_FILES, WEB, check_assets, read_asset

SCRIPTS = {name: (WEB / name).read_text(encoding="utf-8") for name in PAGE_FILES if name.endswith(".js")}
HTML = (WEB / "index.html").read_text(encoding="utf-8")
STYLE = (WEB / "style.css").read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Every element of the page with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(HTML)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))


ELEMENTS = Elements().all
IDS = [attributes["id"] for _, attributes in ELEMENTS if "id" in attributes]


def test_the_list_is_what_stands_in_the_folder() -> None:
    set_up = {"package.json", "package-lock.json", ".npmrc", "node_modules"}
    assert {path.name for path in WEB.iterdir()} - set_up == set(PAGE_FILES)
    check_assets()


def test_every_file_is_served_as_what_it_is() -> None:
    types = {name: read_asset(name)[1] for name in ASSETS}
    assert types.pop("index.html") == "text/html; charset=utf-8"
    assert types.pop("style.css") == "text/css; charset=utf-8"
    assert set(types.values()) == {"text/javascript; charset=utf-8"}
    assert read_asset("niivue.js")[0] == NIIVUE.read_bytes()
    for name in ("../assets.py", "package.json", "web/main.js", "", "main.JS"):
        with pytest.raises(KeyError):
            read_asset(name)


def test_a_viewer_that_was_not_fetched_is_told_with_what_fetches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(assets.ASSETS, "niivue.js", tmp_path / "index.js")
    with pytest.raises(InputError, match="make setup"):
        check_assets()
    with pytest.raises(InputError, match="make setup"):
        read_asset("niivue.js")
    monkeypatch.setitem(assets.ASSETS, "main.js", tmp_path / "main.js")
    with pytest.raises(InputError, match="main.js"):
        check_assets()


def test_every_module_parses() -> None:
    node = shutil.which("node") or str(Path(sys.executable).parent / "node")

    def check(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([node, "--check", str(WEB / name)], capture_output=True, text=True)

    with ThreadPoolExecutor(2) as pool:
        assert {name: result.stderr for name, result in zip(SCRIPTS, pool.map(check, SCRIPTS), strict=True) if result.returncode} == {}


def test_what_modules_import_is_served_and_exported() -> None:
    for name, text in SCRIPTS.items():
        imports = re.findall(r"import \{([^}]*)\} from '([^']+)';", text)
        assert len(imports) == len(re.findall(r"^import\b", text, re.MULTILINE)), name
        for names, source in imports:
            assert source.startswith("./"), f"{name} imports from {source}"
            exporting = SCRIPTS.get(source.removeprefix("./")) or NIIVUE.read_text(encoding="utf-8")
            for imported in (part.strip() for part in names.split(",")):
                exported = rf"^export (?:async )?(?:class|function|const) {imported}\b" if source[2:] in SCRIPTS else rf"^  (?:\w+ as )?{imported},$"
                assert re.search(exported, exporting, re.MULTILINE), f"{name}: {imported} of {source}"


def test_ids_are_unique_and_those_that_scripts_use_exist() -> None:
    assert len(set(IDS)) == len(IDS)
    used = {name: set(re.findall(r"(?:byId|click|press)\('([\w-]+)'", text)) for name, text in SCRIPTS.items()}
    assert sum(map(len, used.values())) > 50
    assert {name: ids - set(IDS) for name, ids in used.items() if ids - set(IDS)} == {}


def test_labels_and_references_within_the_page_hit() -> None:
    for _, attributes in ELEMENTS:
        for attribute in ("for", "aria-labelledby", "aria-controls"):
            for target in (attributes.get(attribute) or "").split():
                assert target in IDS, f"{attribute}={target}"


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    """What the content security policy forbids would fail silently for readers."""
    for tag, attributes in ELEMENTS:
        assert "style" not in attributes and not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert tag != "style" and (tag != "script" or attributes["src"]), (tag, attributes)
        for attribute in ("src", "href"):
            reference = attributes.get(attribute)
            assert reference is None or reference == "data:," or reference.removeprefix("/web/") in ASSETS, reference
    assert not re.search(r"url\(|@import|https?:", STYLE)
    for name, text in SCRIPTS.items():
        assert not re.search(r"https?://|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text), name


def test_classes_of_categories_have_colours() -> None:
    for category in (*OVERRIDE_ORDER, "LR-3", "LR-4", "LR-5"):
        assert f".category.{category.lower()} " in STYLE


def test_the_pairs_that_can_be_undecided_are_those_of_the_rules() -> None:
    listed = re.search(r"TIES = (\[\[.*\]\]);", SCRIPTS["words.js"])
    assert listed
    assert {frozenset(pair) for pair in json.loads(listed[1].replace("'", '"'))} == set(TIES)


def test_the_lock_names_exact_versions_and_no_host() -> None:
    wanted = json.loads((WEB / "package.json").read_text(encoding="utf-8"))["dependencies"]
    text = (WEB / "package-lock.json").read_text(encoding="utf-8")
    packages = json.loads(text)["packages"]
    assert list(wanted) == ["@niivue/niivue"] and re.fullmatch(r"\d+\.\d+\.\d+", wanted["@niivue/niivue"])
    assert packages["node_modules/@niivue/niivue"]["version"] == wanted["@niivue/niivue"]
    assert all(entry.get("integrity", "").startswith("sha512-") for path, entry in packages.items() if path)
    assert "resolved" not in text and not re.search(r"https?://[^\"]*registry", text)
