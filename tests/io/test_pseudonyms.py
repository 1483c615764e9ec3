from __future__ import annotations

import hashlib
import hmac
import re
import stat
from pathlib import Path

import pytest

from lirads_keras.errors import InputError
from lirads_keras.io.pseudonyms import LONGEST_SHIFT_DAYS, Pseudonyms, read_pseudonyms

KEY = bytes(range(32))


def test_a_pseudonym_is_the_keyed_hash_of_the_id() -> None:
    expected = hmac.new(KEY, b"patient\x0012345", hashlib.sha256).hexdigest()[:12]
    assert Pseudonyms(KEY).patient("12345") == f"P-{expected}" != Pseudonyms(KEY[::-1]).patient("12345")


def test_uids_are_valid_and_differ() -> None:
    uids = {Pseudonyms(KEY).uid(f"1.2.{number}") for number in range(200)}
    assert len(uids) == 200 and all(re.fullmatch(r"2\.25\.[1-9]\d*", uid) and len(uid) <= 64 for uid in uids)


def test_a_patients_dates_move_together_and_always_back() -> None:
    days = {Pseudonyms(KEY).shift(str(number)).days for number in range(300)}
    assert Pseudonyms(KEY).shift("a") == Pseudonyms(KEY).shift("a") and min(days) >= 1 and max(days) <= LONGEST_SHIFT_DAYS and len(days) > 250


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = read_pseudonyms(tmp_path / "new" / "key")
    assert stat.S_IMODE((tmp_path / "new" / "key").stat().st_mode) == 0o600
    assert read_pseudonyms(tmp_path / "new" / "key").patient("x") == first.patient("x") != read_pseudonyms(tmp_path / "other").patient("x")


@pytest.mark.parametrize("content", [b"", b"secret", b"\xff" * 64, b"g" * 64])
def test_a_file_that_is_no_key_is_refused_without_printing_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_pseudonyms(tmp_path / "key")
    assert "secret" not in str(caught.value) and "gggg" not in str(caught.value)
