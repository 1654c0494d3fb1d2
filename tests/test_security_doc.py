"""`docs/security.md` names code and tests that there are.

Needs no server and no fixture.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
DOCUMENTS = REPOSITORY / "docs"
TEXT = (DOCUMENTS / "security.md").read_text()

TESTS = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", TEXT)))
SOURCES = sorted(set(re.findall(r"`((?:api|core|workers|ws_gateway)/[\w/]+(?:\.py)?)(?::([\w.]+))?`", TEXT)))
LINKS = sorted(set(re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", TEXT)))


@cache
def definitions(path: Path) -> frozenset[str]:
    """What a module defines on its top level, and in its classes, as `Class.method`."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            members = (one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}.{member.name}" for member in members}
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return frozenset(found)


def test_it_names_tests_and_sources_at_all() -> None:
    assert len(TESTS) > 100
    assert len(SOURCES) > 50


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_every_test_that_it_names_is_there(file: str, name: str) -> None:
    assert name in definitions(REPOSITORY / "tests" / file)


@pytest.mark.parametrize(("path", "name"), SOURCES)
def test_every_source_that_it_names_is_there(path: str, name: str) -> None:
    assert (REPOSITORY / path).exists()
    if name:
        assert name in definitions(REPOSITORY / path)


@pytest.mark.parametrize("link", LINKS)
def test_every_link_leads_somewhere(link: str) -> None:
    assert (DOCUMENTS / link).exists()


def test_whatever_is_met_says_where_and_how_it_is_shown() -> None:
    tables = TEXT.partition("## ASVS 5.0")[2].partition("## API Security")[0]
    rows = [line for line in tables.splitlines() if re.match(r"\| \d", line)]
    assert len(rows) > 50
    for row in rows:
        where, shown = row.strip("| ").split(" | ")[-2:]
        assert where.startswith("`"), row
        assert shown == "by reading" or "::" in shown, row
