"""What is exported comes back as it was: into an empty account all of it, into the same one nothing new."""

import itertools
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings

from core.queries.invariants import conversion_differences, spending_differences
from tests.archives.archivist import Archivist, Document, comparable, encoded
from tests.archives.documents import documents
from tests.archives.large import write_large

EXAMPLES = {"postgresql": 15, "sqlite": 25}

LARGE = {"postgresql": 100_000, "sqlite": 5_000}
LARGE_CATEGORIES = 30


def assert_totals(archivist: Archivist, user_id: UUID) -> None:
    with archivist.database.reading() as session:
        assert spending_differences(session, user_id=user_id) == []
        assert conversion_differences(session, user_id=user_id) == []


def test_an_archive_comes_back_record_by_record_and_a_second_time_nothing(archivist: Archivist) -> None:
    @settings(
        max_examples=EXAMPLES[archivist.database.dialect],
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(documents())
    def check(document: Document) -> None:
        user_id = archivist.new_account()
        done = archivist.take_in(user_id, encoded(document))
        assert (done.state, done.problem_count, done.findings.problems) == ("succeeded", 0, ())
        found = archivist.document(user_id)
        assert comparable(found) == comparable(document)
        assert_totals(archivist, user_id)
        again = archivist.take_in(user_id, archivist.export(user_id))
        assert (again.problem_count, again.committed_count) == (0, 0)
        assert again.duplicate_count == done.committed_count
        assert comparable(archivist.document(user_id)) == comparable(document)
        assert_totals(archivist, user_id)

    check()


@pytest.mark.timeout(900)
def test_a_hundred_thousand_expenses_come_back(archivist: Archivist, tmp_path: Path) -> None:
    count = LARGE[archivist.database.dialect]
    path = tmp_path / "first.json"
    with path.open("wb") as file:
        write_large(file.write, count=count, categories=LARGE_CATEGORIES)
    first = path.read_bytes()
    user_id = archivist.new_account()
    done = archivist.take_in(user_id, first)
    assert (done.state, done.problem_count) == ("succeeded", 0)
    assert done.committed_count == count + LARGE_CATEGORIES
    again = archivist.export(user_id)
    # What comes behind is for reading, and of this account.
    imported = (content.partition(b'"notifications": [')[0].splitlines() for content in (first, again))
    pairs = itertools.zip_longest(*imported, fillvalue=b"")
    different = [(before, after) for before, after in pairs if before != after]
    assert [before.partition(b":")[0] for before, _after in different] == [b'"exported_at"', b'"user"']
    assert_totals(archivist, user_id)
