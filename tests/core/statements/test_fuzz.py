"""Damaged files never do anything worse than to be refused, whole or row by row."""

import io
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.schemas.common import PLAIN, TEXT
from core.rules.money import MAX_AMOUNT_MINOR, is_currency
from core.rules.periods import is_supported
from core.statements import limits
from core.statements.formats import FORMATS, SHARED, STATEMENTS, Format
from core.statements.reading import propose_mapping, read_statement
from core.statements.refusals import UnreadableFile
from core.statements.rows import RowProblem, StatementRow
from core.statements.shared import read_shared
from core.statements.shared_entries import SharedEntry
from tests.core.statements.statement_files import BANKS, bank_file, detected
from tests.core.statements.workbook_files import packed, parts, workbook

OFX = (
    b"OFXHEADER:100\nDATA:OFXSGML\nENCODING:USASCII\nCHARSET:1252\n\n<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS>"
    b"<CURDEF>EUR<BANKACCTFROM><ACCTID>1</BANKACCTFROM><BANKTRANLIST><STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260131"
    b"000000[-3:BRT]<TRNAMT>-12,34<FITID>1<NAME>Shop &amp; Co<MEMO><![CDATA[a < b]]></STMTTRN><STMTTRN>"
    b"<TRNTYPE>CREDIT<DTPOSTED>20260130<TRNAMT>5.00<FITID>2<CURRENCY><CURRATE>1<CURSYM>USD</CURRENCY></STMTTRN>"
    b"</BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"
)
QIF = (
    b"!Account\nNChecking\n^\n!Type:Bank\nD1/ 2'06\nT-1,234.56\nPShop\nMBread\nLFood\n^\n"
    b"D1/13/2006\nSFood\nERoll\n$2.00\nSHome\n$3.00\n^\n"
)
CAMT = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">'
    b"<BkToCstmrStmt><Stmt><Id>S</Id><Acct><Id><IBAN>NL01</IBAN></Id><Ccy>EUR</Ccy></Acct><Ntry>"
    b'<Amt Ccy="EUR">12.34</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-01-31'
    b'</Dt></BookgDt><NtryDtls><TxDtls><Amt Ccy="EUR">10.00</Amt>'
    b'<RltdPties><Cdtr><Nm>a</Nm></Cdtr></RltdPties></TxDtls><TxDtls><Amt Ccy="EUR">2.34</Amt>'
    b"<RmtInf><Ustrd>b</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry></Stmt></BkToCstmrStmt></Document>"
)
SPLITWISE = (
    b"Note: x\n\nDate,Description,Category,Cost,Currency,Ada,Grace\n\n"
    b"2026-01-31,a,Food,30.00,EUR,15.00,-15.00\n"
    b"2026-01-31,b,Payment,15.00,EUR,-15.00,15.00\n\n2026-01-31,Total balance, , ,EUR,0.00,0.00\n"
)
SPLIIT = (
    b'"Date","Description","Category","Currency","Cost","Original cost","Original currency",'
    b'"Conversion rate","Is Reimbursement","Split mode","Ada","Grace"\n'
    b'"2026-01-31","a","Food","EUR","30.00",,,,"No","Unevenly \xe2\x80\x93 By shares",18,-12\n'
)
SPLIIT_JSON = (
    b'{"currencyCode":"EUR","expenses":[{"expenseDate":"2026-01-31T00:00:00.000Z","title":"a","category":'
    b'{"name":"Food"},"amount":1000,"paidById":"1","paidFor":[{"participantId":"1","shares":100},'
    b'{"participantId":"2","shares":100}],"isReimbursement":false,"splitMode":"EVENLY"}],'
    b'"participants":[{"id":"1","name":"Ada"},{"id":"2","name":"Grace"}]}'
)
SHEET = '<row r="1"><c r="A1" t="str"><v>date</v></c><c r="B1" t="str"><v>amount</v></c></row>' + "".join(
    f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c><c r="B{n}" s="1"><v>-{n}.5</v></c></row>'
    for n in range(2, 9)
)

CORPUS: dict[str, bytes] = {
    **{path.stem: bank_file(path.stem) for path in sorted(BANKS.glob("*.csv"))},
    "utf-16": bank_file("ing").decode().encode("utf-16"),
    "windows-1252": bank_file("dkb").decode().encode("windows-1252"),
    "ofx": OFX,
    "qif": QIF,
    "camt": CAMT,
    "splitwise": SPLITWISE,
    "spliit": SPLIIT,
    "spliit json": SPLIIT_JSON,
    "xlsx": workbook(("date", "amount", "payee"), ("2026-01-31", -5.5, "Shop"), ("2026-01-30", 1, "=1")),
}
TOKENS = [
    b"", b'"', b";", b",", b"\t", b"\n", b"\r", b"\0", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\xff\xfe",
    b"<", b">", b"&", b"&#0;", b"<![CDATA[", b"]]>", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"</", b"/>", b"[",
    b"{", b"}", b"null", b"true", b'"\\ud800"', b"1e999", b"1e999999999", b"NaN", b"-", b"--", b"9" * 30,
    b"9" * 5000, b"0000", b"31.02.2026", b"PK\1\2", b"PK\5\6", b"x" * 3000, b"^", b"!Type:Bank\n",
    b"<STMTTRN>", b"<Ntry>", b"EUR", b"XXX",
]  # fmt: skip

