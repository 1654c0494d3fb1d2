"""Which format a file has, by its content."""

import codecs
import csv
import re
from collections.abc import Sequence
from typing import Literal, get_args

from core.statements.limits import MAX_CELL_CHARS, MAX_PREAMBLE_LINES
from core.statements.refusals import UnreadableFile
from core.statements.vocabulary import header_key

Format = Literal["csv", "xlsx", "ofx", "qif", "camt", "splitwise", "spliit_json", "spliit_csv", "outlay_json"]
FORMATS: tuple[Format, ...] = get_args(Format)

TABLES: frozenset[Format] = frozenset(("csv", "xlsx"))
"""Their columns need a mapping; other formats say by themselves what is what."""

STATEMENTS: frozenset[Format] = TABLES | {"ofx", "qif", "camt"}
"""For `reading.read_statement`."""

SHARED: frozenset[Format] = frozenset(("splitwise", "spliit_json", "spliit_csv"))
"""Expenses of a group, for `shared.read_shared`."""

ARCHIVE: Format = "outlay_json"
"""All that is a user's, as we export it ourselves: see `core/archive`."""

HEAD_BYTES = 64 * 1024
"""What `detect_format` wants to see of a file; it also makes do with less."""


SIGNS_WITHIN = 8 * 1024
"""Of the beginning: where formats name themselves, so that a payee named so decides nothing."""

_SPLITWISE = (
    ("date", "datum", "fecha", "data"),
    ("description", "beschreibung", "descripcion", "descricao", "descrizione", "omschrijving"),
    ("category", "kategorie", "categorie", "categoria"),
    ("cost", "kosten", "cout", "coste", "costo", "custo"),
    ("currency", "wahrung", "devise", "moneda", "moeda", "valuta"),
)
"""What Splitwise calls its columns, in the languages it speaks."""

_NOT_READ = (
    (b"%PDF", "is a PDF: ask the bank for CSV, OFX or CAMT"),
    (b"\xd0\xcf\x11\xe0", "is a workbook of an old Excel: save it as XLSX or CSV"),
    (b"\x1f\x8b", "is packed with gzip: unpack it first"),
    (b"Rar!", "is a RAR archive: unpack it first"),
    (b"7z\xbc\xaf", "is a 7-Zip archive: unpack it first"),
    (b"\x89PNG", "is a picture"),
    (b"\xff\xd8\xff", "is a picture"),
)
_QIF = re.compile(r"\s*!(?:type|account|option|clear)\b", re.IGNORECASE)
_CAMT = re.compile(r"camt\.05[23]\.|<(?:\w+:)?(?:BkToCstmrStmt|BkToCstmrAcctRpt)\b")
_OFX = re.compile(r"<OFX>|OFXHEADER", re.IGNORECASE)
_OTHER_XML = re.compile(r"\s*<(?:\?xml|!doctype|html|\w+[ >:])", re.IGNORECASE)


def detect_format(head: bytes, name: str) -> Format:
    """The format of a file that begins with `head` (`HEAD_BYTES` of it).

    The name only decides between what the content leaves open: it is the user's, and often wrong.

    Raises:
        UnreadableFile: it is none of these, with what it seems to be instead where that is known.
    """
    for magic, reason in _NOT_READ:
        if head.startswith(magic):
            raise UnreadableFile(reason)
    if head.startswith(b"PK\x03\x04"):
        return _zipped(head, name)
    if not head.strip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"):
        raise UnreadableFile("is empty")
    text = _text(head)
    if _OFX.search(text[:SIGNS_WITHIN]):
        return "ofx"
    if _CAMT.search(text[:SIGNS_WITHIN]):
        return "camt"
    if _QIF.match(text):
        return "qif"
    if text.lstrip().startswith(("{", "[")):
        return _json(text)
    if _OTHER_XML.match(text):
        raise UnreadableFile("is XML or HTML, but neither CAMT.052, CAMT.053 nor OFX")
    return _csv(text)


def _text(head: bytes) -> str:
    for bom, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(bom):
            return head.decode(encoding, "replace").removeprefix("\ufeff")
    # NULs of UTF-16 without its mark would hide the words that are looked for, all of which are ASCII.
    return head.replace(b"\0", b"").decode("utf-8", "replace").removeprefix("\ufeff")


def _zipped(head: bytes, name: str) -> Format:
    if b"mimetypeapplication/vnd.oasis.opendocument" in head[:200]:
        raise UnreadableFile("is an OpenDocument file: save it as XLSX or CSV")
    if any(part in head for part in (b"[Content_Types].xml", b"_rels/", b"xl/", b"docProps/")):
        return "xlsx"
    if name.lower().endswith((".xlsx", ".xlsm")):
        return "xlsx"
    raise UnreadableFile("is a zip archive: unpack it first")


def _json(text: str) -> Format:
    if '"outlay"' in text[:SIGNS_WITHIN]:
        return "outlay_json"
    # The list of people is at the end of a large file.
    if '"expenses"' in text and any(
        f'"{key}"' in text for key in ("paidFor", "participants", "currencyCode")
    ):
        return "spliit_json"
    raise UnreadableFile("is JSON, but neither ours nor that of spliit")


def _csv(text: str) -> Format:
    """Files of shared expenses are told by their headers, which are among the first lines."""
    for line in text.splitlines()[:MAX_PREAMBLE_LINES]:
        keys = [header_key(cell) for cell in next(csv.reader((line[:MAX_CELL_CHARS],)), [])]
        if {"is reimbursement", "split mode", "cost"} <= set(keys):
            return "spliit_csv"
        if is_splitwise_header(keys):
            return "splitwise"
    return "csv"


def is_splitwise_header(keys: Sequence[str]) -> bool:
    """Whether the names are those of day, description, category, cost, currency, and then people."""
    return len(keys) > len(_SPLITWISE) and all(
        key in names for key, names in zip(keys, _SPLITWISE, strict=False)
    )
