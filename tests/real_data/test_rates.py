"""The bank's history since 1999: read once by the product and once without its code."""

import csv
import io
import zipfile

import pytest

from core.rate_files import read_rate_file
from core.rules.conversion import parse_rate
from core.rules.money import is_currency
from tests.real_data.files import FOLDER

HISTORY = FOLDER / "ecb_eurofxref_hist.zip"


@pytest.mark.skipif(
    not HISTORY.exists(), reason=f"{HISTORY.name} is not beside this repository (../shared/data)"
)
def test_the_history_is_read_whole() -> None:
    data = HISTORY.read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        header, *rows = csv.reader(io.TextIOWrapper(archive.open(archive.namelist()[0]), encoding="utf-8"))
    cells = {
        (row[0], currency): cell
        for row in rows
        for currency, cell in zip(header[1:], row[1:], strict=True)
        if currency and cell != "N/A"
    }
    file = read_rate_file(data)
    assert len(rows) == 6983
    assert {(one.day.isoformat(), one.currency): one.rate for one in file.rates} == {
        key: parse_rate(cell) for key, cell in cells.items() if is_currency(key[1])
    }
    assert set(file.passed_over) == {currency for _, currency in cells if not is_currency(currency)}
