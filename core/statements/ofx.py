"""OFX and QFX, versions 1 (SGML, whose elements need no end tag) and 2 (XML), as banks write them.

Both are read as a stream of tags, so that what banks get wrong elsewhere in the file stops no transaction.
There are no entities but those of characters, and no DTD is looked at.

Specification: https://financialdataexchange.org/ofx
"""

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from html import unescape
from itertools import islice
from typing import BinaryIO

from core.rules.money import is_currency
from core.rules.periods import MAX_DAY, MIN_DAY, is_supported
from core.statements.encodings import chunks, find_encoding
from core.statements.limits import MAX_LINE_CHARS
from core.statements.mapping import AmountSign, Encoding, Mapping, Proposal, fingerprint
from core.statements.movements import EntryError, free_amount, minor_of, problem_of, row_of
from core.statements.refusals import UnreadableFile
from core.statements.rows import RowProblem, StatementRow

PROPOSED_FROM = 1_000
"""Transactions that are looked at before the preview."""

ENOUGH_AMOUNTS = 4

MAX_PARTS = 100
"""Elements of a transaction; the specification has about thirty."""

_TOKEN = re.compile(
    r"<!\[CDATA\[(?P<cdata>.*?)\]\]>|<(?P<tag>/?[A-Za-z0-9._]{1,64})\s{0,8}/?>(?P<text>[^<]*)", re.DOTALL
)
_CDATA, _CDATA_END = "<![CDATA[", "]]>"
_DAY = re.compile(r"\s*([0-9]{4})-?([0-9]{2})-?([0-9]{2})")
_CHARSET = re.compile(rb"(?:CHARSET:|encoding=[\"'])\s*([A-Za-z0-9_-]{1,20})", re.IGNORECASE)
_CHARSETS: dict[str, Encoding] = {
    "iso8859-1": "windows-1252",  # which it is in fact whenever they differ
    "iso8859-15": "iso-8859-15",
    "iso8859-2": "iso-8859-2",
    "cp1250": "windows-1250",
    "cp1251": "windows-1251",
    "cp1252": "windows-1252",
    "1252": "windows-1252",
}

_TRANSACTIONS = ("STMTTRN", "STMTTRNP")
_STATEMENTS = ("STMTRS", "CCSTMTRS", "INVSTMTRS")
_OWN_ACCOUNTS = ("BANKACCTFROM", "CCACCTFROM", "INVACCTFROM", "LOANACCTFROM")
_WITHIN = ("PAYEE", "BANKACCTTO", "CCACCTTO", "CURRENCY", "ORIGCURRENCY", "IMAGEDATA")
"""Aggregates of a transaction, whose elements go by names that others have too."""

_SPENDING_TYPES = ("DEBIT", "POS", "ATM", "CHECK", "PAYMENT", "FEE", "SRVCHG", "DIRECTDEBIT", "CASH")


@dataclass(slots=True)
class Transaction:
    """One STMTTRN: its elements by name, those of aggregates as "PAYEE.NAME"."""

    number: int
    currency: str | None
    account: str | None
    is_pending: bool
    parts: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, text: str) -> None:
        if len(self.parts) < MAX_PARTS and name not in self.parts:
            self.parts[name] = text

    def first(self, *names: str) -> str | None:
        return next((text for name in names if (text := self.parts.get(name))), None)


def propose_ofx(file: BinaryIO, default_currency: str) -> Proposal:
    """As `reading.propose_mapping`, for OFX."""
    encoding = _encoding(file, default_currency)
    file.seek(0)
    bank = re.findall(r"<(?:ORG|FID|BANKID)>\s*([^<\r\n]{1,40})", file.read(8192).decode("ascii", "replace"))
    amount_sign, doubt = _amount_sign(list(islice(_transactions(file, encoding), PROPOSED_FROM)))
    return Proposal(
        mapping=Mapping(currency=default_currency, encoding=encoding, amount_sign=amount_sign),
        fingerprint=fingerprint("ofx", bank),
        doubts=(doubt,) if doubt else (),
    )


def read_ofx(file: BinaryIO, mapping: Mapping) -> Iterator[StatementRow | RowProblem]:
    """As `reading.read_statement`, for OFX."""
    for transaction in _transactions(file, mapping.encoding):
        try:
            row: StatementRow | RowProblem | None = _row(transaction, mapping)
        except EntryError as error:
            row = problem_of(transaction.number, error, transaction.parts)
        if row is not None:
            yield row


def _row(transaction: Transaction, mapping: Mapping) -> StatementRow | None:
    parts = transaction.parts
    # ORIGCURRENCY only tells what the amount was before the bank converted it.
    currency = (parts.get("CURRENCY.CURSYM") or transaction.currency or mapping.currency).strip().upper()
    if not is_currency(currency):
        raise EntryError("currency", f'"{currency[:20]}" is no active ISO 4217 currency code')
    minor = minor_of(free_amount(parts.get("TRNAMT", ""), currency), currency)
    payee = transaction.first("NAME", "PAYEE.NAME", "EXTDNAME")
    memo, check = parts.get("MEMO"), parts.get("CHECKNUM")
    if payee is None:
        payee, memo = memo, None
    return row_of(
        mapping,
        line=transaction.number,
        day=_day(transaction),
        spent_minor=minor if mapping.amount_sign == "positive_is_spent" else -minor,
        currency=currency,
        payee=payee,
        notes=(memo, f"Check {check}" if check and not payee else None),
        bank_id=parts.get("FITID"),
        account=transaction.account,
        is_pending=transaction.is_pending,
    )


