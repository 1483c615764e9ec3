"""The journal keeps what it accepted, whatever happens to the process, and lets nothing be changed."""
from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from lirads_keras.errors import InputError
from lirads_keras.reader.journal import Journal, NotStored, compute_blob_id

WRITE_FOR_EVER = """
import sys
from pathlib import Path
from lirads_keras.reader.journal import Journal
journal = Journal(Path(sys.argv[1]))
for number in range(10 ** 9):
    event = journal.append("s", "Ann", "edit", payload={"number": number}, blobs=(b"%d" % number,))
    print(event.event_id, flush=True)
"""


def test_an_event_comes_back_as_it_was_told(tmp_path):
    journal = Journal(tmp_path / "deep" / "journal.sqlite")
    told = journal.append("s1", "Ännchen 🙂", "edit", before=None, after=[1, "ü"], payload={"value": 0.1 + 0.2}, blobs=(b"\x00\xff",))
    journal.append("s2", "Bob", "edit")
    assert journal.read_events("s1") == [told] and told.payload == {"value": 0.30000000000000004} and told.after == [1, "ü"]
    assert told.moment.endswith("Z") and [event.who for event in journal.read_events("s2")] == ["Bob"] and journal.read_events("s3") == []
    assert journal.read_blob(compute_blob_id(b"\x00\xff")) == b"\x00\xff"
    with pytest.raises(KeyError):
        journal.read_blob(compute_blob_id(b"other"))
    journal.close()
    assert Journal(tmp_path / "deep" / "journal.sqlite").read_events("s1") == [told]


def test_it_is_written_through_to_the_disk(tmp_path):
    journal = Journal(tmp_path / "j.sqlite")
    assert journal._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,), "2 is FULL"


@pytest.mark.parametrize("statement", [
    "UPDATE events SET who = 'Eve'", "DELETE FROM events", "UPDATE blobs SET content = x'00'", "DELETE FROM blobs",
    "INSERT OR REPLACE INTO blobs VALUES ('a', x'00')"])
def test_nothing_is_ever_changed_or_taken_out(tmp_path, statement):
    journal = Journal(tmp_path / "j.sqlite")
    journal.append("s", "Ann", "edit", blobs=(b"mask",))
    other = sqlite3.connect(tmp_path / "j.sqlite")
    if statement.startswith("INSERT"):
        other.execute("INSERT INTO blobs VALUES ('a', x'01')")
        other.execute("PRAGMA recursive_triggers=ON")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute(statement)
    other.rollback()
    other.close()
    assert journal.read_events("s")[0].who == "Ann" and journal.read_blob(compute_blob_id(b"mask")) == b"mask"


def test_the_same_content_is_kept_once(tmp_path):
    journal = Journal(tmp_path / "j.sqlite")
    for _ in range(3):
        journal.append("s", "Ann", "mask", blobs=(b"mask", b"mask"))
    assert journal._connection.execute("SELECT count(*) FROM blobs").fetchone() == (1,)


def test_threads_get_numbers_of_their_own_without_gaps(tmp_path):
    journal = Journal(tmp_path / "j.sqlite")
    numbers: list[int] = []

    def write(name: str) -> None:
        numbers.extend(journal.append("s", name, "edit").event_id for _ in range(25))

    threads = [threading.Thread(target=write, args=(f"reader {index}",)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 201)) == [event.event_id for event in journal.read_events("s")]


def test_what_was_answered_is_there_after_a_kill(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path / "j.sqlite")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    answered = [int(process.stdout.readline()) for _ in range(40)]
    os.kill(process.pid, signal.SIGKILL)
    answered += [int(line) for line in process.stdout.read().splitlines()]
    process.stdout.close()
    process.wait()
    journal = Journal(tmp_path / "j.sqlite")
    events = journal.read_events("s")
    assert [event.event_id for event in events][:len(answered)] == answered and len(events) - len(answered) <= 1
    assert all(journal.read_blob(compute_blob_id(b"%d" % event.payload["number"])) for event in events)


