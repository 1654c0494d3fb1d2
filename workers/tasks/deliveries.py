from functools import lru_cache

from celery import shared_task

from core.job_names import SEND_DELIVERIES
from workers.courier import Courier
from workers.process import current_runtime
from workers.runtime import Runtime


@lru_cache(maxsize=1)
def courier_of(runtime: Runtime) -> Courier:
    """The one of this process: it remembers how hosts are from one task to the next."""
    return Courier(runtime)


@shared_task(name=SEND_DELIVERIES)
def send_deliveries_task() -> None:
    courier_of(current_runtime()).run()
