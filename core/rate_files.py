"""The European Central Bank's reference rates as it publishes them: CSV or XML, or either one in a zip.

Read from bytes, which `fetch_rate_file` gets from an address.

Formats: https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates/
"""

import csv
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from http.client import HTTPException
from urllib.request import Request, urlopen
from xml.etree.ElementTree import Element, ParseError

from core.errors import InvalidInput, OutlayError, invalid
from core.rules.conversion import RateError, parse_rate
from core.rules.money import is_currency

MAX_FILE_BYTES = 20 * 1024 * 1024
"""Unpacked: the history since 1999 is 2 MB as CSV and 9 MB as XML, and grows by a thirtieth each year."""

MAX_RATES = 1_000_000
"""The history has a fifth of it."""


RATES_BATCH = 5_000
"""Rates a transaction: the whole history must not hold SQLite's write lock for seconds."""

FETCH_TIMEOUT_S = 20
"""For each step of the connection; the worker's own time limit ends a server that trickles."""


class RatesUnavailable(OutlayError):
    """The address did not answer with a file."""


@dataclass(frozen=True, slots=True)
class DailyRate:
    """Units of a currency for a euro, in parts of `RATE_SCALE`."""

    day: date
    currency: str
    rate: int


@dataclass(frozen=True, slots=True)
class RateFile:
    """What a file says; `passed_over` are its currencies that are in use no more, such as the lats."""

    rates: Sequence[DailyRate]
    passed_over: Sequence[str]

    def batches(self) -> Iterator[Sequence[DailyRate]]:
        """The rates in the order of their days, `RATES_BATCH` at a time."""
        rates = sorted(self.rates, key=lambda rate: rate.day)
        for start in range(0, len(rates), RATES_BATCH):
            yield rates[start : start + RATES_BATCH]


def fetch_rate_file(url: str) -> bytes:
    """What the address answers, cut behind what `read_rate_file` would refuse.

    Raises:
        RatesUnavailable
    """
    request = Request(url, headers={"User-Agent": "Outlay"})  # noqa: S310 - the settings allow only http and https
    try:
        with urlopen(request, timeout=FETCH_TIMEOUT_S) as answer:  # noqa: S310
            data: bytes = answer.read(MAX_FILE_BYTES + 1)
    except (OSError, HTTPException, ValueError) as error:
        raise RatesUnavailable(f"{url}: {error}") from error
    return data


def read_rate_file(data: bytes) -> RateFile:
    """Read a file of any of the formats, told apart by their content.

    Raises:
        InvalidInput: it is none of these, damaged, or too large.
    """
    data = _unzipped(data)
    if len(data) > MAX_FILE_BYTES:
        raise _refused(f"is larger than {MAX_FILE_BYTES} bytes")
    rows = _xml_rows(data) if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else _csv_rows(data)
    rates, passed_over = [], set()
    for day, currency, text in rows:
        if not is_currency(currency):
            passed_over.add(currency)
            continue
        try:
            rates.append(DailyRate(day, currency, parse_rate(text)))
        except RateError as error:
            raise _refused(f"has a wrong rate for {currency} on {day}: {error}") from None
        if len(rates) > MAX_RATES:
            raise _refused(f"has more than {MAX_RATES} rates")
    if not rates:
        raise _refused("has no rates in it")
    return RateFile(rates, sorted(passed_over))


def _unzipped(data: bytes) -> bytes:
    if not data.startswith(b"PK"):
        return data
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            if len(names) != 1:
                raise _refused("must have one file in the zip")
            with archive.open(names[0]) as member:
                # Not what the archive says its size is: only reading it shows that.
                return member.read(MAX_FILE_BYTES + 1)
    # What the library raises for damaged files, found by damaging some.
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        OSError,
        RuntimeError,
        ValueError,
    ) as error:
        raise _refused("is a damaged zip") from error


def _csv_rows(data: bytes) -> Iterator[tuple[date, str, str]]:
    """`Date, USD, JPY, …` and a row a day; `N/A` where there was none. The day's file has spaces and dates
    such as "13 April 2026"."""
    try:
        lines = csv.reader(io.StringIO(data.decode("utf-8-sig")), strict=True)
        header = [name.strip() for name in next(lines, [])]
        if header[:1] != ["Date"]:
            raise _refused("is no CSV of the bank's: it must begin with a column `Date`")
        for row in filter(None, lines):
            day = _day(row[0].strip())
            for currency, cell in zip(header[1:], row[1:], strict=False):
                text = cell.strip()
                if currency and text and text != "N/A":
                    yield day, currency, text
    except (UnicodeDecodeError, csv.Error) as error:
        raise _refused("is no CSV in UTF-8") from error


def _xml_rows(data: bytes) -> Iterator[tuple[date, str, str]]:
    """`<Cube time="2026-04-13"><Cube currency="USD" rate="1.1684"/>…`, of any number of days."""
    # Not at import: only the processes that read such a file need it.
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise _refused("is no XML that can be read") from error
    for cube in root.iterfind(".//{*}Cube[@time]"):
        day = _day(cube.attrib["time"])
        for rate in cube.iterfind("{*}Cube[@currency][@rate]"):
            yield day, rate.attrib["currency"], rate.attrib["rate"]


def _day(text: str) -> date:
    for layout in ("%Y-%m-%d", "%d %B %Y"):
        try:
            return datetime.strptime(text, layout).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    raise _refused(f"has a day that is none: {text[:20]!r}")


def _refused(reason: str) -> InvalidInput:
    return invalid("/file", reason)
