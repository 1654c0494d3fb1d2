"""Statements of banks, read without any of the product's code: tags cut up by hand, and plain XML."""

import re
from dataclasses import dataclass
from datetime import date
from xml.etree import ElementTree

from tests.real_data.files import firefly_movements, path_of

EURO_OFX = "statement_euro.ofx"
NUBANK_OFX = "statement_nubank.ofx"
MINIMAL_CAMT = "statement_minimal.camt053.xml"
MULTI_CAMT = "statement_multi.camt053.xml"
FIREFLY = "firefly_demo.csv"


@dataclass(frozen=True, slots=True, order=True)
class Movement:
    """`minor` is positive for money that was spent; all currencies in these files have two decimals."""

    day: date
    currency: str
    minor: int


def movements_of(name: str) -> list[Movement]:
    """All movements in a file, sorted."""
    if name == FIREFLY:
        return sorted(Movement(one.day, one.currency, one.minor) for one in firefly_movements())
    return sorted(ofx_movements(name) if name.endswith(".ofx") else camt_movements(name))


def ofx_movements(name: str) -> list[Movement]:
    """The currency is the last one that was named before."""
    text = path_of(name).read_text(encoding="cp1252")
    found: list[Movement] = []
    currency = ""
    for tag, value in re.findall(r"<(CURDEF|DTPOSTED|TRNAMT)>\s*([^<\s]+)", text):
        if tag == "CURDEF":
            currency = value
        elif tag == "DTPOSTED":
            day = date(int(value[:4]), int(value[4:6]), int(value[6:8]))
        else:
            sign, whole, fraction = re.fullmatch(r"(-?)(\d+)[.,](\d\d)", value).groups()  # type: ignore[union-attr]
            minor = int(whole + fraction)
            found.append(Movement(day, currency, minor if sign else -minor))
    return found


def camt_movements(name: str) -> list[Movement]:
    """One of each entry."""
    found = []
    for entry in ElementTree.parse(path_of(name)).iter():
        if not entry.tag.endswith("}Ntry"):
            continue
        space = entry.tag.removesuffix("Ntry")
        amount, sign = entry.find(f"{space}Amt"), entry.findtext(f"{space}CdtDbtInd")
        day = entry.findtext(f"{space}BookgDt/{space}Dt") or entry.findtext(f"{space}BookgDt/{space}DtTm")
        assert amount is not None
        assert day is not None
        whole, _, fraction = (amount.text or "").partition(".")
        minor = int(whole + fraction.ljust(2, "0"))
        is_reversed = entry.findtext(f"{space}RvslInd") == "true"
        assert not is_reversed
        found.append(
            Movement(date.fromisoformat(day[:10]), amount.attrib["Ccy"], minor if sign == "DBIT" else -minor)
        )
    return found
