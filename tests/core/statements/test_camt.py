"""CAMT in its versions, read element by element."""

from datetime import date

import pytest

from core.statements.refusals import UnreadableFile
from core.statements.rows import RowProblem, StatementRow
from tests.core.statements.statement_files import proposed, read, row_of, rows_of

NAMESPACES = [f"camt.053.001.{version:02}" for version in (1, 2, 4, 6, 8, 10, 13)]


def entry(
    details: str = "",
    *,
    amount: str = '<Amt Ccy="EUR">12.34</Amt>',
    direction: str = "DBIT",
    status: str = "<Sts>BOOK</Sts>",
    days: str = "<BookgDt><Dt>2026-01-31</Dt></BookgDt><ValDt><Dt>2026-02-02</Dt></ValDt>",
    before: str = "",
    after: str = "",
) -> str:
    whole = f"<NtryDtls>{details}</NtryDtls>" if details else ""
    sign = f"<CdtDbtInd>{direction}</CdtDbtInd>"
    return f"<Ntry>{before}{amount}{sign}{status}{days}{whole}{after}</Ntry>"


def party(creditor: str = "Shop", debtor: str = "Ada") -> str:
    return f"<RltdPties><Dbtr><Nm>{debtor}</Nm></Dbtr><Cdtr><Nm>{creditor}</Nm></Cdtr></RltdPties>"


def statement(*entries: str, number: str = "S1", account: str = "<IBAN>NL01</IBAN>") -> str:
    return f"<Stmt><Id>{number}</Id><Acct><Id>{account}</Id><Ccy>EUR</Ccy></Acct>{''.join(entries)}</Stmt>"


def file_of(*statements: str, namespace: str = "camt.053.001.08") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:{namespace}">'
        f"<BkToCstmrStmt><GrpHdr><MsgId>M</MsgId></GrpHdr>{''.join(statements)}</BkToCstmrStmt></Document>"
    ).encode()


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_an_entry_is_read_in_every_version(namespace: str) -> None:
    details = f"<TxDtls>{party()}<RmtInf><Ustrd>Bread</Ustrd><Ustrd>and butter</Ustrd></RmtInf></TxDtls>"
    row = row_of(file_of(statement(entry(details)), namespace=namespace))
    assert (row.day, row.amount_minor, row.currency) == (date(2026, 1, 31), 1234, "EUR")
    assert (row.payee, row.note, row.account) == ("Shop", "Bread and butter", "NL01")


def test_prefixes_and_the_report_of_camt_052_are_understood() -> None:
    data = (
        b'<?xml version="1.0"?><n:Document xmlns:n="urn:iso:std:iso:20022:tech:xsd:camt.052.001.08">'
        b"<n:BkToCstmrAcctRpt><n:Rpt><n:Id>R</n:Id><n:Acct><n:Id><n:Othr><n:Id>42</n:Id></n:Othr></n:Id>"
        b'</n:Acct><n:Ntry><n:Amt Ccy="EUR">5.00</n:Amt><n:CdtDbtInd>CRDT</n:CdtDbtInd><n:Sts><n:Cd>PDNG'
        b"</n:Cd></n:Sts><n:ValDt><n:DtTm>2026-01-31T23:30:00Z</n:DtTm></n:ValDt></n:Ntry></n:Rpt>"
        b"</n:BkToCstmrAcctRpt></n:Document>"
    )
    row = row_of(data)
    assert (row.day, row.amount_minor, row.account, row.is_pending) == (
        date(2026, 1, 31),
        -500,
        "42",
        True,
    )


@pytest.mark.parametrize(
    ("status", "pending"),
    [
        ("<Sts>BOOK</Sts>", [False]),
        ("<Sts><Cd>BOOK</Cd></Sts>", [False]),
        ("<Sts>PDNG</Sts>", [True]),
        ("<Sts><Cd>FUTR</Cd></Sts>", [True]),
        ("<Sts>INFO</Sts>", []),
        ("", [False]),
    ],
)
def test_what_is_only_information_is_no_row(status: str, pending: list[bool]) -> None:
    assert [row.is_pending for row in rows_of(file_of(statement(entry(status=status))))] == pending


