"""What is exported as CSV comes back as it was: every letter, tag, line, rate and unit of money."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from core import clock
from core.config import Settings
from core.database import Database
from core.files import FileStore
from core.ids import new_id
from core.queries.expense_parts import Line
from core.queries.expenses import ExpenseFilter, ExpenseRecord
from core.queries.exports import CsvDialect, load_export
from core.rules.conversion import RATE_SCALE
from core.rules.money import MAX_AMOUNT_MINOR
from core.services.categories import NewCategory, create_category
from core.services.expenses import insert_many_expenses, spending_of
from core.services.exports import ExportRequest, request_export
from core.services.spending import add_spending
from tests.workers.importer import Importer, importer
from workers.long_jobs import work_off_long
from workers.tasks.exports import JOB as EXPORTING
from workers.tasks.imports import GROWN

ROWS = {"postgresql": 20_000, "sqlite": 5_000}
"""A hundred thousand go through an archive and back: `tests/archives/test_round_trip.py`."""

AT_ONCE = 5_000

CURRENCIES = ("EUR", "USD", "JPY", "KWD", "CLF", "ISK", "TND")
"""With two decimals, none, three and four."""

LETTERS = (
    "abcXYZ 019", "=+-@'\"", ",;\t|", "äöüßéñçøł", "ЖжЩщ", "αβγς", "日本語かなカナ", "한국어", "עברית",
    "العربية", "हिन्दी", "ไทย", "🍞🧾🇩🇪\u200d", "e\u0301\u0308", "\u200f\u202e\u2066", "\u00a0\u2003\u3000",
    "\u2028\u2029\u0085", "\ufeff\ufffd", "\U0001d504\U0010fffd", "\uff1d\uff0b\uff0d\uff20",
)  # fmt: skip

NAMES = (
    "Essen", "Essen: Obst & Gemüse", "Essen: Café", "Essen: Cafe", "Reisen", "Reisen: Zug, Bus", "=SUM(A1)",
)  # fmt: skip


@pytest.fixture
def people(settings: Settings, database: Database) -> Iterator[tuple[Importer, Importer]]:
    """Whose expenses are exported, and who imports them."""
    with importer(settings, database) as first, importer(settings, database) as second:
        yield first, second


def text(chance: random.Random, most: int, *, has_lines: bool = False) -> str:
    """Never empty, which is the same as none."""
    alphabets = [*LETTERS, *(["\n\r"] if has_lines else [])]
    size = chance.choice((1, 3, 12, most)) if chance.random() < 0.02 else chance.randint(1, 12)
    letters = "".join(chance.choices(alphabets, k=3))
    return "".join(chance.choices(letters, k=size))


def tag(chance: random.Random) -> str:
    """Nothing that is blank or unseen stands at its ends."""
    inner = text(chance, 46).replace("\t", "").strip()
    return f"#{inner}," if chance.random() < 0.5 else f"t{inner}"


def expense(chance: random.Random, user_id: UUID, categories: Sequence[UUID]) -> ExpenseRecord:
    amount = chance.choice((0, 1, -1, chance.randint(-500_000, 500_000)))
    if chance.random() < 0.001:
        amount = chance.choice((-1, 1)) * (MAX_AMOUNT_MINOR // 1_000)
    currency = chance.choice(CURRENCIES)
    has_lines, has_rate = chance.random() < 0.03, currency == "EUR" and chance.random() < 0.05
    category_id = None if has_lines or chance.random() < 0.1 else chance.choice(categories)
    cut = chance.randint(-1_000, 1_000)
    lines = (
        Line(chance.choice(categories), cut, text(chance, 40, has_lines=True)),
        Line(None, amount - cut, None),
    )
    now = clock.now()
    return ExpenseRecord(
        user_id=user_id,
        id=new_id(),
        amount_minor=amount,
        currency=currency,
        category_id=category_id,
        spent_on=date(1999, 12, 31) + timedelta(days=chance.randint(0, 9_000)),
        payee=text(chance, 200).replace("\t", " ") if chance.random() < 0.9 else None,
        note=text(chance, 2_000, has_lines=True) if chance.random() < 0.5 else None,
        source=chance.choice(("manual", "recurring")),
        version=1,
        created_at=now,
        updated_at=now,
        rate_currency="USD" if has_rate else None,
        rate=chance.randint(RATE_SCALE // 1_000, RATE_SCALE * 3) if has_rate else None,
        tags=tuple(
            dict.fromkeys(
                tag(chance) for _ in range(chance.choice((0, 0, 1, 2) if chance.random() < 0.995 else (20,)))
            )
        ),
        lines=lines if has_lines else (),
    )


def fill(me: Importer, rows: int) -> None:
    chance = random.Random(2026)
    with me.database.transaction() as session:
        parents: dict[str, UUID] = {}
        for path in NAMES:
            parent, _, name = path.rpartition(": ")
            new = NewCategory(name=name, parent_id=parents.get(parent))
            parents[path] = create_category(session, user_id=me.id, category=new).id
    categories = [*parents.values(), me.categories["groceries"]]
    for first in range(0, rows, AT_ONCE):
        records = [expense(chance, me.id, categories) for _ in range(min(AT_ONCE, rows - first))]
        with me.database.transaction() as session:
            insert_many_expenses(session, records)
            add_spending(session, (part for record in records for part in spending_of(record)))
    # As autovacuum would within a minute.
    me.database.learn(*GROWN)


def exported(me: Importer, files: FileStore, dialect: CsvDialect) -> bytes:
    wanted = ExportRequest(format="csv", dialect=dialect, filters=ExpenseFilter(), sort="spent_on")
    with me.database.transaction() as session:
        export_id = request_export(session, user_id=me.id, wanted=wanted).id
    assert work_off_long(me.runtime, EXPORTING) == 1
    with me.database.reading() as session:
        export = load_export(session, user_id=me.id, export_id=export_id)
    with files.open(export.sha256 or "") as file:
        return file.read()


def content(me: Importer) -> Counter[Any]:
    """All that an expense has but for its id, its source and its times."""
    names = me.category_paths()
    return Counter(
        (
            one.spent_on, one.amount_minor, one.currency, names[one.category_id], one.payee, one.note,
            one.tags, one.rate_currency, one.rate,
            tuple((names[line.category_id], line.amount_minor, line.note) for line in one.lines),
        )
        for one in me.expenses()
    )  # fmt: skip


@pytest.mark.parametrize("dialect", ["standard", "spreadsheet"])
def test_an_export_comes_back_as_it_was(
    people: tuple[Importer, Importer], settings: Settings, dialect: CsvDialect
) -> None:
    first, second = people
    rows = ROWS[first.database.dialect] if dialect == "standard" else 2_000
    fill(first, rows)
    file = exported(first, FileStore(settings.files), dialect)
    import_id = second.read(file, "expenses.csv")
    found = second.record(import_id)
    assert (found.state, found.row_count, found.problem_count) == ("preview", rows, 0), (
        found.findings.problems
    )
    done = second.commit(import_id, duplicates=True)
    assert (done.state, done.committed_count) == ("succeeded", rows)
    expected, actual = content(first), content(second)
    assert list((expected - actual).elements())[:3] == []
    assert expected == actual
    second.assert_totals()
    assert {one.source for one in second.expenses()} == {"import"}


def test_ones_own_export_brings_nothing_new(people: tuple[Importer, Importer], settings: Settings) -> None:
    first, _second = people
    fill(first, 500)
    found = first.load(exported(first, FileStore(settings.files), "standard"))
    assert (found.duplicate_count, found.committed_count) == (500, 0)
