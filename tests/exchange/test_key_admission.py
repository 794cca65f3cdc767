"""What a finished request of a key with a budget has cost."""

from __future__ import annotations

from typing import Any

import pytest

from antigravity.exchange.key_admission import cost_of
from antigravity.ir.usage import Usage
from tests.support.records import make_record

RESERVED = 10_000
SENT = 400


class Pricer:
    """One nanodollar for a token of input, two for a token of output."""

    is_loaded = True

    def load(self) -> None:
        pass

    def price(self, upstream: str, model: str, usage: Usage, seconds: float) -> int:
        return usage.input_total + 2 * usage.output


def cost(**changes: Any) -> int:
    return cost_of(Pricer(), RESERVED, SENT, make_record(**changes))


def test_reported_usage_is_the_cost() -> None:
    assert cost(usage=Usage(input_total=100, output=30)) == 160
    assert cost(usage=Usage()) == 0


@pytest.mark.parametrize("outcome", ["ok", "cancelled", "error"])
def test_response_without_usage_is_estimated(outcome: str) -> None:
    # Two seconds at 500 tokens a second, at two nanodollars each.
    assert cost(usage=None, outcome=outcome) == SENT + 2000


@pytest.mark.parametrize("outcome", ["ok", "cancelled", "error"])
def test_estimate_is_at_most_what_was_reserved(outcome: str) -> None:
    assert cost(usage=None, outcome=outcome, duration=3600.0) == RESERVED


@pytest.mark.parametrize("outcome", ["cancelled", "error"])
def test_usage_of_response_that_broke_off_is_the_cost(outcome: str) -> None:
    assert cost(usage=Usage(input_total=100, output=30), outcome=outcome) == 500
    assert cost(usage=Usage(input_total=100, output=300), outcome=outcome) == 700
    assert cost(usage=Usage(input_total=100, output=30_000), outcome=outcome) == RESERVED


@pytest.mark.parametrize("outcome", ["cancelled", "error"])
def test_what_is_not_known_of_response_that_broke_off_is_estimated(outcome: str) -> None:
    assert cost(usage=Usage(input_total=100), outcome=outcome) == 100 + 2000
    assert cost(usage=Usage(output=300), outcome=outcome) == SENT + 600
    assert cost(usage=Usage(), outcome=outcome) == SENT + 2000


def test_request_that_failed_costs_nothing() -> None:
    assert cost(usage=None, outcome="error", first_byte=None) == 0
    assert cost(usage=None, attempts=[]) == 0
