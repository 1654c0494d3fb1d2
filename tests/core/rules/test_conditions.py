"""Conditions: each holds exactly when a naive reading of its document says so, and bad ones say where."""

import re
import unicodedata
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.conditions import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_NOTE_CHARACTERS,
    ConditionError,
    Facts,
    count_conditions,
    read_condition,
)
from core.rules.currencies import EXPONENTS
from tests.core.rules.strategies import patient

CURRENCIES = ("EUR", "JPY", "BHD", "CLF")
"""With two, no, three and four decimals."""

texts = st.text("aäAÄbß ﬁİかが\N{COMBINING DIAERESIS}", max_size=5)
wanted_texts = texts.filter(lambda text: text.strip("\N{COMBINING DIAERESIS}"))
decimals = st.decimals(-20, 20, places=2).map(lambda value: f"{value:f}")
bounds = st.tuples(decimals, decimals).map(lambda pair: sorted(pair, key=Decimal))

facts = st.builds(
    Facts,
    payee=st.none() | texts,
    note=st.none() | texts,
    amount_minor=st.integers(-2_500, 2_500) | st.integers(-200_000, 200_000),
    currency=st.sampled_from(CURRENCIES),
    source=st.sampled_from(("manual", "csv")),
)

comparisons = st.one_of(
    st.tuples(
        st.sampled_from(("payee", "note")),
        st.tuples(st.sampled_from(("equals", "contains", "starts_with")), wanted_texts).map(
            lambda pair: {pair[0]: pair[1]}
        ),
    ),
    st.tuples(
        st.just("amount"),
        st.one_of(
            st.builds(lambda text: {"equals": text}, decimals),
            st.builds(lambda text: {"at_least": text}, decimals),
            st.builds(lambda text: {"at_most": text}, decimals),
            st.builds(lambda pair: {"at_least": pair[0], "at_most": pair[1]}, bounds),
        ),
    ),
    st.tuples(st.just("currency"), st.builds(lambda code: {"equals": code}, st.sampled_from(CURRENCIES))),
    st.tuples(st.just("source"), st.builds(lambda one: {"equals": one}, st.sampled_from(("manual", "csv")))),
).map(lambda pair: {pair[0]: pair[1]})


def documents(depth: int = MAX_DEPTH) -> st.SearchStrategy[dict[str, Any]]:
    if depth == 1:
        return comparisons
    inner = documents(depth - 1)
    joined = st.tuples(st.sampled_from(("all", "any")), st.lists(inner, min_size=1, max_size=3))
    return comparisons | joined.map(lambda pair: {pair[0]: pair[1]}) | inner.map(lambda one: {"not": one})


def size(document: dict[str, Any]) -> int:
    [(name, value)] = document.items()
    if name == "not":
        return 1 + size(value)
    return 1 + sum(map(size, value)) if name in ("all", "any") else 1


def naive(document: dict[str, Any], facts: Facts) -> bool:
    """What a document says, read word by word."""
    [(name, value)] = document.items()
    match name:
        case "all":
            return False not in [naive(one, facts) for one in value]
        case "any":
            return True in [naive(one, facts) for one in value]
        case "not":
            return not naive(value, facts)
        case "amount":
            amount = Decimal(facts.amount_minor).scaleb(-EXPONENTS[facts.currency])
            holds = {"equals": amount.__eq__, "at_least": amount.__ge__, "at_most": amount.__le__}
            return all(holds[comparison](Decimal(limit)) for comparison, limit in value.items())
        case "currency" | "source":
            return bool(getattr(facts, name) == value["equals"])
    [(comparison, wanted)] = value.items()
    text = getattr(facts, name)
    if text is None:
        return False
    pattern = {"equals": r"\A{}\Z", "contains": "{}", "starts_with": r"\A{}"}[comparison]
    return re.search(pattern.format(re.escape(plain(wanted))), plain(text)) is not None


