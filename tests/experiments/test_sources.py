"""What counts as a source of a stage, and what of its text."""
from __future__ import annotations

import ast
from pathlib import Path
from string import Template

import pytest
import sources
from hypothesis import given
from hypothesis import strategies as st
from sources import clean_source, compute_sources_digest, find_imported, list_sources
from stages import CHECKOUT, STAGES

from lirads_keras.errors import InputError


def clean(text: str) -> str:
    return clean_source(text, ast.parse(text))


@pytest.mark.parametrize("text, left", [
    ("x = 1  # one\n", "x = 1\n"),
    ("x = 1   \n\n\n  # two\ny = 2\n", "x = 1\ny = 2\n"),
    ("# alone", ""),
    ('"""Module."""\n', ""),
    ('"""Module\n\nof two."""\nx = 1\n', "x = 1\n"),
    ("x = '#1'  # '2'\n", "x = '#1'\n"),
    ('x = "a # b" # c "d\n', 'x = "a # b"\n'),
    ("x = f'#{y}#'  # {z}\n", "x = f'#{y}#'\n"),
    ("x = f'''\n# {y:#x}  \n\n'''  # z\n", "x = f'''\n# {y:#x}  \n\n'''\n"),
    ("x = (f'{a}'  # one\n     # two\n\n     f'#{b}')\n", "x = (f'{a}'\n     f'#{b}')\n"),
    ("x = '''a  \n\n  # no comment\n\n'''   \n", "x = '''a  \n\n  # no comment\n\n'''\n"),
    ("x = [  # one\n    1,  # two\n\n    2]\n", "x = [\n    1,\n    2]\n"),
    ("x = 1 + \\\n    2  # three\n", "x = 1 + \\\n    2\n"),
    ("def f():\n    '''Alone.'''\n\n\nx = 1\n", "def f():\nx = 1\n"),
    ("def f(): 'alone'\n", "def f():\n"),
    ("def f():\n    'doc'; return 1  # one\n", "def f():\n    ; return 1\n"),
    ("class A:\n    '''Of A\n    in two.'''\n    x: int = 1\n    '''Of x.'''\n\n    @one\n    def y(self):\n        '''Of y.'''\n        return 1\n",
     "class A:\n    x: int = 1\n    @one\n    def y(self):\n        return 1\n"),
    ("def f():\n    async def g():\n        'inner'\n        return 'kept'\n    return g\n",
     "def f():\n    async def g():\n        return 'kept'\n    return g\n"),
    ("x = 'µ – 肝'  # µ\n", "x = 'µ – 肝'\n"),
    ("µ = 1; 'µ 肝'; y = '肝'  # 肝 '#'\n", "µ = 1; ; y = '肝'\n"),
    ("'''肝'''; x = '''µ  \n'''\n", "; x = '''µ  \n'''\n"),
    ("x = '''a\n'''; 'µ'; '''b\nc'''; y = 1\n", "x = '''a\n'''; ;\n; y = 1\n"),
    ("x = '\\f'\n\f\ny = 2\f\n", "x = '\\f'\ny = 2\n"),
    ("x = '\u2028'  # \u2028\ny = '''\x0b\n'''\n", "x = '\u2028'\ny = '''\x0b\n'''\n"),
    ("b'bytes'\nf'{x}'\n...\n", "b'bytes'\nf'{x}'\n...\n"),
    ("x = r'\\' # '\n'''\\''' # '''\n", "x = r'\\' # '\n"),
])
def test_comments_docstrings_and_blank_lines_are_cut_and_nothing_else(text, left):
    assert clean(text) == left


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def digest_of(folder: Path, main: str | bytes) -> str:
    return compute_sources_digest("experiments/main.py", write(folder, {"experiments/main.py": main}))


def test_line_ends_and_a_byte_order_mark_are_no_content(tmp_path):
    text = '"""Doc\nof two."""\nx = """a\n\nb"""  # c\ny = 2\n'
    digest = digest_of(tmp_path, text)
    for same in (text.replace("\n", "\r\n"), text.replace("\n", "\r"), "\ufeff" + text, text[:-1], text + "\n\n", text + "  # end"):
        assert digest_of(tmp_path, same) == digest
    assert digest_of(tmp_path, text.replace("a\n\nb", "a\nb")) != digest


