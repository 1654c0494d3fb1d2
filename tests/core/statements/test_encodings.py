"""The encoding of a file, found out from all of it rather than from its head."""

import codecs
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.statements.encodings import SAMPLE_BYTES, chunks, find_encoding
from core.statements.limits import MAX_FILE_BYTES
from core.statements.refusals import UnreadableFile
from core.statements.text_lines import TextLines
from tests.core.rules.strategies import patient
from tests.core.statements.statement_files import rows_of

GERMAN = "Müller Bäckerei;Überweisung für Grüße\nCafé Schröder;Rückzahlung Gebühr März\n"
FRENCH = "Boulangerie Pâtisserie Lefèvre;Achat\nPrélèvement échéance août;Noël à la forêt\n"
POLISH = "Żabka Łódź;Zakupy spożywcze\nPiekarnia Świętokrzyska;Opłata za prąd\nŚrodki czyszczące\n"
CZECH = "Potraviny Žižkov;Nákup potravin\nČeská spořitelna;Příchozí platba\n"
RUSSIAN = "Пятёрочка;Продукты на неделю\nМагазин Магнит;Покупка хлеба\n"  # noqa: RUF001
GREEK = "Σκλαβενίτης;Αγορές τροφίμων\nΔΕΗ;Πληρωμή λογαριασμού ρεύματος\n"  # noqa: RUF001
TURKISH = "Migros Şişli;Alışveriş gıda\nBüyük İstanbul;Ödeme işlemi\n"  # noqa: RUF001
JAPANESE = "スーパーマーケット;食料品の購入\n東京電力;電気料金の支払い\n"
CHINESE = "沃尔玛超市;购买食品\n国家电网;电费支付\n"


def found(data: bytes, currency: str = "EUR") -> str:
    return find_encoding(io.BytesIO(data), currency).encoding


@pytest.mark.parametrize("text", [GERMAN, POLISH, JAPANESE, "ascii only", "😀"])
def test_unicode_is_known_for_certain(text: str) -> None:
    for data, encoding in (
        (text.encode(), "utf-8"),
        (codecs.BOM_UTF8 + text.encode(), "utf-8"),
        (text.encode("utf-16"), "utf-16-le"),
        (codecs.BOM_UTF16_BE + text.encode("utf-16-be"), "utf-16-be"),
    ):
        one = find_encoding(io.BytesIO(data), "EUR")
        assert (one.encoding, one.is_certain) == (encoding, True)


def test_utf_16_is_known_without_its_mark() -> None:
    assert found(GERMAN.encode("utf-16-le")) == "utf-16-le"
    assert found(GERMAN.encode("utf-16-be")) == "utf-16-be"


@pytest.mark.parametrize(
    ("text", "encoding", "currency"),
    [
        (GERMAN, "windows-1252", "EUR"),
        (FRENCH, "windows-1252", "EUR"),
        (FRENCH, "mac-roman", "EUR"),
        (GERMAN, "cp850", "EUR"),
        ("Netflix;12,99 €\nSpotify;9,99 €", "windows-1252", "EUR"),
        ("Netflix;12,99 €\nMüller;9,99 €", "iso-8859-15", "EUR"),
        (POLISH, "windows-1250", "PLN"),
        (POLISH, "windows-1250", "EUR"),
        (CZECH, "windows-1250", "CZK"),
        (RUSSIAN, "windows-1251", "RUB"),
        (RUSSIAN, "windows-1251", "EUR"),
        (GREEK, "windows-1253", "EUR"),
        (TURKISH, "windows-1254", "TRY"),
        (JAPANESE, "shift-jis", "JPY"),
        (CHINESE, "gb18030", "CNY"),
    ],
)
def test_the_letters_of_an_old_encoding_come_out_right(text: str, encoding: str, currency: str) -> None:
    data = text.encode(encoding)
    assert data.decode(found(data, currency)) == text


def test_the_first_letter_beyond_ascii_may_be_far_behind_the_head() -> None:
    padding = "2026-01-31;1.00;Shop\n" * 100_000
    for encoding in ("utf-8", "windows-1252"):
        assert found((padding + GERMAN).encode(encoding)) == encoding


def test_a_letter_that_no_sample_has_shown_does_not_break_the_file() -> None:
    # 0x81 is nothing in windows-1252.
    data = GERMAN.encode("windows-1252") * (SAMPLE_BYTES // 50) + b"\x81"
    assert found(data) == "iso-8859-1"


def test_a_text_that_a_bank_has_cut_within_a_letter_costs_that_letter_only() -> None:
    data = GERMAN.encode() * 10 + b"M" + "ü".encode()[:1] + b";x\n"
    one = find_encoding(io.BytesIO(data), "EUR")
    assert (one.encoding, one.undecodable) == ("utf-8", 1)
    statement = b"Datum;Betrag;Zahlungsempf\xc3\xa4nger\n" + "31.01.2026;-5,00;Bäckerei Grün\n".encode() * 20
    assert rows_of(statement + b"31.01.2026;-5,00;M\xc3\n")[-1].payee == "M\ufffd"


@pytest.mark.parametrize("data", [b"\0" * 100, b"\0\0\2\3" * 100, b"\1\2\0\0\0" * 100])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableFile, match="no text file"):
        find_encoding(io.BytesIO(data), "EUR")


def test_a_file_that_is_too_large_is_refused_while_it_is_read() -> None:
    with pytest.raises(UnreadableFile, match="larger than"):
        for _ in chunks(io.BytesIO(bytes(MAX_FILE_BYTES + 1))):
            pass


@patient
@given(
    st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=20)),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"]),
)
def test_lines_come_as_they_are_in_the_file(texts: list[str], end: str, encoding: str) -> None:
    text = end.join(texts)
    expected = io.StringIO(text.removeprefix("\ufeff"), newline="").readlines()
    lines = TextLines(io.BytesIO(text.encode(encoding)), encoding)  # type: ignore[arg-type]
    assert list(lines) == expected
    assert lines.number == len(expected)


def test_lines_that_are_given_back_come_again() -> None:
    lines = TextLines(io.BytesIO(b"a\nb\nc\n"), "utf-8")
    assert lines.begin_record() == 1
    assert [next(lines), next(lines)] == ["a\n", "b\n"]
    lines.give_back(lines.taken[1:])
    assert lines.begin_record() == 2
    assert list(lines) == ["b\n", "c\n"]