def plain(text: str) -> str:
    """Letter by letter without what stands above it."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = [
        letter
        for letter in unicodedata.normalize("NFKD", folded)
        if not ("COMBINING" in unicodedata.name(letter, "") and "KATAKANA" not in unicodedata.name(letter))
    ]
    return unicodedata.normalize("NFC", "".join(kept))


@patient
@given(document=documents().filter(lambda one: size(one) <= MAX_CONDITIONS), facts=facts)
def test_a_condition_holds_when_its_document_says_so(document: dict[str, Any], facts: Facts) -> None:
    assert read_condition(document).holds(facts) == naive(document, facts)


@patient
@given(document=documents(MAX_DEPTH - 2), facts=facts)
def test_not_any_is_all_not(document: dict[str, Any], facts: Facts) -> None:
    other = {"amount": {"at_least": "0"}}
    nor = {"not": {"any": [document, other]}}
    neither = {"all": [{"not": document}, {"not": other}]}
    if size(neither) <= MAX_CONDITIONS:
        assert read_condition(nor).holds(facts) == read_condition(neither).holds(facts)


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({}, ""),
        ({"payee": {"equals": "a"}, "note": {"equals": "b"}}, ""),
        ({"colour": {"equals": "red"}}, "/colour"),
        ({"all": []}, "/all"),
        ({"any": [{"currency": {"equals": "EUR"}}, {"not": {}}]}, "/any/1/not"),
        ({"payee": {}}, "/payee"),
        ({"payee": {"equals": "a", "contains": "a"}}, "/payee"),
        ({"payee": {"ends_with": "a"}}, "/payee/ends_with"),
        ({"note": {"contains": "\N{COMBINING ACUTE ACCENT}"}}, "/note/contains"),
        ({"amount": {}}, "/amount"),
        ({"amount": {"equals": "1", "at_most": "2"}}, "/amount"),
        ({"amount": {"more_than": "1"}}, "/amount"),
        ({"amount": {"equals": "1e3"}}, "/amount/equals"),
        ({"amount": {"equals": "0.00001"}}, "/amount/equals"),
        ({"amount": {"at_least": "9" * 5_000}}, "/amount/at_least"),
        ({"amount": {"at_least": "2", "at_most": "1.99"}}, "/amount/at_most"),
        ({"currency": {"equals": "ABC"}}, "/currency/equals"),
        ({"currency": {"contains": "EUR"}}, "/currency/contains"),
        ({"source": {"contains": "man"}}, "/source/contains"),
    ],
)
def test_what_is_no_condition_is_refused_where_it_is_wrong(document: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ConditionError) as caught:
        read_condition(document)
    assert caught.value.pointer == pointer


def test_conditions_are_bounded_in_number_and_depth() -> None:
    leaf = {"source": {"equals": "manual"}}
    assert read_condition({"any": [leaf] * (MAX_CONDITIONS - 1)})
    with pytest.raises(ConditionError, match=str(MAX_CONDITIONS)):
        read_condition({"any": [leaf] * MAX_CONDITIONS})

    def nested(depth: int) -> dict[str, Any]:
        return leaf if depth == 1 else {"not": nested(depth - 1)}

    assert read_condition(nested(MAX_DEPTH))
    with pytest.raises(ConditionError) as caught:
        read_condition(nested(MAX_DEPTH + 1))
    assert caught.value.pointer == "/not" * MAX_DEPTH


def test_of_a_long_note_the_beginning_is_looked_at() -> None:
    condition = read_condition({"note": {"contains": "end"}})
    for length, expected in ((MAX_NOTE_CHARACTERS - 3, True), (MAX_NOTE_CHARACTERS - 2, False)):
        note = "\N{LATIN SMALL LETTER E WITH ACUTE}" * length + "end"
        facts = Facts(payee=None, note=note, amount_minor=1, currency="EUR", source="manual")
        assert condition.holds(facts) is expected


@given(document=documents())
def test_conditions_are_counted(document: dict[str, Any]) -> None:
    assert count_conditions(document) == size(document)


def test_amounts_compare_across_currencies_with_different_decimals() -> None:
    condition = read_condition({"amount": {"at_least": "5", "at_most": "9.99"}})
    for minor, currency, expected in (
        (500, "EUR", True),
        (499, "EUR", False),
        (9, "JPY", True),
        (500, "JPY", False),
        (9_990, "BHD", True),
        (9_991, "BHD", False),
        (-500, "EUR", False),
    ):
        facts = Facts(payee=None, note=None, amount_minor=minor, currency=currency, source="manual")
        assert condition.holds(facts) is expected, (minor, currency)
