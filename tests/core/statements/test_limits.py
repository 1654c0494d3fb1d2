"""Files made to exhaust a machine are refused, or cost one row, before they do."""

import io
import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.statements import archives, limits, workbooks
from core.statements.formats import SHARED, STATEMENTS, Format
from core.statements.mapping import Columns, Mapping
from core.statements.reading import read_statement
from core.statements.refusals import UnreadableFile
from core.statements.rows import RowProblem
from tests.core.statements.bombs import BOMBS, CSV_MAPPING, MEGABYTE, camt, outcome, sheet_of
from tests.core.statements.statement_files import read
from tests.core.statements.workbook_files import SHEET, packed, parts, workbook

ENOUGH_S = 15.0
"""Of the processor. Without a bound these take minutes, or for ever."""

ENOUGH_MEGABYTES = 150


def test_every_bomb_is_defused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.core.statements.bombs"], check=True, capture_output=True, text=True
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, *_ in results] == list(BOMBS)
    for name, reasons, seconds, megabytes in results:
        expected = BOMBS[name][2]
        assert not expected or any(expected in reason for reason in reasons), (name, reasons)
        assert seconds < ENOUGH_S, name
        assert megabytes < ENOUGH_MEGABYTES, name


def lying(data: bytes, name: str, size: int) -> bytes:
    """A zip whose directory says that a member is of another size."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        true_size = archive.getinfo(name).file_size
    return data.replace(struct.pack("<L", true_size), struct.pack("<L", size))


def test_a_zip_bomb_is_refused_by_what_its_directory_says() -> None:
    members = {name: text.encode() for name, text in parts("").items()}
    bomb = packed({**members, SHEET: b"<row/>" * 10_000_000})
    assert len(bomb) < MEGABYTE
    assert outcome(bomb, "xlsx") == ["unpacks to far more than it is, as no table does"]
    spread = packed({**members, **{f"xl/media/{n}.bin": bytes(MEGABYTE) for n in range(200)}})
    assert len(spread) < MEGABYTE
    assert "unpacks to more than" in outcome(spread, "xlsx")[0]


def test_a_zip_that_lies_about_its_sizes_is_found_out_while_it_is_read() -> None:
    honest = packed({**parts(""), SHEET: "<row/>" * 10_000_000})
    reasons = outcome(lying(honest, SHEET, 1000), "xlsx")
    assert len(reasons) == 1
    assert reasons[0] in ("is a damaged zip", "is a zip that holds more than it says")


def test_a_zip_of_too_many_or_locked_files_is_refused() -> None:
    many = packed({f"{number}": "" for number in range(archives.MAX_MEMBERS + 1)})
    assert outcome(many, "xlsx") == [f"is a zip with more than {archives.MAX_MEMBERS} files in it"]
    crowd = packed({f"{number:0200}": "" for number in range(5_000)})
    assert outcome(crowd, "xlsx") == ["is a zip with too many files in it"]
    locked = bytearray(workbook(("date", "amount")))
    for magic, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        position = locked.index(magic)
        locked[position + offset] |= 1
    assert outcome(bytes(locked), "xlsx") == ["is protected by a password"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:-22],
        lambda data: data + b"x",
        lambda data: b"PK\3\4",
        lambda data: data.replace(b"PK\1\2", b"PK\7\7"),
        lambda data: data[: len(data) // 2] + bytes(100) + data[len(data) // 2 + 100 :],
    ],
)
def test_a_damaged_zip_is_refused(damage: Callable[[bytes], bytes]) -> None:
    assert all("zip" in reason or "damaged" in reason for reason in outcome(damage(workbook(("a",))), "xlsx"))


def test_a_sheet_of_nothing_ends_at_excel_s_own_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbooks, "MAX_SHEET_ROWS", 1_000)
    monkeypatch.setattr(workbooks, "MAX_CELLS", 1_000)
    assert outcome(sheet_of("<row/>" * 1_001), "xlsx") == ["has more than 1000 rows"]
    assert outcome(sheet_of("<row>" + "<c/>" * 1_001 + "</row>"), "xlsx") == ["has more than 1000 cells"]


def test_there_is_an_end_to_rows() -> None:
    data = b"date,amount\n" + b"2026-01-31,-1.00\n" * (limits.MAX_ROWS + 1)
    rows = read_statement(io.BytesIO(data), file_format="csv", mapping=CSV_MAPPING_OF_TWO)
    with pytest.raises(UnreadableFile, match="more than 200000 rows"):
        for _ in rows:
            pass
    many = {"expenses": [{}] * (limits.MAX_ROWS + 1), "participants": [{"id": "1", "name": "a"}]}
    assert "more than 200000 rows" in outcome(json.dumps(many).encode(), "spliit_json")[-1]


CSV_MAPPING_OF_TWO = Mapping(currency="EUR", header_row=1, columns=Columns(day=0, amount=1))


@pytest.mark.parametrize("file_format", sorted(STATEMENTS | SHARED))
def test_a_file_that_is_too_large_is_refused(file_format: Format) -> None:
    head = {"xlsx": b"PK\3\4", "spliit_json": b'{"a":["', "camt": camt("")[:-40]}.get(file_format, b"a,b\n")
    data = head + (b"1,2" * 300 + b"\n") * (limits.MAX_FILE_BYTES // 900)
    assert outcome(data, file_format)


READS_IN_LITTLE_MEMORY = """
import io, resource, sys
from core.statements.mapping import Columns, Mapping
from core.statements.reading import read_statement