@pytest.mark.parametrize("cut", [1, 24, 100, 4000, 4120])
def test_a_torn_last_write_costs_the_last_event_and_no_other(tmp_path, cut):
    """The write-ahead log is cut as a power failure may cut it; each event is one or more frames of 24 + 4096 bytes (SQLite's file format, 4.1)."""
    journal = Journal(tmp_path / "j.sqlite")
    for number in range(10):
        journal.append("s", "Ann", "edit", payload=number)
    log = (tmp_path / "j.sqlite-wal").read_bytes()
    (tmp_path / "torn.sqlite").write_bytes((tmp_path / "j.sqlite").read_bytes())
    (tmp_path / "torn.sqlite-wal").write_bytes(log[:-cut])
    torn = Journal(tmp_path / "torn.sqlite")
    payloads = [event.payload for event in torn.read_events("s")]
    assert payloads == list(range(len(payloads))) and 8 <= len(payloads) <= 9
    after = torn.append("s", "Ann", "edit", payload="after")
    assert after.event_id == len(payloads) + 1


def test_a_torn_write_of_rubbish_is_passed_over(tmp_path):
    journal = Journal(tmp_path / "j.sqlite")
    journal.append("s", "Ann", "edit", payload=1)
    with open(tmp_path / "j.sqlite-wal", "ab") as log:
        log.write(os.urandom(5000))
    (tmp_path / "torn.sqlite").write_bytes((tmp_path / "j.sqlite").read_bytes())
    (tmp_path / "torn.sqlite-wal").write_bytes((tmp_path / "j.sqlite-wal").read_bytes())
    assert [event.payload for event in Journal(tmp_path / "torn.sqlite").read_events("s")] == [1]


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be looked at by SQLite" * 20])
def test_a_file_that_is_no_journal(tmp_path, content):
    path = tmp_path / "j.sqlite"
    path.write_bytes(content)
    if content:
        with pytest.raises(InputError, match="j.sqlite: expected the journal"):
            Journal(path)
        assert path.read_bytes() == content
    else:
        assert Journal(path).read_events("s") == []


def test_another_version_or_another_programs_database_is_left_alone(tmp_path):
    Journal(tmp_path / "j.sqlite").close()
    newer = sqlite3.connect(tmp_path / "j.sqlite")
    newer.execute("PRAGMA user_version = 7")
    newer.close()
    with pytest.raises(InputError, match="a journal of version 1, found version 7"):
        Journal(tmp_path / "j.sqlite")
    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.execute("CREATE TABLE events (x)")
    other.close()
    with pytest.raises(InputError, match="a journal of version 1, found version 0"):
        Journal(tmp_path / "other.sqlite")


def test_a_damaged_page_is_told_at_the_start(tmp_path):
    journal = Journal(tmp_path / "j.sqlite")
    for number in range(200):
        journal.append("s", "Ann", "edit", payload="x" * 500)
    journal.close()
    content = bytearray((tmp_path / "j.sqlite").read_bytes())
    content[4096 * 3:4096 * 4] = os.urandom(4096)
    (tmp_path / "j.sqlite").write_bytes(content)
    with pytest.raises(InputError, match="the journal of a reading application"):
        Journal(tmp_path / "j.sqlite")


def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path):
    journal = Journal(tmp_path / "j.sqlite")
    journal.append("s", "Ann", "edit", payload="before")
    pages, = journal._connection.execute("PRAGMA page_count").fetchone()
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(NotStored, match="full"):
        journal.append("s", "Ann", "edit", payload="x" * 100_000, blobs=(b"y" * 100_000,))
    assert [event.payload for event in journal.read_events("s")] == ["before"]
    journal._connection.execute("PRAGMA max_page_count = 1000000")
    assert journal.append("s", "Ann", "edit", payload="after").payload == "after"
    with pytest.raises(KeyError):
        journal.read_blob(compute_blob_id(b"y" * 100_000))
