"""Expenses of every kind, and the files that are built of them, for the tests of each format."""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from sqlalchemy import insert

from core import clock
from core.database import Database
from core.files import FileStore
from core.ids import new_id
from core.models import Category
from core.queries.expenses import ExpenseFilter, ExpenseRecord, Sort
from core.queries.export_rows import BuildFile, Building
from core.queries.exports import CsvDialect
from core.rules.money import MAX_AMOUNT_MINOR, format_amount
from core.services.expense_drafts import ExpenseInput, LineInput, RateInput
from core.services.expenses import record_expenses
from tests.core.services.spender import Spender

HOSTILE_NAMES = (
    "=Fun", "*", "?x", "~tilde", ">5", "<>", "2024", "TRUE", 'quo"te', "a&b<c>", "Ünï", "Fo_x0041_od", "'x",
    "@home", "a, b", "a; b", "Jan 2024", "Foo", "Food & drink", "\N{FAMILY}",
)  # fmt: skip
"""Of categories: what formulas, criteria, XML and CSV might take for something else."""

CURRENCIES = ("EUR", "JPY", "KWD", "CLF", "USD")
FORMULA_STARTS = st.text(st.sampled_from("'=+-@\t\r\n \u00a0\uff1da"), max_size=4)

LINES_OF_TEXT = st.characters(exclude_categories=["Cs", "Cc"])
"""What a payee is made of."""

TEXT = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
PAYEES = st.none() | st.tuples(
    st.text(st.sampled_from("'=+-@ a"), max_size=3), st.text(LINES_OF_TEXT, min_size=1, max_size=20)
).map("".join)
NOTES = st.none() | st.tuples(FORMULA_STARTS, st.text(TEXT, min_size=1, max_size=40)).map("".join)
TAGS = st.lists(
    st.text(LINES_OF_TEXT, min_size=1, max_size=8).filter(lambda tag: not {tag[0], tag[-1]} & set(" \x7f")),
    max_size=3,
    unique=True,
).map(tuple)
MINORS = st.integers(-MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR) | st.integers(-200, 200)
RATES = st.none() | st.sampled_from([RateInput("GBP", "1.1684"), RateInput("GBP", "0.00000001")])


@dataclass(frozen=True)
class Owner:
    """Somebody with categories of hostile names; `paths` are their names in files, by id."""

    id: UUID
    database: Database
    paths: Mapping[UUID, str]

    def record(self, inputs: Sequence[ExpenseInput]) -> list[ExpenseRecord]:
        with self.database.transaction() as session:
            return record_expenses(session, items=inputs)


def new_owner(database: Database) -> Owner:
    spender, now = Spender(database), clock.now()
    paths = {id_: name for name, id_ in spender.categories.items() if name in ("food", "travel")}
    with database.transaction() as session:
        for number, name in enumerate(HOSTILE_NAMES):
            parent = spender.categories["food"] if number % 3 == 0 else None
            id_ = new_id()
            row = {"user_id": spender.id, "id": id_, "parent_id": parent, "name": name, "name_key": name}
            session.execute(insert(Category), {**row, "version": 1, "created_at": now, "updated_at": now})
            paths[id_] = f"food: {name}" if parent else name
    return Owner(spender.id, database, paths)


@st.composite
def expenses(draw: st.DrawFn, owner: Owner) -> ExpenseInput:
    currency = draw(st.sampled_from(CURRENCIES))
    category = st.none() | st.sampled_from(sorted(owner.paths))
    parts = draw(st.lists(st.tuples(st.integers(-500, 500), category, NOTES), max_size=3))
    minor = sum(part[0] for part in parts) if parts else draw(MINORS)
    return ExpenseInput(
        user_id=owner.id,
        amount=format_amount(minor, currency),
        currency=currency,
        category_id=None if parts else draw(category),
        spent_on=draw(st.dates(date(1900, 1, 1), date(2199, 12, 31)) | st.just(date(2026, 5, 4))),
        payee=draw(PAYEES),
        note=draw(NOTES),
        tags=draw(TAGS),
        lines=tuple(LineInput(id_, format_amount(part, currency), note) for part, id_, note in parts),
        source=draw(st.sampled_from(["manual", "import", string.ascii_lowercase[:20]])),
        exchange_rate=draw(RATES) if abs(minor) < 10**6 else None,
    )


def file_of(owner: Owner, build: BuildFile, **fields: Any) -> bytes:
    """The whole file; `fields` are of `Building`."""
    pieces: list[bytes] = []
    told: list[tuple[int, int]] = []
    given: dict[str, Any] = {"filters": ExpenseFilter(), "sort": SORT, "dialect": DIALECT}
    given |= {"tell": lambda done, total: told.append((done, total)), **fields}
    with owner.database.snapshot_rows() as rows:
        count = build(
            Building(
                rows=rows,
                user_id=owner.id,
                files=FileStore(Path("nowhere")),
                write=pieces.append,
                **given,
            )
        )
    assert [done for done, _total in told] == sorted(done for done, _total in told)
    assert not told or told[-1][0] == count
    return b"".join(pieces)


SORT: Sort = "spent_on"
DIALECT: CsvDialect | None = None
