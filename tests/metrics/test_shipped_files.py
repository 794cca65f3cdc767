"""The dashboard for Grafana and the alerts for Prometheus name only what the gateway exposes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from antigravity.cli.main import COMMANDS
from antigravity.config.settings import SchedulingSettings
from antigravity.ir.record import AttemptRecord
from antigravity.metrics.exposition import render
from antigravity.metrics.requests import RequestMetrics
from tests.metrics.gateway_state import STATE
from tests.metrics.promql import Expression, Selector, parse
from tests.support.records import make_record

ROOT = Path(__file__).parents[2]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "etc/grafana/antigravity.json").read_text("utf-8"))
ALERTS = (ROOT / "etc/prometheus/alerts.yml").read_text("utf-8")
PROMTOOL = shutil.which("promtool")
#: Labels that Prometheus adds, and its own metric.
TARGET = {"job", "instance"}
UP = {"up": TARGET}


def page(*, old_names: bool = False) -> str:
    """Return a page with every metric."""
    metrics = RequestMetrics()
    record = make_record(1, outcome="error", error="ServerError: no")
    record.attempts[0].error = "RateLimitedError: slow down"
    record.attempts.append(AttemptRecord("google", "gemini-3-pro", "b", "gemini", False, 1.0))
    metrics.add(record)
    return render(metrics, STATE, old_names=old_names)[1].decode()


def exposed() -> dict[str, set[str]]:
    """Return the labels of every metric."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(page()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def panels() -> list[dict[str, Any]]:
    return [each for each in DASHBOARD["panels"] if each["type"] != "row"]


def dashboard_expressions() -> Iterator[tuple[str, str]]:
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def alert_expressions() -> Iterator[tuple[str, str]]:
    yield from re.findall(r"- alert: (\w+)\n +expr: (.+)\n", ALERTS)


EXPRESSIONS = [*dashboard_expressions(), *alert_expressions()]


@pytest.mark.parametrize(("where", "text"), EXPRESSIONS, ids=[where for where, _ in EXPRESSIONS])
def test_expression_names_exposed_metrics_and_labels(where: str, text: str) -> None:
    known = exposed() | UP
    expression = parse(text)
    assert expression.selectors, text
    for metric, labels in expression.selectors:
        if metric.startswith("process_") and sys.platform != "linux":
            continue
        assert metric in known, f"{where}: {text}"
        assert labels <= known[metric] | TARGET, f"{where}: {text}"
        assert expression.grouping <= known[metric] | TARGET, f"{where}: {text}"


def test_legends_name_labels_of_their_expressions() -> None:
    for panel in panels():
        for target in panel["targets"]:
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert named <= parse(target["expr"]).grouping, panel["title"]


def test_variables_of_the_dashboard_are_defined_and_used() -> None:
    defined = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD["panels"])))
    assert used - {"__rate_interval", "__all"} == set(defined)
    known = exposed()
    for name in ("upstream", "model"):
        query = defined[name]["query"]["query"]
        metric, label = re.fullmatch(r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", query).groups()  # type: ignore[union-attr]
        assert label in known[metric]


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells), panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_dashboard_and_alerts_cover_what_operators_ask_for() -> None:
    text = " ".join(expression for _, expression in EXPRESSIONS)
    for name in (
        "antigravity_requests_total",
        "antigravity_request_errors_total",
        "gen_ai_client_inference_time_to_first_chunk_seconds_bucket",
        "gen_ai_client_inference_duration_seconds_bucket",
        "gen_ai_client_inference_usage_input_tokens_total",
        "antigravity_cost_dollars_total",
        "antigravity_overhead_seconds_bucket",
        "antigravity_account_quota_remaining_ratio",
        "antigravity_requests_waiting",
        "antigravity_ledger_lag_seconds",
    ):
        assert name in text
    assert len(list(alert_expressions())) == ALERTS.count("- alert:") >= 8


def test_alerts_name_commands_and_settings_that_exist() -> None:
    commands = set(re.findall(r"`antigravity ([a-z]+)", ALERTS))
    assert commands
    assert commands <= set(COMMANDS)
    assert "proxy.scheduling.max_concurrency" in ALERTS
    assert "max_concurrency" in SchedulingSettings.__struct_fields__


def test_every_metric_is_documented() -> None:
    text = (ROOT / "docs/operations.rst").read_text("utf-8")
    families = {
        re.sub(r"_(bucket|sum|count|created)$", "", name)
        for name in exposed()
        if name.startswith("antigravity_")
    }
    assert [name for name in sorted(families) if f"``{name}``" not in text] == []


def test_expressions_are_parsed() -> None:
    text = 'sum by (a, le) (rate(x_total{b=~"c{d}", e!="f"}[5m])) / on (g) max(y) > 1 or z:w'
    assert parse(text) == Expression(
        [
            Selector("x_total", frozenset({"b", "e"})),
            Selector("y", frozenset()),
            Selector("z:w", frozenset()),
        ],
        {"a", "le", "g"},
    )


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_promtool_accepts_alerts() -> None:
    assert PROMTOOL is not None
    command = [PROMTOOL, "check", "rules", str(ROOT / "etc/prometheus/alerts.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_promtool_accepts_page() -> None:
    assert PROMTOOL is not None
    command = [PROMTOOL, "check", "metrics"]
    done = subprocess.run(
        command,
        input=page(old_names=True),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    # It prints advice about names, too; only a page that it cannot read is an error.
    assert "error while" not in done.stderr, done.stderr
    assert done.returncode in (0, 3), done.stderr
