"""Tickets count once, however many gateways there are: Redis remembers the spent ones."""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from core.logging import get_logger
from core.security import TICKET_LIFETIME
from ws_gateway.close_codes import BAD_CREDENTIALS, TRY_AGAIN, Refused

SPENT_FOR_S = 2 * int(TICKET_LIFETIME.total_seconds())
"""Longer than a ticket lives, so that it has expired by the time that it is forgotten."""

MAX_CONNECTIONS = 4
"""One command a ticket and well under a millisecond each; a crowd waits in line instead of flooding Redis."""

REDIS_TIMEOUT_S = 1.0
"""A client waits for this; Redis answers in less than a millisecond or is not well."""

log = get_logger(__name__)


class Tickets:
    def __init__(self, redis_url: str, *, prefix: str) -> None:
        self._prefix = prefix
        self._redis = Redis.from_pool(
            BlockingConnectionPool.from_url(
                redis_url,
                max_connections=MAX_CONNECTIONS,
                timeout=REDIS_TIMEOUT_S,
                socket_timeout=REDIS_TIMEOUT_S,
                socket_connect_timeout=REDIS_TIMEOUT_S,
                # Once more, as Redis may have restarted since the last ticket. Never after a timeout: the
                # first try may have counted, and the second would then call an honest client a thief.
                retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
            )
        )

    async def spend(self, ticket_id: str) -> None:
        """Use a ticket up.

        Raises:
            Refused: it was spent before; or Redis cannot tell, and then nobody gets in with a ticket. The
                code says "try again" then, as "bad credentials" would make the client drop a good login.
        """
        try:
            is_first = await self._redis.set(f"{self._prefix}:ticket:{ticket_id}", 1, nx=True, ex=SPENT_FOR_S)
        except (RedisError, OSError) as error:
            log.warning("ticket.unchecked", error=f"{type(error).__name__}: {error}")
            raise Refused(TRY_AGAIN, "tickets cannot be checked at the moment") from error
        if not is_first:
            raise Refused(BAD_CREDENTIALS, "the ticket has been used")

    async def close(self) -> None:
        await self._redis.aclose()
