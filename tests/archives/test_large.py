"""As many records as years bring: all of them come back, quickly and in little memory."""

import itertools
import time
from pathlib import Path

from tests.archives.archivist import Archivist
from tests.archives.large import write_large

COUNTS = {"postgresql": 100_000, "sqlite": 10_000}


def test_a_hundred_thousand_expenses_come_back(archivist: Archivist, tmp_path: Path) -> None:
    count = COUNTS[archivist.database.dialect]
    first = tmp_path / "first.json"
    t = time.time()
    with first.open("wb") as file:
        write_large(file.write, count=count)
    print("write", time.time() - t)
    t = time.time()
    user_id = archivist.new_account()
    record = archivist.preview(user_id, first.read_bytes())
    print("preview", time.time() - t, record.findings.lists, record.problem_count)
    t = time.time()
    done = archivist.commit(record)
    print("commit", time.time() - t)
    t = time.time()
    assert (done.state, done.problem_count, done.committed_count) == ("succeeded", 0, count + 30)
    again = archivist.export(user_id)
    print("export", time.time() - t, len(again))
    t = time.time()
    lines = first.read_bytes().splitlines()
    different = [pair for pair in itertools.zip_longest(lines, again.splitlines()) if pair[0] != pair[1]]
    assert len(lines) > count
    print(different[:4])
    t = time.time()
    record = archivist.take_in(user_id, first.read_bytes())
    print("again", time.time() - t, record.findings.lists)
    t = time.time()
    archivist.undo(done)
    print("undo", time.time() - t)
    t = time.time()
