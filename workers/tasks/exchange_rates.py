from celery import shared_task

from core import clock
from core.errors import InvalidInput
from core.job_names import EVALUATE_BUDGETS, Tick
from core.logging import get_logger
from core.queries.exchange_rates import newest_day
from core.rate_files import RatesUnavailable, fetch_rate_file, read_rate_file
from core.rules.conversion import expected_day
from core.services.exchange_rates import store_rates
from workers.process import current_runtime
from workers.runtime import Runtime

OFF = "off"

log = get_logger(__name__)


@shared_task(name=Tick.FETCH_RATES)
def fetch_rates_task() -> None:
    """A tick: fetch the rates of days that should be published by now and are not here yet."""
    fetch_rates(current_runtime())


def fetch_rates(runtime: Runtime) -> int:
    """Answers how many rates were new. Without the network nothing breaks: the next tick tries again."""
    url = runtime.settings.rates_url
    if url == OFF:
        return 0
    with runtime.database.reading() as session:
        known = newest_day(session)
    if known is not None and known >= expected_day(clock.now()):
        return 0
    try:
        file = read_rate_file(fetch_rate_file(url))
    except (RatesUnavailable, InvalidInput) as error:
        log.warning("rates.not_fetched", reason=error.detail)
        return 0
    stored = 0
    for batch in file.batches():
        with runtime.database.transaction() as session:
            stored += store_rates(session, rates=batch, source=url)
    if stored:
        log.info("rates.fetched", new=stored)
        runtime.drain(EVALUATE_BUDGETS)
    return stored
