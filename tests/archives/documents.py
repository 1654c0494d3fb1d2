"""Archives that hypothesis makes up: whatever an account can hold, in the form in which it is exported."""

import hashlib
from base64 import b64encode
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from core.archive.sections import FORMAT, SECTIONS, VERSION
from core.rules.conversion import RATE_SCALE, convert_minor, format_rate
from core.rules.currencies import EXPONENTS
from core.rules.money import MAX_AMOUNT_MINOR, format_amount
from core.rules.periods import MAX_DAY, MIN_DAY
from core.rules.texts import search_key
from tests.api.calls import PDF
from tests.archives.archivist import Document

TRICKY = (
    "e\u0301\u0323 \u0915\u094d\u0937",  # combining marks
    "\u202e\u05e9\u05dc\u05d5\u05dd \u0639\u0644\u064a\u0643\u0645\u202c",  # both directions
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f\u200d\U0001f308",  # joined emoji
    "\U0001d518\U00020000\U000e0041\U0010fffd \ufdd0\uffff",  # other planes, noncharacters
    "\u2028\u2029\u0085\u00a0\ufeff",  # separators and what does not show
    "\ufb03 \u017f \u0130 \u0131 \u00df \u1e9e",  # letters whose case folds to others, or to several
    "=1+1;</script>\\u0041'\"",
)
MANY_LINES = 'He said: "so\\be it"\r\n\t\x01\x7f\n'

DAY = timedelta(days=1)

