"""Files made to exhaust a machine, and a process that reads all: `python -m tests.core.statements.bombs`.

It prints a line of JSON for each: the name, what was said of it, and how many seconds and, beyond the file
itself, how many megabytes it took. A process of its own, as memory is measured by what the kernel says.
"""

import gc
import io
import itertools
import json
import resource
import time
from collections.abc import Callable, Iterator
from zipfile import ZIP_STORED

from core.statements.formats import SHARED, Format
from core.statements.mapping import Columns, Mapping
from core.statements.reading import propose_mapping, read_statement
from core.statements.refusals import UnreadableFile
from core.statements.rows import RowProblem
from core.statements.shared import read_shared
from tests.core.statements.workbook_files import SHEET, packed, parts

MEGABYTE = 1024 * 1024

CSV_MAPPING = Mapping(currency="EUR", header_row=1, columns=Columns(day=0, amount=1, payee=2))

_LAUGHS = "".join(f"<!ENTITY lol{n} '{f'&lol{n - 1};' * 10}'>" for n in range(1, 10))
LAUGHS = f"<!DOCTYPE lolz [<!ENTITY lol0 'lol'>{_LAUGHS}]>"
BLOWUP = f"<!DOCTYPE a [<!ENTITY long '{'x' * 50_000}'>]>"

LONG = "".join(f"{n}{'x' * 100}" for n in range(1_000))
"""As long as an element's text can be, and not so even that a zip of it would be refused."""

CAMT = '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt><Stmt>'


def camt(inner: str, dtd: str = "") -> bytes:
    return f"<?xml version='1.0'?>{dtd}{CAMT}{inner}</Stmt></BkToCstmrStmt></Document>".encode()


def entry(note: str) -> str:
    return f"<Ntry><AddtlNtryInf>{note}</AddtlNtryInf></Ntry>"


def sheet_of(text: str, dtd: str = "") -> bytes:
    members = parts(text)
    members[SHEET] = dtd + members[SHEET]
    return packed(members)


