"""What the log is told of logins that fail: a trail of them would be one that everybody could write into."""

from uuid import UUID

from falcon.asgi import Request

from core.logging import AUDIT, get_logger
from core.queries.users import account_key
from core.security import derive_key, fingerprint
from core.throttling.addresses import address_text

DIGEST_BYTES = 16
"""Of a login that is nobody's: enough to tell which attempts were for the same one."""

log = get_logger(AUDIT)


class LoginLog:
    def __init__(self, secret: str) -> None:
        self._key = derive_key(secret, "login log")

    def tell_of_failure(self, req: Request, login: str, user_id: UUID | None) -> None:
        """Of which account, or else under which keyed digest: people type their passwords there."""
        # Also when it is not needed: nobody shall find out by the time that an account exists.
        digest = fingerprint(self._key, account_key(login).encode("utf-8", "surrogatepass"))
        stranger = None if user_id else digest[:DIGEST_BYTES].hex()
        log.info("login.failed", user_id=user_id, unknown_login=stranger, ip=address_text(req.remote_addr))
