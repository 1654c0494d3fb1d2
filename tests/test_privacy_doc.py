"""`docs/privacy.md` tells of every table, and of each time as it is in the code.

Needs no server and no fixture.
"""

import importlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.models import Base
from workers.tasks.housekeeping import PURGES

DOCUMENTS = Path(__file__).parents[1] / "docs"
TEXT = (DOCUMENTS / "privacy.md").read_text()

ROW = re.compile(r"^\| [^|]+ \| (\d+) (\w+) \| [^|]*\| `([\w/]+)\.py:([\w.]+)` \|$", re.MULTILINE)
TIMES = ROW.findall(TEXT)


def section(title: str) -> str:
    return TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]


def meant(amount: int, unit: str, value: Any) -> bool:
    """Whether the constant says the same, be it a time, seconds or a number."""
    if unit == "files":
        return bool(value == amount)
    told = timedelta(**{unit: amount})
    return bool(value == (told if isinstance(value, timedelta) else told.total_seconds()))


def test_every_table_is_told_of() -> None:
    tables = re.findall(
        r"`(\w+)`", " ".join(row.rpartition(" | ")[2] for row in section("What there is").splitlines())
    )
    assert sorted(tables) == sorted(Base.metadata.tables)


def test_every_row_of_the_times_is_read() -> None:
    rows = [line for line in section("How long").splitlines() if line.startswith("|")]
    assert len(TIMES) == len(rows) - 2, "a row has another form than the others"


@pytest.mark.parametrize(("amount", "unit", "module", "name"), TIMES)
def test_each_time_is_that_of_the_code(amount: str, unit: str, module: str, name: str) -> None:
    owner: Any = importlib.import_module(module.replace("/", "."))
    *path, last = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    if path:
        defaults = dict(zip(owner.__struct_fields__[::-1], owner.__struct_defaults__[::-1], strict=False))
        value = defaults[last]
    else:
        value = getattr(owner, last)
    assert meant(int(amount), unit, value)


def test_whatever_is_purged_has_its_time() -> None:
    told = {module.replace("/", ".") for _, _, module, _ in TIMES}
    assert {purge.__module__ for purge in PURGES} - told == set()


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", TEXT))))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (DOCUMENTS / link).exists()
