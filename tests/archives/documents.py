"""Archives that hypothesis makes up: whatever an account can hold, in the form in which it is exported."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from core.rules.currencies import EXPONENTS
from core.rules.money import MAX_AMOUNT_MINOR

TRICKY = (
    "e\u0301\u0301\u0323", "\u202eרtl\u202c", "שלום عليكم", "👩‍👩‍👧‍👦🏳️‍🌈", "𝔘𝔫𝔦", "\u2028\u2029", "ﬃ ſ İ ı ß", "\ufeff",
    "\u0000d"[1:], "=1+1", "</script>", "\\u0041", "\ue000\U000f0000", "１２３", "\u00a0 ",
)  # fmt: skip
"""Combining marks, both directions, joined emoji, other planes, separators, ligatures, and what looks like
code."""

MANY_LINES = 'He said: "so\\be it"\r\n\t\n'

one_line = st.one_of(
    st.sampled_from(TRICKY),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20),
)
notes = st.one_of(
    st.none(),
    st.just(MANY_LINES),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60),
)
instants = st.datetimes(
    datetime(2020, 1, 2),
    datetime(2030, 1, 1),
    timezones=st.just(UTC),  # noqa: DTZ001 - hypothesis wants it so
).map(lambda at: at.isoformat().replace("+00:00", "Z"))
days = st.dates().map(str)
currencies = st.one_of(st.sampled_from(("EUR", "JPY", "KWD", "CLF")), st.sampled_from(sorted(EXPONENTS)))
minors = st.one_of(
    st.integers(-(10**6), 10**6), st.sampled_from((0, MAX_AMOUNT_MINOR // 100, -MAX_AMOUNT_MINOR // 100))
)
