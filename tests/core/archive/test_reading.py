"""What is no archive is refused; in one, what is wrong with a record is said of it and stops no other."""

import io
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from core.archive.batches import MAX_WEIGHT, PART_WEIGHT, batches
from core.archive.reading import BadEntry, Entry, read_archive
from core.archive.records import CategoryItem, ExpenseItem
from core.archive.sections import IMPORTED, MAX_ENTRIES, is_archive
from core.statements.refusals import UnreadableFile
from tests.archives.documents import document

CATEGORY = {
    "id": str(uuid4()),
    "parent_id": None,
    "name": "Food",
    "color": None,
    "icon": None,
    "version": 1,
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
}
EXPENSE = {
    "id": str(uuid4()),
    "amount": "1.00",
    "currency": "EUR",
    "category_id": None,
    "spent_on": "2026-05-04",
    "payee": None,
    "note": None,
    "tags": [],
    "lines": [],
    "exchange_rate": None,
    "source": "manual",
    "version": 1,
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "deleted_at": None,
}


def entries(found: dict[str, Any]) -> list[Entry | BadEntry]:
    return list(read_archive(io.BytesIO(msgspec.json.encode(found))).entries)


def refusal(found: Any) -> str:
    with pytest.raises(UnreadableFile) as refused:
        entries(found)
    return refused.value.detail


def test_records_are_read_in_their_lists() -> None:
    found = entries(document({"categories": [CATEGORY], "expenses": [EXPENSE, EXPENSE]}))
    assert [(one.section, one.position) for one in found] == [
        ("categories", 0), ("expenses", 0), ("expenses", 1),
    ]  # fmt: skip
    kinds = [type(one.record) for one in found if isinstance(one, Entry)]
    assert kinds == [CategoryItem, ExpenseItem, ExpenseItem]


def test_what_is_for_reading_only_is_counted_whatever_it_is() -> None:
    found = entries(document({"groups": [{"anything": [1]}, 2], "sessions": [None]}))
    assert found == [Entry("groups", 0, None), Entry("groups", 1, None), Entry("sessions", 0, None)]


def test_whose_it_is_stands_in_front() -> None:
    archive = read_archive(io.BytesIO(msgspec.json.encode(document({}, display_name="Kim"))))
    assert archive.user.display_name == "Kim"
    assert list(archive.entries) == []


@pytest.mark.parametrize(
    ("changes", "pointer", "reason"),
    [
        ({"amount": 1}, "/expenses/1/amount", "Expected `str`"),
        ({"amount": "1" * 31}, "/expenses/1/amount", "length"),
        ({"currency": "eur"}, "/expenses/1/currency", "characters that are not possible"),
        ({"category_id": "x"}, "/expenses/1/category_id", "Invalid UUID"),
        ({"spent_on": "2026-02-30"}, "/expenses/1/spent_on", "Invalid"),
        ({"payee": "a\nb"}, "/expenses/1/payee", "characters that are not possible"),
        ({"payee": "x" * 201}, "/expenses/1/payee", "length"),
        ({"note": "a\0b"}, "/expenses/1/note", "characters that are not possible"),
        ({"tags": [""]}, "/expenses/1/tags/0", "length"),
        ({"tags": ["x"] * 21}, "/expenses/1/tags", "length"),
        ({"lines": [{"amount": "1.00", "note": None}]}, "/expenses/1/lines/0/category_id", "missing"),
        ({"version": 0}, "/expenses/1/version", ">= 1"),
        ({"version": 10**30}, "/expenses/1/version", "<="),
        ({"version": 1.5}, "/expenses/1/version", "Expected `int`"),
        ({"created_at": "2026-01-01T00:00:00"}, "/expenses/1/created_at", "timezone"),
        ({"created_at": "0001-01-01T00:00:00+14:00"}, "/expenses/1/created_at", "instant"),
        ({"deleted_at": "9999-12-31T23:59:59-12:00"}, "/expenses/1/deleted_at", "instant"),
        ({"spent": True}, "/expenses/1/spent", "unknown"),
        ({"x\0" * 300: 1}, "/expenses/1/x?x?", "unknown"),
    ],
)
def test_a_bad_record_is_reported_with_its_place(changes: dict[str, Any], pointer: str, reason: str) -> None:
    bad = {**EXPENSE, **changes}
    first, second, third = entries(document({"expenses": [EXPENSE, bad, EXPENSE]}))
    assert isinstance(first, Entry)
    assert isinstance(third, Entry)
    assert isinstance(second, BadEntry)
    assert second.error.pointer.startswith(pointer)
    assert reason in second.error.detail
    assert len(second.error.pointer) <= 200


