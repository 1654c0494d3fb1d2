"""Which way the money went, where banks write it in ways of their own, and what is said where it is open."""

from decimal import Decimal

import pytest

from core.statements.proposals import SIGN_DOUBT
from tests.core.statements.statement_files import proposed, roles, rows_of
from tests.core.statements.workbook_files import workbook


def amounts(*signed: int) -> bytes:
    return "\n".join(("date,amount,payee", *(f"2026-01-31,{one}.00,x" for one in signed))).encode()


def test_credits_that_are_written_as_negative_are_money_that_came_in() -> None:
    data = (
        b"Status,Date,Description,Debit,Credit\nCleared,01/31/2026,Shop,12.34,\n"
        b"Cleared,01/30/2026,Payment,,-300.00\nCleared,01/29/2026,Refund,,-20.00\n"
    )
    assert [row.amount_minor for row in rows_of(data, currency="USD")] == [1234, -30_000, -2000]
    sheet = workbook(("date", "debit", "credit"), ("2026-01-31", Decimal(5), None), ("2026-01-30", None, -7))
    assert [row.amount_minor for row in rows_of(sheet)] == [500, -700]


def test_a_credit_that_is_taken_back_among_others_is_money_spent() -> None:
    data = b"date,debit,credit\n2026-01-31,,5.00\n2026-01-31,,6.00\n2026-01-31,,-6.00\n"
    assert [row.amount_minor for row in rows_of(data)] == [-500, -600, 600]


@pytest.mark.parametrize(
    "signed", [(12, 7, -300), (5,), (1, 2, 3, 4, 5, 6, -1, -2, -3, -4), (1, 2, -3, -4, -5)]
)
def test_a_sign_that_is_open_is_said_to_be(signed: tuple[int, ...]) -> None:
    assert proposed(amounts(*signed)).doubts == (SIGN_DOUBT,)


@pytest.mark.parametrize("signed", [(-12, -7), (-1, -2, -3, 4), (-1,)])
def test_a_sign_that_is_plain_is_no_doubt(signed: tuple[int, ...]) -> None:
    proposal = proposed(amounts(*signed))
    assert (proposal.doubts, proposal.mapping.amount_sign) == ((), "negative_is_spent")


def test_dnb_of_norway() -> None:
    data = (
        "Dato;Forklaring;Rentedato;Ut fra konto;Inn på konto\n"
        "31.01.2026;Rema 1000;31.01.2026;12,34;\n30.01.2026;Lønn;30.01.2026;;1.234,56\n"
    ).encode()
    rows = rows_of(data, currency="NOK")
    assert [(row.amount_minor, row.payee) for row in rows] == [(1234, "Rema 1000"), (-123_456, "Lønn")]


def test_postfinance() -> None:
    data = (
        b"Datum;Bewegungstyp;Avisierungstext;Gutschrift in CHF;Lastschrift in CHF;Label;Kategorie\n"
        b"31.01.2026;Kauf;Coop Bern;;-12.34;privat;Essen\n30.01.2026;Eingang;Lohn;1234.56;;;Lohn\n"
    )
    rows = rows_of(data)
    assert [(row.amount_minor, row.currency, row.payee, row.category) for row in rows] == [
        (1234, "CHF", "Coop Bern", "Essen"),
        (-123_456, "CHF", "Lohn", "Lohn"),
    ]


def test_ubs_of_switzerland() -> None:
    data = (
        "Abschlussdatum;Buchungsdatum;Valutadatum;Währung;Belastung;Gutschrift;Einzelbetrag;Saldo;"
        "Transaktions-Nr.;Beschreibung1;Beschreibung2\n"
        "2026-01-31;2026-01-31;2026-01-31;CHF;-12.34;;;100.00;99A1;Migros;Einkauf\n"
        "2026-01-30;2026-01-30;2026-01-30;CHF;;1234.56;;112.34;99A2;Firma AG;Lohn\n"
    ).encode()
    rows = rows_of(data)
    assert [(row.amount_minor, row.payee, row.note, row.bank_id) for row in rows] == [
        (1234, "Migros", "Einkauf", "99A1"),
        (-123_456, "Firma AG", "Lohn", "99A2"),
    ]


def test_mbank_and_pko_of_poland() -> None:
    mbank = (
        "#Data operacji;#Data księgowania;#Opis operacji;#Tytuł;#Nadawca/Odbiorca;#Kwota;#Saldo po operacji\n"
        "2026-01-31;2026-01-31;ZAKUP;Zakupy;Biedronka;-12,34;100,00\n"
        "2026-01-30;2026-01-30;PRZELEW;Pensja;Firma;1 234,56;112,34\n"
    )
    rows = rows_of(mbank.encode("windows-1250"), currency="PLN")
    assert [(row.amount_minor, row.payee) for row in rows] == [(1234, "Biedronka"), (-123_456, "Firma")]
    pko = (
        '"Data operacji","Data waluty","Typ transakcji","Kwota","Waluta","Saldo po transakcji",'
        '"Opis transakcji","",""\n'
        '"2026-01-31","2026-01-30","Płatność kartą","-12.34","PLN","+100.00","Tytuł: 1","Sklep",""\n'
        '"2026-01-30","2026-01-30","Przelew","+1234.56","PLN","+112.34","Tytuł: 2","",""\n'
    )
    proposal = proposed(pko.encode("windows-1250"), "PLN")
    assert roles(proposal)["payee"] == "Opis transakcji"
    rows = rows_of(pko.encode("windows-1250"), currency="PLN")
    assert [(row.amount_minor, row.currency) for row in rows] == [(1234, "PLN"), (-123_456, "PLN")]


def test_names_in_an_unknown_language_may_be_missing_for_some_columns() -> None:
    data = "Päivä;Määrä;Saaja;\n2026-01-31;-1,00;Kauppa;x\n".encode()
    assert proposed(data).mapping.header_row == 1


def test_an_amount_in_qif_that_may_be_thousands_is_a_doubt() -> None:
    proposal = proposed(b"!Type:Bank\nD31/01/2026\nT-1.234\n^\n")
    assert proposal.doubts == ('amounts such as "-1.234" could be thousands, or have decimals',)
    assert proposed(b"!Type:Bank\nD31/01/2026\nT-1.23\n^\n").doubts == ()
