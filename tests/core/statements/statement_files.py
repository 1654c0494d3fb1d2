"""Files as tests write them, and what the product makes of them."""

import io
from pathlib import Path

from core.statements.formats import HEAD_BYTES, Format, detect_format
from core.statements.mapping import Mapping, Proposal
from core.statements.reading import propose_mapping, read_statement
from core.statements.rows import RowProblem, StatementRow

BANKS = Path(__file__).parent / "banks"
"""The beginnings of files as banks and other programs export them, with rows made up."""


def bank_file(name: str) -> bytes:
    return (BANKS / f"{name}.csv").read_bytes()


def detected(data: bytes, name: str = "statement") -> Format:
    return detect_format(data[:HEAD_BYTES], name)


def proposed(data: bytes, currency: str = "EUR") -> Proposal:
    return propose_mapping(io.BytesIO(data), file_format=detected(data), default_currency=currency)


def read(
    data: bytes, mapping: Mapping | None = None, *, currency: str = "EUR"
) -> list[StatementRow | RowProblem]:
    """By the mapping that is proposed, unless another one is given."""
    mapping = mapping or proposed(data, currency).mapping
    return list(read_statement(io.BytesIO(data), file_format=detected(data), mapping=mapping))


def rows_of(data: bytes, mapping: Mapping | None = None, *, currency: str = "EUR") -> list[StatementRow]:
    """The rows of a file in which every row is good."""
    rows = read(data, mapping, currency=currency)
    assert [row for row in rows if isinstance(row, RowProblem)] == []
    return [row for row in rows if isinstance(row, StatementRow)]


def row_of(data: bytes, mapping: Mapping | None = None, *, currency: str = "EUR") -> StatementRow:
    (row,) = rows_of(data, mapping, currency=currency)
    return row


def problem_of(data: bytes, mapping: Mapping | None = None, *, currency: str = "EUR") -> RowProblem:
    (problem,) = (row for row in read(data, mapping, currency=currency) if isinstance(row, RowProblem))
    return problem


def roles(proposal: Proposal) -> dict[str, str | list[str]]:
    """The names of the columns that have a role."""
    found: dict[str, str | list[str]] = {}
    columns = proposal.mapping.columns
    for role in columns.__struct_fields__:
        index = getattr(columns, role)
        if isinstance(index, tuple):
            found[role] = [proposal.headers[one] for one in index]
        elif index is not None:
            found[role] = proposal.headers[index]
    return {role: name for role, name in found.items() if name}
