from core.charts.group_balances import MAX_MEMBERS, MemberBalance, group_balances
from core.charts.money_text import MINUS
from core.charts.renderer import ChartRenderer
from tests.core.charts.pictures import Svg


def texts_of(renderer: ChartRenderer, balances: dict[str, int]) -> list[str]:
    spec = group_balances(
        [MemberBalance(name, balance) for name, balance in balances.items()],
        currency="EUR",
        group_name="Lisbon",
    )
    return Svg.read(renderer.render(spec, "svg")).texts


def test_members_stand_from_who_gets_most_to_who_owes_most(renderer: ChartRenderer) -> None:
    assert texts_of(renderer, {"Bob": -9_600, "Alice": 11_975, "Chiara": 0, "Dmitri": -2_375}) == [
        "Balances in Lisbon", "€119.75 to settle", "owes", "gets back",
        "Alice", "Chiara", "Dmitri", "Bob",
        "+€119.75", "settled", f"{MINUS}€23.75", f"{MINUS}€96.00",
    ]  # fmt: skip


def test_a_group_that_owes_nothing_says_so(renderer: ChartRenderer) -> None:
    assert texts_of(renderer, {"Alice": 0, "Bob": 0})[1:] == ["EUR", "Everybody is settled up"]
    assert texts_of(renderer, {})[1:] == ["EUR", "Nobody is in this group"]


def test_the_smaller_balances_of_a_large_group_are_two_sums(renderer: ChartRenderer) -> None:
    balances = {f"Creditor {number}": number for number in range(1, 26)}
    balances |= {f"Debtor {number}": -number for number in range(1, 26)}
    texts = texts_of(renderer, balances)
    bars = [text for text in texts if text.startswith(("Creditor", "Debtor")) or text.endswith(" others")]
    assert len(bars) == MAX_MEMBERS
    assert texts.count("11 others") == 2
    assert "+€0.66" in texts
    assert f"{MINUS}€0.66" in texts
