"""CSV: whatever surrounds the table, and however it is written."""

import csv
import io
from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.currencies import EXPONENTS
from core.rules.money import MAX_AMOUNT_MINOR, format_amount
from core.rules.periods import MAX_DAY, MIN_DAY
from core.rules.texts import guard_formula
from core.statements import csv_files
from core.statements.csv_files import MAX_REREADS
from core.statements.limits import MAX_COLUMNS, MAX_NOTE_CHARS
from core.statements.mapping import Columns, Mapping
from core.statements.refusals import UnreadableFile
from core.statements.rows import RowProblem, StatementRow
from tests.core.rules.strategies import patient
from tests.core.statements.statement_files import problem_of, proposed, read, row_of, rows_of

JANUARY = date(2026, 1, 31)


def statement(*lines: str, header: str = "date,amount,payee") -> bytes:
    return "\n".join((header, *lines)).encode()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiter_encoding_and_ends_of_lines_are_found_out(delimiter: str, encoding: str, end: str) -> None:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter, lineterminator=end)
    writer.writerows(
        (["Datum", "Betrag", "Empfänger"], ["31.01.2026", "-1.234,56", 'Bäckerei, "Süß" | Co; KG\tEssen'])
    )
    row = row_of(written.getvalue().encode(encoding))
    assert (row.day, row.amount_minor) == (JANUARY, 123_456)
    assert row.payee == 'Bäckerei, "Süß" | Co; KG Essen'


def test_lines_of_a_row_are_counted_with_the_breaks_in_its_texts() -> None:
    data = statement('2026-01-30,-1.00,"one\ntwo"', "2026-01-31,-2.00,three", header="\n\ndate,amount,payee")
    assert [(row.line, row.payee) for row in rows_of(data)] == [(4, "one two"), (6, "three")]


def test_what_stands_before_and_below_the_table_is_passed_over() -> None:
    data = (
        '"Girokonto";"DE02120300000000202051"\n'
        '"Zeitraum:";"01.01.2026 - 31.01.2026"\n'
        '"Kontostand vom 31.01.2026:";"1.234,56 €"\n'
        "\n"
        "Buchungsdatum;Empfänger;Betrag (€)\n"
        "31.01.2026;REWE;-12,34\n"
        "\n"
        ";;\n"
        ";Alle Angaben ohne Gewähr;\n"
    ).encode()
    assert proposed(data).mapping.header_row == 5
    assert row_of(data).line == 6


def test_a_header_that_is_repeated_is_no_row() -> None:
    data = statement("2026-01-30,-1.00,a", "date,amount,payee", "2026-01-31,-2.00,b")
    assert [row.payee for row in rows_of(data)] == ["a", "b"]


def test_no_row_is_swallowed_by_quotation_marks_that_never_close() -> None:
    lines = [f'2026-01-31,-1.00,"{n}\n2026-01-31,-2.00,{n}' for n in range(MAX_REREADS)]
    good = [row for row in read(statement(*lines)) if isinstance(row, StatementRow)]
    assert len(good) == MAX_REREADS
    lines.append('2026-01-31,-1.00,"x\n2026-01-31,-2.00,y')
    with pytest.raises(UnreadableFile, match=f"that never close, one in line {2 * MAX_REREADS + 2}"):
        read(statement(*lines))


def test_the_table_is_looked_for_in_the_first_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_files, "MAX_HEAD_LINES", 100)
    assert proposed(statement("2026-01-31,-1.00,a", header="\n" * 98 + "date,amount")).missing == ()
    with pytest.raises(UnreadableFile, match="no rows that can be read"):
        proposed(statement("2026-01-31,-1.00,a", header="\n" * 100 + "date,amount"))


def test_a_bad_row_stops_no_other() -> None:
    data = statement("2026-01-30,-1.00,a", "2026-02-30,-1.00,b", "2026-01-31,1.2.3,c", "2026-01-31,-2.00,d")
    first, day, amount, last = read(data)
    assert isinstance(first, StatementRow)
    assert isinstance(last, StatementRow)
    assert day == RowProblem(
        line=3,
        field="day",
        reason='"2026-02-30" is no day of the calendar in the order YMD',
        text="2026-02-30 | -1.00 | b",
    )
    assert isinstance(amount, RowProblem)
    assert (amount.line, amount.field) == (4, "amount")


def test_rows_that_end_early_have_empty_cells() -> None:
    row = row_of(statement("2026-01-31,-1.00", header="date,amount,payee,category"))
    assert (row.payee, row.category) == (None, None)


def test_a_quotation_mark_that_never_closes_costs_one_row() -> None:
    good = [f"2026-01-{day:02},-1.00,shop {day}" for day in range(1, 29)]
    rows = read(statement(*good[:10], '2026-01-31,-9.00,"broken', *good[10:]))
    problems = [row for row in rows if isinstance(row, RowProblem)]
    assert [(one.line, one.reason) for one in problems] == [(12, "has a quotation mark that never closes")]
    assert len(rows) == len(good) + 1


