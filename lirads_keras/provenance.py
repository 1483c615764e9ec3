"""The record of a run: which code, which settings, which packages, which data made it."""
from __future__ import annotations

import hashlib
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from lirads_keras.config.profile import Profile

PACKAGES = ("lirads-keras", "tensorflow-cpu", "tensorflow", "keras", "segmentation-models", "SimpleITK", "pydicom", "numpy", "scipy", "pandas",
            "albumentations", "scikit-learn", "snakemake")


def compute_sha256(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def package_versions() -> dict[str, str]:
    """Versions of the packages that results depend on, and of Python; absent packages are left out."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def code_version(folder: Path) -> tuple[str, bool | None]:
    """The commit of the checkout at `folder` and whether tracked files differ from it; ("unknown", None) outside git."""
    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return "unknown", None


def run_record(profile: Profile, code_folder: Path) -> dict[str, Any]:
    """What a run's provenance.json holds from its start; when all is trained, `checksums.json` beside it names manifests and weights."""
    commit, dirty = code_version(code_folder)
    return {
        "commit": commit,
        "dirty": dirty,
        "profile": profile.model_dump(mode="json"),
        "profile_digest": profile.digest(),
        "versions": package_versions(),
        "platform": {"machine": platform.machine(), "system": platform.system()},
    }
