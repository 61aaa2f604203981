"""The dashboard and the alert rules ask for metrics and labels that are exported, and for no others."""

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from deferred_signals.contrib import prometheus
from deferred_signals.contrib.measures import MEASURES
from tests.docs.test_blocks import ROOT

FOLDER = ROOT / "docs" / "telemetry"
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
TARGETS = [(panel, target) for panel in PANELS for target in panel["targets"]]
#: What Grafana puts in the place of its variables.
VARIABLES = {"$__rate_interval": "5m", "$receiver": ".*"}


def exported() -> dict[str, set[str]]:
    """Return the labels of each series that a scrape has, by the series' names."""
    registry = CollectorRegistry()
    prometheus.instrument(registry)
    try:
        meters, _ = prometheus._counters[0]  # noqa: SLF001 - to count one of each
        for measure in MEASURES:
            if measure.kind != "gauge":
                act = meters.record if measure.kind == "histogram" else meters.add
                act(measure, 1, *measure.labels)
        text = generate_latest(registry).decode()
    finally:
        prometheus.uninstrument()
    found = {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    gauges = {one.snake: set(one.labels) for one in MEASURES if one.kind == "gauge"}
    return found | gauges


EXPORTED = exported()


def parsed(query: str) -> Any:
    """Parse a query, with Grafana's variables filled in."""
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    assert "$" not in query
    return promql_parser.parse(query)


def parts(expression: Any) -> Iterator[Any]:
    """Give an expression, and all that it is made of."""
    yield expression
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        inner = getattr(expression, name, None)
        if inner is not None and not isinstance(inner, str):
            yield from parts(inner)
    for argument in getattr(expression, "args", None) or ():
        yield from parts(argument)


def problems(query: str) -> list[str]:
    """Return what a query asks for that no scrape has."""
    found = list(parts(parsed(query)))
    selectors = [one for one in found if isinstance(one, promql_parser.VectorSelector)]
    names = {one.name for one in selectors}
    wrong = [f"metric {name}" for name in names - EXPORTED.keys()]
    if not names:
        wrong.append("no metric")
    known = set().union(*(EXPORTED.get(str(name), set()) for name in names))
    for one in selectors:
        wrong += [
            f"label {matcher.name}"
            for matcher in one.matchers.matchers
            if matcher.name not in EXPORTED.get(str(one.name), set())
        ]
    for one in found:
        if isinstance(one, promql_parser.AggregateExpr) and one.modifier is not None:
            wrong += [f"label {name}" for name in set(one.modifier.labels) - known]
    return wrong


QUERIES = [target["expr"] for _, target in TARGETS] + [rule["expr"] for rule in RULES]


@pytest.mark.parametrize("query", QUERIES)
def test_query_asks_for_what_is_exported(query: str) -> None:
    assert problems(query) == []


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("sum(rate(deferred_signals_gone_total[5m]))", ["metric deferred_signals_gone_total"]),
        ('deferred_signals_kept{queue="x"}', ["label queue"]),
        ("sum by (id) (deferred_signals_kept) > 0", ["label id"]),
        ("max by (le) (deferred_signals_kept)", ["label le"]),
        ("absent(deferred_signals_kep)", ["metric deferred_signals_kep"]),
        ("1 / sum(deferred_signals_keep)", ["metric deferred_signals_keep"]),
        ("vector(1) > 0", ["no metric"]),
    ],
)
def test_query_that_asks_for_something_else_is_found(query: str, wrong: list[str]) -> None:
    assert problems(query) == wrong


def test_query_that_is_none_is_found() -> None:
    with pytest.raises(ValueError, match=r"parse|unclosed|unexpected|invalid"):
        parsed("sum(deferred_signals_kept")


def test_every_measure_is_on_the_dashboard() -> None:
    asked = "".join(target["expr"] for _, target in TARGETS)
    assert [measure.snake for measure in MEASURES if measure.snake not in asked] == []


def test_legends_and_texts_of_alerts_name_labels_that_are_there() -> None:
    for panel, target in TARGETS:
        labels = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
        assert labels <= {name for one in MEASURES for name in one.labels}, panel["title"]
        kept = {
            name
            for group in re.findall(r"by \(([^)]*)\)", target["expr"])
            for name in group.split(", ")
        }
        assert labels <= kept, panel["title"]
    for rule in RULES:
        told = " ".join(rule["annotations"].values())
        labels = set(re.findall(r"\$labels\.(\w+)", told))
        kept = {
            name
            for group in re.findall(r"by \(([^)]*)\)", rule["expr"])
            for name in group.split(", ")
        }
        assert labels <= kept, rule["alert"]


def test_panels_are_told_apart_and_say_what_they_show() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["title"] and panel["description"] for panel in PANELS)
    places = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))


def test_each_alert_names_its_promise() -> None:
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"promise", "summary", "description"}
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
