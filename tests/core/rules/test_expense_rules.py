"""Rules: they run in their order, the first category wins, payees are handed on, tags add up."""

from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from core.rules.conditions import Facts, read_condition
from core.rules.expense_rules import MAX_TAGS, Action, Labels, Rule, apply_rules, with_tags
from tests.core.rules.strategies import patient

FOOD, FUN = UUID(int=1), UUID(int=2)
ALWAYS = {"source": {"equals": "manual"}}


def rule(when: dict[str, Any], **then: Any) -> Rule:
    return Rule(read_condition(when), Action(**then))


def result(*rules: Rule, payee: str | None = "PAYPAL *BAKERY", **given: Any) -> Labels:
    facts = Facts(payee=payee, note=None, amount_minor=100, currency="EUR", source="manual")
    state: dict[str, Any] = {"category_id": None, "tags": (), "has_lines": False, **given}
    return apply_rules(rules, facts, **state).labels


def test_the_first_rule_that_names_a_category_wins() -> None:
    assert result(rule(ALWAYS, category_id=FOOD), rule(ALWAYS, category_id=FUN)).category_id == FOOD
    without = rule(ALWAYS, add_tags=("a",))
    assert result(without, rule(ALWAYS, category_id=FUN)).category_id == FUN


def test_a_category_that_was_given_stays_and_lines_have_their_own() -> None:
    assert result(rule(ALWAYS, category_id=FOOD), category_id=FUN).category_id == FUN
    assert result(rule(ALWAYS, category_id=FOOD), has_lines=True).category_id is None


def test_a_rule_sees_the_payee_that_one_before_it_has_set() -> None:
    rename = rule({"payee": {"contains": "bakery"}}, payee="Corner Bakery")
    label = rule({"payee": {"equals": "corner bakery"}}, category_id=FOOD)
    assert result(rename, label) == Labels(category_id=FOOD, payee="Corner Bakery", tags=())
    assert result(label, rename) == Labels(category_id=None, payee="Corner Bakery", tags=())


def test_of_several_payees_the_last_one_stays() -> None:
    assert result(rule(ALWAYS, payee="A"), rule(ALWAYS, payee="B"), payee=None).payee == "B"


def test_a_match_is_told_even_where_it_changes_nothing() -> None:
    facts = Facts(payee="Shop", note=None, amount_minor=100, currency="EUR", source="manual")
    rules = [rule(ALWAYS, payee="Shop")]
    outcome = apply_rules(rules, facts, category_id=FOOD, tags=(), has_lines=False)
    assert outcome.has_matched
    assert outcome.labels == Labels(category_id=FOOD, payee="Shop", tags=())
    assert not apply_rules([], facts, category_id=None, tags=(), has_lines=False).has_matched


@patient
@given(
    tags=st.lists(st.text("abc", min_size=1, max_size=2), max_size=MAX_TAGS, unique=True).map(tuple),
    added=st.lists(st.text("abcd", min_size=1, max_size=2), max_size=MAX_TAGS).map(tuple),
)
def test_tags_are_added_once_behind_the_given_ones_as_far_as_there_is_room(
    tags: tuple[str, ...], added: tuple[str, ...]
) -> None:
    found = with_tags(tags, added)
    assert found[: len(tags)] == tags
    assert len(set(found)) == len(found) <= MAX_TAGS
    assert set(found) <= {*tags, *added}
    assert len(found) == MAX_TAGS or set(found) == {*tags, *added}
