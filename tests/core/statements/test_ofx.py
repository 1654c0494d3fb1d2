"""OFX and QFX as banks write them, in SGML and XML, and as a library for them reads them."""

import io
from datetime import date
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ofxtools.Parser import OFXTree

from core.statements.rows import RowProblem
from tests.core.rules.strategies import patient
from tests.core.statements.statement_files import problem_of, proposed, read, row_of, rows_of

HEADER = (
    b"OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nSECURITY:NONE\nENCODING:USASCII\nCHARSET:1252\n"
    b"COMPRESSION:NONE\nOLDFILEUID:NONE\nNEWFILEUID:NONE\n\n"
)
XML_HEADER = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<?OFX OFXHEADER="200" VERSION="211" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="NONE"?>\n'
)

SIGN_ON = (
    "<SIGNONMSGSRSV1><SONRS><STATUS><CODE>0<SEVERITY>INFO</STATUS><DTSERVER>20260201<LANGUAGE>ENG</SONRS>"
    "</SIGNONMSGSRSV1>"
)


def transaction(
    day: str = "20260131", amount: str = "-12.34", fitid: str = "1", rest: str = "<NAME>Shop"
) -> str:
    return f"<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>{day}<TRNAMT>{amount}<FITID>{fitid}{rest}</STMTTRN>"


def statement(*transactions: str, currency: str = "EUR", account: str = "111") -> str:
    return (
        f"<STMTTRNRS><TRNUID>1<STATUS><CODE>0<SEVERITY>INFO</STATUS><STMTRS><CURDEF>{currency}"
        f"<BANKACCTFROM><BANKID>1<ACCTID>{account}<ACCTTYPE>CHECKING</BANKACCTFROM>"
        f"<BANKTRANLIST><DTSTART>20260101<DTEND>20260131{''.join(transactions)}</BANKTRANLIST>"
        "<LEDGERBAL><BALAMT>1.00<DTASOF>20260131</LEDGERBAL></STMTRS></STMTTRNRS>"
    )


def file_of(*statements: str) -> bytes:
    return HEADER + f"<OFX>{SIGN_ON}<BANKMSGSRSV1>{''.join(statements)}</BANKMSGSRSV1></OFX>".encode()


def test_a_transaction_is_read() -> None:
    row = row_of(file_of(statement(transaction(rest="<NAME>Shop &amp; Co<MEMO>Bread"))))
    assert (row.day, row.amount_minor, row.currency) == (date(2026, 1, 31), 1234, "EUR")
    assert (row.payee, row.note, row.bank_id, row.account) == ("Shop & Co", "Bread", "1", "111")


def test_xml_says_the_same_as_sgml() -> None:
    one = "<NAME>Shop &amp; Co</NAME><MEMO><![CDATA[a < b & c]]></MEMO>"
    xml = (
        "<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>EUR</CURDEF>\n<BANKACCTFROM><ACCTID>111</ACCTID>"
        "</BANKACCTFROM><BANKTRANLIST><STMTTRN><TRNTYPE>DEBIT</TRNTYPE><DTPOSTED>20260131</DTPOSTED>"
        f"<TRNAMT>-12.34</TRNAMT><FITID>1</FITID>{one}<REFNUM/></STMTTRN></BANKTRANLIST></STMTRS>"
        "</STMTTRNRS></BANKMSGSRSV1></OFX>"
    )
    row = row_of(XML_HEADER + xml.encode())
    assert (row.day, row.amount_minor, row.account) == (date(2026, 1, 31), 1234, "111")
    assert (row.payee, row.note) == ("Shop & Co", "a < b & c")


@pytest.mark.parametrize(
    "text",
    [
        "20260131",
        "20260131000000",
        "20260131235959[-3:BRT]",
        "20260131000000.000[+2:CEST]",
        "20260131000000[0:GMT]",
        "20260131233000[-5]",
        "2026-01-31",
        "20260131T120000",
    ],
)
def test_the_day_is_the_one_that_is_written_whatever_the_offset(text: str) -> None:
    assert row_of(file_of(statement(transaction(day=text)))).day == date(2026, 1, 31)


