"""Statements of banks, read without any of the product's code: tags and lines cut up by hand."""

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.real_data.files import FIREFLY, FOLDER, firefly_movements

EURO, NUBANK = "statement_euro.ofx", "statement_nubank.ofx"
MINIMAL, MULTI = "statement_minimal.camt053.xml", "statement_multi.camt053.xml"


@dataclass(frozen=True, slots=True)
class Booking:
    """`minor` units left the account, or came in when negative."""

    day: date
    currency: str
    minor: int
    bank_id: str | None
    account: str | None


@dataclass(frozen=True, slots=True, order=True)
class Movement:
    """What of a booking is told by every file."""

    day: date
    currency: str
    minor: int


def movements_of(name: str) -> list[Movement]:
    """All movements in a file, sorted."""
    if name == FIREFLY:
        return sorted(Movement(one.day, one.currency, one.minor) for one in firefly_movements())
    bookings = ofx_bookings(name) if name.endswith(".ofx") else camt_bookings(name)
    return sorted(Movement(one.day, one.currency, one.minor) for one in bookings)


def statement_bytes(name: str) -> bytes:
    path: Path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{name} is not beside this repository (../shared/data)")
    return path.read_bytes()


def ofx_bookings(name: str) -> list[Booking]:
    """One account a file, each element on a line of its own. The day is the one that is written."""
    text = statement_bytes(name).decode()
    currency, account = _element(text, "CURDEF"), _element(text, "ACCTID")
    return [
        Booking(
            date.fromisoformat(_element(part, "DTPOSTED")[:8]),
            currency,
            -_cents(_element(part, "TRNAMT")),
            _element(part, "FITID"),
            account,
        )
        for part in text.split("<STMTTRN>")[1:]
    ]


def camt_bookings(name: str) -> list[Booking]:
    root = ElementTree.fromstring(statement_bytes(name))
    return [
        Booking(
            date.fromisoformat(entry.findtext("{*}BookgDt/{*}Dt") or ""),
            amount.attrib["Ccy"],
            _cents(amount.text or "") * (1 if entry.findtext("{*}CdtDbtInd") == "DBIT" else -1),
            None,
            statement.findtext("{*}Acct/{*}Id/{*}IBAN"),
        )
        for statement in root.iterfind(".//{*}Stmt")
        for entry in statement.iterfind("{*}Ntry")
        for amount in entry.iterfind("{*}Amt")
    ]


def _element(text: str, name: str) -> str:
    match = re.search(rf"<{name}>([^<\r\n]*)", text)
    assert match is not None
    return match[1].strip()


def _cents(text: str) -> int:
    whole, fraction = re.split(r"[.,]", text)
    assert len(fraction) == 2
    return int(whole + fraction)
