"""The dashboard, the alert rules and their description name metrics and labels that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from reconciler.api.metrics import Metrics

FOLDER = Path(__file__).parents[3] / "examples" / "monitoring"
LABELS = re.compile(r"(fleet_\w+)\{([^}]*)\}")


def known() -> dict[str, set[str]]:
    """The labels of each name that `/metrics` can print."""
    found: dict[str, set[str]] = {}
    for metric in Metrics().all():
        names = (
            [metric.name]
            if metric.kind != "histogram"
            else [metric.name + end for end in ("_bucket", "_sum", "_count")]
        )
        for name in names:
            found[name] = {*metric.labels, *({"le"} if name.endswith("_bucket") else set())}
    return found


def expressions() -> dict[str, str]:
    """What the dashboard and the rules ask, by where."""
    rules = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    found = {rule["alert"]: rule["expr"] for group in rules for rule in group["rules"]}
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    for panel in panels:
        found |= {f"{panel['title']} {target['refId']}": target["expr"] for target in panel["targets"]}
    return found


@pytest.mark.parametrize("where", expressions())
def test_every_question_is_about_metrics_that_there_are(where: str) -> None:
    expression, metrics = expressions()[where], known()
    names = re.findall(r"fleet_\w+", expression)
    assert names or "up{" in expression
    for name in names:
        assert name in metrics
    for name, labels in LABELS.findall(expression):
        assert set(re.findall(r"(\w+)\s*=", labels)) <= metrics[name]
    for labels in re.findall(r"by \(([^)]*)\)", expression):
        assert {word.strip() for word in labels.split(",")} <= set().union(*(metrics[name] for name in names))


def test_every_legend_is_a_label_of_its_question() -> None:
    for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            labels = set().union(*(known()[name] for name in re.findall(r"fleet_\w+", target["expr"])))
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels


def test_every_metric_is_shown_and_described() -> None:
    asked = " ".join(expressions().values())
    text = (FOLDER / "README.md").read_text()
    for metric in Metrics().all():
        assert metric.name in asked
        assert (
            f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{one}`' for one in metric.labels) or '–'} | {metric.help} |"
            in text
        )


def test_every_alert_says_what_to_do() -> None:
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            assert set(rule["annotations"]) == {"summary", "action"}
            assert rule["labels"]["severity"] in ("warning", "critical")