@pytest.mark.parametrize(
    ("text", "spent"),
    [
        ("-12.34", 1234),
        ("-12,34", 1234),
        ("+12.34", -1234),
        ("12.34", -1234),
        ("-1,234.56", 123_456),
        ("-1.234,56", 123_456),
        ("-1,234,567.89", 123_456_789),
        ("-12", 1200),
        ("-12.3", 1230),
    ],
)
def test_amounts_may_have_a_comma(text: str, spent: int) -> None:
    assert row_of(file_of(statement(transaction(amount=text)))).amount_minor == spent


def test_several_accounts_and_cards_each_have_their_currency() -> None:
    card = (
        "<CCSTMTTRNRS><CCSTMTRS><CURDEF>USD<CCACCTFROM><ACCTID>4111</CCACCTFROM><BANKTRANLIST>"
        + transaction(fitid="1")
        + "</BANKTRANLIST></CCSTMTRS></CCSTMTTRNRS>"
    )
    data = file_of(statement(transaction(fitid="1")), statement(transaction(fitid="1"), account="222"), card)
    assert [(row.account, row.currency, row.bank_id, row.line) for row in rows_of(data)] == [
        ("111", "EUR", "1", 1),
        ("222", "EUR", "1", 2),
        ("4111", "USD", "1", 3),
    ]


def test_the_other_party_s_account_is_not_taken_for_ones_own() -> None:
    rest = "<PAYEE><NAME>Shop<ADDR1>Street<CITY>Town</PAYEE><BANKACCTTO><BANKID>9<ACCTID>999</BANKACCTTO>"
    data = file_of(statement(transaction(rest=rest), transaction(fitid="2")))
    assert [(row.account, row.payee) for row in rows_of(data)] == [("111", "Shop"), ("111", "Shop")]


def test_a_currency_of_its_own_counts_and_an_original_one_does_not() -> None:
    own = "<CURRENCY><CURRATE>1.1<CURSYM>USD</CURRENCY><NAME>a"
    original = "<ORIGCURRENCY><CURRATE>1.1<CURSYM>USD</ORIGCURRENCY><NAME>b"
    data = file_of(statement(transaction(rest=own), transaction(rest=original, fitid="2")))
    assert [row.currency for row in rows_of(data)] == ["USD", "EUR"]


def test_without_a_name_the_memo_says_who_was_paid() -> None:
    data = file_of(statement(transaction(rest="<MEMO>Shop"), transaction(rest="<CHECKNUM>7", fitid="2")))
    assert [(row.payee, row.note) for row in rows_of(data)] == [("Shop", None), (None, "Check 7")]


def test_empty_elements_and_missing_ends_cost_nothing() -> None:
    broken = "<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260130<TRNAMT>-1.00<FITID>1<MEMO>\n<NAME>a\n"
    data = file_of(statement(broken, transaction(fitid="2")))
    assert [(row.payee, row.bank_id) for row in rows_of(data)] == [("a", "1"), ("Shop", "2")]


def test_a_file_that_is_cut_off_gives_what_is_there() -> None:
    data = file_of(statement(transaction(), transaction(fitid="2")))
    assert len(rows_of(data[: data.index(b"<FITID>2")])) == 2


def test_a_bad_transaction_stops_no_other() -> None:
    bad = [
        transaction(day="20260231"),
        transaction(day=""),
        transaction(amount="abc"),
        transaction(amount=""),
        transaction(amount="-12.345"),
        transaction(day="00000000"),
    ]
    *problems, row = read(file_of(statement(*bad, transaction())))
    assert [one.field for one in problems if isinstance(one, RowProblem)] == [
        "day",
        "day",
        "amount",
        "amount",
        "amount",
        "day",
    ]
    assert not isinstance(row, RowProblem)
    assert problem_of(file_of(statement(transaction(), currency="XBT"))).field == "currency"