BOMBS: dict[str, tuple[Format, Callable[[], bytes], str]] = {
    "a billion laughs": ("camt", lambda: camt(entry("&lol9;"), LAUGHS), "DTD"),
    "a quadratic blow-up": ("camt", lambda: camt(entry("&long;" * 10_000), BLOWUP), "DTD"),
    "an external entity": (
        "camt",
        lambda: camt(entry("&x;"), "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"),
        "DTD",
    ),
    "laughs in a sheet": ("xlsx", lambda: sheet_of("<row><c><v>&lol9;</v></c></row>", LAUGHS), "DTD"),
    "a text in a million parts": (
        "camt",
        lambda: camt(entry("&amp;>" * 1_000_000)),
        "",
    ),
    "a cell of a thousand texts": (
        "xlsx",
        lambda: sheet_of(f"<row><c t='inlineStr'><is>{f'<t>{LONG}</t>' * 1_000}</is></c></row>"),
        "",
    ),
    "a cell of a million texts": (
        "xlsx",
        lambda: packed(
            parts(f"<row><c t='inlineStr'><is>{'<t>xyz</t>' * 200_000}</is></c></row>"),
            compression=ZIP_STORED,
        ),
        "",
    ),
    "a shared text of a thousand texts": (
        "xlsx",
        lambda: packed(parts("<row/>", sharedStrings=f"<sst><si>{f'<t>{LONG}</t>' * 1_000}</si></sst>")),
        "",
    ),
    "a deep XML": ("camt", lambda: camt("<a>" * 1_000_000), "levels"),
    "a tag of megabytes": ("camt", lambda: camt("<a " + "b" * 20 * MEGABYTE), "too long"),
    "a text of megabytes": ("camt", lambda: camt(entry("x" * 20 * MEGABYTE)), ""),
    "a million names": ("camt", lambda: camt("".join(f"<a{n}/>" for n in range(1_000_000))), "names"),
    "a million attributes": (
        "camt",
        lambda: camt("<a " + " ".join(f"b{n}=''" for n in range(1_000_000)) + "/>"),
        "",
    ),
    "a deep JSON": ("spliit_json", lambda: b'{"expenses":[' + b"[" * 10_000_000, "levels"),
    "a JSON of one list": (
        "spliit_json",
        lambda: b'{"expenses":[[' + b"1," * 10_000_000 + b"1]]}",
        "too large",
    ),
    "a huge number": (
        "spliit_json",
        lambda: b'{"expenses":[{"amount":' + b"9" * 10_000_000 + b"}]}",
        "digits",
    ),
    "a number of some thousand digits": (
        "spliit_json",
        lambda: b'{"a":' + b" " * 262_000 + b"9" * 5_000 + b"}",
        "digits",
    ),
    "an exponent that nothing has": ("spliit_json", lambda: b'{"a":[1e' + b"9" * 30 + b"]}", "damaged"),
    "a huge exponent": (
        "spliit_json",
        lambda: b'{"participants":[{"id":"1","name":"a"}],"expenses":[{"amount":1e999999999}]}',
        "no amount",
    ),
    "a text in JSON": ("spliit_json", lambda: b'{"expenses":["' + b"x" * 10_000_000 + b'"]}', "nobody"),
    "a field of megabytes": (
        "csv",
        lambda: b'date,amount,payee\n2026-01-31,-1.00,"' + b"x" * 30_000_000 + b'"\n',
        "characters",
    ),
    "a field of lines": (
        "csv",
        lambda: b'date,amount,payee\n2026-01-31,-1.00,"' + b"x\n" * 10_000_000,
        "",
    ),
    "fields without end": (
        "csv",
        lambda: b'date,amount,payee\n2026-01-31,-1.00,"' + b'","\n' * 5_000_000,
        "",
    ),
    "delimiters only": ("csv", lambda: b"date,amount\n" + b"," * 900_000 + b"\n2026-01-31,-1\n", "columns"),
    "quotation marks only": ("csv", lambda: b"date,amount\n" + b'"' * 20_000_000, ""),
    "empty lines, but not too many": ("csv", lambda: b"\n" * 990_000, ""),
    "empty lines": ("csv", lambda: b"\n" * 1_100_000, "lines"),
    "NUL bytes": ("csv", lambda: b"\0" * 30_000_000, ""),
    "letters of no encoding": ("csv", lambda: bytes(range(128, 256)) * 100_000, ""),
    "an amount of megabytes": (
        "csv",
        lambda: b"date,amount\n2026-01-31," + b"9" * 900_000 + b"\n",
        "",
    ),
    "tags without end": ("ofx", lambda: b"<OFX>" + b"<STMTTRN" * 1_000_000, ""),
    "CDATA without end": ("ofx", lambda: b"<OFX>" + b"<![CDATA[" * 3_000_000, "characters"),
    "transactions without end": ("ofx", lambda: b"<OFX>" + b"<STMTTRN>" * 500_000, "no amount"),
    "a character with a long number": (
        "ofx",
        lambda: b"<OFX><STMTTRN><MEMO>&#" + b"9" * 900_000,
        "no amount",
    ),
    "an element of megabytes": ("ofx", lambda: b"<OFX><STMTTRN><MEMO>" + b"x" * 30_000_000, "characters"),
    "ampersands": ("ofx", lambda: b"<OFX><STMTTRN><MEMO>" + b"&" * 900_000, ""),
    "a line of megabytes": ("qif", lambda: b"!Type:Bank\nP" + b"x" * 30_000_000, "characters"),
    "splits without end": ("qif", lambda: b"!Type:Bank\n" + b"Sa\n$1\n" * 510_000, "lines"),
    "people without end": (
        "splitwise",
        lambda: b"Date,Description,Category,Cost,Currency" + b",x" * 150,
        "more than 100 people",
    ),
}


def outcome(data: bytes, file_format: Format) -> list[str]:
    """What is said of rows that cannot be read, or of the whole file."""
    file = io.BytesIO(data)
    reasons: list[str] = []
    try:
        if file_format in SHARED:
            shared = read_shared(file, file_format=file_format, default_currency="EUR")
            reasons += _reasons(shared.entries)
        else:
            reasons += _reasons(
                read_statement(file, file_format=file_format, mapping=_mapping(file, file_format))
            )
    except UnreadableFile as error:
        reasons.append(error.fields[0].detail)
    return reasons


def _mapping(file: io.BytesIO, file_format: Format) -> Mapping:
    """The proposed one, so that proposing is tried too; failing that, one that may work."""
    try:
        proposal = propose_mapping(file, file_format=file_format, default_currency="EUR")
    except UnreadableFile:
        return CSV_MAPPING
    return CSV_MAPPING if proposal.missing else proposal.mapping


def _reasons(rows: Iterator[object]) -> list[str]:
    return [row.reason for row in itertools.islice(rows, 1000) if isinstance(row, RowProblem)]


def _peak_megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    for name, (file_format, make, _) in BOMBS.items():
        data = make()
        gc.collect()
        before, start = _peak_megabytes(), time.process_time()
        reasons = outcome(data, file_format)
        seconds, grown = time.process_time() - start, _peak_megabytes() - before
        print(json.dumps([name, reasons[-3:], round(seconds, 2), grown]), flush=True)


if __name__ == "__main__":
    main()
