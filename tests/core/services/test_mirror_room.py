"""What others write into a member's totals leaves room for what the member writes."""

import pytest

from core.database import Database
from core.errors import InvalidInput
from core.queries.invariants import spending_differences
from core.services.group_splits import MAX_PARTS
from tests.core.services.household import Household


@pytest.fixture
def flat(database: Database) -> Household:
    return Household(database, "ann", "ben")


def test_shares_beyond_half_of_a_days_total_are_posted_without_a_mirror(
    flat: Household, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.services.mirrors.MAX_MIRRORED_TOTAL_MINOR", 10_000)
    first = flat.add("60.00", split=flat.equal("ben"))
    flat.add("50.00", split=flat.equal("ben"))
    flat.settle()
    assert flat.balances() == {"ann": "110.00", "ben": "-110.00"}
    assert flat.mirrored("ben") == ["60.00"]
    flat.revise(first, amount="100.01")
    flat.settle()
    assert flat.balances() == {"ann": "150.01", "ben": "-150.01"}
    assert flat.mirrors("ben") == []
    flat.add("100.00", split=flat.equal("ben"))
    flat.settle()
    assert flat.mirrored("ben") == ["100.00"]
    with database.reading() as session:
        assert spending_differences(session) == []


def test_a_receipt_has_so_many_parts(flat: Household) -> None:
    def receipt(items: int) -> dict[str, object]:
        item = {"description": "Soup", "amount": "1.00", "member_ids": []}
        return {"kind": "itemised", "items": [item] * items, "tax": None, "tip": None}

    with pytest.raises(InvalidInput, match="/split/items: at most"):
        flat.add("1001.00", split=receipt(MAX_PARTS // 2 + 1))


def test_a_change_of_nothing_is_none(flat: Household) -> None:
    dinner = flat.add("30.00")
    flat.settle()
    told = flat.told("ben")
    flat.revise(dinner, amount="30.00", description="Dinner")
    assert (flat.settle(), flat.told("ben"), flat.state(dinner)) == (0, told, "split")
