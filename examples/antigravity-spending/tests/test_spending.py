"""Page and tool show the same costs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from antigravity_spending import plugin
from antigravity_spending.plugin import MOST, OTHERS, Spending

from antigravity.testing import ThreadedGateway, load_plugin, run_gateway

MODEL = "demo-anthropic/claude-sonnet-4-5"


class Summary:
    """What the plugin reads of a summary."""

    def __init__(self, time: str, model: str, cost: float | None) -> None:
        self.time, self.model, self.cost = time, model, cost


def add(spending: Spending, *requests: tuple[str, str, float | None]) -> dict[str, Any]:
    spending.add([Summary(*each) for each in requests])  # type: ignore[misc]
    return spending.report()


def test_costs_of_a_day_are_added_up() -> None:
    found = add(
        Spending(),
        ("2026-11-30T10:00:00Z", "small", 0.25),
        ("2026-11-30T11:00:00Z", "large", 2.0),
        ("2026-11-30T12:00:00Z", "small", 0.25),
        ("2026-11-30T12:00:00Z", "own", None),
    )
    assert (found["total"], found["unpriced"]) == (2.5, 1)
    assert found["models"] == [("large", 2.0), ("small", 0.5)]


def test_new_day_begins_with_zero_and_late_requests_do_not_count() -> None:
    spending = Spending()
    add(spending, ("2026-11-30T23:00:00Z", "m", 1.0))
    found = add(spending, ("2026-12-01T00:00:00Z", "m", 0.5), ("2026-11-30T23:59:00Z", "m", 9.0))
    assert (found["day"], found["total"]) == ("2026-12-01", 0.5)


def test_many_models_are_added_up_as_others() -> None:
    requests = [("2026-11-30T10:00:00Z", f"m{number}", 1.0) for number in range(MOST + 5)]
    found = dict(add(Spending(), *requests)["models"])
    assert len(found) == MOST + 1
    assert found[OTHERS] == 5


@pytest.fixture(scope="module")
def gateway() -> Iterator[ThreadedGateway]:
    config = '[proxy]\nadmin_key = "sk-admin"\n[plugins.spending]\nlimit = 7.5\n'
    with run_gateway(plugins=[("spending", plugin)], config=config) as running:
        yield running


def report(gateway: ThreadedGateway) -> dict[str, Any]:
    result = gateway.mcp("tools/call", {"name": "spending", "arguments": {}})
    found: dict[str, Any] = json.loads(result["content"][0]["text"])
    return found


def test_plugin_registers_page_and_tool() -> None:
    info = load_plugin(plugin).info
    assert info.registered["mcp_tools"] == info.registered["dashboard_pages"] == ("spending",)


def test_page_and_tool_show_a_request(gateway: ThreadedGateway) -> None:
    assert report(gateway)["limit"] == 7.5
    gateway.post(
        "/v1/chat/completions",
        {"model": MODEL, "messages": [{"role": "user", "content": "Count me"}]},
    )
    # The ledger reports what it has written a few times in a second.
    deadline = time.monotonic() + 20
    while not (report(gateway)["models"] or report(gateway)["unpriced"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    form = {"content-type": "application/x-www-form-urlencoded", "origin": gateway.url}
    signed_in = gateway.post("/dashboard/sign-in", b"key=sk-admin", form)
    cookie = {"cookie": signed_in.headers["set-cookie"].partition(";")[0]}
    page = gateway.get("/dashboard/plugins/spending", cookie)
    assert page.status == 200
    assert report(gateway)["day"] in page.text
    for model, _ in report(gateway)["models"]:
        assert f"<td>{model}</td>" in page.text