ids = st.uuids(version=4).map(str)
lines_of_text = st.one_of(
    st.sampled_from(TRICKY),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20),
)
notes = st.one_of(
    st.none(),
    st.just(MANY_LINES),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60),
)
instants = st.integers(0, 10 * 365 * 86_400 * 10**6).map(
    lambda micros: _instant(datetime(2020, 1, 2, tzinfo=UTC) + timedelta(microseconds=micros))
)
days = st.one_of(st.dates(date(2024, 1, 1), date(2024, 1, 9)), st.dates(MIN_DAY, MAX_DAY)).map(str)
currencies = st.one_of(st.sampled_from(("EUR", "JPY", "KWD", "CLF")), st.sampled_from(sorted(EXPONENTS)))
minors = st.one_of(
    st.integers(-(10**6), 10**6), st.sampled_from((0, MAX_AMOUNT_MINOR // 100, -MAX_AMOUNT_MINOR // 100))
)
versions = st.integers(1, 99)


def _instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def stamps() -> dict[str, Any]:
    return {"version": versions, "created_at": instants, "updated_at": instants}


@st.composite
def category_lists(draw: Any) -> list[dict[str, Any]]:
    """Two levels, names unique among siblings, those of the top level first."""
    tops = draw(st.lists(lines_of_text, max_size=4, unique_by=lambda name: search_key(name.strip())))
    found = [_category(draw, name, None) for name in tops if name.strip()]
    for parent in list(found):
        names = draw(st.lists(st.sampled_from(("a", "b", *TRICKY)), max_size=2, unique=True))
        found += [_category(draw, name, parent["id"]) for name in names]
    return sorted(found, key=lambda one: (one["parent_id"] is not None, UUID(one["id"]).int))


def _category(draw: Any, name: str, parent_id: str | None) -> dict[str, Any]:
    looks = {"color": st.sampled_from((None, "#00ff7f")), "icon": st.sampled_from((None, "flower"))}
    fixed = {"id": st.just(draw(ids)), "parent_id": st.just(parent_id), "name": st.just(name.strip())}
    category: dict[str, Any] = draw(st.fixed_dictionaries({**fixed, **looks, **stamps()}))
    return category


CONDITIONS = st.sampled_from(
    [
        {"payee": {"contains": "bakery \u00e9"}},
        {"all": [{"not": {"note": {"starts_with": "x"}}}, {"amount": {"at_least": "-1.5", "at_most": "2"}}]},
        {"any": [{"currency": {"equals": "JPY"}}, {"source": {"equals": "manual"}}]},
    ]
)


@st.composite
def rule_lists(draw: Any, category_ids: list[str]) -> list[dict[str, Any]]:
    then = st.fixed_dictionaries(
        {
            "category_id": st.sampled_from([None, *category_ids]),
            "add_tags": st.lists(lines_of_text, min_size=1, max_size=2, unique=True),
            "payee": st.none() | lines_of_text,
        }
    )
    fields = {
        "id": ids,
        "name": lines_of_text,
        "position": st.none(),
        "when": CONDITIONS,
        "then": then,
        "is_active": st.booleans(),
        **stamps(),
    }
    found = draw(st.lists(st.fixed_dictionaries(fields), max_size=3))
    return [{**rule, "position": position} for position, rule in enumerate(found, 1)]


@st.composite
def expenses(draw: Any, category_ids: list[str]) -> dict[str, Any]:
    currency = draw(currencies)
    categories = st.sampled_from([None, *category_ids])
    parts = draw(st.lists(st.tuples(categories, minors, notes), max_size=3))
    amount = sum(minor for _, minor, _ in parts) if parts else draw(minors)
    lines = [
        {"category_id": category, "amount": format_amount(minor, currency), "note": note}
        for category, minor, note in parts
    ]
    fields = {
        "id": ids,
        "amount": st.just(format_amount(amount, currency)),
        "currency": st.just(currency),
        "category_id": st.none() if parts else categories,
        "spent_on": days,
        "payee": st.none() | lines_of_text,
        "note": notes,
        "tags": st.lists(lines_of_text, max_size=3, unique=True),
        "lines": st.just(lines),
        "exchange_rate": st.none() | _rates(amount, currency),
        "source": st.sampled_from(("manual", "import", "recurring")),
        **stamps(),
        "deleted_at": st.none() | instants,
    }
    expense: dict[str, Any] = draw(st.fixed_dictionaries(fields))
    return expense


@st.composite
def _rates(draw: Any, amount: int, currency: str) -> dict[str, str]:
    """One by which no more comes out than an amount can be: a few million yen are many times as many fen."""
    other = draw(currencies.filter(lambda other: other != currency))
    at_one = abs(convert_minor(amount, currency, other, source_rate=RATE_SCALE, target_rate=RATE_SCALE))
    largest = MAX_AMOUNT_MINOR * RATE_SCALE // (at_one + 1)
    return {"currency": other, "rate": format_rate(draw(st.integers(1, min(3 * RATE_SCALE, largest))))}


@st.composite
def budget_lists(draw: Any, category_ids: list[str]) -> list[dict[str, Any]]:
    return sorted(draw(st.lists(_budgets(category_ids), max_size=3)), key=lambda one: UUID(one["id"]).int)


@st.composite
def _budgets(draw: Any, category_ids: list[str]) -> dict[str, Any]:
    currency, starts_on = draw(currencies), draw(st.dates(date(2025, 1, 1), date(2026, 1, 1)))
    changes = sorted(draw(st.sets(st.dates(date(2025, 1, 1), date(2026, 1, 1)), max_size=2)))
    amount = st.integers(0, 10**6).map(lambda minor: format_amount(minor, currency))
    kinds = ("daily", "weekly", "monthly", "quarterly", "yearly")
    is_once = draw(st.booleans())
    fields = {
        "id": ids,
        "name": lines_of_text,
        "currency": st.just(currency),
        "period": st.fixed_dictionaries(
            {
                "kind": st.just("once") if is_once else st.sampled_from(kinds),
                "every": st.just(1) if is_once else st.integers(1, 3),
                "anchor": st.just(str(starts_on)),
                "ends_on": st.just("2026-12-31") if is_once else st.sampled_from((None, "2027-01-31")),
            }
        ),
        "amounts": st.just(
            [{"effective_on": str(day), "amount": draw(amount)} for day in (MIN_DAY, *changes)]
        ),
        "category_ids": st.sets(st.sampled_from(category_ids), max_size=3).map(_sorted)
        if category_ids
        else st.just([]),
        "thresholds": st.sets(st.integers(1, 1000), max_size=3).map(sorted),
        "rollover": st.sampled_from(("none", "surplus", "both")),
        "pace_alert": st.booleans(),
        "starts_on": st.just(str(starts_on)),
        **stamps(),
        "archived_at": st.none() | instants,
    }
    budget: dict[str, Any] = draw(st.fixed_dictionaries(fields))
    return budget


def _sorted(found: set[str]) -> list[str]:
    return sorted(found, key=lambda one: UUID(one).int)


@st.composite
def alert_lists(draw: Any, budgets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One of each threshold and period at most, open or not."""
    found = []
    for budget in budgets:
        currency = budget["currency"]
        for threshold in budget["thresholds"]:
            start = date.fromisoformat(budget["starts_on"])
            figure = st.integers(-(2**60), 2**60).map(
                lambda minor, currency=currency: format_amount(minor, currency)
            )
            fields = {
                "id": ids,
                "budget_id": st.just(budget["id"]),
                "period_start": st.just(str(start)),
                "period_end": st.just(str(start + 7 * DAY)),
                "threshold": st.just(threshold),
                "spent": figure,
                "limit": figure,
                "currency": st.just(currency),
                "created_at": instants,
                "resolved_at": st.none() | instants,
            }
            found.append(draw(st.fixed_dictionaries(fields)))
    return sorted(found, key=lambda one: UUID(one["id"]).int)


RULES = ("FREQ=MONTHLY", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;WKST=SU", "FREQ=YEARLY;BYMONTH=2;BYDAY=-1FR")


@st.composite
def recurring_lists(draw: Any, category_ids: list[str]) -> list[dict[str, Any]]:
    """Some that are paused or have ended; nothing is due, as what is posted would be more than was there."""
    found = draw(st.lists(_recurring(category_ids), max_size=3, unique_by=lambda one: one["id"]))
    return sorted(found, key=lambda one: UUID(one["id"]).int)


@st.composite
def _recurring(draw: Any, category_ids: list[str]) -> dict[str, Any]:
    currency, end = draw(currencies), draw(st.sampled_from(("ends_on", "count", None)))
    categories = st.sampled_from([None, *category_ids])
    is_variable = draw(st.booleans())
    parts = [] if is_variable else draw(st.lists(st.tuples(categories, minors, notes), max_size=2))
    amount = sum(minor for _, minor, _ in parts) if parts else draw(minors)
    fields = {
        "id": ids,
        "amount": st.just(format_amount(amount, currency)),
        "currency": st.just(currency),
        "category_id": st.none() if parts else categories,
        "payee": st.none() | lines_of_text,
        "note": notes,
        "tags": st.lists(lines_of_text, max_size=3, unique=True),
        "lines": st.just(
            [
                {"category_id": category, "amount": format_amount(minor, currency), "note": note}
                for category, minor, note in parts
            ]
        ),
        "rrule": st.sampled_from(RULES),
        "starts_on": st.dates(date(2024, 1, 1), date(2024, 2, 29)).map(str),
        "ends_on": st.just("2190-12-31" if end == "ends_on" else None),
        "count": st.integers(1, 99) if end == "count" else st.none(),
        "remind_days_before": st.none() | st.integers(1, 60),
        "is_variable": st.just(is_variable),
        "is_paused": st.booleans(),
        "handled_through": st.dates(date(2190, 1, 1), date(2191, 1, 1)).map(str),
        "reminded_through": st.dates(date(2190, 1, 1), date(2191, 1, 1)).map(str),
        **stamps(),
    }
    found: dict[str, Any] = draw(st.fixed_dictionaries(fields))
    return found


@st.composite
def occurrence_lists(draw: Any, recurring: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for one in recurring:
        for day in sorted(draw(st.sets(st.dates(date(2024, 1, 1), date(2026, 1, 1)), max_size=3))):
            fields = {
                "recurring_id": st.just(one["id"]),
                "due_on": st.just(str(day)),
                "state": st.sampled_from(("posted", "skipped", "awaiting", "missed")),
                "expense_id": st.none() | ids,
                "created_at": instants,
                "updated_at": instants,
            }
            found.append(draw(st.fixed_dictionaries(fields)))
    return found


def files_of(contents: list[bytes]) -> tuple[list[dict[str, Any]], list[tuple[str, int]]]:
    """Small files as an archive has them, and the hash and size of each of the contents."""
    named = {hashlib.sha256(content).hexdigest(): content for content in contents}
    parts = [
        {
            "sha256": sha256,
            "bytes": len(named[sha256]),
            "offset": 0,
            "content": b64encode(named[sha256]).decode(),
        }
        for sha256 in sorted(named)
    ]
    return parts, [(hashlib.sha256(content).hexdigest(), len(content)) for content in contents]


@st.composite
def documents(draw: Any, max_expenses: int = 6) -> Document:
    """An archive whose import and export again give it back, but for what is the account's alone."""
    categories = draw(category_lists())
    category_ids = [category["id"] for category in categories]
    found = draw(st.lists(expenses(category_ids), max_size=max_expenses, unique_by=lambda one: one["id"]))
    found.sort(key=lambda one: UUID(one["id"]).int)
    budgets = draw(budget_lists(category_ids))
    contents = [PDF + bytes([n]) for n in draw(st.lists(st.integers(0, 2), max_size=3))] if found else []
    files, hashes = files_of(contents)
    attachments = [
        {
            "id": draw(ids),
            "expense_id": draw(st.sampled_from(found))["id"],
            "name": draw(lines_of_text),
            "type": "application/pdf",
            "bytes": size,
            "sha256": sha256,
            "created_at": draw(instants),
        }
        for sha256, size in hashes
    ]
    recurring = draw(recurring_lists(category_ids))
    lists = {
        "categories": categories,
        "rules": draw(rule_lists(category_ids)),
        "expenses": found,
        "files": files,
        "attachments": sorted(attachments, key=lambda one: UUID(one["id"]).int),
        "budgets": budgets,
        "alerts": draw(alert_lists(budgets)),
        "pace_alerts": [
            {"budget_id": one["id"], "period_start": one["starts_on"], "created_at": draw(instants)}
            for one in budgets
            if one["pace_alert"]
        ],
        "recurring_expenses": recurring,
        "recurring_occurrences": draw(occurrence_lists(recurring)),
    }
    return document(lists, exported_at=draw(instants))


def document(lists: dict[str, Any], *, exported_at: str = "2026-05-10T09:30:00Z", **user: Any) -> Document:
    """An archive of these lists; the others are empty."""
    profile = {
        "id": "0198f3a5-6c1e-7d42-9b07-5e2f8a41c3d6",
        "username": "ada",
        "email": "ada@example.org",
        "email_verified_at": None,
        "display_name": "Ada",
        "timezone": "Europe/Berlin",
        "currency": "CHF",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
    }
    head = {"format": FORMAT, "version": VERSION, "exported_at": exported_at, "user": {**profile, **user}}
    return {**head, **{name: lists.get(name, []) for name in SECTIONS}}
