"""What the property tests of the charts draw from: any names, any amounts, any currency."""

from datetime import date, timedelta

from hypothesis import strategies as st

from core.charts.budget_progress import BudgetFigures
from core.charts.group_balances import MemberBalance
from core.charts.spending_by_category import CategoryAmount
from core.charts.spending_over_time import IntervalAmount
from core.charts.theme import DARK, LIGHT
from core.rules.periods import Period
from core.rules.thresholds import status
from tests.core.rules.strategies import currencies, days

themes = st.sampled_from([LIGHT, DARK])

HARD_NAMES = [
    "", " ", "\x00", "a\x00b", "\ud800", "\udfff", "\uffff", "\u202eabc", "x" * 200, "W" * 200,
    "A very long name that nobody could read in a column of this width, whatever it may be of",
    "🍕 Pizza & 🍺", "👨\u200d👩\u200d👧\u200d👦", "🇩🇪" * 60, "食料品とその他の日用品のカテゴリー" * 9,
    "قهوة وشاي", "מסעדות", "ไทย",
    "Z" + "\u0351\u0352\u0353\u0354" * 50 + "algo", "\u0301", "line\nbreak\ttab\r\n", "null", "0",
    "</svg><script>alert(1)</script>", "<script>", '"&\'<>', "]]>", "<!--", "&#0;", "=1+1", "${datum.text}",
    "javascript:alert(1)", "url(https://example.com/x)", "https://example.com/",
]  # fmt: skip

names = st.one_of(st.sampled_from(HARD_NAMES), st.text(max_size=40), st.text("aW…🍕食é", max_size=250))

amounts = st.one_of(
    st.integers(-100_000, 1_000_000),
    st.sampled_from([0, 1, -1, 10**14, -(10**14), 2**63 - 1, -(2**63)]),
    st.integers(-(2**63), 2**63 - 1),
)
limits = st.one_of(st.integers(-1_000, 1_000_000), st.sampled_from([0, 1, 10**14]))

periods = st.builds(
    lambda start, length: Period(start, start + timedelta(days=length)), days, st.integers(1, 2_000)
)
category_amounts = st.lists(st.builds(CategoryAmount, names, amounts), max_size=25)
interval_amounts = st.builds(
    lambda start, step, values: [
        IntervalAmount(start + timedelta(days=step * number), value) for number, value in enumerate(values)
    ],
    st.dates(date(1900, 1, 1), date(2150, 1, 1)),
    st.sampled_from([1, 7, 31]),
    st.lists(amounts, max_size=60),
)
budgets = st.lists(
    st.builds(
        lambda name, currency, spent, limit: BudgetFigures(
            name, currency, spent, limit, status(spent, limit, [80])
        ),
        names,
        currencies,
        amounts,
        limits,
    ),
    max_size=25,
)
balances = st.lists(st.builds(MemberBalance, names, amounts), max_size=40)
