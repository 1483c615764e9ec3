"""`lirads score` as a user types it."""
from __future__ import annotations

import subprocess
import sys
import time

import pytest

TABLE = "lesion_id,diameter_mm,aphe,washout,capsule\nL1,23,yes,TRUE,0\n"


def score(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "lirads_keras", "score", *map(str, arguments)], capture_output=True, text=True)


@pytest.fixture
def table(tmp_path):
    (tmp_path / "features.csv").write_text(TABLE)
    return tmp_path / "features.csv"


def test_help_and_a_small_table_come_in_under_a_second(table, tmp_path):
    for arguments in (["--help"], [table, "--rules", "paper", "--out", tmp_path / "out.csv"]):
        started = time.monotonic()
        finished = score(*arguments)
        assert finished.returncode == 0, finished.stderr
        assert time.monotonic() - started < 1
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == 'L1,23,yes,TRUE,0,LR-5,"APHE, washout, 23 mm: LR-5"'
    assert finished.stdout == f"1 lesion(s); {tmp_path / 'out.csv'}\n"


def test_keras_is_not_imported(table, tmp_path):
    code = f"""import sys
from lirads_keras.cli import main
assert main(["score", {str(table)!r}, "--rules", "v2018", "--out", {str(tmp_path / 'out.csv')!r}]) == 0
print([name for name in ("keras", "tensorflow", "pandas", "SimpleITK", "pydicom") if name in sys.modules])"""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("rules, name, words", [
    ("v2017", "out.csv", "--rules: expected one of paper, v2018, found v2017"), ("paper", "features.csv", "a new file"),
    ("paper", "features.csv/out.csv", "a folder that can be written")])
def test_bad_arguments_are_refused(table, tmp_path, rules, name, words):
    finished = score(table, "--rules", rules, "--out", tmp_path / name)
    assert finished.returncode == 2 and words in finished.stderr and "Traceback" not in finished.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["features.csv"] and table.read_text() == TABLE


def test_the_unit_of_sizes_is_asked_for_and_said(table, tmp_path):
    table.write_text(TABLE.replace("23", "2.3"))
    asked = score(table, "--rules", "paper", "--out", tmp_path / "out.csv")
    assert asked.returncode == 2 and "--diameter-unit mm|cm" in asked.stderr and "Traceback" not in asked.stderr and not (tmp_path / "out.csv").exists()
    told = score(table, "--rules", "paper", "--diameter-unit", "cm", "--out", tmp_path / "out.csv")
    assert told.stdout == f"1 lesion(s), sizes read as cm; {tmp_path / 'out.csv'}\n"
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == 'L1,2.3,yes,TRUE,0,LR-5,"APHE, washout, 23 mm: LR-5"'
    assert score(table, "--rules", "paper", "--diameter-unit", "inch", "--out", tmp_path / "other.csv").returncode == 2