def _day(transaction: Transaction) -> date:
    """The date as it is written. The hours and the offset after it say when in that place's day it was:
    to convert them to another zone would move what was bought at night to the day before or after."""
    text = transaction.first("DTPOSTED", "DTTRAN", "DTUSER")
    if text is None:
        raise EntryError("day", "has no date")
    match = _DAY.match(text)
    try:
        day = date(*map(int, match.groups())) if match else None
    except ValueError:
        day = None
    if day is None:
        raise EntryError("day", f'"{text[:40]}" is no date')
    if not is_supported(day):
        raise EntryError("day", f"{day} is not between {MIN_DAY} and {MAX_DAY}")
    return day


def _amount_sign(transactions: list[Transaction]) -> tuple[AmountSign, str | None]:
    """Some banks write no signs, and say in the type alone which way the money went."""
    amounts = [transaction.parts.get("TRNAMT", "") for transaction in transactions]
    if len(amounts) < ENOUGH_AMOUNTS or any("-" in amount for amount in amounts):
        return "negative_is_spent", None
    spending = sum(one.parts.get("TRNTYPE", "").upper() in _SPENDING_TYPES for one in transactions)
    if spending * 2 < len(amounts):
        return "negative_is_spent", None
    return "positive_is_spent", "all amounts are positive: they are taken for money spent"


def _encoding(file: BinaryIO, default_currency: str) -> Encoding:
    """What the header says, unless the file is plainly UTF-8."""
    found = find_encoding(file, default_currency)
    if found.is_certain:
        return found.encoding
    file.seek(0)
    match = _CHARSET.search(file.read(1024))
    if match is None:
        return found.encoding
    name = match[1].decode().lower()
    with suppress(LookupError):
        name = codecs.lookup(name).name
    return _CHARSETS.get(name, found.encoding)


def _transactions(file: BinaryIO, encoding: Encoding) -> Iterator[Transaction]:
    tags = _Tags()
    for tag, text in _elements(file, encoding):
        if (done := tags.take(tag, text)) is not None:
            yield done
    if tags.transaction is not None:
        yield tags.transaction


class _Tags:
    """What the tags so far have told: whose statement it is, in which currency, and the transaction."""

    def __init__(self) -> None:
        self.transaction: Transaction | None = None
        self._currency: str | None = None
        self._account: str | None = None
        self._is_own_account = False
        self._within: str | None = None
        self._count = 0

    def take(self, tag: str, text: str) -> Transaction | None:
        """The next tag, "/NAME" for an end; answers the transaction that it ends."""
        name = tag.removeprefix("/")
        if name in _TRANSACTIONS:
            return self._turn_to(name if tag == name else None)
        if self.transaction is None:
            self._take_outside(name, text, is_end=tag != name)
        elif name in _WITHIN:
            self._within = name if tag == name else None
        elif tag == name and text:
            self.transaction.add(f"{self._within}.{name}" if self._within else name, text)
        return None

    def _turn_to(self, kind: str | None) -> Transaction | None:
        """A beginning also ends the transaction before it, if that lacks its end tag."""
        done, self.transaction, self._within = self.transaction, None, None
        if kind is not None:
            self._count += 1
            self.transaction = Transaction(self._count, self._currency, self._account, kind == "STMTTRNP")
        return done

    def _take_outside(self, name: str, text: str, *, is_end: bool) -> None:
        if name in _STATEMENTS:
            self._currency = self._account = None
        elif name in _OWN_ACCOUNTS:
            self._is_own_account = not is_end
        elif name == "CURDEF" and not is_end:
            self._currency = text
        elif name == "ACCTID" and self._is_own_account and not is_end:
            self._account = text


def _elements(file: BinaryIO, encoding: Encoding) -> Iterator[tuple[str, str]]:
    """Each tag in capitals, "/NAME" for an end, with the text behind it."""
    tag, parts = "", [""]
    for text in _whole_tokens(file, encoding):
        for match in _TOKEN.finditer(text):
            if match["tag"] is None:
                parts.append(match["cdata"])
                continue
            if tag:
                yield tag, "".join(parts).strip()
            tag, parts = match["tag"].upper(), [_unescaped(match["text"])]
    if tag:
        yield tag, "".join(parts).strip()


def _unescaped(text: str) -> str:
    if "&" not in text:
        return text
    try:
        return unescape(text)
    except ValueError:
        # The number of a character has more digits than Python converts; there is no such character.
        return text


def _whole_tokens(file: BinaryIO, encoding: Encoding) -> Iterator[str]:
    """The text in pieces that end before a tag, and not within CDATA."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    rest = ""
    for chunk in chunks(file):
        rest += decoder.decode(chunk)
        end = _end_of_tokens(rest)
        if len(rest) - end > MAX_LINE_CHARS:
            raise UnreadableFile(f"has an element of more than {MAX_LINE_CHARS} characters")
        yield rest[:end]
        rest = rest[end:]
    rest += decoder.decode(b"", final=True)
    if _CDATA not in rest:
        yield rest


def _end_of_tokens(text: str) -> int:
    """Where the last tag begins, or the first CDATA that is not closed."""
    cdata = text.find(_CDATA, text.rfind(_CDATA_END) + 1)
    return cdata if cdata >= 0 else max(text.rfind("<"), 0)
