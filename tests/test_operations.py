"""`docs/operations` speaks of the metrics that there are, and of all of them."""

import json
import re
from typing import Any

import pytest
import yaml

import api.measures
import workers.measures
import ws_gateway.measures
from api.metrics import Metrics
from core.database import Database
from core.logging import KEPT_FILES
from core.metrics import watch_pool
from tests.documented_metrics import OPERATIONS, documented_labels

SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


OF_TARGETS = {"job", "instance"}
"""Labels that Prometheus gives to whatever it reads."""


@pytest.fixture(scope="module")
def dashboard() -> Any:
    return json.loads((OPERATIONS / "grafana-dashboard.json").read_text())


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((OPERATIONS / "alert-rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture
def kinds(sqlite_url: str) -> dict[str, str]:
    """Every metric of every process, with its type."""
    database = Database(sqlite_url, pool_size=1)
    for process in (api, workers, ws_gateway):
        process.measures.measures()
    workers.measures.beat_measures()
    watch_pool(database, "test", size=1)
    text = Metrics(database).text().decode()
    database.close()
    found = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    return {name: kind for name, kind in found.items() if name.startswith("outlay_")}


def series(kinds: dict[str, str]) -> set[str]:
    return {name + suffix for name, kind in kinds.items() for suffix in SUFFIXES[kind]}


def named(text: str) -> set[str]:
    return set(re.findall(r"\boutlay_\w+", text))


def expressions(dashboard: Any) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def test_the_dashboard_asks_for_metrics_that_there_are(dashboard: Any, kinds: dict[str, str]) -> None:
    asked = named(" ".join(expressions(dashboard)))
    assert asked - series(kinds) == set()
    shown = {name for name in kinds if any(one.startswith(name) for one in asked)}
    assert kinds.keys() - shown == set(), "each has its panel"


def test_the_dashboard_is_one_that_grafana_takes(dashboard: Any) -> None:
    assert dashboard["uid"] == "outlay"
    assert dashboard["schemaVersion"] >= 38, "of Grafana 10"
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        position = panel["gridPos"]
        assert position["x"] + position["w"] <= 24
        cells = {
            (x, y)
            for x in range(position["x"], position["x"] + position["w"])
            for y in range(position["y"], position["y"] + position["h"])
        }
        assert not cells & taken, f"{panel['title']} lies upon another"
        taken |= cells
        assert panel["type"] == "row" or panel["targets"]


def test_the_rules_ask_for_metrics_that_there_are(rules: list[dict[str, Any]], kinds: dict[str, str]) -> None:
    assert named(" ".join(rule["expr"] for rule in rules)) - series(kinds) == set()
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]


def test_brackets_of_expressions_match(dashboard: Any, rules: list[dict[str, Any]]) -> None:
    for expression in [*expressions(dashboard), *(rule["expr"] for rule in rules)]:
        outside = re.sub(r'"[^"]*"', "", expression)
        for opening, closing in ("()", "{}", "[]"):
            assert outside.count(opening) == outside.count(closing), expression


def test_every_metric_is_told_of_once(kinds: dict[str, str]) -> None:
    rows = re.findall(r"^\| `(outlay_\w+)` \|", (OPERATIONS / "metrics.md").read_text(), re.MULTILINE)
    assert len(set(rows)) == len(rows)
    assert set(rows) == kinds.keys()


def test_figures_are_put_together_by_labels_that_there_are(
    dashboard: Any, rules: list[dict[str, Any]]
) -> None:
    ours = {label for labels in documented_labels().values() for label in labels}
    assert not ours & OF_TARGETS, "Prometheus would rename them"
    asked = json.dumps([dashboard, rules])
    used = re.findall(r"\b(?:by|without) \(([^)]*)\)|\{\{ ?(?:\$labels\.)?(\w+) ?\}\}", asked)
    names = {name.strip() for listed, shown in used for name in (listed or shown).split(",")}
    assert names >= {"job_name", "invariant"}
    assert names - ours - OF_TARGETS - {"le"} == set()


def test_the_page_of_the_logs_knows_how_many_files_are_kept() -> None:
    rows = re.findall(
        r"^\| `(\w+)\.log` \|.*\| (\d+)[^|]*\|$", (OPERATIONS / "logs.md").read_text(), re.MULTILINE
    )
    assert {name: int(count) for name, count in rows} == KEPT_FILES
