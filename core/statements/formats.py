"""Which format a file has, by its content."""

from typing import Literal, get_args

Format = Literal["csv", "xlsx", "ofx", "qif", "camt", "splitwise", "spliit_json", "spliit_csv", "outlay_json"]
FORMATS: tuple[Format, ...] = get_args(Format)

TABLES: frozenset[Format] = frozenset(("csv", "xlsx"))
"""Their columns need a mapping; other formats say by themselves what is what."""

STATEMENTS: frozenset[Format] = TABLES | {"ofx", "qif", "camt"}
"""For `reading.read_statement`."""

SHARED: frozenset[Format] = frozenset(("splitwise", "spliit_json", "spliit_csv"))
"""Expenses of a group, for `shared.read_shared`."""

HEAD_BYTES = 64 * 1024
"""What `detect_format` wants to see of a file; it also makes do with less."""


def detect_format(head: bytes, name: str) -> Format:
    """The format of a file that begins with `head` (`HEAD_BYTES` of it).

    The name only decides between what the content leaves open: it is the user's, and often wrong.

    Raises:
        UnreadableFile: it is none of these, with what it seems to be instead where that is known.
    """
    raise NotImplementedError