def test_two_such_marks_do_not_swallow_what_is_between_them() -> None:
    data = statement('2026-01-01,-1.00,"a', "2026-01-02,-1.00,b", '2026-01-03,-1.00,"c', "2026-01-04,-1.00,d")
    rows = read(data)
    assert [row.line for row in rows if isinstance(row, StatementRow)] == [3, 5]
    assert [row.line for row in rows if isinstance(row, RowProblem)] == [2, 4]


def test_an_ambiguous_order_of_dates_is_said() -> None:
    proposal = proposed(statement("03/04/2026,-1.00,a", "03/05/2026,-1.00,b"))
    assert not proposal.is_date_order_certain
    assert proposal.doubts == ('dates such as "03/04/2026" are taken to be in the order MDY',)
    assert proposed(statement("13/04/2026,-1.00,a")).is_date_order_certain


def test_amounts_that_could_be_thousands_are_said() -> None:
    proposal = proposed(statement('2026-01-31,"-1,234",a'))
    assert not proposal.is_decimal_sign_certain
    assert proposal.doubts


@pytest.mark.parametrize(
    ("header", "line", "spent"),
    [
        ("date,amount", "2026-01-31,-5.00", 500),
        ("date,amount", "2026-01-31,5.00", -500),
        ("date,debit,credit", "2026-01-31,5.00,", 500),
        ("date,debit,credit", "2026-01-31,,5.00", -500),
        ("date,debit,credit", "2026-01-31,0.00,5.00", -500),
        ("date,debit,credit", "2026-01-31,-5.00,", 500),
        ("date,debit,credit", "2026-01-31,,-5.00", -500),
        ("date,money out (EUR),money in (EUR)", "2026-01-31,,5.00", -500),
        ("date,outflow,inflow", "2026-01-31,$5.00,$0.00", 500),
        ("date,amount,direction", "2026-01-31,5.00,D", 500),
        ("Datum,Bedrag,Af Bij", "2026-01-31,5.00,Af", 500),
        ("Datum,Betrag,Soll/Haben", "2026-01-31,5.00,S", 500),
        ("date,amount,fee", "2026-01-31,-5.00,0.50", 550),
    ],
)
def test_what_was_spent_is_positive(header: str, line: str, spent: int) -> None:
    assert row_of(statement(line, header=header)).amount_minor == spent


def test_money_that_came_in_is_negative_in_each_way_of_saying_so() -> None:
    header = "Datum,Bedrag,Af Bij"
    data = statement("2026-01-31,5.00,Bij", "2026-01-31,5.00,Af", header=header)
    assert [row.amount_minor for row in rows_of(data)] == [-500, 500]
    problem = problem_of(statement("2026-01-31,5.00,Af", "2026-01-31,5.00,?", header=header))
    assert (problem.field, problem.line) == ("direction", 3)


def test_a_card_whose_spending_is_positive_is_known_by_most_of_its_amounts() -> None:
    data = statement(*[f"2026-01-{day:02},9.99,shop" for day in range(1, 9)], "2026-01-31,-50.00,payment")
    proposal = proposed(data)
    assert proposal.mapping.amount_sign == "positive_is_spent"
    assert len(proposal.doubts) == 1
    assert [row.amount_minor for row in rows_of(data)][-2:] == [999, -5000]


def test_credits_can_be_passed_over() -> None:
    data = statement("2026-01-31,-5.00,a", "2026-01-31,7.00,b")
    mapping = msgspec.structs.replace(proposed(data).mapping, credits="skip")
    assert row_of(data, mapping).payee == "a"


def test_pending_rows_are_marked_and_declined_ones_passed_over() -> None:
    header = "date,amount,payee,status"
    data = statement(
        "2026-01-31,-1.00,a,PENDING",
        "2026-01-31,-2.00,b,Completed",
        "2026-01-31,-3.00,c,REVERTED",
        "2026-01-31,-4.00,d,Vorgemerkt",
        header=header,
    )
    assert [(row.payee, row.is_pending) for row in rows_of(data)] == [("a", True), ("b", False), ("d", True)]


def test_each_row_may_have_a_currency() -> None:
    data = statement(
        "2026-01-31,-1.00,EUR", "2026-01-31,-100,jpy", "2026-01-31,-1.234,KWD", header="date,amount,currency"
    )
    assert [(row.currency, row.amount_minor) for row in rows_of(data)] == [
        ("EUR", 100),
        ("JPY", 100),
        ("KWD", 1234),
    ]
    bad = statement("2026-01-31,-1.00,EUR", "2026-01-31,-1.00,BTC", header="date,amount,currency")
    assert problem_of(bad).field == "currency"


def test_the_currency_may_be_in_the_name_of_a_column() -> None:
    assert row_of(statement("31.01.2026,-5.00", header="Datum,Betrag (CHF)")).currency == "CHF"


def test_a_file_without_header_is_read_by_what_its_columns_hold() -> None:
    data = (
        b"31-01-2026,NL01ASNB0123456789,Lidl,EUR,1234.56,-12.34\n"
        b"30-01-2026,NL01ASNB0123456789,Acme,EUR,1246.90,500.00\n"
    )
    proposal = proposed(data)
    assert proposal.mapping.header_row is None
    assert proposal.headers[0] == "Column 1"
    assert [(row.amount_minor, row.line) for row in rows_of(data)] == [(1234, 1), (-50_000, 2)]


