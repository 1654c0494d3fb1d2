"""Why the gateway closes a socket, in the codes that clients see."""

BAD_CREDENTIALS = 4401
"""The token or the message that carries it is not acceptable, or its session is over: log in again."""

NO_CREDENTIALS = 4408
"""Nothing came within `authentication.FIRST_MESSAGE_TIMEOUT_S`."""

TOO_MANY_SOCKETS = 4429
"""The user's or the gateway's limit is reached."""

RESTART = 1012
"""The gateway goes down: connect again with `since`, after a moment."""

TRY_AGAIN = 1013
"""The client is too slow, or what it takes to let it in is away just now: connect again with `since`."""

INTERNAL_ERROR = 1011


class Refused(Exception):
    """A client cannot be served. The reason is sent to it, so it must not hold anything secret."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
