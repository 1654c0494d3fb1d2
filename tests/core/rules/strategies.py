"""What the property tests of the rules draw from."""

from datetime import date

from hypothesis import settings
from hypothesis import strategies as st

from core.rules.currencies import EXPONENTS
from core.rules.periods import MAX_DAY, MAX_EVERY, MIN_DAY, PERIOD_KINDS, PeriodRule

patient = settings(deadline=None, max_examples=100)
"""Without hypothesis's time limit for an example, which a busy machine breaks at random."""

currencies = st.sampled_from(sorted(EXPONENTS))
days = st.dates(MIN_DAY, MAX_DAY)
near_days = st.dates(date(1999, 12, 1), date(2030, 12, 31))
"""Close enough together for a walk day by day."""

month_ends = st.sampled_from(
    [date(2024, 1, 31), date(2024, 2, 29), date(2023, 11, 30), date(2023, 8, 29), date(2100, 2, 28)]
)
recurring_kinds = st.sampled_from([kind for kind in PERIOD_KINDS if kind != "once"])
every = st.one_of(st.integers(1, 4), st.integers(1, MAX_EVERY))

endless_rules = st.builds(PeriodRule, recurring_kinds, every, st.one_of(days, month_ends))
ending_rules = st.builds(PeriodRule, recurring_kinds, every, st.one_of(days, month_ends), days)
single_rules = st.tuples(days, days).map(lambda pair: PeriodRule("once", 1, min(pair), max(pair)))
rules = st.one_of(endless_rules, ending_rules, single_rules)
