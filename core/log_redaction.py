"""What keeps secrets and other people's affairs out of the logs: a second line, behind not logging them.

A log is read by more people, and kept in more places, than the database: so no password, token, amount, note,
payee or mail address, also not in an error's message.
"""

import re
import traceback
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

HIDDEN = "[hidden]"

HARMLESS = frozenset({"method", "route", "status", "duration_ms", "request_id", "user_id", "job", "keys"})
"""The fields of most lines."""

SECRET_WORDS = frozenset(
    {
        "password", "passwd", "token", "tokens", "secret", "secrets", "authorization", "cookie", "cookies",
        "ticket", "amount", "amounts", "note", "notes", "payee", "payees", "email", "mail", "address",
    }
)  # fmt: skip
"""A field is hidden whose name has one of these words in it, such as `refresh_token` or `amount_minor`."""

MAX_TEXT_CHARACTERS = 16_000
"""Of an error with its traceback: some 150 lines, beginning at its end where the cause is."""

MAIL_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+(@[\w-]+(\.[\w-]+)+)?")
"""An address, or else the whole of what might have begun one. To begin anew behind each of its characters
would take a time that grows with the square of its length; so it is with tokens."""
WEB_TOKEN = re.compile(r"\beyJ[\w-]{8,}(\.[\w-]+\.[\w-]+)?")
"""A JSON Web Token: its header begins with `{"`."""
WORD = re.compile(r"\S+")

PATH = re.compile(r"(?<=/(?:unsubscribe|invitations)/)[\w%.~-]{16,}")
"""The tokens that stand in paths of ours, should a library log one."""

PLAIN = frozenset({str, int, float, bool, type(None), list, tuple, dict})
"""What stands in a line as it is; an id, a date or a name of a choice becomes its text."""

TEXTS = frozenset({"error", "reason", "detail", "problem"})
"""Fields whose text others have written: an exception, or the server at the other end."""


def add_safely(line: dict[str, Any], fields: Mapping[str, Any]) -> None:
    """Add fields as they may be written: secrets are hidden, and so is what looks like one in messages."""
    for key, value in fields.items():
        if key in line:
            continue  # the event itself; or what the line says by itself, which counts more than its context
        if key not in HARMLESS and _is_secret(key):
            line[key] = HIDDEN
        elif isinstance(value, BaseException):
            line[key] = safe_text(value)
        elif type(value) not in PLAIN:
            line[key] = str(value)
        else:
            line[key] = scrub(value) if key in TEXTS and type(value) is str else value


def safe_traceback(error: BaseException) -> str:
    """As Python tells it, with what led to it before, and with messages that are safe."""
    return "".join(_told(error))[-MAX_TEXT_CHARACTERS:]


def scrub(text: str) -> str:
    """The text without addresses of mail, tokens and passwords in URLs, and not longer than is allowed."""
    if len(text) > MAX_TEXT_CHARACTERS:
        text = _cut(text)
    if "@" in text:
        text = MAIL_ADDRESS.sub(_hide_whole, WORD.sub(_hide_password, text))
    if "eyJ" in text:
        text = WEB_TOKEN.sub(_hide_whole, text)
    return PATH.sub(HIDDEN, text)


def safe_text(error: BaseException) -> str:
    """What an error is called, and its message: for a line, or for what is stored of it."""
    return f"{type(error).__name__}: {safe_message(error)}"


def safe_message(error: BaseException) -> str:
    """An error's message. Of PostgreSQL's the first part only: the next one, DETAIL, quotes whole rows."""
    original = getattr(error, "orig", None)
    if isinstance(original, BaseException):
        return f"({type(original).__name__}) {safe_message(original)}"
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    return scrub(primary if isinstance(primary, str) else str(error))


def _cut(text: str) -> str:
    """The beginning, as far as its last blank: half of a secret would not be known as one."""
    kept = text[:MAX_TEXT_CHARACTERS].rsplit(maxsplit=1)[:-1]
    return f"{''.join(kept) or HIDDEN} …"


def _hide_password(word: re.Match[str]) -> str:
    """Of a URL all before its last `@`: a password that nobody has encoded may hold any sign."""
    before, is_url, after = word[0].partition("://")
    _, has_password, rest = after.rpartition("@")
    return f"{before}://{HIDDEN}@{rest}" if is_url and has_password else word[0]


def _hide_whole(found: re.Match[str]) -> str:
    return HIDDEN if found[1] else found[0]


def _told(error: BaseException, seen: frozenset[int] = frozenset()) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _told(before, seen | {id(error)})
        yield "\nwhich led to:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{type(error).__module__}.{type(error).__qualname__}: {safe_message(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _told(part, seen | {id(error)})


@lru_cache(maxsize=1_000)
def _is_secret(name: str) -> bool:
    return not SECRET_WORDS.isdisjoint(name.lower().split("_"))