BASE = Template('''\
from os import path
LIMIT = $n0
if LIMIT:
    NAME = "$s0 # no comment"
class Box:
    side: int = $n1
    @staticmethod
    def area(x, *, unit="$s1"):
        if x > $n2:
            return f"{x:#x} # $s2"
        def inner():
            return """
# $s3

"""
        return inner, [
            $n3,
            "µ" "$s4",
        ]
TOTAL = LIMIT + \\
    $n4
''')
NUMBERS, WORDS = {f"n{k}": str(k + 10) for k in range(5)}, {f"s{k}": f"word{k}" for k in range(5)}
INSIDE_A_STRING = {12, 13, 14}
"""Lines of BASE, from 0, that begin in a string."""
AFTER_A_BACKSLASH = {20}


@given(st.data())
def test_insertions_change_nothing_and_constants_do(data):
    text = BASE.substitute(NUMBERS | WORDS)
    statements = {node.lineno - 1: node.col_offset for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt)}
    decorated = {number for number in statements if text.split("\n")[number - 1].lstrip().startswith("@")}
    words = st.text("aµ肝 #:;({[\t\f\v\u2028", max_size=9)
    lines = []
    for number, line in enumerate(text.split("\n")[:-1]):
        if number not in INSIDE_A_STRING | AFTER_A_BACKSLASH and data.draw(st.booleans()):
            lines.append(data.draw(st.sampled_from(["", "   ", "# {}", "        # '{}", '#"""{}'])).replace("{}", data.draw(words)))
        if number in statements and number not in decorated and data.draw(st.booleans()):
            string = data.draw(st.sampled_from(['"{}"', '"""{}\n\n  # {}"""', "'''{}\n'''  # {}"]))
            lines.append(" " * statements[number] + string.replace("{}", data.draw(words)))
        behind = number + 1 not in INSIDE_A_STRING | AFTER_A_BACKSLASH and data.draw(st.booleans())
        lines.append(line + (data.draw(st.sampled_from(["  ", "  # {}", "#{}'''"])).replace("{}", data.draw(words)) if behind else ""))
    assert clean("\n".join(lines) + "\n") == clean(text)
    changed = data.draw(st.sampled_from([*NUMBERS, *WORDS]))
    other = data.draw(st.integers(0, 9).map(str)) if changed in NUMBERS else data.draw(st.from_regex(r"[a-z# ]{0,9}", fullmatch=True))
    assert clean(BASE.substitute(NUMBERS | WORDS | {changed: other})) != clean(text)


TREE = {
    "package/__init__.py": "",
    "package/plain.py": "import json\n",
    "package/other.py": "from package.deep.leaf import value\n",
    "package/late.py": "x = 1\n",
    "package/typed.py": "x = 1\n",
    "package/ring.py": "from package import round\n",
    "package/round.py": "from package import ring\n",
    "package/near.py": "from . import plain\nfrom .deep import leaf\n",
    "package/deep/__init__.py": "from package import late\n",
    "package/deep/leaf.py": "from ..other import x\n",
    "experiments/beside.py": "x = 1\n",
    "experiments/room/__init__.py": "",
    "experiments/room/chair.py": "import beside\n",
}


@pytest.mark.parametrize("main, reached", [
    ("import json, numpy.linalg\n", ""),
    ("import package.plain\n", "package/__init__ package/plain"),
    ("import package\n", "package/__init__"),
    ("from package import plain\n", "package/__init__ package/plain"),
    ("from package import plain as x, absent\n", "package/__init__ package/plain"),
    ("from package.plain import late\n", "package/__init__ package/plain"),
    ("from package import *\n", "package/__init__"),
    ("import beside as x\n", "experiments/beside"),
    ("from room.chair import x\n", "experiments/room/__init__ experiments/room/chair experiments/beside"),
    # A package's own __init__ imports, too.
    ("from package import other\n", "package/__init__ package/other package/deep/__init__ package/deep/leaf package/late"),
    ("from package.near import x\n",
     "package/__init__ package/near package/plain package/deep/__init__ package/deep/leaf package/late package/other"),
    ("import package.ring\n", "package/__init__ package/ring package/round"),
    ("def f():\n    if x:\n        from package import late\n", "package/__init__ package/late"),
    ("class A:\n    async def f(self):\n        try:\n            import package.late\n        except ImportError:\n            import beside\n",
     "package/__init__ package/late experiments/beside"),
    ("if TYPE_CHECKING:\n    from package import typed\n", ""),
    ("if typing.TYPE_CHECKING:\n    from package import typed\nelse:\n    import package.late\n", "package/__init__ package/late"),
    ("if TYPING:\n    from package import typed\n", "package/__init__ package/typed"),
    ("def f():\n    if TYPE_CHECKING:\n        import package.typed\n    import beside\n", "experiments/beside"),
    ("'import package'\n# import beside\n", ""),
])
def test_imports_are_followed(tmp_path, main, reached):
    write(tmp_path, TREE | {"experiments/main.py": main})
    assert list_sources("experiments/main.py", tmp_path) == sorted(["experiments/main.py", *(f"{name}.py" for name in reached.split())])


