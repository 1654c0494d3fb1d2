"""What banks call their columns, and the words in them, in the languages of Europe and America.

Names are compared by `header_key`: without accents, case, punctuation and the currency behind them.
"""

import re
from typing import Literal

from core.rules.currencies import EXPONENTS
from core.rules.texts import loose_key

Role = Literal[
    "day",
    "amount",
    "debit",
    "credit",
    "direction",
    "fee",
    "currency",
    "payee",
    "payer",
    "merchant",
    "note",
    "category",
    "tags",
    "bank_id",
    "account",
    "status",
    "ignored",
]

MAX_NAME_CHARS = 100
"""Of a column, or of a word that is looked for."""

_CURRENCY_AT_END = re.compile(r"(?:^|\W)(€|£|\$|[A-Za-z]{3})\W*$")
_IN = re.compile(r" (?:in|en|w)$")
"""Between the name and the currency, as in "Betrag in CHF"."""

_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")

_NAMES: dict[Role, str] = {
    # The day on which something was bought stands before the day on which the bank wrote it down, and that
    # before the day from which it bears interest.
    "day": """
        spent on; transaction date; date of transaction; trans date; started date; purchase date;
        date; day; booking date; buchungstag; buchungsdatum; buchung; datum; kaufdatum; belegdatum;
        umsatzdatum; transaktionsdatum; datum transactie; transactiedatum; boekingsdatum; boekdatum;
        uitvoeringsdatum; date de transaction; date operation; date d operation; date de l
        operation; dateop; date op; date de comptabilisation; date comptable; fecha operacion; fecha
        de operacion; f operacion; fecha; fecha de la operacion; fecha contable; data operazione;
        data; data contabile; data movimento; data mov; data da transacao; data lancamento; data do
        lancamento; data de lancamento; data operacao; completed date; created on; finished on;
        posted date; post date; posting date; date posted; settled on; timestamp; datetime; date
        time; created at; time completed; value date; valuta; valutadatum; wertstellung;
        wertstellung valuta; wert; wertstellungstag; rentedatum; date valeur; dateval; date de valeur; fecha
        valor; f valor; data valuta; data valor; data operacji; data transakcji; data ksiegowania; data
        waluty; dato; transaksjonsdato; bokføringsdato; transaktionsdag; bokforingsdag; rentedato
    """,
    "amount": """
        amount; transaction amount; amount in account currency; net; net amount; betrag; umsatz;
        umsatz in; betrag in; buchungsbetrag; bedrag; transactiebedrag; montant; montant de l
        operation; montant operation; importe; importe operacion; cantidad; monto; importo; valor;
        valor da operacao; quantia; montante; gross; source amount after fees; value; total; sum;
        price; cost; kwota; kwota operacji; kwota transakcji; kwota w walucie rachunku; beløp; beløb;
        belopp
    """,
    "debit": """
        debit; debit amount; withdrawal; withdrawals; withdrawal amount; withdrawal amt; money out;
        paid out; outflow; expense amount; expense; spent; soll; belastung; lastschrift; ausgang;
        ausgabe; ausgaben; debet; af; uitgaven; depenses; depense; debit euros; debito; cargo;
        cargos; gasto; gastos; retiro; retiros; addebito; addebiti; dare; uscite; uscita; saida;
        saidas; debitos; ut fra konto; obciazenia; obciazenie
    """,
    "credit": """
        credit; credit amount; deposit; deposits; deposit amount; deposit amt; money in; paid in;
        inflow; income amount; income; received; haben; gutschrift; eingang; einnahme; einnahmen;
        bij; inkomsten; recettes; recette; credit euros; credito; abono; abonos; ingreso; ingresos;
        deposito; depositos; accredito; accrediti; avere; entrate; entrata; entradas; creditos; inn pa
        konto; inn på konto; uznania; uznanie
    """,
    "direction": """
        debit credit; credit debit; debit credit indicator; credit debit indicator; dr cr; cr dr; d
        c; c d; direction; af bij; bij af; debet credit; credit debet; soll haben; s h; h s;
        sollhaben; vorzeichen; sens; debito credito; debe haber; dare avere; tipo de movimiento;
        transaction type; type; sign; details
    """,
    "fee": "fee; fees; gebuhr; source fee amount; commission; transaction fee",
    "currency": """
        currency; currency code; ccy; transaction currency; account currency; source currency;
        wahrung; waehrung; munt; muntsoort; valuta code; devise; moneda; divisa; moeda; valuta;
        currency symbol; waluta
    """,
    "payee": """
        payee; payee name; name; counterparty; counterparty name; counter party; beneficiary;
        beneficiary name; recipient; recipient name; partner name; partner; vendor; shop; name
        description; to account; destination name; target name; destination; to; begunstigter;
        begunstigter auftraggeber; auftraggeber begunstigter; beguenstigter; beguenstigter
        zahlungspflichtiger; begunstigter zahlungspflichtiger; auftraggeber empfanger; empfanger;
        zahlungsempfanger; zahlungsempfanger in; empfanger zahlungspflichtiger; name
        zahlungsbeteiligter; zahlungsbeteiligter; name des partners; partnername; auftraggeber;
        gegenpartei; handler; naam tegenpartij; naam omschrijving; naam; tegenpartij; tegenpartij
        naam; naam tegenrekening; naam tegenrekeninghouder; naam begunstigde; begunstigde;
        ontvanger; beneficiaire; tiers; nom; nom contrepartie; contrepartie; commercant;
        destinataire; beneficiario; destinatario; comercio o beneficiario; ordenante beneficiario;
        establecimiento; controparte; ordinante beneficiario; esercente; estabelecimento;
        favorecido; nome; nadawca odbiorca; odbiorca; kontrahent; dane kontrahenta; avisierungstext;
        notification text; texte de notification; forklaring; opis operacji; opis transakcji;
        movimiento; operazione; operation; label; description; transaction
        description; title; libelle; concepto; descrizione; descricao; omschrijving; beschreibung;
        narrative; historico; descripcion; descripcion de la operacion; lancamento; opis
    """,
    "merchant": "merchant; merchant name; commercant; esercente; comercio",
    "payer": """
        payer; payer name; source name; from; sender; sender name; zahlungspflichtige r;
        zahlungspflichtiger; zahlungspflichtige
    """,
    "note": """
        note; notes; notes and tags; memo; notifications; description; transaction description;
        details; payment reference; payment details; reference text; reference; remittance
        information; message; additional information; transaction details; particulars; narrative;
        comment; comments; remarks; verwendungszweck; beschreibung; buchungsdetails;
        zahlungsreferenz; umsatztext; notiz; bemerkung; kommentar; vwz; verwendungszweck 1;
        mededelingen; mededeling; omschrijving; betalingskenmerk; notities; notitie; libelle;
        libelle operation; libelle de l operation; communication; communications; commentaire;
        detail; details de l operation; libelle complementaire; informations complementaires;
        observaciones; concepto; descripcion; detalle; mas datos; notas; comentarios; causale;
        descrizione; descrizione operazione; dettagli; descrizione estesa; note operazione;
        descricao; detalhes; observacao; observacoes; historico; buchungstext; vorgang;
        tytuł; opis operacji; opis transakcji; opis
    """,
    "category": """
        category; category name; kategorie; categorie; categoria; kategoria; hauptkategorie;
        rubriek; categoria movimento
    """,
    "tags": "tags; tag; labels; schlagworte; schlagwort; etiquetas; etichette; etiquettes",
    "bank_id": """
        transaction id; transactionid; id transaction; transferwise id; wise id; fitid; bank id;
        journal id; volgnr; volgnummer; entry reference; transactie id; transaktions id; umsatz id;
        identificador; id transaccion; id transazione; unique id; id;
        transaktions nr; transaction no
    """,
    "account": """
        account; account number; account name; iban; own account; auftragskonto; kontonummer; konto;
        iban auftragskonto; iban bban; rekening; rekeningnummer; numero de compte; compte; cuenta;
        conto; conta; from account; card number; kartennummer; rachunek
    """,
    "status": """
        status; state; info; buchungsstatus; transaction status; etat; statut; estado; stato;
        cleared
    """,
    "ignored": """
        balance; running balance; account balance; available balance; saldo; saldo na trn; saldo na
        mutatie; saldo nach buchung; kontostand; solde; saldo disponible; saldo contabile; nuevo
        saldo; saldo final; amount foreign currency; original amount; originalbetrag; foreign
        amount; foreign currency amount; oorspr bedrag; exchange rate; wechselkurs; koers; local
        amount; original cost; conversion rate; einzelbetrag; saldo po operacji; saldo po transakcji
    """,
}


