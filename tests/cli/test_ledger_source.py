"""Questions to the ledger of a running gateway, which may be older than the command."""

from __future__ import annotations

from urllib.parse import parse_qs

from antigravity.cli.ledger_source import _query
from antigravity.interfaces.ledger import ExportQuestion, RequestQuestion, UsageQuestion


def test_defaults_are_not_sent() -> None:
    assert _query(RequestQuestion()) == ""
    asked = parse_qs(_query(RequestQuestion(model="gpt-5.1", outcome="error", limit=7)))
    assert asked == {"model": ["gpt-5.1"], "outcome": ["error"], "limit": ["7"]}


def test_required_values_and_changed_flags_are_sent() -> None:
    assert parse_qs(_query(UsageQuestion(since=1.0, until=2.0, by="model"))).keys() == {
        "since",
        "until",
        "by",
    }
    assert parse_qs(_query(ExportQuestion(payloads=True))) == {"payloads": ["true"]}