@pytest.mark.parametrize("bad", [None, 1, "x", [], {}, [EXPENSE]])
def test_a_record_may_be_anything_else(bad: Any) -> None:
    (found,) = entries(document({"expenses": [bad]}))
    assert isinstance(found, BadEntry)


def test_what_is_no_archive_or_of_another_version_is_refused() -> None:
    good = document({})
    assert "begins with" in refusal({"expenses": []})
    assert "begins with" in refusal({**good, "format": "other"})
    assert "begins with" in refusal({"version": 1, "format": "outlay"})
    assert "of version 2" in refusal({**good, "version": 2})
    assert "of version" in refusal({**good, "version": 10**100})
    assert "of version" in refusal({**good, "version": [1]})
    assert "of version" in refusal({**good, "version": True})
    assert "/version" in refusal({"format": "outlay", "expenses": []})


def test_the_head_has_to_be_there_and_in_front() -> None:
    good = document({"categories": [CATEGORY]})
    user = good.pop("user")
    assert "/user" in refusal(good)
    assert "/user" in refusal({**good, "user": user})
    again = msgspec.json.encode(document({"categories": [CATEGORY]}))[:-1] + b',"user":1}'
    with pytest.raises(UnreadableFile, match="before the lists"):
        list(read_archive(io.BytesIO(again)).entries)
    assert "/user/currency" in refusal(document({}, currency="x"))
    assert "/user/created_at" in refusal(document({}, created_at="0001-01-01T00:00:00+14:00"))
    assert "/user/more" in refusal(document({}, more=1))


def test_lists_are_lists_of_known_names_in_their_order_and_there_once() -> None:
    head = {name: value for name, value in document({}).items() if not isinstance(value, list)}
    assert "has to be a list" in refusal({**head, "expenses": {"item": EXPENSE}})
    assert "nothing in an archive is called so" in refusal({**head, "expense": []})
    assert "nothing in an archive is called so" in refusal({**head, "x\0": [1]})
    assert "order" in refusal({**head, "expenses": [EXPENSE], "categories": [CATEGORY]})
    twice = msgspec.json.encode({**head, "expenses": [EXPENSE]})[:-1] + b',"expenses":[1]}'
    with pytest.raises(UnreadableFile, match="twice"):
        list(read_archive(io.BytesIO(twice)).entries)


def test_lists_that_are_taken_in_as_a_whole_are_limited() -> None:
    most = MAX_ENTRIES["budgets"]
    assert len(entries(document({"budgets": [1] * most}))) == most
    assert "/budgets" in refusal(document({"budgets": [1] * (most + 1)}))


def test_an_archive_is_known_by_its_beginning() -> None:
    content = msgspec.json.encode(document({}))
    assert is_archive(content[:20])
    assert is_archive(b'\xef\xbb\xbf\n{ "format" :\t"outlay"')
    assert not is_archive(b'{"expenses": [{"format": "outlay"')
    assert not is_archive(b"")


def test_batches_are_of_one_list_and_no_heavier_than_memory_allows() -> None:
    line = {"category_id": None, "amount": "1.00", "note": None}
    part = {"sha256": "0" * 64, "bytes": 1, "offset": 0, "content": ""}
    found = document(
        {
            "categories": [CATEGORY] * 3,
            "expenses": [EXPENSE] * (MAX_WEIGHT + 1) + [{**EXPENSE, "lines": [line] * 100}] * 30 + [0] * 5,
            "files": [part] * 21,
        }
    )
    cut = list(batches(iter(entries(found))))
    assert {section for section, _ in cut} <= set(IMPORTED)
    sizes = [(section, len(batch)) for section, batch in cut]
    assert sizes[:2] == [("categories", 3), ("expenses", MAX_WEIGHT)]
    assert sizes[-3:] == [("files", MAX_WEIGHT // PART_WEIGHT)] * 2 + [("files", 1)]
    assert all(count <= 1 + MAX_WEIGHT // 101 + 5 for _, count in sizes[2:-3])
    assert sum(count for _, count in sizes) == len(entries(found))