def test_an_id_that_the_bank_gives_to_several_movements_is_none() -> None:
    others = (transaction(amount="-12.35"), transaction(day="20260130"), transaction(rest="<NAME>Other"))
    data = file_of(statement(transaction(), *others))
    assert [row.bank_id for row in rows_of(data)] == ["1", None, None, None]


def test_a_movement_that_is_in_the_file_twice_keeps_its_id() -> None:
    data = file_of(statement(transaction(), transaction(amount="-1.00"), transaction()))
    assert [row.bank_id for row in rows_of(data)] == ["1", None, "1"]


def test_the_number_of_a_character_may_have_any_number_of_digits() -> None:
    data = file_of(statement(transaction(rest=f"<NAME>Shop &amp; Co<MEMO>&#{'9' * 5_000};")))
    row = row_of(data)
    assert row.payee == "Shop & Co"
    assert row.note is not None
    assert row.note.startswith("&#999")


def test_pending_transactions_are_marked() -> None:
    one = "<STMTTRNP><TRNTYPE>DEBIT<DTTRAN>20260131<TRNAMT>-5.00<NAME>a</STMTTRNP>"
    pending = f"<BANKTRANLISTP>{one}</BANKTRANLISTP>"
    assert [row.is_pending for row in rows_of(file_of(statement(transaction()) + pending))] == [False, True]


def test_a_bank_that_writes_no_signs_is_understood_by_its_types() -> None:
    data = file_of(statement(*[transaction(amount="5.00", fitid=str(number)) for number in range(5)]))
    proposal = proposed(data)
    assert proposal.mapping.amount_sign == "positive_is_spent"
    assert proposal.doubts
    assert {row.amount_minor for row in rows_of(data)} == {500}
    kept = msgspec.structs.replace(proposal.mapping, amount_sign="negative_is_spent")
    assert {row.amount_minor for row in rows_of(data, kept)} == {-500}


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252"])
def test_letters_come_out_right_also_where_the_header_is_wrong(encoding: str) -> None:
    data = file_of(statement(transaction(rest="<NAME>Café Müller")))
    assert row_of(data.decode().encode(encoding)).payee == "Café Müller"


@patient
@given(
    st.lists(
        st.tuples(
            st.dates(date(1990, 1, 1), date(2100, 1, 1)),
            st.integers(-(10**9), 10**9),
            st.text(st.sampled_from("abcäé &<>'\"10"), min_size=1, max_size=20).map(str.strip).filter(bool),
        ),
        min_size=1,
        max_size=10,
    ),
    st.booleans(),
)
def test_a_library_for_ofx_reads_the_same(rows: list[tuple[date, int, str]], has_ends: bool) -> None:
    def leaf(name: str, text: str) -> str:
        return f"<{name}>{text}</{name}>\r\n" if has_ends else f"<{name}>{text}\r\n"

    transactions = [
        "<STMTTRN>"
        + leaf("TRNTYPE", "DEBIT")
        + leaf("DTPOSTED", f"{day:%Y%m%d}")
        + leaf("TRNAMT", f"{Decimal(minor) / 100:.2f}")
        + leaf("FITID", str(number))
        + leaf("NAME", name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
        + "</STMTTRN>"
        for number, (day, minor, name) in enumerate(rows)
    ]
    data = file_of(statement(*transactions))
    tree = OFXTree()
    tree.parse(io.BytesIO(data))
    expected = [
        (one.findtext("DTPOSTED"), Decimal(one.findtext("TRNAMT") or ""), one.findtext("FITID"))
        for one in tree.getroot().iter("STMTTRN")
    ]
    mapping = msgspec.structs.replace(proposed(data).mapping, amount_sign="negative_is_spent")
    found = rows_of(data, mapping)
    assert [(f"{row.day:%Y%m%d}", Decimal(-row.amount_minor) / 100, row.bank_id) for row in found] == expected
    assert [row.payee for row in found] == [" ".join(name.split()) for _, _, name in rows]
