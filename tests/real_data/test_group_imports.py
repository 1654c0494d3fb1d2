"""The files of other programs brought into groups by one of the two, beside our own reading of them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import httpx
import pytest

from api.resources import imports as resource
from core.config import Settings
from core.database import Database
from tests.api.group_imports import Balances, GroupImporting, file_balances, group_importing
from tests.api.groups import MadeGroup, make_group
from tests.cast import Person, register
from tests.real_data.files import SPLIIT, SPLIIT_TWIN, SPLITWISE, cents, path_of
from tests.real_data.group_files import BOTH, Entry, Nets, spliit_columns, spliit_entries, splitwise_entries
from tests.real_data.loading import decimal_text, pages

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
    return path_of(name).read_bytes()


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


def test_what_has_not_been_repaid_by_then_is_owed_to_the_cent(
    john: Person, importing: GroupImporting
) -> None:
    """The file as it would have been exported years before its end."""
    rows = 150
    lines = content(SPLITWISE).decode().splitlines(keepends=True)
    header = next(number for number, line in enumerate(lines) if line.startswith("Date,"))
    entries = [line for line in lines[header + 1 :] if line.strip() and ",Total balance," not in line]
    group = make_group(john, currency="MKD")
    shown = importing.preview(
        john.client, group, "".join([*lines[: header + 1], "\n", *entries[:rows]]).encode()
    )
    expected = named(nets_of(splitwise_entries()[:rows]))
    assert any(expected.values())
    assert file_balances(shown) == expected
    importing.commit(john.client, shown["id"])
    importing.post()
    assert importing.balances(john.client, group) == expected
    importing.assert_sound()


def test_a_journey_from_spliit_comes_in_as_it_is_divided_there(
    john: Person, importing: GroupImporting
) -> None:
    entries, me = spliit_entries(), john.client
    group = make_group(john, currency="EUR")
    shown = importing.preview(me, group, content(SPLIIT_TWIN))
    assert [shown[name] for name in ("format", "rows", "problems", "duplicates")] == ["spliit_json", 75, 0, 0]
    assert [(one["name"], one["member_id"] is None) for one in shown["people"]] == [
        ("John", False),
        ("Jane", True),
    ]
    importing.commit(me, shown["id"])
    importing.post()
    listed = expenses(me, group)
    assert len(listed) == 74, "one is a repayment"
    # Two are alike in all, and so have the same shares.
    alike = {(one["spent_on"], one["description"], one["amount"]): one for one in listed}
    nets: Nets = Counter()
    for entry in entries:
        shares = (entry.minor, 0) if entry.payer == 1 else (0, entry.minor)
        if not entry.is_repayment:
            found = alike[entry.day.isoformat(), tidy(entry.description), decimal_text(entry.minor)]
            shares = shares_of(found, group.member(john))
            assert sum(shares) == entry.minor
            fair = zip(shares, entry.fair, strict=True)
            assert all(abs(share - part) <= Fraction(1, 2) for share, part in fair), entry
        entry.add_to(nets, shares)
    assert (
        importing.balances(me, group)
        == file_balances(shown, {"John": "John Doe"})
        == named(nets, ("John Doe", "Jane"))
    )
    assert abs(nets[0, "EUR"]) <= 1, "they had settled their debts but for the rounding"
    importing.assert_sound()

    again = importing.preview(me, group, content(SPLIIT_TWIN))
    assert (again["duplicates"], again["chosen"]) == (75, 0)


def test_the_table_of_the_same_journey_comes_in_as_it_stands_to_a_cent_a_row(
    john: Person, importing: GroupImporting
) -> None:
    columns, me = spliit_columns(), john.client
    group = make_group(john, currency="EUR")
    shown = importing.preview(me, group, content(SPLIIT))
    assert [shown[name] for name in ("format", "rows", "problems", "duplicates")] == ["spliit_csv", 75, 0, 0]
    importing.commit(me, shown["id"])
    importing.post()
    rows = {(row.day.isoformat(), tidy(row.description), row.minor): row for row in columns}
    odd = Counter[int]()
    for one in expenses(me, group):
        row = rows[one["spent_on"], one["description"], cents(one["amount"])]
        shares = shares_of(one, group.member(john))
        assert sum(shares) == row.minor
        for person in BOTH:
            odd[person] += row.shares[person] - shares[person]
            assert abs(row.shares[person] - shares[person]) <= 1
    by_columns = sum(row.minor * (row.payer == 0) - row.shares[0] for row in columns)
    balances = importing.balances(me, group)
    assert balances == file_balances(shown, {"John": "John Doe"})
    assert balances["John Doe", "EUR"] == by_columns + odd[0]
    assert balances["Jane", "EUR"] == -balances["John Doe", "EUR"]
    # Of 75 rows one is rounded up for both, and four have shares left over from the group's default.
    assert sum(abs(minor) for minor in odd.values()) == 1
    importing.assert_sound()


def expenses(me: httpx.Client, group: MadeGroup) -> list[dict[str, Any]]:
    return list(pages(me, f"{group.path}/expenses", limit=97))


def shares_of(expense: dict[str, Any], first_id: str) -> tuple[int, int]:
    """In cents: the first one's and the other one's."""
    parts = {one["member_id"] == first_id: cents(one["amount"]) for one in expense["shares"]}
    return parts.get(True, 0), parts.get(False, 0)


def nets_of(entries: Iterable[Entry]) -> Nets:
    """Of entries that are divided to the cent."""
    nets: Nets = Counter()
    for entry in entries:
        shares = entry.rounded()
        assert shares is not None
        entry.add_to(nets, shares)
    return nets


def named(nets: Nets, people: tuple[str, str] = PEOPLE) -> Balances:
    return Counter({(people[person], currency): minor for (person, currency), minor in nets.items() if minor})
