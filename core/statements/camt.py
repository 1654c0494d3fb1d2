"""CAMT.052 and CAMT.053 of ISO 20022, in any of their versions: names of elements only ever were added.

Elements are told apart by their place, without namespaces. An entry that the bank has booked as one sum and
itemises in amounts of its own currency becomes a row for each of them.

Messages: https://www.iso20022.org/catalogue-messages/iso-20022-messages-archive?search=camt.053
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import BinaryIO

from core.rules.money import is_currency
from core.rules.periods import MAX_DAY, MIN_DAY, is_supported
from core.statements.encodings import chunks
from core.statements.mapping import Mapping, Proposal, fingerprint
from core.statements.movements import EntryError, free_amount, minor_of, problem_of, row_of
from core.statements.refusals import UnreadableFile
from core.statements.rows import RowProblem, StatementRow
from core.statements.xml_events import Elements, parse

MAX_DETAILS = 50_000
"""Payments within an entry: a company's payroll is booked as one sum."""

MAX_NOTES = 50
"""Lines of remittance information that are read of a payment; the standard has no bound."""

_STATEMENTS = frozenset(("Stmt", "Rpt"))
_PENDING = frozenset(("PDNG", "FUTR"))

_STATEMENT_PARTS = frozenset(("Id", "Acct/Id/IBAN", "Acct/Id/Othr/Id", "Acct/Ccy", "Acct/Ownr/Nm"))
_STATEMENT_NAMES = frozenset(path.rpartition("/")[2] for path in _STATEMENT_PARTS)
_ENTRY_PARTS = {
    "Amt": "amount",
    "CdtDbtInd": "direction",
    "RvslInd": "reversal",
    "Sts": "status",
    "Sts/Cd": "status",
    "NtryRef": "number",
    "AcctSvcrRef": "reference",
    "AddtlNtryInf": "additional",
    "BookgDt/Dt": "booked",
    "BookgDt/DtTm": "booked",
    "ValDt/Dt": "valued",
    "ValDt/DtTm": "valued",
}
_PARTIES = {
    f"RltdPties/{party}/{path}": (role, rank)
    for rank, (party, role) in enumerate(
        (("Cdtr", "creditor"), ("Dbtr", "debtor"), ("UltmtCdtr", "creditor"), ("UltmtDbtr", "debtor"))
    )
    for path in ("Nm", "Pty/Nm", "Agt/FinInstnId/Nm")
}
_DETAIL_PARTS = {
    "Amt": "amount",
    "AmtDtls/TxAmt/Amt": "transaction amount",
    "CdtDbtInd": "direction",
    "Refs/AcctSvcrRef": "reference",
    "AddtlTxInf": "additional",
    "RmtInf/Strd/CdtrRefInf/Ref": "creditor reference",
    "RmtInf/Strd/AddtlRmtInf": "structured",
    **{path: role for path, (role, _) in _PARTIES.items()},
}
_UNSTRUCTURED = "RmtInf/Ustrd"


@dataclass(slots=True)
class Detail:
    """One TxDtls, or what an entry without any says: its parts by the names above."""

    parts: dict[str, str] = field(default_factory=dict)
    currencies: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Entry(Detail):
    number: int = 0
    statement: str = ""
    account: str | None = None
    owner: str | None = None
    currency: str | None = None
    details: list[Detail] = field(default_factory=list)


def propose_camt(file: BinaryIO, default_currency: str) -> Proposal:
    """As `reading.propose_mapping`, for CAMT. There is nothing to find out but whether it can be read."""
    mapping = Mapping(currency=default_currency)
    next(read_camt(file, mapping), None)
    return Proposal(mapping=mapping, fingerprint=fingerprint("camt", ()))


def read_camt(file: BinaryIO, mapping: Mapping) -> Iterator[StatementRow | RowProblem]:
    """As `reading.read_statement`, for CAMT."""
    elements = _Entries()
    for _ in parse(chunks(file), elements):
        done, elements.done = elements.done, []
        for entry in done:
            yield from _rows(entry, mapping)
    if not elements.has_statement:
        raise UnreadableFile("has no account statement in it: it must be CAMT.052 or CAMT.053")


def _rows(entry: Entry, mapping: Mapping) -> Iterator[StatementRow | RowProblem]:
    try:
        if entry.parts.get("status", "").strip().upper() == "INFO":
            return
        rows = list(_read(entry, mapping))
    except EntryError as error:
        yield problem_of(entry.number, error, entry.parts)
        return
    yield from (row for row in rows if row is not None)


def _read(entry: Entry, mapping: Mapping) -> Iterator[StatementRow | None]:
    currency = _currency(entry, entry.currency or mapping.currency)
    whole = _signed(entry.parts, "amount", currency, entry.parts.get("direction"))
    day = _day(entry.parts)
    amounts = _itemised(entry, currency, whole)
    for index, (detail, amount) in enumerate(amounts):
        yield row_of(
            mapping,
            line=entry.number,
            day=day,
            spent_minor=-amount,
            currency=currency,
            payee=_counterparty(entry, detail),
            notes=_notes(entry, detail),
            bank_id=_bank_id(entry, detail, index if len(amounts) > 1 else None),
            account=entry.account,
            is_pending=entry.parts.get("status", "").strip().upper() in _PENDING,
        )


def _itemised(entry: Entry, currency: str, whole: int) -> list[tuple[Detail, int]]:
    """The parts of the entry with their minor units, if these are all there and make up the whole."""
    if len(entry.details) > 1:
        amounts = []
        for detail in entry.details:
            key = "amount" if "amount" in detail.parts else "transaction amount"
            if key not in detail.parts or detail.currencies.get(key, currency) != currency:
                break
            direction = detail.parts.get("direction") or entry.parts.get("direction")
            amounts.append((detail, _signed(detail.parts, key, currency, direction)))
        if len(amounts) == len(entry.details) and sum(amount for _, amount in amounts) == whole:
            return amounts
        return [(entry, whole)]
    return [(entry.details[0] if entry.details else entry, whole)]


