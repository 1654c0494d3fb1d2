"""The files of other programs brought into groups by one of the two, beside our own reading of them."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.resources import imports as resource
from core.config import Settings
from core.database import Database
from tests.api.group_imports import GroupImporting, file_balances, group_importing
from tests.api.groups import make_group
from tests.cast import Person, register
from tests.real_data.files import FOLDER, SPLITWISE, cents
from tests.real_data.group_files import splitwise_entries
from tests.real_data.loading import pages

PEOPLE = ("John Doe", "Jane Doe")


@pytest.fixture
def john(client: httpx.Client) -> Iterator[Person]:
    with register(client, "john", display_name="John Doe", currency="MKD") as john:
        yield john


@pytest.fixture
def importing(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GroupImporting]:
    monkeypatch.setattr(resource, "BEGIN_WAIT_S", 0.0)
    with group_importing(settings, database) as importing:
        yield importing


def content(name: str) -> bytes:
    path: Path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{name} is not beside this repository (../shared/data)")
    return path.read_bytes()


def tidy(text: str) -> str:
    """Without the spaces at the ends and between words that nobody sees."""
    return " ".join(text.split())


def test_nine_years_of_splitwise_come_in_and_go_again(john: Person, importing: GroupImporting) -> None:
    entries, me = splitwise_entries(), john.client
    group = make_group(john, name="John and Jane", currency="MKD")
    shown = importing.preview(me, group, content(SPLITWISE))
    assert (shown["format"], shown["rows"], shown["problems"], shown["duplicates"]) == (
        "splitwise",
        673,
        0,
        0,
    )
    assert file_balances(shown) == Counter()
    assert [(one["name"], one["member_id"]) for one in shown["people"]] == [
        ("John Doe", group.member(john)),
        ("Jane Doe", None),
    ]
    assert [one["repayments"] for one in shown["people"]] == [25, 4]
    assert {
        one["currency"]: (one["rows"], cents(one["spent"]), cents(one["repaid"])) for one in shown["sums"]
    } == {
        currency: (
            sum(one.currency == currency for one in entries),
            sum(one.minor for one in entries if one.currency == currency and not one.is_repayment),
            sum(one.minor for one in entries if one.currency == currency and one.is_repayment),
        )
        for currency in ("MKD", "EUR", "USD")
    }

    done = importing.commit(me, shown["id"])
    importing.post()
    assert (done["state"], done["committed"], done["problems"]) == ("succeeded", 673, 0)
    assert importing.balances(me, group) == Counter()
    listed = list(pages(me, f"{group.path}/expenses", limit=97))
    assert len(listed) == 673 - 29
    assert Counter(
        (one["spent_on"], one["description"], one["category"], one["currency"], cents(one["amount"]))
        for one in listed
    ) == Counter(
        (one.day.isoformat(), tidy(one.description), one.category, one.currency, one.minor)
        for one in entries
        if not one.is_repayment
    )
    settled = list(pages(me, f"{group.path}/settlements", limit=97))
    assert Counter(one["state"] for one in settled) == {"confirmed": 29}
    own = Counter((one["currency"], cents(one["amount"])) for one in pages(me, "/v1/expenses", limit=97))
    shares = [(one.currency, int(one.fair[0])) for one in entries if not one.is_repayment and one.fair[0]]
    assert own == Counter(shares)
    told = Counter(one["kind"] for one in pages(me, "/v1/notifications", limit=97))
    assert told == {"import.finished": 1}
    importing.assert_sound()

    again = importing.preview(me, group, content(SPLITWISE))
    assert (again["rows"], again["duplicates"], again["chosen"]) == (673, 673, 0)
    assert all(one["member_id"] for one in again["people"])

    undone = importing.undo(me, shown["id"])
    assert (undone["state"], undone["committed"]) == ("undone", 0)
    assert importing.balances(me, group) == Counter()
    assert list(pages(me, f"{group.path}/expenses", limit=97)) == []
    assert list(pages(me, "/v1/expenses", limit=97)) == []
    assert [one["display_name"] for one in pages(me, f"{group.path}/members")] == ["John Doe"]
    importing.assert_sound()
