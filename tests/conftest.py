"""Environment of every test, and the rule that where the tests decide, nothing is skipped for want of a program or of data."""
from __future__ import annotations

import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("SM_FRAMEWORK", "tf.keras")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Turns a skip into a failure under CI=true, where every program is installed; real files may be missing only as a whole."""
    report = yield
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        real_data_absent = "LIRADS_REAL_DATA" in str(report.longrepr) and "LIRADS_REAL_DATA" not in os.environ
        if not real_data_absent:
            report.outcome = "failed"
            report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
    return report
