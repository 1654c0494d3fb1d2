"""All that limits how often: over one pool of connections, with one view of whether Redis is there."""

from core.security import derive_key, fingerprint
from core.throttling.delays import Delays
from core.throttling.outage import Outage, new_pool
from core.throttling.windows import Windows

KEY_BYTES = 16
"""Of a keyed digest: enough that no two logins meet."""


class Limiter:
    def __init__(self, redis_url: str, *, prefix: str, secret: str) -> None:
        outage = Outage()
        self._pool = new_pool(redis_url)
        self._key = derive_key(secret, "throttling")
        self.windows = Windows(self._pool, outage, prefix=f"{prefix}:throttling")
        self.delays = Delays(self._pool, outage, prefix=f"{prefix}:throttling")

    def key(self, *parts: str) -> str:
        """Stands for names and addresses, which must not be read in Redis."""
        return fingerprint(self._key, *(part.encode("utf-8", "surrogatepass") for part in parts))[
            :KEY_BYTES
        ].hex()

    async def close(self) -> None:
        await self._pool.disconnect()
