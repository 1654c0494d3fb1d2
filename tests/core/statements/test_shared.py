"""Splitwise and spliit: whatever the file leaves open, everybody's balance is what it says."""

import csv
import io
import json
from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.statements.formats import HEAD_BYTES, detect_format
from core.statements.refusals import UnreadableFile
from core.statements.rows import RowProblem
from core.statements.shared import read_shared
from core.statements.shared_entries import SharedEntry, SharedFile, people_of
from tests.core.rules.strategies import patient

PEOPLE = ("Ada", "Grace", "Mary")

SPLITWISE = "Date,Description,Category,Cost,Currency,Ada,Grace,Mary\n"
SPLIIT = (
    '\ufeff"Date","Description","Category","Currency","Cost","Original cost","Original currency",'
    '"Conversion rate","Is Reimbursement","Split mode","Ada ","Grace","Mary"\n'
)


def opened(text: str, currency: str = "EUR") -> SharedFile:
    data = text.encode()
    file_format = detect_format(data[:HEAD_BYTES], "x")
    return read_shared(io.BytesIO(data), file_format=file_format, default_currency=currency)


def entries(text: str) -> list[SharedEntry]:
    found = list(opened(text).entries)
    assert [one for one in found if isinstance(one, RowProblem)] == []
    return [one for one in found if isinstance(one, SharedEntry)]


def entry(text: str) -> SharedEntry:
    (one,) = entries(text)
    assert_balanced(one)
    return one


def problem(text: str) -> RowProblem:
    (one,) = (one for one in opened(text).entries if isinstance(one, RowProblem))
    return one


def assert_balanced(one: SharedEntry) -> None:
    assert sum(one.paid.values()) == sum(one.shares.values()) == one.amount_minor
    assert 0 not in (*one.paid.values(), *one.shares.values())


def balances(found: list[SharedEntry]) -> Counter[tuple[str, int]]:
    sums: Counter[tuple[str, int]] = Counter()
    for one in found:
        sums.update({(one.currency, person): minor for person, minor in one.paid.items()})
        sums.subtract({(one.currency, person): minor for person, minor in one.shares.items()})
    return sums


def test_who_has_a_positive_column_of_splitwise_has_paid() -> None:
    one = entry(SPLITWISE + "2026-01-31,Dinner,Food,30.00,EUR,20.00,-10.00,-10.00\n")
    assert (one.day, one.description, one.category) == (date(2026, 1, 31), "Dinner", "Food")
    assert (one.amount_minor, one.currency, one.line) == (3000, "EUR", 2)
    assert one.paid == {0: 3000}
    assert one.shares == {0: 1000, 1: 1000, 2: 1000}


def test_several_payers_of_an_equal_split_are_told_apart_exactly() -> None:
    """50 and 40 were paid, and each had 30 of it."""
    one = entry(SPLITWISE + "2026-01-31,Dinner,Food,90.00,EUR,20.00,10.00,-30.00\n")
    assert one.paid == {0: 5000, 1: 4000}
    assert one.shares == {0: 3000, 1: 3000, 2: 3000}


def test_a_payment_of_splitwise_is_a_repayment() -> None:
    one = entry(SPLITWISE + "2026-01-31,Ada paid Mary,Payment,30.00,EUR,30.00,0.00,-30.00\n")
    assert one.is_settlement
    assert (one.paid, one.shares) == ({0: 3000}, {2: 3000})
    several = entry(SPLITWISE + "2026-01-31,Ada paid,Payment,30.00,EUR,30.00,-10.00,-20.00\n")
    assert not several.is_settlement


def test_the_balances_at_the_end_are_checked() -> None:
    rows = SPLITWISE + "\n2026-01-31,Dinner,Food,30.00,EUR,20.00,-10.00,-10.00\n\n"
    assert len(entries(rows + "2026-02-01,Total balance, , ,EUR,20.00,-10.00,-10.00\n")) == 1
    one = problem(rows + "2026-02-01,Total balance, , ,EUR,19.99,-9.99,-10.00\n")
    assert (one.line, one.reason) == (
        5,
        "the balance of Ada is 20.00 EUR by the rows, but 19.99 EUR by the file",
    )


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2026-01-31,a,Food,30.00,EUR,20.00,-10.00,-9.99", "sum to 0.01"),
        ("2026-01-31,a,Food,30.00,EUR,0.00,0.00,0.00", "nobody's balance"),
        ("2026-01-31,a,Food,10.00,EUR,20.00,-10.00,-10.00", "more is owed"),
        ("2026-02-30,a,Food,30.00,EUR,20.00,-10.00,-10.00", "no day"),
        ("2026-01-31,a,Food,30.00,XXX,20.00,-10.00,-10.00", "no active"),
        ("2026-01-31,a,Food,x,EUR,20.00,-10.00,-10.00", "no amount"),
        ("2026-01-31,a,Food,30.00,JPY,20.50,-10.50,-10.00", "no decimals"),
        ("2026-01-31,a,Food,0.00,EUR,0.00,0.00,0.00", "nobody's balance"),
    ],
)
def test_a_row_of_splitwise_that_does_not_add_up_is_a_problem(row: str, reason: str) -> None:
    good = "2026-01-31,good,Food,30.00,EUR,20.00,-10.00,-10.00\n"
    found = list(opened(f"{SPLITWISE}{row}\n{good}").entries)
    assert isinstance(found[1], SharedEntry)
    assert isinstance(found[0], RowProblem)
    assert reason in found[0].reason


