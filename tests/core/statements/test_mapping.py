"""A mapping is kept for the next file of the same bank, whatever has changed in that file."""

import msgspec
import pytest

from core.statements.formats import Format
from core.statements.mapping import Columns, Mapping, carry_over, fingerprint
from core.statements.refusals import UnreadableFile
from tests.core.statements.statement_files import bank_file, detected, proposed, read
from tests.core.statements.workbook_files import workbook


def test_the_next_file_of_a_bank_has_the_same_fingerprint() -> None:
    lines = bank_file("ing").decode().splitlines()
    later = "\n".join((lines[0].upper(), lines[2])).encode("utf-16")
    assert proposed(later).fingerprint == proposed(bank_file("ing")).fingerprint
    assert proposed(bank_file("dkb")).fingerprint != proposed(bank_file("ing")).fingerprint
    assert fingerprint("csv", ("a", "b")) != fingerprint("xlsx", ("a", "b"))


def test_a_kept_mapping_keeps_what_was_corrected_and_takes_the_rest_from_the_file() -> None:
    proposal = proposed(bank_file("dkb").decode().encode("windows-1252"))
    kept = msgspec.structs.replace(
        proposal.mapping,
        encoding="utf-8",
        header_row=99,
        currency="CHF",
        credits="skip",
        columns=Columns(day=0, amount=8, payee=5),
    )
    carried = carry_over(kept, proposal)
    assert (carried.encoding, carried.header_row) == ("windows-1252", 5)
    assert (carried.currency, carried.credits, carried.columns.payee) == ("CHF", "skip", 5)


@pytest.mark.parametrize(
    ("header_row", "columns", "pointer"),
    [
        (None, Columns(day=5, amount=199), "/mapping/columns"),
        (2_000_000_000, Columns(day=0, amount=1), "/mapping/header_row"),
    ],
)
def test_a_mapping_that_leads_nowhere_is_refused(
    header_row: int | None, columns: Columns, pointer: str
) -> None:
    mapping = Mapping(currency="EUR", header_row=header_row, columns=columns)
    for data in (b"2026-01-31,-1.00\n", workbook(("2026-01-31", -1))):
        with pytest.raises(UnreadableFile) as raised:
            read(data, mapping)
        assert raised.value.fields[0].pointer == pointer


def test_an_order_of_dates_that_was_corrected_stays_where_the_file_leaves_it_open() -> None:
    proposal = proposed(b"date,amount\n03/04/2026,-1.00\n")
    kept = msgspec.structs.replace(proposal.mapping, date_order="mdy")
    assert carry_over(kept, proposal).date_order == "mdy"
    assert carry_over(kept, proposed(b"date,amount\n13/04/2026,-1.00\n")).date_order == "dmy"


def test_a_mapping_can_be_stored_as_json() -> None:
    mapping = proposed(bank_file("dkb")).mapping
    assert msgspec.json.decode(msgspec.json.encode(mapping), type=Mapping) == mapping


@pytest.mark.parametrize(
    "text",
    [
        '{"currency": "euro"}',
        '{"currency": "EUR\\n"}',
        '{"currency": "XXX"}',
        '{"currency": "EUR", "encoding": "utf-7"}',
        '{"currency": "EUR", "columns": {"day": -1}}',
        '{"currency": "EUR", "columns": {"day": 200}}',
        '{"currency": "EUR", "header_row": 0}',
        '{"currency": "EUR", "delimeter": ","}',
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Mapping)


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (b"date,amount\n", "x.ofx", "csv"),
        (b"\xff\xfed\0a\0t\0e\0", "x", "csv"),
        (b"OFXHEADER:100\nDATA:OFXSGML\n", "x.csv", "ofx"),
        (b"\r\n<?xml version='1.0'?><?OFX OFXHEADER='200'?><OFX>", "x", "ofx"),
        (b"\xef\xbb\xbf!Type:Bank\nD", "x", "qif"),
        (b"!Account\nN", "x", "qif"),
        (b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.052.001.08">', "x", "camt"),
        (b"<a:Document><a:BkToCstmrStmt>", "x", "camt"),
        (b"PK\3\4......[Content_Types].xml", "x.zip", "xlsx"),
        (b"PK\3\4......", "x.xlsx", "xlsx"),
        (b"Date,Description,Category,Cost,Currency,Ada,Grace\n", "x", "splitwise"),
        (b"Hinweis\n\nDatum,Beschreibung,Kategorie,Kosten,W\xc3\xa4hrung,Ada\n", "x", "splitwise"),
        (b'"Date","Description","Cost","Is Reimbursement","Split mode","Ada"\n', "x", "spliit_csv"),
        (b'{"currencyCode":"EUR","expenses":[{"paidFor":', "x", "spliit_json"),
        (b'{"outlay": 1, ', "x", "outlay_json"),
        (b"Date,Description,Category,Amount,Currency,Balance\n", "x", "csv"),
    ],
)
def test_the_format_is_known_by_the_content(data: bytes, name: str, expected: Format) -> None:
    assert detected(data, name) == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"%PDF-1.7", "is a PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel"),
        (b"PK\3\4" + b"." * 26 + b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "OpenDocument"),
        (b"PK\3\4....statement.xml", "unpack it first"),
        (b"", "is empty"),
        (b"\xef\xbb\xbf\r\n", "is empty"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b'{"a": 1}', "neither ours"),
        (b"\x89PNG\r\n", "picture"),
    ],
)
def test_what_cannot_be_read_is_told_what_it_is(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason):
        detected(data)
