"""What many users have spent is what analytics say of each of them."""

from datetime import date, timedelta
from random import Random

from core.database import Database
from core.queries.analytics import sum_expenses
from core.queries.digest_spending import Wanted, spending_of_users
from core.queries.spending_totals import sum_by_category, sum_by_day
from core.rules.periods import Period
from tests.core.services.spender import Spender

FIRST = date(2026, 5, 4)
PERIOD, BEFORE = Period(FIRST, FIRST + timedelta(days=7)), Period(FIRST - timedelta(days=7), FIRST)


def test_sums_of_many_users_are_those_that_analytics_have_of_each(database: Database) -> None:
    random = Random(7)
    people = [Spender(database) for _ in range(12)]
    for number, me in enumerate(people):
        for _ in range(number * 2):
            _spend(me, random, currencies=("EUR",) if number % 3 else ("EUR", "USD", "JPY"))
    wanted = [Wanted(me.id, "EUR", PERIOD, BEFORE) for me in people]
    with database.reading() as session:
        found = spending_of_users(session, wanted)
        for one in wanted:
            spent, scope, before = found[one.user_id], one.scope(PERIOD), one.scope(BEFORE)
            assert spent.whole == sum_expenses(session, scope)
            assert spent.before == sum_expenses(session, before)
            sums = sum_by_category(session, scope)
            assert spent.by_category == sums.by_key
            sums_before = sum_by_category(session, before)
            assert spent.before_by_category == sums_before.by_key
            assert spent.by_day == sum_by_day(session, scope).by_key
            for told, others in (
                (spent.unconverted, sums.unconverted),
                (spent.before_unconverted, sums_before.unconverted),
            ):
                assert {code: one.minor for code, one in told.items()} == {
                    code: one.minor for code, one in others.items()
                }
    assert any(found[me.id].whole.count for me in people)
    assert any(found[me.id].unconverted for me in people)
    assert any(found[me.id].before_unconverted for me in people)


def _spend(me: Spender, random: Random, *, currencies: tuple[str, ...]) -> None:
    day = FIRST + timedelta(days=random.randrange(-9, 9))
    currency = random.choice(currencies)
    if random.random() < 0.3:
        lines = [("groceries", "3"), ("travel", "4"), ("food", "5")][: random.randrange(2, 4)]
        me.spend(str(sum(int(amount) for _, amount in lines)), day, lines=lines, currency=currency)
    else:
        category = random.choice(["food", "groceries", "dining", None])
        me.spend(str(random.randrange(-5, 90) or 1), day, category=category, currency=currency)


def test_nobody_asked_for_is_nothing(database: Database) -> None:
    with database.reading() as session:
        assert spending_of_users(session, []) == {}
