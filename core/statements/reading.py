"""Files of bank statements, in any format, read row by row."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

import msgspec

from core.statements.camt import propose_camt, read_camt
from core.statements.csv_files import read_csv
from core.statements.formats import Format
from core.statements.limits import MAX_ROWS
from core.statements.mapping import Mapping, Proposal
from core.statements.ofx import propose_ofx, read_ofx
from core.statements.proposals import propose_csv
from core.statements.qif import propose_qif, read_qif
from core.statements.refusals import UnreadableFile
from core.statements.rows import RowProblem, StatementRow
from core.statements.xlsx import propose_xlsx, read_xlsx

Row = StatementRow | RowProblem

_READERS: dict[Format, Callable[[BinaryIO, Mapping], Iterator[Row]]] = {
    "csv": read_csv,
    "xlsx": read_xlsx,
    "ofx": read_ofx,
    "qif": read_qif,
    "camt": read_camt,
}
_PROPOSERS: dict[Format, Callable[[BinaryIO, str], Proposal]] = {
    "csv": propose_csv,
    "xlsx": propose_xlsx,
    "ofx": propose_ofx,
    "qif": propose_qif,
    "camt": propose_camt,
}


def propose_mapping(file: BinaryIO, *, file_format: Format, default_currency: str) -> Proposal:
    """How the file is best read, from its first rows. `file_format` is one of `STATEMENTS`.

    The file can be sought in; it is read from its beginning.

    Raises:
        UnreadableFile
    """
    return _PROPOSERS[file_format](file, default_currency)


def read_statement(file: BinaryIO, *, file_format: Format, mapping: Mapping) -> Iterator[Row]:
    """The rows in the file's order, each read when it is asked for; `file_format` is one of `STATEMENTS`.

    Memory does not grow with the file. Blank rows, what the bank declined, and with `credits="skip"` what
    came in, are passed over.

    Raises:
        UnreadableFile: also after some rows, where the file turns out to be damaged, or to have more rows
            than `MAX_ROWS`.
    """
    known: dict[int, int] = {}
    for number, row in enumerate(_READERS[file_format](file, mapping), start=1):
        if number > MAX_ROWS:
            raise UnreadableFile(f"has more than {MAX_ROWS} rows")
        if isinstance(row, StatementRow) and row.bank_id is not None:
            # Only digests are remembered. Where a bank gives an id to movements that differ, it is none.
            movement = hash((row.day, row.amount_minor, row.currency, row.payee))
            if known.setdefault(hash((row.account, row.bank_id)), movement) != movement:
                row = msgspec.structs.replace(row, bank_id=None)  # noqa: PLW2901
        yield row
