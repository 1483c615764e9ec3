"""Keyed pseudonyms: the same person or UID gets the same pseudonym wherever the key is the same, and nobody finds the way back without it.

HMAC-SHA-256 (RFC 2104) of the identifier; a key is 32 random bytes in a file that only its owner can read.
"""
from __future__ import annotations

import hmac
import os
import re
import secrets
from datetime import timedelta
from pathlib import Path

from lirads_keras.errors import InputError, Problem

KEY_NAME = "pseudonym.key"
_KEY = re.compile(r"[0-9a-f]{64}")

OLDEST_WRITTEN_AGE = 90
"""Older patients are few enough to be known by their age: they are all written as 90 (45 CFR 164.514)."""

LONGEST_SHIFT_DAYS = 3650
"""Dates move back by up to ten years, the same for all studies of a patient."""


class Pseudonyms:
    """Pseudonyms under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def patient(self, identifier: str) -> str:
        """P- and twelve hexadecimal digits: among 100,000 patients two share one with a chance of 1 in 56,000."""
        return f"P-{self._digest('patient', identifier).hex()[:12]}"

    def uid(self, uid: str) -> str:
        """A UID under 2.25 (PS3.5 B.2), of the version and variant bits of a UUID."""
        number = int.from_bytes(self._digest("uid", uid)[:16], "big")
        number = number & ~(0xF << 76) & ~(0x3 << 62) | (0x8 << 76) | (0x2 << 62)
        return f"2.25.{number}"

    def shift(self, identifier: str) -> timedelta:
        """By how many days a patient's dates are moved back, whichever files are at hand; whole days, so that no time of day passes midnight."""
        return timedelta(days=1 + int.from_bytes(self._digest("shift", identifier)[:8], "big") % LONGEST_SHIFT_DAYS)

    def _digest(self, purpose: str, identifier: str) -> bytes:
        return hmac.digest(self._key, f"{purpose}\0{identifier}".encode(), "sha256")


def read_pseudonyms(path: Path) -> Pseudonyms:
    """The pseudonyms of a key file; a key is made where there is none.

    Raises:
        InputError: the file cannot be read, or holds no key.
    """
    if not path.exists():
        _write_key(path)
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Problem(str(path), "a readable key file", str(getattr(error, "strerror", None) or "no text"))) from error
    if not _KEY.fullmatch(text):
        raise InputError(Problem(str(path), "a key of 64 hexadecimal digits, as `lirads data index` makes one", f"{len(text)} characters"))
    return Pseudonyms(bytes.fromhex(text))


def _write_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