NETS = st.lists(st.integers(-(10**9), 10**9), min_size=2, max_size=8).map(lambda nets: [*nets, -sum(nets)])


@patient
@given(st.lists(st.tuples(NETS, st.integers(0, 10**9), st.booleans()), min_size=1, max_size=8))
def test_every_balance_of_splitwise_is_kept(rows: list[tuple[list[int], int, bool]]) -> None:
    people = max(len(nets) for nets, _, _ in rows)
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(
        ["Date", "Description", "Category", "Cost", "Currency", *(f"P{n}" for n in range(people))]
    )
    sums = [0] * people
    for some, kept, is_refund in rows:
        nets = some + [0] * (people - len(some))
        cost = sum(net for net in nets if net > 0) + kept
        if any(nets):
            sums = [total + net for total, net in zip(sums, nets, strict=True)]
            cost = -cost if is_refund else cost
            writer.writerow(
                ["2026-01-31", "x", "Food", _decimal(cost), "EUR", *(_decimal(net) for net in nets)]
            )
    writer.writerow(["2026-01-31", "Total balance", " ", " ", "EUR", *(_decimal(total) for total in sums)])
    found = entries(written.getvalue())
    for one in found:
        assert_balanced(one)
    kept_sums = balances(found)
    assert [kept_sums["EUR", person] for person in range(people)] == sums


def _decimal(minor: int) -> str:
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02}"


@pytest.mark.parametrize(
    ("currency", "cost", "columns", "payer", "shares"),
    [
        ("EUR", "30.00", "10,-10,-10", 0, {0: 1000, 1: 1000, 2: 1000}),
        ("EUR", "10.00", "-3.33,3.33,-3.33", 1, {0: 333, 1: 333, 2: 334}),
        ("EUR", "30.00", "0,-10,-20", 0, {1: 1000, 2: 2000}),
        ("EUR", "-30.00", "-10,10,10", 0, {0: -1000, 1: -1000, 2: -1000}),
        ("€", "30.00", "30,0,0", 0, {0: 3000}),
    ],
)
def test_the_columns_of_spliit_are_shares_whose_sign_tells_the_payer(
    currency: str, cost: str, columns: str, payer: int, shares: dict[int, int]
) -> None:
    one = entry(f'{SPLIIT}"2026-01-31","a","Food","{currency}","{cost}",,,,"No","Evenly",{columns}\n')
    assert (one.currency, one.paid) == ("EUR", {payer: one.amount_minor})
    assert sum(one.shares.values()) == one.amount_minor
    assert all(abs(one.shares.get(person, 0) - share) <= 1 for person, share in shares.items())


def test_what_spliit_s_csv_leaves_open_is_a_problem() -> None:
    row = '"2026-01-31","a","Food","EUR","30.00",,,,"No","Evenly"'
    assert "who has paid" in problem(f"{SPLIIT}{row},0,0,-30\n").reason
    assert "who has paid" in problem(f"{SPLIIT}{row},10,20,0\n").reason
    assert "who has paid" in problem(f"{SPLIIT}{row},-10,-10,-10\n").reason


def test_spliit_s_csv_tells_repayments_and_foreign_money() -> None:
    row = '"2026-01-31","","Payment","EUR","51.92","60.00","USD","0.8653","Yes","Evenly",0,-51.92\n'
    one = entry(SPLIIT.replace(',"Mary"', "") + row)
    assert one.is_settlement
    assert (one.description, one.note) == ("Expense", "Originally 60.00 USD at 0.8653")


def spliit_json(*expenses: dict[str, object], **group: object) -> str:
    people = [{"id": f"id-{name}", "name": name} for name in PEOPLE]
    return json.dumps({"currencyCode": "EUR", "expenses": expenses, "participants": people, **group})


def expense(**fields: object) -> dict[str, object]:
    return {
        "expenseDate": "2026-01-31T00:00:00.000Z",
        "title": "Dinner",
        "category": {"grouping": "Food", "name": "Dining Out"},
        "amount": 1000,
        "paidById": "id-Ada",
        "paidFor": [{"participantId": f"id-{name}", "shares": 100} for name in PEOPLE],
        "isReimbursement": False,
        "splitMode": "EVENLY",
        **fields,
    }


