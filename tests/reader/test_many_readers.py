"""Fifty readers for a minute on three studies: no error, and every edit that was accepted is in the journal. 75 s on two cores, beside the fixtures."""
from __future__ import annotations

import random
import sqlite3
import threading
import time

import httpx
import pytest
from scripted import Reader

READERS, SECONDS = 50, 60


@pytest.mark.slow
@pytest.mark.alone
def test_fifty_readers_for_a_minute(start_reader, tmp_path):
    server = start_reader(out=tmp_path / "out")
    studies = {label: server.find_study(label) for label in ("one-lesion", "oblique", "no-lesion")}
    for study_id in studies.values():
        Reader(server.url, "Reader Zero", study_id).do("run")
    accepted: dict[int, tuple[str, str, object]] = {}
    aside: dict[int, tuple[str, str, object]] = {}
    errors: list[str] = []
    stop = time.monotonic() + SECONDS

    def read(number: int) -> None:
        chance, name = random.Random(number), f"Reader {number}"
        study_id = list(studies.values())[number % 3]
        with httpx.Client(base_url=server.url, headers={"X-Lirads-Reader": name}, timeout=60) as client:
            state = client.get(f"/api/studies/{study_id}").json()
            while time.monotonic() < stop:
                value = chance.choice([True, False])
                field = chance.choice(["aphe", "washout", "capsule"]) if state["lesions"] else "rules"
                body = {"revision": state["revision"], "lesion_id": state["lesions"][0]["lesion_id"] if state["lesions"] else None, "field": field,
                        "value": value if state["lesions"] else chance.choice(["paper", "v2018"])}
                path = chance.choice(["edits", "edits", "edits", "undo"])
                answer = client.post(f"/api/studies/{study_id}/{path}", json=body if path == "edits" else {"revision": state["revision"]})
                if answer.status_code == 200:
                    state = answer.json()
                    if path == "edits":
                        accepted[state["revision"]] = (study_id, name, body["value"])
                elif answer.status_code == 409:
                    told = answer.json()
                    state = told["state"]
                    if path == "edits":
                        aside[told["set_aside"]] = (study_id, name, body["value"])
                elif not (answer.status_code == 422 and path == "undo"):
                    errors.append(f"{path} {answer.status_code} {answer.text[:200]}")
                if chance.random() < 0.2:
                    state = client.get(f"/api/studies/{study_id}").json()

    def read_or_tell(number: int) -> None:
        try:
            read(number)
        except (httpx.HTTPError, KeyError, ValueError) as error:
            errors.append(repr(error))

    threads = [threading.Thread(target=read_or_tell, args=(number,)) for number in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.kill()
    assert not errors, (len(errors), errors[:5])
    journal = sqlite3.connect(tmp_path / "out" / "journal.sqlite")
    stored = {event_id: (study_id, who, kind, after) for event_id, study_id, who, kind, after in journal.execute(
        "SELECT event_id, study_id, who, kind, after FROM events")}
    journal.close()
    words = {True: "true", False: "false", "paper": '"paper"', "v2018": '"v2018"'}
    for kind, told in (("edit", accepted), ("set_aside", aside)):
        for event_id, (study_id, name, value) in told.items():
            assert stored[event_id] == (study_id, name, kind, words[value])
        assert sum(row[2] == kind for row in stored.values()) == len(told)
    print(f"{len(accepted)} edits accepted, {len(aside)} set aside by {READERS} readers in {SECONDS} s")
    assert len(accepted) > 200
    # What the server makes of this journal at the next start is what it had.
    server.start()
    assert httpx.get(f"{server.url}/api/studies/{studies['one-lesion']}", timeout=60).json()["stage"] == "characterised"
