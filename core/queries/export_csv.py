"""Expenses as CSV (RFC 4180): UTF-8, a header, CRLF, ISO dates, amounts with their currency's decimals.

The columns are `HEADER`, and an import takes them back as they are. `category` is `Parent: Child`, `tags` are
joined by `core.sheets.texts.join_tags`, `exchange_rate` is the user's own, in units of `rate_currency`, and
`lines` is a JSON array of `{"amount", "category", "note"}`, without what is not there. Texts are escaped by
`core.sheets.texts.escape`.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from uuid import UUID

import msgspec

from core.queries.expense_parts import Line
from core.queries.export_rows import Building, category_paths, count_expenses, expense_batches
from core.rules.conversion import format_rate
from core.rules.money import format_amount
from core.sheets.texts import escape, join_tags

HEADER = (
    "date", "amount", "currency", "category", "payee", "note", "tags", "exchange_rate", "rate_currency",
    "source", "lines", "id",
)  # fmt: skip
"""Names that others may rely on: more may come at the end."""

BYTE_ORDER_MARK = "\ufeff"


def build_csv(building: Building) -> int:
    """Write the file; answers its rows without the header.

    The dialect `spreadsheet` is for programs of countries with a comma as decimal sign: semicolons between
    the cells, a comma in numbers, and a byte order mark, by which they know UTF-8.
    """
    is_plain = building.dialect != "spreadsheet"
    point = "." if is_plain else ","
    paths = category_paths(building.rows, user_id=building.user_id)
    names = {category_id: escape(path) for category_id, path in paths.items()}
    total, done = count_expenses(building), 0
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter="," if is_plain else ";", lineterminator="\r\n")
    buffer.write("" if is_plain else BYTE_ORDER_MARK)
    writer.writerow(HEADER)
    for batch in expense_batches(building, names):
        for row in batch:
            amount = format_amount(row.amount_minor, row.currency)
            rate = "" if row.rate is None else format_rate(row.rate)
            writer.writerow(
                (
                    row.spent_on, amount.replace(".", point), row.currency, row.category,
                    escape(row.payee or ""), escape(row.note or ""), escape(join_tags(row.tags)),
                    rate.replace(".", point), row.rate_currency, escape(row.source),
                    lines_text(row.lines, row.currency, paths) if row.lines else "", row.id,
                )
            )  # fmt: skip
        building.write(buffer.getvalue().encode())
        buffer.seek(0)
        buffer.truncate()
        done += len(batch)
        building.tell(done, total)
    building.write(buffer.getvalue().encode())
    return done


def lines_text(lines: Iterable[Line], currency: str, paths: Mapping[UUID | None, str]) -> str:
    """The parts of an expense as they stand in one cell."""
    parts = (
        {
            "amount": format_amount(line.amount_minor, currency),
            "category": paths[line.category_id],
            "note": line.note,
        }
        for line in lines
    )
    return msgspec.json.encode(
        [{name: value for name, value in part.items() if value} for part in parts]
    ).decode()
