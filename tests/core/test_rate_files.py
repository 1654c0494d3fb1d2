"""The bank's files: every format says the same, and what is none of them is refused in little memory."""

import io
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.rate_files import (
    MAX_FILE_BYTES,
    RATES_BATCH,
    DailyRate,
    RateFile,
    RatesUnavailable,
    fetch_rate_file,
    read_rate_file,
)

CSV = b"Date,USD,JPY,LVL,\n2026-04-13,1.1684,186.3,N/A,\n2026-04-10,1.17,186,0.7,\n"
DAILY_CSV = b"Date, USD, JPY, \n13 April 2026, 1.1684, 186.3, \n"
XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
                 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
  <gesmes:subject>Reference rates</gesmes:subject>
  <Cube>
    <Cube time="2026-04-13"><Cube currency="USD" rate="1.1684"/><Cube currency="JPY" rate="186.3"/></Cube>
    <Cube time="2026-04-10"><Cube currency="USD" rate="1.17"/><Cube currency="JPY" rate="186"/>
      <Cube currency="LVL" rate="0.7"/></Cube>
  </Cube>
</gesmes:Envelope>"""

MONDAY, FRIDAY = date(2026, 4, 13), date(2026, 4, 10)
RATES = {
    (MONDAY, "USD", 116_840_000),
    (MONDAY, "JPY", 18_630_000_000),
    (FRIDAY, "USD", 117_000_000),
    (FRIDAY, "JPY", 18_600_000_000),
}

LAUGHS = b"""<!DOCTYPE lolz [<!ENTITY lol "lol">%s]><lolz>&lol9;</lolz>""" % b"".join(
    b'<!ENTITY lol%d "%s">' % (n, b"&lol%d;" % (n - 1) * 10 if n > 1 else b"&lol;" * 10) for n in range(1, 10)
)


def zipped(*files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for position, data in enumerate(files):
            archive.writestr(f"{position}.csv", data)
    return packed.getvalue()


@pytest.mark.parametrize("data", [CSV, XML, zipped(CSV), zipped(XML), b"\xef\xbb\xbf" + CSV])
def test_every_format_says_the_same(data: bytes) -> None:
    file = read_rate_file(data)
    assert {(one.day, one.currency, one.rate) for one in file.rates} == RATES
    assert file.passed_over == ["LVL"]


def test_the_file_of_a_day_has_its_date_in_words() -> None:
    rates = read_rate_file(DAILY_CSV).rates
    assert {(one.day, one.currency, one.rate) for one in rates} == {one for one in RATES if one[0] == MONDAY}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no CSV of the bank's"),
        (b"hello", "no CSV of the bank's"),
        (b"Date,USD\n", "no rates"),
        (b"Date,USD\n2026-13-01,1\n", "a day that is none"),
        (b"Date,USD\n2026-12-01,-1\n", "wrong rate for USD on 2026-12-01"),
        (b"Date,USD\n2026-12-01,1e400\n", "wrong rate"),
        (b"Date,USD\n2026-12-01,\xff\n", "no CSV in UTF-8"),
        (b'Date,USD\n2026-12-01,"1\n', "no CSV in UTF-8"),
        (b"<a", "no XML"),
        (b"<a/>", "no rates"),
        (LAUGHS, "no XML"),
        (b"PK\x03\x04 and nothing more", "damaged zip"),
        (zipped(CSV, CSV), "one file"),
        (zipped(b"0" * (MAX_FILE_BYTES + 1)), "larger"),
    ],
)
def test_what_is_none_of_them_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as refused:
        read_rate_file(data)
    assert [field.pointer for field in refused.value.fields] == ["/file"]


def assert_is_read_or_refused(data: bytes) -> None:
    with suppress(InvalidInput):
        assert read_rate_file(data).rates


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda tail: b"Date,USD\n" + tail)))
def test_garbage_is_refused(data: bytes) -> None:
    assert_is_read_or_refused(data)


@given(st.sampled_from([CSV, XML, zipped(CSV)]), st.integers(0, 500), st.binary(min_size=1, max_size=4))
def test_damaged_files_are_read_or_refused(data: bytes, position: int, damage: bytes) -> None:
    assert_is_read_or_refused(data[:position] + damage + data[position + len(damage) :])


def test_batches_are_in_the_order_of_days() -> None:
    days = [date.fromordinal(730_000 + n) for n in reversed(range(RATES_BATCH + 1))]
    first, second = RateFile([DailyRate(day, "USD", 1) for day in days], []).batches()
    assert (len(first), len(second)) == (RATES_BATCH, 1)
    assert first[0].day == min(days)
    assert second[0].day == max(days)


class _Bank(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/rates.xml" else 404)
        self.end_headers()
        self.wfile.write(XML)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def bank() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Bank) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_file_is_fetched_from_an_address(bank: str) -> None:
    assert fetch_rate_file(f"{bank}/rates.xml") == XML


@pytest.mark.parametrize("path", ["/nothing", " /", "\x00"])
def test_an_address_without_a_file_is_an_error_in_words(bank: str, path: str) -> None:
    with pytest.raises(RatesUnavailable, match="127"):
        fetch_rate_file(bank + path)


def test_nobody_at_the_address_is_an_error_in_words() -> None:
    with pytest.raises(RatesUnavailable, match="refused"):
        fetch_rate_file("http://127.0.0.1:1/rates.xml")
