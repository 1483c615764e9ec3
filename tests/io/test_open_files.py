from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource, sys
from lirads_keras.io.open_files import allow_open_files
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, min(hard, 256)))
for _ in range(2):
    allow_open_files()
files = [open(sys.executable, "rb") for _ in range(150)]
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(hard, 256), len(files))
"""


def test_as_many_files_may_be_open_as_the_system_allows():
    finished = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert finished.stdout == "True 150\n", finished.stderr
