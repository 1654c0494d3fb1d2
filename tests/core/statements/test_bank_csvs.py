"""The columns of what banks and other programs export are found without anybody's help."""

from datetime import date

import pytest

from tests.core.statements.statement_files import bank_file, proposed, roles, rows_of

LAST, BEFORE = date(2026, 1, 31), date(2026, 1, 30)
FIRST_OF_FEBRUARY = date(2026, 2, 1)

Movement = tuple[date, int, str, str | None, str | None]
"""Day, minor units spent, currency, payee and note."""

BOUGHT = 1234
EARNED = -123_456

EXPECTED: list[tuple[str, str, list[Movement]]] = [
    (
        "ing",
        "EUR",
        [
            (LAST, BOUGHT, "EUR", "Albert Heijn 1234", "Pasvolgnr: 001"),
            (BEFORE, -250_000, "EUR", "Werkgever BV", "Salaris"),
        ],
    ),
    (
        "rabobank",
        "EUR",
        [
            (LAST, BOUGHT, "EUR", "Jumbo Utrecht", "Jumbo 1234 UTRECHT Betaalautomaat 12:33"),
            (FIRST_OF_FEBRUARY, -10_000, "EUR", "G. Hopper", "Terugbetaling"),
        ],
    ),
    (
        "sparkasse",
        "EUR",
        [
            (LAST, BOUGHT, "EUR", "REWE Markt GmbH//Köln/DE", "2026-01-31T12:33 Debitk.1"),
            (FIRST_OF_FEBRUARY, EARNED, "EUR", "Firma GmbH", "Gehalt Januar"),
        ],
    ),
    (
        "dkb",
        "EUR",
        [(LAST, BOUGHT, "EUR", "REWE", "Einkauf"), (BEFORE, EARNED, "EUR", "Firma GmbH", "Gehalt")],
    ),
    (
        "deutsche_bank",
        "EUR",
        [(LAST, 4500, "EUR", "Stadtwerke", "Strom Januar"), (BEFORE, EARNED, "EUR", "Firma", "Gehalt")],
    ),
    (
        "comdirect",
        "EUR",
        [
            (LAST, 4500, "EUR", "Auftraggeber: Stadtwerke Buchungstext: Strom", None),
            (BEFORE, EARNED, "EUR", "Auftraggeber: Firma Buchungstext: Gehalt", None),
        ],
    ),
    (
        "n26",
        "USD",
        [(LAST, BOUGHT, "EUR", "REWE", None), (FIRST_OF_FEBRUARY, EARNED, "EUR", "ACME", "Salary")],
    ),
    (
        "revolut",
        "USD",
        [(LAST, BOUGHT, "EUR", "Lidl", None), (LAST, 10_200, "EUR", "Cash at ATM", None)],
    ),
    (
        "wise",
        "USD",
        [
            (LAST, BOUGHT, "EUR", "Lidl", "Card transaction of 12.34 EUR issued by Lidl"),
            (BEFORE, 3000, "EUR", "Grace Hopper", "Sent money to Grace Hopper RENT"),
            (date(2026, 1, 29), -50_000, "EUR", "Acme", "Received money from Acme SALARY"),
        ],
    ),
    (
        "monzo",
        "GBP",
        [
            (LAST, BOUGHT, "GBP", "Tesco", "weekly TESCO STORES 1234"),
            (BEFORE, EARNED, "GBP", "Acme", "ACME SALARY"),
        ],
    ),
    (
        "chase",
        "USD",
        [
            (LAST, BOUGHT, "USD", "WHOLEFDS MKT 10230 NEW YORK NY", None),
            (BEFORE, EARNED, "USD", "ACME PAYROLL", None),
        ],
    ),
    (
        "chase_card",
        "USD",
        [
            (BEFORE, BOUGHT, "USD", "AMZN Mktp US", None),
            (date(2026, 1, 12), -50_000, "USD", "Payment Thank You", None),
        ],
    ),
    (
        "nubank_card",
        "BRL",
        [
            (LAST, BOUGHT, "BRL", "Padaria", None),
            (BEFORE, 11_234, "BRL", "Mercado", None),
            (date(2026, 1, 29), -50_000, "BRL", "Pagamento recebido", None),
            (date(2026, 1, 29), 990, "BRL", "Uber", None),
            (date(2026, 1, 28), 990, "BRL", "Uber", None),
        ],
    ),
    (
        "nubank_account",
        "BRL",
        [
            (LAST, BOUGHT, "BRL", "Compra no débito - Padaria", None),
            (BEFORE, EARNED, "BRL", "Transferência Recebida - ACME", None),
        ],
    ),
    (
        "firefly",
        "USD",
        [(LAST, BOUGHT, "EUR", "Lidl", "Groceries run hello"), (BEFORE, -50_000, "EUR", "Acme", "Salary")],
    ),
    (
        "ynab",
        "EUR",
        [(LAST, BOUGHT, "EUR", "Lidl", None), (BEFORE, EARNED, "EUR", "Acme", "salary")],
    ),
    (
        "paypal",
        "USD",
        [(LAST, 999, "EUR", "Spotify", None), (BEFORE, -965, "EUR", "Grace", None)],
    ),
    (
        "caixabank",
        "USD",
        [
            (LAST, BOUGHT, "EUR", "MERCADONA", "COMPRA TARJ"),
            (BEFORE, -150_000, "EUR", "NOMINA", "ACME"),
        ],
    ),
    (
        "intesa",
        "USD",
        [
            (LAST, BOUGHT, "EUR", "Esselunga", "Pagamento POS"),
            (BEFORE, -150_000, "EUR", "Stipendio", "Bonifico"),
        ],
    ),
    (
        "boursorama",
        "EUR",
        [
            (LAST, BOUGHT, "EUR", "CARTE 30/01/26 CARREFOUR CB*1234", None),
            (BEFORE, EARNED, "EUR", "VIR ACME", None),
        ],
    ),
    (
        "credit_agricole",
        "EUR",
        [
            (LAST, BOUGHT, "EUR", "PAIEMENT PAR CARTE CARREFOUR PARIS 30/01", None),
            (BEFORE, EARNED, "EUR", "VIREMENT EN VOTRE FAVEUR ACME", None),
        ],
    ),
]