path, file_format, columns = sys.argv[1], sys.argv[2], Columns(day=0, amount=1, payee=2)
mapping = Mapping(currency="EUR", header_row=1, columns=columns)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open(path, "rb") as file:
    count = sum(1 for _ in read_statement(file, file_format=file_format, mapping=mapping))
print(count, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("file_format", ["csv", "ofx", "qif", "camt"])
def test_memory_does_not_grow_with_the_file(file_format: Format, tmp_path: Path) -> None:
    count = 10_000
    payment = (
        '<Ntry><Amt Ccy="EUR">1.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-01-31'
        f"</Dt></BookgDt><AcctSvcrRef>%d</AcctSvcrRef><NtryDtls><TxDtls><RmtInf><Ustrd>{'x' * 500}</Ustrd>"
        "</RmtInf></TxDtls></NtryDtls></Ntry>"
    )
    transaction = f"<STMTTRN><DTPOSTED>20260131<TRNAMT>-1.00<FITID>%d<MEMO>{'x' * 500}</STMTTRN>"
    texts = {
        "csv": "date,amount,payee\n" + "".join(f"2026-01-31,-1.00,{n} {'x' * 500}\n" for n in range(count)),
        "qif": "!Type:Bank\n" + "".join(f"D2026-01-31\nT-1.00\nP{n} {'x' * 500}\n^\n" for n in range(count)),
        "ofx": "<OFX>" + "".join(transaction % n for n in range(count)) + "</OFX>",
        "camt": camt("".join(payment % n for n in range(count))).decode(),
    }
    path = tmp_path / "statement"
    path.write_text(texts[file_format])
    done = subprocess.run(
        [sys.executable, "-c", READS_IN_LITTLE_MEMORY, str(path), file_format],
        check=True,
        capture_output=True,
        text=True,
    )
    rows, grown_megabytes = map(int, done.stdout.split())
    assert rows == count
    assert grown_megabytes < 40


def test_a_row_keeps_what_is_shown_of_it_short() -> None:
    data = b"date,amount,payee\n" + b",".join(b"x" * 30_000 for _ in range(20)) + b"\n"
    (row,) = read(data, CSV_MAPPING)
    assert isinstance(row, RowProblem)
    assert len(row.text) <= limits.MAX_SHOWN_CHARS
    assert len(row.reason) < 300
