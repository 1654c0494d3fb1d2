"""Liveness and readiness, for whoever restarts processes and routes requests."""

from typing import Annotated, Literal

import falcon
import msgspec
from falcon.asgi import Request, Response
from redis import Redis, RedisError
from sqlalchemy.exc import SQLAlchemyError

from api.answers import ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.problems import RETRY_AFTER_UNAVAILABLE_S
from api.schemas.common import Instant
from core import clock
from core.logging import get_logger
from core.queries.invariant_checks import check_results
from core.queries.lateness import oldest_deliveries
from core.services.invariant_checks import CHECKS
from core.services.outbox import oldest_waiting_at

REDIS_TIMEOUT_S = 1

DEGRADED_OUTBOX_AGE_S = 60
"""The sweep comes every five seconds; a job that waits a minute means that no worker is there or keeps up."""

DEGRADED_DELIVERY_AGE_S = 300
"""Couriers look every five seconds and send hundreds a second, so a morning's digests take a few minutes.
What waits for longer waits for a courier that is not there, or for the mail server."""

TAG = "Operation"

State = Literal["ok", "down"]

log = get_logger(__name__)


class Liveness(msgspec.Struct):
    status: Literal["ok"] = "ok"


INVARIANT_EXAMPLE = {
    "checked_at": "2026-05-10T03:41:00.012345Z",
    "failures": 0,
    "unproved": 0,
    "is_stale": False,
}


class InvariantState(msgspec.Struct):
    """What a check of an invariant has found the last time that it came to its end."""

    checked_at: Instant
    failures: Annotated[
        int, msgspec.Meta(description="What is not as it must be; the log tells of each.", examples=[0])
    ]
    unproved: Annotated[
        int,
        msgspec.Meta(description="Users or groups that were too large to be checked in time.", examples=[0]),
    ]
    is_stale: Annotated[
        bool, msgspec.Meta(description="It has not been checked for three days.", examples=[False])
    ]


class Readiness(msgspec.Struct):
    """How the process and what it needs are doing."""

    status: Annotated[
        Literal["ok", "degraded", "down"],
        msgspec.Meta(
            description="`degraded`: requests are served, but alerts and notifications are late, or a check "
            "has found figures that are wrong, or has not been made for three days.",
            examples=["ok"],
        ),
    ]
    database: Annotated[State, msgspec.Meta(examples=["ok"])]
    redis: Annotated[State, msgspec.Meta(examples=["ok"])]
    outbox_age_s: Annotated[
        float,
        msgspec.Meta(description="For how long the oldest follow-up job has been waiting.", examples=[0.0]),
    ]
    delivery_age_s: Annotated[
        float,
        msgspec.Meta(
            description="For how long the oldest due mail, webhook or push has been waiting for a courier, "
            "or for the mail server.",
            examples=[0.0],
        ),
    ]
    invariants: Annotated[
        dict[str, InvariantState],
        msgspec.Meta(
            description="By name, what is checked every night; empty before the first time.",
            examples=[{"daily_spending": INVARIANT_EXAMPLE}],
        ),
    ]


class NotReady(Readiness):
    """As `Readiness`, without the database."""

    status: Literal["down"]
    database: Literal["down"]


class Health:
    is_public = True

    def __init__(self, collaborators: Collaborators) -> None:
        self._database = collaborators.database
        self._transactions = collaborators.transactions
        self._redis = Redis.from_url(
            collaborators.settings.redis,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
        )

    @endpoint(TAG, answers={200: Liveness}, is_public=True, needs_database=False, is_limited=False)
    async def on_get(self, _req: Request, resp: Response) -> None:
        """Tell that the process answers."""
        ok(Liveness()).send(resp)

    @endpoint(TAG, answers={200: Readiness, 503: NotReady}, is_public=True)
    async def on_get_ready(self, _req: Request, resp: Response) -> None:
        """Tell whether requests can be served.

        Without the database they cannot: 503, with the same body. Without Redis the API still takes
        expenses, and so it does when a nightly check has found something wrong, or was not made for days:
        degraded, but ready.
        """
        readiness = await self._transactions.run(self._readiness)
        if readiness.status == "down":
            resp.status = falcon.HTTP_503
            resp.set_header("Retry-After", str(RETRY_AFTER_UNAVAILABLE_S))
        resp.data = msgspec.json.encode(readiness)
        resp.content_type = falcon.MEDIA_JSON

    def _readiness(self) -> Readiness:
        database, outbox_age_s, delivery_age_s = self._check_database()
        redis = self._check_redis()
        invariants = self._look_at_checks() if database == "ok" else {}
        # A check that is not made any more stays as it was, and says nothing.
        has_failures = any(
            state.failures or (state.is_stale and name in CHECKS) for name, state in invariants.items()
        )
        is_late = outbox_age_s > DEGRADED_OUTBOX_AGE_S or delivery_age_s > DEGRADED_DELIVERY_AGE_S
        status: Literal["ok", "degraded", "down"] = "ok"
        if database == "down":
            status = "down"
        elif redis == "down" or is_late or has_failures:
            status = "degraded"
        ages_s = (round(outbox_age_s, 3), round(delivery_age_s, 3))
        return Readiness(status, database, redis, *ages_s, invariants)

    def _check_database(self) -> tuple[State, float, float]:
        """Whether it is there, and how old the oldest job and the oldest delivery are."""
        now = clock.now()
        try:
            with self._database.reading() as session:
                since = (oldest_waiting_at(session), oldest_deliveries(session, now=now).left_since)
        except SQLAlchemyError as error:
            log.warning("readiness.database_down", error=error)
            return "down", 0.0, 0.0
        outbox_age_s, delivery_age_s = (
            0.0 if one is None else max((now - one).total_seconds(), 0.0) for one in since
        )
        return "ok", outbox_age_s, delivery_age_s

    def _look_at_checks(self) -> dict[str, InvariantState]:
        """The results as they are stored: nothing is checked here."""
        try:
            with self._database.reading_rows() as rows:
                results = check_results(rows)
        except SQLAlchemyError as error:
            # Whether requests can be served does not depend on it.
            log.warning("readiness.checks_unknown", error=error)
            return {}
        return {
            one.name: InvariantState(one.checked_at, one.failures, one.unproved, one.is_stale)
            for one in results
        }

    def _check_redis(self) -> State:
        try:
            self._redis.ping()
        except RedisError as error:
            log.warning("readiness.redis_down", error=error)
            return "down"
        return "ok"