def shares_of(*shares: int) -> list[dict[str, object]]:
    return [
        {"participantId": f"id-{name}", "shares": share}
        for name, share in zip(PEOPLE, shares, strict=False)
        if share
    ]


@pytest.mark.parametrize(
    ("mode", "parts", "shares"),
    [
        ("EVENLY", (300, 100), {0: 500, 1: 500}),
        ("BY_SHARES", (300, 100), {0: 750, 1: 250}),
        ("BY_PERCENTAGE", (6000, 4000), {0: 600, 1: 400}),
        ("BY_AMOUNT", (0, 700, 300), {1: 700, 2: 300}),
        # As spliit itself does: amounts that do not sum are a proportion.
        ("BY_AMOUNT", (100, 100), {0: 500, 1: 500}),
    ],
)
def test_spliit_divides_in_four_ways(mode: str, parts: tuple[int, ...], shares: dict[int, int]) -> None:
    one = entry(spliit_json(expense(splitMode=mode, paidFor=shares_of(*parts))))
    assert (one.amount_minor, one.paid, one.shares) == (1000, {0: 1000}, shares)
    assert (one.category, one.day, one.line) == ("Dining Out", date(2026, 1, 31), 1)


def test_the_people_and_the_currency_of_spliit_may_come_last() -> None:
    file = opened(spliit_json(expense()))
    assert (file.people, file.currency) == (PEOPLE, "EUR")
    assert opened(spliit_json(expense(), currencyCode="", currency="£")).currency == "GBP"
    assert opened(spliit_json(expense(), currencyCode=None, currency="☆"), "SEK").currency == "SEK"
    with pytest.raises(UnreadableFile, match="XBT"):
        opened(spliit_json(expense(), currencyCode="XBT"))


def test_repayments_and_foreign_money_of_spliit_are_told() -> None:
    foreign = {"originalAmount": 1200, "originalCurrency": "USD", "conversionRate": 0.83, "notes": "Thanks"}
    one = entry(spliit_json(expense(isReimbursement=True, paidFor=shares_of(0, 1), **foreign)))
    assert one.is_settlement
    assert (one.paid, one.shares) == ({0: 1000}, {1: 1000})
    assert one.note == "Thanks\nOriginally 12.00 USD at 0.83"


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": 0},
        {"amount": 10.5},
        {"amount": "10"},
        {"amount": True},
        {"amount": 10**30},
        {"amount": 1e300},
        {"paidById": "id-Nobody"},
        {"paidFor": []},
        {"paidFor": None},
        {"paidFor": [1, 2]},
        {"paidFor": [{"participantId": "id-Nobody", "shares": 1}]},
        {"paidFor": [{"participantId": "id-Ada", "shares": None}], "splitMode": "BY_SHARES"},
        {"paidFor": shares_of(5, -4), "splitMode": "BY_SHARES"},
        {"expenseDate": "2026-02-30"},
        {"expenseDate": None},
    ],
)
def test_a_bad_expense_of_spliit_stops_no_other(fields: dict[str, object]) -> None:
    found = list(opened(spliit_json(expense(**fields), expense())).entries)
    assert [type(one) for one in found] == [RowProblem, SharedEntry]


@patient
@given(
    st.lists(
        st.tuples(
            st.integers(-(10**9), 10**9).filter(bool),
            st.integers(0, 2),
            st.sampled_from(["EVENLY", "BY_SHARES", "BY_PERCENTAGE", "BY_AMOUNT"]),
            st.tuples(st.integers(0, 999), st.integers(0, 999), st.integers(1, 999)),
        )
    )
)
def test_shares_of_spliit_sum_to_the_amount(
    rows: list[tuple[int, int, str, tuple[int, int, int]]],
) -> None:
    expenses = [
        expense(amount=amount, paidById=f"id-{PEOPLE[payer]}", splitMode=mode, paidFor=shares_of(*parts))
        for amount, payer, mode, parts in rows
    ]
    found = entries(spliit_json(*expenses))
    assert len(found) == len(rows)
    for one, (_, payer, _, _) in zip(found, rows, strict=True):
        assert_balanced(one)
        assert list(one.paid) == [payer]


def test_people_who_cannot_be_told_apart_get_numbers() -> None:
    assert people_of(["Ada ", "", "Ada", "Ada (3)"]) == ("Ada", "Person 2", "Ada (3)", "Ada (3) (4)")
    with pytest.raises(UnreadableFile):
        people_of([])
    with pytest.raises(UnreadableFile):
        people_of([str(number) for number in range(101)])