@pytest.mark.parametrize(("name", "currency", "movements"), EXPECTED, ids=[one[0] for one in EXPECTED])
def test_a_file_of_a_bank_is_read(name: str, currency: str, movements: list[Movement]) -> None:
    rows = rows_of(bank_file(name), currency=currency)
    assert [(row.day, row.amount_minor, row.currency, row.payee, row.note) for row in rows] == movements


@pytest.mark.parametrize("encoding", ["windows-1252", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["dkb", "rabobank", "credit_agricole", "nubank_account"])
def test_it_is_read_the_same_in_other_encodings(name: str, encoding: str) -> None:
    text = bank_file(name).decode().replace("\n", "\r\n")
    assert rows_of(text.encode(encoding)) == rows_of(bank_file(name))


def test_the_bank_may_say_more_than_that() -> None:
    (ing, *_) = rows_of(bank_file("ing"))
    assert (ing.account, ing.tags) == ("NL01INGB0001234567", ("food",))
    (rabobank, *_) = rows_of(bank_file("rabobank"))
    assert rabobank.bank_id == "000000000000001234"
    (firefly, *_) = rows_of(bank_file("firefly"))
    assert (firefly.category, firefly.tags, firefly.bank_id) == ("Food", ("a", "b"), "1")
    assert [row.is_pending for row in rows_of(bank_file("revolut"))] == [False, True]
    assert [row.is_pending for row in rows_of(bank_file("sparkasse"))] == [False, True]
    assert [row.category for row in rows_of(bank_file("monzo"))] == ["Groceries", "Income"]


def test_the_account_of_the_other_party_is_not_taken_for_ones_own() -> None:
    assert "account" not in roles(proposed(bank_file("dkb")))
    assert "account" not in roles(proposed(bank_file("deutsche_bank")))