def test_a_file_in_an_unknown_language_is_read_by_what_its_columns_hold() -> None:
    header = "Päivä;Summa euroissa;Saaja"
    data = statement(
        *[f"{day}.1.2026;-{day},00;Kauppa {day}" for day in range(1, 6)],
        "31.1.2026;-5,00;Alepa",
        header=header,
    )
    rows = rows_of(data)
    assert (rows[-1].day, rows[-1].amount_minor, rows[-1].payee) == (JANUARY, 500, "Alepa")


def test_what_cannot_be_found_is_said_to_be_missing() -> None:
    assert proposed(b"foo,bar\nx,y\n").missing == ("day", "amount")
    assert proposed(b"date,payee\n2026-01-31,y\n").missing == ("amount",)


@pytest.mark.parametrize(
    ("columns", "pointer"),
    [
        (Columns(amount=1), "/mapping/columns/day"),
        (Columns(day=0), "/mapping/columns/amount"),
        (Columns(day=0, amount=7), "/mapping/columns"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused_with_a_pointer(columns: Columns, pointer: str) -> None:
    mapping = Mapping(currency="EUR", header_row=1, columns=columns)
    with pytest.raises(UnreadableFile) as raised:
        read(statement("2026-01-31,-1.00,a"), mapping)
    assert raised.value.fields[0].pointer == pointer


def test_a_row_of_far_too_many_columns_is_a_problem_but_such_a_header_is_refused() -> None:
    wide = "," * (MAX_COLUMNS + 1)
    assert problem_of(statement("2026-01-31,-1.00,a", f"2026-01-31,-1.00,b{wide}")).line == 3
    with pytest.raises(UnreadableFile, match="columns"):
        read(
            statement(wide, header=wide),
            Mapping(currency="EUR", header_row=1, columns=Columns(day=0, amount=1)),
        )


def test_a_cell_of_a_megabyte_is_cut() -> None:
    data = statement(f"2026-01-31,-1.00,{'x' * 100_000}", header="date,amount,note")
    mapping = Mapping(currency="EUR", header_row=1, columns=Columns(day=0, amount=1, note=(2,)))
    assert row_of(data, mapping).note == "x" * MAX_NOTE_CHARS


EXPORTED = st.fixed_dictionaries(
    {
        "spent_on": st.dates(MIN_DAY, MAX_DAY),
        "currency": st.sampled_from(sorted(EXPONENTS)),
        "minor": st.integers(-MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR),
        "payee": st.none() | st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40),
        "note": st.none()
        | st.text(
            st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=40
        ).filter(str.strip),
        "tags": st.lists(
            st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
            .map(lambda tag: tag.strip(" "))
            .filter(bool),
            unique=True,
            max_size=4,
        ),
    }
)


@patient
@given(st.lists(EXPORTED, min_size=1, max_size=10))
def test_a_csv_of_ours_comes_back_exactly(expenses: list[dict[str, object]]) -> None:
    """As the export writes it: named as in the API, and guarded against formulas."""

    def line(cells: list[str]) -> str:
        written = io.StringIO()
        csv.writer(written).writerow(cells)
        return written.getvalue().removesuffix("\r\n")

    lines = [line(["spent_on", "amount", "currency", "payee", "note", "tags"])]
    for one in expenses:
        tags = line(one["tags"]) if one["tags"] else ""  # type: ignore[arg-type]
        texts = [guard_formula(str(text or "")) for text in (one["payee"], one["note"], tags)]
        amount = format_amount(one["minor"], str(one["currency"]))  # type: ignore[arg-type]
        lines.append(line([str(one["spent_on"]), amount, str(one["currency"]), *texts]))
    rows = rows_of("\r\n".join(lines).encode())
    assert [(row.day, row.amount_minor, row.currency, row.payee, row.note) for row in rows] == [
        (one["spent_on"], one["minor"], one["currency"], one["payee"], one["note"]) for one in expenses
    ]
    assert [list(row.tags) for row in rows] == [one["tags"] for one in expenses]


@patient
@given(st.dates(date(2000, 1, 1), date(2050, 1, 1)), st.lists(st.integers(-(10**9), 10**9), min_size=1))
def test_amounts_and_days_are_read_whatever_the_bank_writes(start: date, amounts: list[int]) -> None:
    lines = []
    for number, minor in enumerate(amounts):
        whole, cents = divmod(abs(minor), 100)
        grouped = f"{whole:,}".replace(",", ".")
        day = start + timedelta(days=number)
        lines.append(f"{day:%d.%m.%Y};{'-' if minor > 0 else ''}{grouped},{cents:02} €")
    data = statement(*lines, header="Buchungstag;Betrag")
    mapping = msgspec.structs.replace(proposed(data).mapping, amount_sign="negative_is_spent")
    assert [row.amount_minor for row in rows_of(data, mapping)] == amounts
