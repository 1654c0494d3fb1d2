"""Files of bank statements, in any format, read row by row."""

from collections.abc import Iterator
from typing import BinaryIO

from core.statements.formats import Format
from core.statements.mapping import Mapping, Proposal
from core.statements.rows import RowProblem, StatementRow


def propose_mapping(file: BinaryIO, *, file_format: Format, default_currency: str) -> Proposal:
    """How the file is best read, from its first rows. `file_format` is one of `STATEMENTS`.

    The file can be sought in; it is read from its beginning.

    Raises:
        UnreadableFile
    """
    raise NotImplementedError


def read_statement(
    file: BinaryIO, *, file_format: Format, mapping: Mapping
) -> Iterator[StatementRow | RowProblem]:
    """The rows in the file's order, each read when it is asked for; `file_format` is one of `STATEMENTS`.

    Memory does not grow with the file. Blank rows, what the bank declined, and with `credits="skip"` what
    came in, are passed over.

    Raises:
        UnreadableFile: also after some rows, where the file turns out to be damaged, or to have more rows
            than `MAX_ROWS`.
    """
    raise NotImplementedError