def test_a_change_far_down_counts_and_one_beside_does_not(tmp_path):
    write(tmp_path, TREE)
    main = "from package import near\n"
    digest = digest_of(tmp_path, main)
    write(tmp_path, {"package/typed.py": "x = 2\n", "package/unknown.py": "x = 2\n"})
    assert digest_of(tmp_path, main) == digest
    write(tmp_path, {"package/late.py": "x = 2\n"})
    assert digest_of(tmp_path, main) != digest
    write(tmp_path, {"package/late.py": "x = 1  # as before\n"})
    assert digest_of(tmp_path, main) == digest


def test_a_moved_module_counts(tmp_path):
    digests = set()
    for name in ("plain", "late"):
        write(tmp_path / name, {"package/__init__.py": "", f"package/{name}.py": "x = 1\n"})
        digests.add(digest_of(tmp_path / name, "import package.plain, package.late\n"))
    assert len(digests) == 2


@pytest.mark.parametrize("place, reached", [
    ("package/deep/leaf.py", "package/deep/__init__ package/late"), ("package/deep", ""),
    ("package/de", "package/deep/__init__ package/deep/leaf package/late package/other")])
def test_what_changes_no_result_is_not_walked_through(tmp_path, monkeypatch, place, reached):
    write(tmp_path, TREE | {"experiments/main.py": "import package.near\n"})
    monkeypatch.setattr(sources, "NO_RESULT", {place: "of a test"})
    names = ("experiments/main", "package/__init__", "package/near", "package/plain", *reached.split())
    assert list_sources("experiments/main.py", tmp_path) == sorted(f"{name}.py" for name in names)


def test_resources_count_byte_by_byte_where_their_module_does(tmp_path, monkeypatch):
    write(tmp_path, TREE | {"rules/one.csv": "a\n", "rules/deep/two.R": "# b\n", "words.py": "x = 1  # one\n"})
    monkeypatch.setattr(sources, "RESOURCES", {"package/plain.py": ("rules", "words.py"), "package/late.py": ("absent.csv",)})
    main = "import package.plain\n"
    digest = digest_of(tmp_path, main)
    assert list_sources("experiments/main.py", tmp_path) == [
        "experiments/main.py", "package/__init__.py", "package/plain.py", "rules/deep/two.R", "rules/one.csv", "words.py"]
    for files, counts in (({"rules/deep/two.R": "# c\n"}, True), ({"rules/three": ""}, True), ({"words.py": "x = 1  # two\n"}, False),
                          ({"words.py": "x = 2\n"}, True)):
        before, digest = digest, digest_of(write(tmp_path, files), main)
        assert (digest != before) == counts
    with pytest.raises(FileNotFoundError):
        digest_of(tmp_path, "import package.late\n")


@pytest.mark.parametrize("content", [b"x = (\n", b"x = '\xff'\n", b"x = 1\0\n"])
def test_a_module_that_is_no_python_is_named(tmp_path, content):
    write(tmp_path, {"package/bad.py": content})
    with pytest.raises(InputError, match=r"package/bad\.py: expected a Python source file"):
        digest_of(tmp_path, "import package.bad\n")


def test_imports_that_are_hard_to_see_are_seen():
    assert "experiments/diagrams/tables.py" in find_imported("experiments/export_results.py", CHECKOUT)
    assert "lirads_keras/inference/openvino_predictor.py" in list_sources("experiments/train_folds.py", CHECKOUT)


def test_no_source_of_a_stage_imports_by_a_computed_name():
    """The walker could not follow it."""
    names = {name for stage in STAGES.values() for name in list_sources(f"experiments/{stage.script}", CHECKOUT) if name.endswith(".py")}
    texts = {name: (CHECKOUT / name).read_text(encoding="utf-8") for name in names}
    assert not [name for name, text in texts.items() if any(word in text for word in ("import_module", "__import__", "runpy", "exec("))]


def test_every_declared_file_is_there():
    declared = {*sources.NO_RESULT, *sources.RESOURCES, *(name for names in sources.RESOURCES.values() for name in names)}
    assert all((CHECKOUT / name).exists() for name in declared)
    assert all((CHECKOUT / "experiments" / stage.script).is_file() for stage in STAGES.values())