def test_the_other_party_is_named_whichever_way_the_money_went() -> None:
    details = f"<TxDtls>{party(creditor='Grace', debtor='Ada')}</TxDtls>"
    reversal = "<RvslInd>true</RvslInd>"
    rows = rows_of(
        file_of(
            statement(
                entry(details),
                entry(details, direction="CRDT"),
                entry(details, direction="CRDT", before=reversal),
                entry(details, direction="DBIT", before=reversal),
            )
        )
    )
    assert [(row.payee, row.amount_minor) for row in rows] == [
        ("Grace", 1234),
        ("Ada", -1234),
        ("Grace", -1234),
        ("Ada", 1234),
    ]


def test_later_versions_have_the_name_a_level_deeper() -> None:
    details = "<TxDtls><RltdPties><Cdtr><Pty><Nm>Shop</Nm></Pty></Cdtr></RltdPties></TxDtls>"
    assert row_of(file_of(statement(entry(details)))).payee == "Shop"


def test_the_owner_of_the_account_is_nobody_s_payee() -> None:
    account = "<IBAN>NL01</IBAN></Id><Ownr><Nm>Ada Lovelace</Nm></Ownr><Id>"
    details = f"<TxDtls>{party(creditor='ADA LOVELACE', debtor='')}</TxDtls>"
    assert row_of(file_of(statement(entry(details), account=account))).payee is None


def detail(amount: str, payee: str, reference: str = "", *, currency: str = "EUR") -> str:
    refs = f"<Refs><AcctSvcrRef>{reference}</AcctSvcrRef></Refs>" if reference else ""
    return f'<TxDtls>{refs}<Amt Ccy="{currency}">{amount}</Amt>{party(creditor=payee)}</TxDtls>'


def test_an_entry_that_itemises_its_amount_becomes_a_row_for_each_part() -> None:
    data = file_of(
        statement(
            entry(
                detail("10.00", "a") + detail("2.34", "b"), before="<AcctSvcrRef>R1</AcctSvcrRef>", after=""
            ),
            entry(detail("10.00", "a", "X") + detail("2.34", "b", "Y")),
            entry(detail("1.00", "c")),
        )
    )
    assert [(row.line, row.amount_minor, row.payee, row.bank_id) for row in rows_of(data)] == [
        (1, 1000, "a", "R1/1"),
        (1, 234, "b", "R1/2"),
        (2, 1000, "a", "X"),
        (2, 234, "b", "Y"),
        (3, 1234, "c", None),
    ]


@pytest.mark.parametrize(
    "details",
    [
        detail("10.00", "a") + detail("2.35", "b"),
        detail("10.00", "a") + f"<TxDtls>{party()}</TxDtls>",
        detail("10.00", "a") + detail("2.34", "b", currency="USD"),
    ],
)
def test_parts_that_do_not_make_up_the_whole_leave_it_one_row(details: str) -> None:
    row = row_of(file_of(statement(entry(details))))
    assert (row.amount_minor, row.payee) == (1234, None)


def test_ids_are_unique_beyond_the_statement() -> None:
    numbered = [entry(before="<NtryRef>1</NtryRef>"), entry(before="<NtryRef>2</NtryRef>")]
    data = file_of(statement(*numbered, number="A"), statement(*numbered, number="B"))
    assert [row.bank_id for row in rows_of(data)] == ["A/1", "A/2", "B/1", "B/2"]


def test_without_other_words_the_bank_s_remark_is_the_note() -> None:
    assert row_of(file_of(statement(entry(after="<AddtlNtryInf>Card fee</AddtlNtryInf>")))).note == "Card fee"


def test_a_bad_entry_stops_no_other() -> None:
    bad = [
        entry(amount='<Amt Ccy="EUR">x</Amt>'),
        entry(amount='<Amt Ccy="EUR">1.234</Amt>'),
        entry(amount='<Amt Ccy="XBT">1</Amt>'),
        entry(days=""),
        entry(days="<BookgDt><Dt>2026-02-30</Dt></BookgDt>"),
        entry(direction="?"),
    ]
    *problems, row = read(file_of(statement(*bad, entry())))
    assert [one.field for one in problems if isinstance(one, RowProblem)] == [
        "amount",
        "amount",
        "currency",
        "day",
        "day",
        "direction",
    ]
    assert isinstance(row, StatementRow)


def test_a_file_that_breaks_off_gives_its_rows_and_then_the_reason() -> None:
    data = file_of(statement(*[entry()] * 5_000))
    with pytest.raises(UnreadableFile, match="damaged"):
        read(data[:-200], proposed(data).mapping)


def test_a_file_without_a_statement_is_refused() -> None:
    with pytest.raises(UnreadableFile, match=r"CAMT\.052"):
        proposed(b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><a/></Document>')
