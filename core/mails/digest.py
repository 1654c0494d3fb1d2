"""A digest as a mail."""

from collections.abc import Mapping, Sequence
from typing import Any

from core.charts.dates import range_text, short_day
from core.charts.money_text import money_text
from core.charts.picture import Spec
from core.charts.spending_over_time import IntervalAmount, spending_over_time
from core.mail_messages import InlineImage, message_line
from core.mails.notifications import Told
from core.mails.pages import render_page, render_text
from core.queries.digest_documents import MAX_COUNTED, DigestBudget, DigestCategory, DigestFigures, DueExpense
from core.queries.letters import Letter
from core.queries.report_documents import OpenDebt
from core.queries.spending_totals import Sum
from core.rules.notification_texts import DIGEST_TITLES
from core.rules.thresholds import percent_tenths

UNITS: Mapping[str, str] = {"daily": "day", "weekly": "week", "monthly": "month"}

COLORS: Mapping[str, str] = {"ok": "#1f8a55", "warning": "#b26a00", "exceeded": "#c8372d"}
"""Dark enough to be read on white (WCAG 2.2, contrast of 4.5); on a dark card the page has others."""

PICTURE = "spending"


def digest_picture(figures: DigestFigures) -> Spec | None:
    """The chart within the mail, to be drawn; of a single day there is none."""
    if figures.frequency == "daily" or not any(day.minor for day in figures.by_day):
        return None
    return spending_over_time(
        [IntervalAmount(one.start, one.minor) for one in figures.by_day],
        currency=figures.currency,
        interval="day",
        period=figures.period,
    )


def digest_letter(
    figures: DigestFigures,
    *,
    to: str,
    told: Sequence[Told],
    png: bytes | None,
    public_url: str,
    unsubscribe_url: str,
    subjects: str,
) -> Letter:
    """The mail with the digest, and with what else was to be told at the same time.

    `subjects` is what the link to unsubscribe is about.
    """
    subject = f"{DIGEST_TITLES[figures.frequency]}: {money_text(figures.whole.minor, figures.currency)} spent"
    images = (
        () if png is None else (InlineImage(PICTURE, png, f"Spending by day, {range_text(figures.period)}"),)
    )
    values = {
        **_values(figures),
        "subject": subject,
        "colors": COLORS,
        "told": told,
        "picture": next(iter(images), None),
        "public_url": public_url,
        "unsubscribe_url": unsubscribe_url,
        "subjects": subjects,
    }
    return Letter(
        to,
        subject,
        render_text("digest", **values),
        html=render_page("digest", **values),
        images=images,
        unsubscribe_url=unsubscribe_url,
    )


def _values(figures: DigestFigures) -> dict[str, Any]:
    code = figures.currency
    change = _change(figures)
    return {
        "title": DIGEST_TITLES[figures.frequency],
        "range": range_text(figures.period),
        "preheader": change or f"{_count(figures.whole.count)} in {range_text(figures.period)}",
        "spent": money_text(figures.whole.minor, code),
        "count": _count(figures.whole.count),
        "change": change,
        "unconverted": _amounts(figures.unconverted),
        "categories": _categories(figures),
        "budgets": [_budget(one) for one in figures.budgets],
        "more_budgets": _more(figures.more_budgets),
        "awaiting": [_due(one) for one in figures.awaiting],
        "more_awaiting": _more(figures.more_awaiting, is_least=figures.more_awaiting == MAX_COUNTED),
        "upcoming": [_due(one) for one in figures.upcoming],
        "more_upcoming": _more(figures.more_upcoming, is_least=figures.more_upcoming == MAX_COUNTED),
        "anomalies": [
            _row(
                one.payee,
                one.amount_minor,
                one.currency,
                f"{short_day(one.spent_on)}, usually {money_text(one.usual_minor, one.currency)}",
            )
            for one in figures.anomalies
        ],
        "debts": [_debt(one) for one in figures.debts],
        "more_debts": _more(figures.more_debts),
        "largest": [
            _row(one.payee, one.amount_minor, one.currency, short_day(one.spent_on))
            for one in figures.largest
        ],
    }


def _due(one: DueExpense) -> dict[str, str]:
    return _row(one.payee, one.amount_minor, one.currency, short_day(one.due_on), is_about=one.is_variable)


def _row(
    payee: str | None, minor: int, currency: str, below: str, *, is_about: bool = False
) -> dict[str, str]:
    return {
        "left": message_line(payee or "") or "Without a payee",
        "right": f"{'about ' if is_about else ''}{money_text(minor, currency)}",
        "below": below,
        "tone": "",
    }


def _more(count: int, *, is_least: bool = False) -> str:
    return f"and {count}{' or' if is_least else ''} more" if count else ""


def _before(figures: DigestFigures) -> str:
    return f"the {UNITS[figures.frequency]} before"


def _count(count: int) -> str:
    return "1 expense" if count == 1 else f"{count:,} expenses"


def _change(figures: DigestFigures) -> str:
    """Against the period before; nothing where neither has anything."""
    before, now, code = figures.before.minor, figures.whole.minor, figures.currency
    when, others = _before(figures), ", ".join(_amounts(figures.before_unconverted))
    besides = f"; {others} {when} had no exchange rate" if others else ""
    if not figures.before.count:
        is_nothing = figures.whole.count and not others
        return f"nothing {when}" if is_nothing else besides.removeprefix("; ")
    if before == now:
        return f"as much as {when}{besides}"
    word = "more" if now > before else "less"
    return f"{money_text(abs(now - before), code)} {word} than {when} ({money_text(before, code)}){besides}"


def _amounts(by_currency: Mapping[str, Sum]) -> list[str]:
    return [money_text(one.minor, code) for code, one in sorted(by_currency.items())]


def _categories(figures: DigestFigures) -> list[dict[str, Any]]:
    told: Sequence[DigestCategory] = [one for one in (*figures.categories, figures.rest) if one]
    largest = max((one.minor for one in told), default=0)
    return [
        {
            "label": message_line(one.label),
            "amount": money_text(one.minor, figures.currency),
            "percent": max(0, one.minor) * 100 // largest if largest > 0 else 0,
            "before": f"{_or_nothing(one.before_minor, figures.currency)} {_before(figures)}",
        }
        for one in told
    ]


def _or_nothing(minor: int, currency: str) -> str:
    return money_text(minor, currency) if minor else "nothing"


def _budget(one: DigestBudget) -> dict[str, Any]:
    left = one.limit_minor - one.spent_minor
    tenths = percent_tenths(one.spent_minor, one.limit_minor)
    return {
        "name": message_line(one.name),
        "left": f"{money_text(abs(left), one.currency)} {'left' if left >= 0 else 'over'}",
        "percent": 100 if tenths is None else min(100, max(0, tenths // 10)),
        "tone": one.status,
        "told": f"{money_text(one.spent_minor, one.currency)} of {money_text(one.limit_minor, one.currency)}"
        f" in {range_text(one.period)}",
    }


def _debt(one: OpenDebt) -> dict[str, str]:
    is_mine, member = one.is_owed_by_me, message_line(one.member_name)
    return {
        "left": f"You owe {member}" if is_mine else f"{member} owes you",
        "right": money_text(one.amount_minor, one.currency),
        "below": message_line(one.group_name),
        "tone": "exceeded" if is_mine else "ok",
    }
