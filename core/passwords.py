"""What a password must be, to be taken: found out offline, from lists of common ones and from its shape."""

from collections.abc import Iterable

from zxcvbn import zxcvbn

from core.errors import FieldError
from core.security import MAX_PASSWORD_BYTES, MIN_PASSWORD_BYTES

WEAKEST_SCORE = 2
"""Of zxcvbn: what takes fewer than a million guesses is refused. That are common passwords, names, rows of
keys and repetitions, alone or with some digits. There are no rules of which characters it must have (ASVS
6.2.5)."""


def password_errors(
    password: str, *, about: Iterable[str] = (), pointer: str = "/password"
) -> list[FieldError]:
    """What is wrong with a new password; `about` are words that others know of its owner.

    Takes some milliseconds.
    """
    size = len(password.encode())
    if not MIN_PASSWORD_BYTES <= size <= MAX_PASSWORD_BYTES:
        detail = f"{MIN_PASSWORD_BYTES} to {MAX_PASSWORD_BYTES} bytes as UTF-8; this has {size}"
        return [FieldError(pointer, detail)]
    if "\0" in password:
        return [FieldError(pointer, "NUL is not allowed")]
    found = zxcvbn(password, user_inputs=[*about, "outlay"], max_length=MAX_PASSWORD_BYTES)
    if found["score"] < WEAKEST_SCORE:
        reason = found["feedback"]["warning"] or "It is made of what others can know."
        return [FieldError(pointer, f"too easy to guess. {reason}")]
    return []
