"""Workbooks made up for tests: by a library, or part by part."""

import io
import zipfile
from collections.abc import Sequence

import openpyxl

SHEET = "xl/worksheets/sheet1.xml"

_TYPES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def workbook(*rows: Sequence[object], **sheets: Sequence[Sequence[object]]) -> bytes:
    """As openpyxl writes it: the rows in the first sheet, and further sheets by name."""
    book = openpyxl.Workbook()
    first = book.active
    assert first is not None
    for row in rows:
        first.append(list(row))
    for name, content in sheets.items():
        sheet = book.create_sheet(name)
        for row in content:
            sheet.append(list(row))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def parts(sheet: str, **others: str) -> dict[str, str]:
    """The least that a workbook of one sheet consists of; `sheet` is what is in its `sheetData`."""
    return {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": (
            f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r1" Type="{_TYPES}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>'
        ),
        "xl/workbook.xml": (
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_TYPES}"><sheets><sheet name="One" sheetId="1" r:id="r1"/>'
            "</sheets></workbook>"
        ),
        "xl/_rels/workbook.xml.rels": (
            f'<Relationships xmlns="{_PACKAGE}">'
            f'<Relationship Id="r1" Type="{_TYPES}/worksheet" Target="worksheets/sheet1.xml"/>'
            f'<Relationship Id="r2" Type="{_TYPES}/styles" Target="styles.xml"/>'
            f'<Relationship Id="r3" Type="{_TYPES}/sharedStrings" Target="/xl/sharedStrings.xml"/>'
            "</Relationships>"
        ),
        SHEET: f'<worksheet xmlns="{_MAIN}"><sheetData>{sheet}</sheetData></worksheet>',
        **{f"xl/{name}.xml": text for name, text in others.items()},
    }


def packed(members: dict[str, str] | dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return file.getvalue()
