"""What is exported comes back as it was: into an empty account all of it, into the same one nothing new."""

from hypothesis import HealthCheck, given, settings

from core.queries.invariants import conversion_differences, spending_differences
from tests.archives.archivist import Archivist, Document, comparable, encoded
from tests.archives.documents import documents

EXAMPLES = {"postgresql": 40, "sqlite": 40}


def test_an_archive_comes_back_record_by_record(archivist: Archivist) -> None:
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
        assert comparable(archivist.document(user_id)) == comparable(document)
        with archivist.database.reading() as session:
            assert spending_differences(session, user_id=user_id) == []
            assert conversion_differences(session, user_id=user_id) == []

    check()
