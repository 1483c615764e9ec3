"""A column of the results is described in one place: added there, it arrives with every reader and writer."""
from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from copies import copy_checkout, edit_once, list_changed, run_python, run_r  # noqa: E402

SCANNER = "patients.csv,scanner,,string,,0,0,,Scanner model,Achieva 3.0T,0,sorted\n"
ADDED = "patients.csv,cirrhosis,,flag,,0,0,,Whether the liver is cirrhotic; empty if unknown,1,0,sorted\n"

WRITE = """
import sys
from pathlib import Path
import pandas as pd
from export_results import take_over_manifest
from results_tables import build_results_table, write_results_table
from lirads_keras.io.manifests import Manifest

fixture, out, cell = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
patients, lesions = (pd.read_csv(fixture / f"{name}.csv", dtype=str, keep_default_na=False) for name in ("patients", "lesions"))
fold_of = dict(zip(patients["patient_id"], patients["fold"].astype(int)))
diameters_mm = dict(zip(zip(lesions["patient_id"], lesions["lesion_id"]), lesions["diameter_mm"].astype(float)))
# The user's table has the column; how it is typed is the schema's affair.
patients = patients.drop(columns=["fold", "n_lesions_ref"]).assign(cirrhosis=[cell, "", *["0"] * (len(patients) - 2)])
lesions = lesions.rename(columns=lambda name: "category_true" if name == "category_true" else name.removesuffix("_ref"))
rows = take_over_manifest(Manifest(fixture, patients, pd.DataFrame(), lesions), fold_of, diameters_mm)
for name in ("patients", "lesions"):
    write_results_table(out, name, build_results_table(name, rows[name]))
"""

READ = """
patients <- read_results(arguments[1], schema)$patients
cat(typeof(patients$cirrhosis), patients$cirrhosis[1:3], match("cirrhosis", names(patients)))
"""


def test_a_column_added_to_the_schema_arrives_in_python_in_r_and_in_the_data_dictionary(tmp_path):
    copy = copy_checkout(tmp_path / "copy")
    edit_once(copy / "r_analysis" / "schema.csv", SCANNER, SCANNER + ADDED)
    assert list_changed(copy) == ["r_analysis/schema.csv"]

    fixture, results = copy / "r_analysis" / "tests" / "testthat" / "fixture", tmp_path / "results"
    shutil.copytree(fixture, results)
    written = run_python(copy, WRITE, fixture, results, "1")
    assert written.returncode == 0, written.stderr
    # The writer has it where the schema has it, and every other cell is as it was.
    before, now = ((folder / "patients.csv").read_text().splitlines() for folder in (fixture, results))
    assert now == [f"{line},{cell}" for line, cell in zip(before, ["cirrhosis", "1", "", *["0"] * (len(before) - 3)], strict=True)]
    assert (results / "lesions.csv").read_text() == (fixture / "lesions.csv").read_text()
    refused = run_python(copy, WRITE, fixture, tmp_path / "none", "2")
    assert "patients.csv, cirrhosis: expected 0 or 1, found 2" in refused.stderr and not (tmp_path / "none").exists()

    if shutil.which("Rscript") is None:
        pytest.skip("no Rscript here: R's reader and the data dictionary were not looked at")
    read = run_r(copy, READ, results)
    # A column that the schema does not know stays text.
    assert read.stdout == "integer 1 NA 0 8", read.stderr
    edit_once(results / "patients.csv", now[1], now[1].removesuffix("1") + "2")
    assert "patients.csv, column cirrhosis, row 2: expected 0 or 1, found '2'" in run_r(copy, READ, results).stderr
    subprocess.run(["Rscript", str(copy / "r_analysis" / "write_data_dictionary.R")], check=True)
    assert list_changed(copy) == ["r_analysis/DATA_DICTIONARY.md", "r_analysis/schema.csv"]
    assert "| `cirrhosis` | flag | – | yes | Whether the liver is cirrhotic; empty if unknown | `1` |" in (
        copy / "r_analysis" / "DATA_DICTIONARY.md").read_text(encoding="utf-8").splitlines()