def _currency(entry: Entry, default: str) -> str:
    currency = entry.currencies.get("amount", default).strip().upper()
    if not is_currency(currency):
        raise EntryError("currency", f'"{currency[:20]}" is no active ISO 4217 currency code')
    return currency


def _signed(parts: dict[str, str], key: str, currency: str, direction: str | None) -> int:
    """Minor units, positive if the money came in. Of a reversal the direction is its own, not that of what
    it reverses."""
    minor = minor_of(free_amount(parts.get(key, ""), currency), currency)
    match (direction or "").strip().upper():
        case "CRDT":
            return minor
        case "DBIT":
            return -minor
    raise EntryError("direction", "does not say whether it is a credit or a debit")


def _day(parts: dict[str, str]) -> date:
    """When it was booked, else from when it counts: the date as it is written, before any time and zone."""
    text = (parts.get("booked") or parts.get("valued") or "").strip()
    if not text:
        raise EntryError("day", "has no date")
    try:
        day = date.fromisoformat(text[:10])
    except ValueError:
        raise EntryError("day", f'"{text[:40]}" is no date') from None
    if not is_supported(day):
        raise EntryError("day", f"{day} is not between {MIN_DAY} and {MAX_DAY}")
    return day


def _counterparty(entry: Entry, detail: Detail) -> str | None:
    """Who the money went to or came from; in a reversal the parties are those of what it reverses."""
    is_debit = entry.parts.get("direction", "").strip().upper() == "DBIT"
    if entry.parts.get("reversal", "").strip().lower() in ("true", "1"):
        is_debit = not is_debit
    names = ("creditor", "debtor") if is_debit else ("debtor", "creditor")
    owner = (entry.owner or "").strip().casefold()
    for name in names:
        party = detail.parts.get(name) or entry.parts.get(name)
        if party and party.strip().casefold() != owner:
            return party
    return None


def _notes(entry: Entry, detail: Detail) -> tuple[str | None, ...]:
    notes = (*detail.notes, detail.parts.get("structured"), detail.parts.get("creditor reference"))
    if not any(notes):
        notes = (detail.parts.get("additional"),)
    return notes if any(notes) else (entry.parts.get("additional"),)


def _bank_id(entry: Entry, detail: Detail, index: int | None) -> str | None:
    """The bank's own reference. The number of an entry counts within its statement alone."""
    own = detail.parts.get("reference") if detail is not entry else None
    if own and own != entry.parts.get("reference"):
        return own
    number = entry.parts.get("number")
    of_entry = entry.parts.get("reference") or (
        f"{entry.statement}/{number}" if number and entry.statement else None
    )
    if of_entry is None or index is None:
        return of_entry or own
    return f"{of_entry}/{index + 1}"


class _Entries(Elements):
    """Gathers the entries of all statements in `done`."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[Entry] = []
        self.has_statement = False
        self._count = 0
        self._statement: dict[str, str] = {}
        self._entry: Entry | None = None
        self._detail: Detail | None = None
        self._start = 0
        """Where the path of the entry, or of its detail, ends."""

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        # Document, message, statement.
        if name in _STATEMENTS and len(self.path) == 3:
            self.has_statement, self._statement = True, {}
        elif name == "Ntry" and self._entry is None and self.has_statement:
            self._count += 1
            self._entry = Entry(
                number=self._count,
                statement=self._statement.get("Id", ""),
                account=self._statement.get("Acct/Id/IBAN") or self._statement.get("Acct/Id/Othr/Id"),
                owner=self._statement.get("Acct/Ownr/Nm"),
                currency=self._statement.get("Acct/Ccy"),
            )
            self._start = len(self.path)
        elif name == "TxDtls" and self._entry is not None and self._detail is None:
            if len(self._entry.details) >= MAX_DETAILS:
                raise UnreadableFile(f"has an entry of more than {MAX_DETAILS} payments")
            self._detail = Detail()
            self._entry.details.append(self._detail)
            self._start = len(self.path)
        elif name == "Amt":
            self._take_currency(attributes.get("Ccy"))

    def closed(self, name: str, text: str) -> None:
        if self._detail is not None:
            if len(self.path) == self._start:
                self._detail, self._start = None, self.path.index("Ntry") + 1
            else:
                self._take(self._detail, _DETAIL_PARTS, text)
        elif self._entry is not None:
            if len(self.path) == self._start:
                self.done.append(self._entry)
                self._entry = None
            else:
                self._take(self._entry, _ENTRY_PARTS, text)
        elif name in _STATEMENT_NAMES and (place := "/".join(self.path[3:])) in _STATEMENT_PARTS:
            self._statement.setdefault(place, text.strip())

    def _take(self, detail: Detail, names: dict[str, str], text: str) -> None:
        place = "/".join(self.path[self._start :])
        text = text.strip()
        if not text:
            return
        if place == _UNSTRUCTURED and len(detail.notes) < MAX_NOTES:
            detail.notes.append(text)
        elif (part := names.get(place)) is not None:
            detail.parts.setdefault(part, text)

    def _take_currency(self, code: str | None) -> None:
        detail = self._detail or self._entry
        if detail is None or not code:
            return
        names = _DETAIL_PARTS if self._detail is not None else _ENTRY_PARTS
        if (part := names.get("/".join(self.path[self._start :]))) is not None:
            detail.currencies.setdefault(part, code)
