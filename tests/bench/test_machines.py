"""The two runs of several gateways judge what they see; ``make test-chaos`` makes small ones."""

from __future__ import annotations

import pytest

from bench.clients import Request, Response, _judge
from bench.fleet import Figures, Key, Load, Provider
from bench.machine_report import Report, judge_requests
from bench.simulate_gateways import render
from bench.two_machines import Accidents, plan

REQUEST = Request(7, "openai", "m", stream=True, key="k", text="")
EVENT = 'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n'


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        (EVENT % "mark-7-" + EVENT % "end" + "data: [DONE]\n\n", 200, "served"),
        (EVENT % "mark-7-end", 200, "broken"),
        (EVENT % "other" + "data: [DONE]\n\n", 200, "broken"),
        (EVENT % "mark-7-" + 'data: {"error": {}}\n\n', 200, "failed"),
        ("This API key may use 5 requests per minute", 429, "limited"),
        ("some other limit", 429, "failed"),
        ("Bad Gateway", 502, "failed"),
    ],
)
def test_clients_judge_responses(body: str, status: int, expected: str) -> None:
    assert _judge(REQUEST, status, body.encode(), "") == expected


def response(outcome: str, began: float, ended: float, name: str = "r") -> Response:
    return Response(REQUEST, outcome, name, began, ended)  # type: ignore[arg-type]


def test_only_streams_of_the_killed_gateway_may_break() -> None:
    accidents = Accidents(None, 4)  # type: ignore[arg-type]
    accidents.times["gateway"] = 10.0
    report = Report()
    responses = [
        response("served", 1, 2),
        response("broken", 9, 10.1),
        response("broken", 3, 4),
        response("failed", 3, 4),
        response("failed", 3, 4, "tried"),
    ]
    judge_requests(report, responses, accidents, 20.0, {"tried": 3})
    assert report.rows["Streams of the killed gateway that had begun"] == "1"
    assert report.rows["Failed at a provider in all attempts"] == "1"
    assert report.problems == ["Failures that another gateway could have avoided: 2, at most 0"]


def test_fifth_of_requests_is_limited() -> None:
    requests = plan(100, "limited")
    assert sum(each.key == "limited" for each in requests) == 20
    assert {each.protocol for each in requests} == {"openai", "anthropic"}


class Time:
    now = 100.0

    def seconds(self) -> float:
        return self.now


def test_load_finds_the_fullest_period() -> None:
    load = Load(Time(), [], 10.0, 1, [])
    load._granted["k"] = [1.0, 5.0, 9.0, 10.5, 30.0]
    assert load._most(Key("k", 4), 0.0) == 4
    assert load._most(Key("k", 4), 20.0) == 1
    assert load._most(Key("k", 4), 40.0) == 0


def test_provider_counts_renewals_and_moves_without_need() -> None:
    time = Time()
    provider = Provider(time, 2, token_life=20.0)
    provider.issue("a")
    provider.issue("a")
    time.now += 20
    provider.issue("a")
    assert (provider.figures.refreshes, provider.figures.needless) == (3, 1)
    for account in ("account-0", "account-1", "account-1"):
        assert provider.serve("s", account) is None
    assert (provider.figures.moved, provider.figures.moved_needlessly) == (1, 1)
    provider.locked["account-1"] = time.now + 5
    assert provider.serve("s", "account-1") == time.now + 5
    assert provider.serve("s", "account-0") is None
    assert (provider.figures.refused, provider.figures.moved_needlessly) == (1, 1)


def test_table_has_a_column_for_each_phase() -> None:
    figures = Figures(seconds=2.0, requests=10, used={"limit-10": 1.0})
    found = render({"one": figures, "other": figures}, [Key("limit-10", 10)], 50, 10.0)
    assert "   * - Most of a limit of 10\n     - 100%\n     - 100%\n" in found
    assert ":Command: ``python -m bench.simulate_gateways``" in found
