"""What the pages make of the answers of the ledger and of the gateway's status."""

from __future__ import annotations

from typing import Any

from antigravity.dashboard.account_rows import Lock, QuotaBar, account_rows, is_urgent
from antigravity.dashboard.usage_page import Series, chart_data
from antigravity.interfaces.ledger import Sums, Tokens, UsageRow


def usage_row(requests: int, **names: str) -> UsageRow:
    return UsageRow(
        Sums(requests, 0, 0, Tokens(), 0.0, 0.0, 0, requests, 0, None, None, None), **names
    )


def test_chart_has_largest_groups_and_one_series_of_all_others() -> None:
    names = [f"model-{number}" for number in range(9)]
    groups = [usage_row(100), *(usage_row(90 - n, model=name) for n, name in enumerate(names))]
    rows = [
        usage_row(60, period="b"),
        usage_row(40, period="a"),
        *(usage_row(90 - n, model=name, period="b") for n, name in enumerate(names)),
    ]
    periods, series = chart_data(rows, groups, "model", "requests")
    assert periods == ["a", "b"]
    assert series == [
        *(Series(name, [0.0, 90.0 - n]) for n, name in enumerate(names[:7])),
        Series("", [40.0, 60.0 + 83 + 82]),
    ]


def account(name: str, **values: Any) -> dict[str, Any]:
    return {
        "id": name,
        "label": "",
        "upstream": "one",
        "running": 0,
        "bindings": 0,
        "last_used": None,
        **values,
    }


def lock(name: str | None, upstream: str = "one", **values: Any) -> dict[str, Any]:
    return {
        "account": name,
        "upstream": upstream,
        "model": None,
        "reason": "quota",
        "free_in": 5.0,
        "help": None,
        **values,
    }


def test_accounts_have_their_own_locks_quotas_and_those_of_their_upstream() -> None:
    status = {
        "pool": {
            "accounts": [
                account("a", running=1, last_used=7.0),
                account("b"),
                account("c", upstream="two"),
            ],
            "locks": [lock("a", model="m"), lock("b", reason="revoked"), lock(None, "two")],
            "fixed": "c",
        },
        "quotas": [
            {"account": "a", "model": "m", "remaining": 0.5, "free_in": 3.0},
            {"account": "elsewhere", "model": "m", "remaining": 0.1, "free_in": None},
        ],
    }
    first, second, third = account_rows(status, 10.0)
    assert (first.state, second.state, third.state) == ("limited", "locked", "locked")
    assert first.locks == [Lock("m", "quota", 5.0, "")]
    assert third.locks == [Lock("", "quota", 5.0, "")]
    assert (first.quotas, second.quotas) == ([QuotaBar("m", 0.5, 3.0)], [])
    assert (first.ago, second.ago) == (3.0, None)
    assert [row.is_fixed for row in (first, second, third)] == [False, False, True]
    assert [is_urgent(row) for row in (first, second, third)] == [False, True, True]