def _ranked() -> dict[str, list[tuple[Role, int]]]:
    names: dict[str, list[tuple[Role, int]]] = {}
    for role, text in _NAMES.items():
        for rank, name in enumerate(text.split(";")):
            names.setdefault(" ".join(name.split()), []).append((role, rank))
    return names


ROLES_BY_NAME = _ranked()
"""The roles that a column of this name can have, each with how well the name says so: 0 is best."""

_DEBITS = (
    "d dr db dbit debit debet deb af s soll lastschrift belastung out uit sortie uscita addebito dare cargo "
    "debito withdrawal debe expense spent paid purchase sale - ausgang outgoing gasto saida"
)
_CREDITS = (
    "c cr crdt credit cred bij h haben gutschrift in entree entrata accredito avere abono credito deposit "
    "haber income received refund + eingang incoming ingreso entrada"
)
DEBIT_WORDS = frozenset(_DEBITS.split())
CREDIT_WORDS = frozenset(_CREDITS.split())

PENDING_WORDS = frozenset(
    (
        "pending", "authorised", "authorized", "processing", "offen", "vorgemerkt", "umsatz vorgemerkt",
        "umsatz vorgemerkt und nicht gebucht", "in bearbeitung", "in behandeling", "gereserveerd",
        "en attente", "en cours", "pendiente", "in sospeso", "non contabilizzato", "pendente", "pdng",
    )
)  # fmt: skip
VOID_WORDS = frozenset(
    (
        "reverted", "declined", "cancelled", "canceled", "failed", "rejected", "expired", "voided",
        "abgelehnt", "storniert", "geannuleerd", "geweigerd", "annule", "refuse", "rechazado", "cancelado",
        "anulado", "annullato", "rifiutato", "recusado",
    )
)  # fmt: skip
"""Nothing was paid."""


def header_key(name: str) -> str:
    """A column's name in the form in which names are compared."""
    name = name[:MAX_NAME_CHARS]
    key = " ".join(_NOT_ALPHANUMERIC.sub(" ", loose_key(name)).split())
    if (code := header_currency(name)) is not None:
        key = key.removesuffix(code.lower()).rstrip() or key
        # "Paid in" is a name by itself.
        key = key if key in ROLES_BY_NAME else _IN.sub("", key)
    return key


def header_currency(name: str) -> str | None:
    """The currency of "Amount (EUR)" or "Betrag (€)"."""
    match = _CURRENCY_AT_END.search(name[:MAX_NAME_CHARS].strip())
    if match is None:
        return None
    code = {"€": "EUR", "£": "GBP"}.get(match[1], match[1])
    return code if code in EXPONENTS else None


def word_key(text: str) -> str:
    """A word of a cell in the form of the sets here."""
    return " ".join(loose_key(text[:MAX_NAME_CHARS]).split()).rstrip(".")
