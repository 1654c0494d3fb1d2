"""An archive with as many expenses as one likes, of every kind, written one by one."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from core.archive.records import CategoryItem, ExpenseItem, LineItem, OwnRate, Profile, Record
from core.archive.sections import SECTIONS
from core.archive.writing import Write, write_archive
from core.rules.money import format_amount
from tests.archives.documents import MANY_LINES, TRICKY

FIRST_DAY = date(2016, 1, 1)
CURRENCIES = ("EUR",) * 12 + ("USD", "JPY", "KWD", "CLF")
TAGS = ("trip", "\u65c5\u884c", "with \u200d joiner", "a/b,c;d", "caf\u00e9", "cafe\u0301")

LETTERS = "".join(chr(code) for code in (*range(0x20, 0x7F), 0xE9, 0x3B1, 0x430, 0x5D0, 0x627, 0x4E2D))
PLANES = [
    code
    for code in (*range(0xA1, 0xD800, 97), *range(0xE000, 0x10FFFE, 4_099))
    if not 0xFDD0 <= code <= 0xFDEF and code & 0xFFFE != 0xFFFE
]
"""Characters of all planes, those of private use and those that are not assigned included."""


def write_large(write: Write, *, count: int, categories: int = 30, seed: int = 1) -> None:
    chance = random.Random(seed)
    items = [_category(chance, n) for n in range(categories)]
    ids = [item.id for item in items]
    lists: dict[str, Iterator[Record]] = {
        "categories": iter(items),
        "expenses": (_expense(chance, n, ids) for n in range(count)),
    }
    profile = Profile(
        id=UUID(int=chance.getrandbits(128)),
        username="kim",
        email="kim@example.com",
        email_verified_at=None,
        display_name="Kim",
        timezone="Asia/Tokyo",
        currency="JPY",
        created_at=_instant(0),
        updated_at=_instant(0),
    )
    sections = ((name, lists.get(name, iter(()))) for name in SECTIONS)
    for _ in write_archive(write, exported_at=_instant(0), user=profile, sections=sections):
        pass


def _category(chance: random.Random, n: int) -> CategoryItem:
    return CategoryItem(
        id=_id(chance, n),
        parent_id=None,
        name=f"Category {n} {chance.choice(TRICKY)}".strip(),
        color=None,
        icon=None,
        version=1,
        created_at=_instant(n),
        updated_at=_instant(n),
    )


def _expense(chance: random.Random, n: int, category_ids: list[UUID]) -> ExpenseItem:
    """One in ten has lines, one in twenty a rate, one in fifty is in the trash, one in twelve a refund."""
    currency = chance.choice(CURRENCIES)
    parts = [chance.randint(-500, 9_999) for _ in range(chance.randint(2, 4))] if n % 10 == 0 else []
    amount = sum(parts) if parts else chance.randint(-100, 100_000 if n % 12 else -1)
    return ExpenseItem(
        id=_id(chance, n),
        amount=format_amount(amount, currency),
        currency=currency,
        category_id=None if parts or n % 7 == 0 else chance.choice(category_ids),
        spent_on=FIRST_DAY + timedelta(days=n * 3_650 // 100_000 if n < 100_000 else n % 3_650),
        payee=None if n % 9 == 0 else f"Payee {n % 500} {chance.choice(LETTERS)}",
        note=_note(chance, n),
        tags=chance.sample(TAGS, n % 4) if n % 5 == 0 else [],
        lines=[
            LineItem(
                category_id=chance.choice(category_ids),
                amount=format_amount(part, currency),
                note=MANY_LINES if part % 2 else None,
            )
            for part in parts
        ],
        exchange_rate=OwnRate(currency="GBP", rate="1.2345") if n % 20 == 1 else None,
        source="manual" if n % 3 else "import",
        version=1 + n % 3,
        created_at=_instant(n),
        updated_at=_instant(n + 1),
        deleted_at=_instant(n + 2) if n % 50 == 49 else None,
    )


def _note(chance: random.Random, n: int) -> str | None:
    match n % 6:
        case 0:
            return MANY_LINES + chance.choice(TRICKY)
        case 1:
            return "".join(map(chr, chance.choices(PLANES, k=12)))
        case 2:
            return "An ordinary note of some words"
        case _:
            return None


def _instant(n: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=1_234_567 * n)


def _id(chance: random.Random, n: int) -> UUID:
    """As UUIDv7: in the order of their making."""
    return UUID(
        int=(1_767_225_600_000 + n) << 80 | 7 << 76 | chance.getrandbits(76), is_safe=UUID(int=0).is_safe
    )
