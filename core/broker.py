"""Celery over Redis: the settings that sender and receiver share, and how both come through an outage."""

from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from kombu.connection import Connection
from kombu.transport import redis

from core.config import Settings
from core.job_names import LONG_JOBS, SEND_DELIVERIES, Tick

SOCKET_TIMEOUT_S = 3
"""For connecting, and for the answer to a command; Redis gives both within a millisecond or is not well."""

QUEUE, LONG_QUEUE, OUTGOING_QUEUE = "jobs", "long", "outgoing"

RECONNECTION = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 2.0}
"""Seconds between attempts: more each time, up to the last. Celery would go up to thirty, and has no setting
for it; but jobs wait in the database until the workers are back."""


class _Channel(redis.Channel):
    """What is left of a lost connection can do no harm.

    Tasks that were running then are put back or acknowledged over it later on. Celery expects that to fail
    with a connection error, and dies of any other; kombu 5.7 fails with an AttributeError.
    """

    @property
    def _is_cut_off(self) -> bool:
        return self.connection is None or self.connection.client is None

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        if self._is_cut_off:
            return  # at worst the wake-up comes twice, and then finds nothing to do
        super().basic_ack(delivery_tag, multiple)  # type: ignore[no-untyped-call]

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        if self._is_cut_off:
            raise ConnectionError("the connection of this channel has been closed")
        parameters: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[no-untyped-call]
        return parameters


class _Transport(redis.Transport):
    Channel = _Channel


class _Connection(Connection):
    """To Redis, coming back soon after it is there again."""

    def get_transport_cls(self) -> type[Any]:
        chosen: type[Any] = super().get_transport_cls()  # type: ignore[no-untyped-call]
        return _Transport if chosen is redis.Transport else chosen

    def ensure_connection(self, *args: Any, **options: Any) -> Connection:
        super().ensure_connection(*args, **{**RECONNECTION, **options})  # type: ignore[no-untyped-call]
        return self


class _Broker(AMQP):  # type: ignore[misc] # Celery brings no types
    Connection = _Connection


def new_celery(settings: Settings, *, is_current: bool) -> Celery:
    """The Celery application of a process.

    Args:
        is_current: whether it is the one that the process's tasks belong to.
    """
    app = Celery("outlay", amqp=_Broker, set_as_current=is_current)
    app.conf.update(
        broker_url=settings.redis,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_limit=4,
        broker_transport_options={
            # Tasks finish within a minute; what a dead worker held comes back after two.
            "visibility_timeout": 120,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": 10,
            "socket_connect_timeout": SOCKET_TIMEOUT_S,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "global_keyprefix": f"{settings.redis_prefix}:",
            "max_retries": 1,
        },
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_publish_retry=False,
        task_default_queue=QUEUE,
        task_routes={
            **{job: {"queue": LONG_QUEUE} for job in LONG_JOBS},
            # It takes minutes where there are millions of rows, or thousands of files.
            Tick.BACK_UP: {"queue": LONG_QUEUE},
            SEND_DELIVERIES: {"queue": OUTGOING_QUEUE},
        },
    )
    return app