WORKBOOK_PARTS = (
    "xl/worksheets/sheet1.xml",
    "xl/styles.xml",
    "xl/sharedStrings.xml",
    "xl/workbook.xml",
    "xl/_rels/workbook.xml.rels",
)

POSITIONS = st.floats(0, 1)
EDITS = st.lists(st.tuples(POSITIONS, st.integers(0, 40), st.sampled_from(TOKENS)), min_size=1, max_size=8)
"""Where, how many bytes go, and what comes in their place."""

SCALARS = st.tuples(POSITIONS, st.integers(0, 255))


def edited(data: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    for place, length, token in edits:
        start = int(place * len(data))
        data = data[:start] + token + data[start + length :]
    return data


def read_whatever(data: bytes, file_format: Format) -> None:
    """Read a file as if it had the format. What comes must be storable; only UnreadableFile may be raised."""
    file = io.BytesIO(data)
    try:
        if file_format in SHARED:
            shared = read_shared(file, file_format=file_format, default_currency="EUR")
            for entry in shared.entries:
                check_entry(entry, len(shared.people))
        elif file_format in STATEMENTS:
            proposal = propose_mapping(file, file_format=file_format, default_currency="EUR")
            for row in read_statement(file, file_format=file_format, mapping=proposal.mapping):
                check_row(row)
    except UnreadableFile as error:
        assert 0 < len(error.fields[0].detail) < 400  # noqa: PT017 - it need not be raised


def check_row(row: StatementRow | RowProblem) -> None:
    if isinstance(row, RowProblem):
        check_problem(row)
        return
    assert is_supported(row.day)
    assert is_currency(row.currency)
    assert abs(row.amount_minor) <= MAX_AMOUNT_MINOR
    for text in (row.payee, row.category, row.bank_id, row.account, *row.tags):
        assert text is None or (text and re.search(PLAIN, text) and text.encode())
    assert row.note is None or (re.search(TEXT, row.note) and row.note.encode())
    assert len(row.payee or "") <= limits.MAX_PAYEE_CHARS
    assert len(row.note or "") <= limits.MAX_NOTE_CHARS


def check_entry(entry: SharedEntry | RowProblem, people: int) -> None:
    if isinstance(entry, RowProblem):
        check_problem(entry)
        return
    assert sum(entry.paid.values()) == sum(entry.shares.values()) == entry.amount_minor != 0
    assert {*entry.paid, *entry.shares} <= set(range(people))
    assert is_supported(entry.day)
    assert is_currency(entry.currency)
    assert re.search(PLAIN, entry.description)
    assert len(entry.description) <= limits.MAX_PAYEE_CHARS


def check_problem(problem: RowProblem) -> None:
    assert problem.line > 0
    assert 0 < len(problem.reason) < 400
    assert len(problem.text) <= limits.MAX_SHOWN_CHARS
    assert re.search(PLAIN, problem.text)


@pytest.mark.parametrize("name", CORPUS)
@settings(max_examples=25, deadline=None)
@given(edits=EDITS)
def test_a_damaged_file_is_read_or_refused(name: str, edits: list[tuple[float, int, bytes]]) -> None:
    data = edited(CORPUS[name], edits)
    read_whatever(data, detected(CORPUS[name]))


@pytest.mark.parametrize("name", CORPUS)
@settings(max_examples=15, deadline=None)
@given(scalars=st.lists(SCALARS, min_size=1, max_size=20), file_format=st.sampled_from(FORMATS))
def test_a_file_is_read_or_refused_whatever_format_it_is_taken_for(
    name: str, scalars: list[tuple[float, int]], file_format: Format
) -> None:
    data = bytearray(CORPUS[name])
    for place, byte in scalars:
        data[int(place * (len(data) - 1))] = byte
    read_whatever(bytes(data), file_format)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode), st.sampled_from(FORMATS))
def test_anything_is_read_or_refused(data: bytes, file_format: Format) -> None:
    read_whatever(data, file_format)


@settings(max_examples=100, deadline=None)
@given(EDITS, st.sampled_from(WORKBOOK_PARTS))
def test_a_damaged_part_of_a_workbook_is_read_or_refused(
    edits: list[tuple[float, int, bytes]], part: str
) -> None:
    styles = '<styleSheet><cellXfs><xf numFmtId="14"/><xf numFmtId="0"/></cellXfs></styleSheet>'
    shared = "<sst><si><t>2026-01-31</t></si></sst>"
    texts = parts(SHEET, styles=styles, sharedStrings=shared)
    members = {name: text.encode() for name, text in texts.items()}
    members[part] = edited(members[part], edits)
    read_whatever(packed(members), "xlsx")


@pytest.mark.parametrize("name", CORPUS)
def test_a_file_that_is_cut_off_anywhere_is_read_or_refused(name: str) -> None:
    data = CORPUS[name]
    for length in range(0, len(data), max(1, len(data) // 60)):
        read_whatever(data[:length], detected(data))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"\n", b"\r"),
        lambda data: data.replace(b"\n", b"\r\r\n"),
        lambda data: data.replace(b"\n", b"\n\n"),
        lambda data: data.replace(b'"', b""),
        lambda data: data.replace(b";", b"\t"),
        lambda data: data + data,
        lambda data: data.upper(),
    ],
)
def test_a_file_that_is_changed_all_over_is_read_or_refused(change: Callable[[bytes], bytes]) -> None:
    for data in CORPUS.values():
        read_whatever(change(data), detected(data))
