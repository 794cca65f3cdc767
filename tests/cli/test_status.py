"""What ``antigravity status`` and ``explain`` print."""

from __future__ import annotations

import io
from typing import Any

import click
import msgspec
import pytest

from antigravity.cli import explain, status, terminal
from antigravity.interfaces.account_control import AccountLock, AccountQuota, AccountView
from antigravity.interfaces.administration import (
    AccountExplanation,
    Explanation,
    UpstreamExplanation,
)
from antigravity.interfaces.status import (
    ConfigurationState,
    GatewayStatus,
    LedgerState,
    McpStatus,
    PoolStatus,
    QueueState,
    TunnelStatus,
    UpstreamStatus,
)

POOL = PoolStatus(
    mode="Balance",
    fixed=None,
    running=1,
    queue=QueueState(0, 10),
    accounts=[],
    locks=[],
    protected=[],
    bindings=0,
)
TUNNEL = TunnelStatus(
    state="off",
    enabled=False,
    mode="quick",
    addresses=[],
    connections=0,
    authentication="off",
    reason="",
    restarts=0,
    retry_in=None,
    start_timeout=1.0,
)


def shown(*accounts: AccountView, labels: dict[str, str] | None = None, **more: Any) -> str:
    gateway = GatewayStatus(
        version="1",
        demo=more.pop("demo", False),
        configuration=ConfigurationState(None, ""),
        running_requests=1,
        pool=msgspec.structs.replace(POOL, fixed=more.pop("fixed", None)),
        quotas=[],
        mcp=McpStatus([]),
        ledger=LedgerState(True, bytes=1048576),
        upstreams=[UpstreamStatus("openai", "openai", 1), UpstreamStatus("x", "openai", 0, "none")],
    )
    data = {
        **msgspec.to_builtins(gateway),
        "accounts": msgspec.to_builtins(list(accounts)),
        "tunnel": msgspec.to_builtins(TUNNEL),
    }
    return status.describe(data, labels or {})


def account(**fields: Any) -> AccountView:
    known = {"id": "a-1", "kind": "openai", "upstream": "openai", "label": "", "state": "ready"}
    return AccountView(**{**known, **fields})


def test_status_says_why_an_account_is_locked_and_until_when() -> None:
    lock = AccountLock("", "rate", 59 * 60.0)
    text = shown(
        account(
            state="locked",
            locks=[lock],
            ago=200.0,
            last_error="Too many\nrequests",
            last_error_ago=5.0,
        ),
        labels={"a-1": "me@example.org"},
    )
    (row,) = (line for line in text.splitlines() if "me@example.org" in line)
    assert "locked, free in 59 min" in row
    assert "it has reached the rate limit" in row
    assert "3 min ago" in row
    assert "5 s ago: Too many requests" in row
    assert "unknown" in row, "nobody knows its quota"


def test_status_shows_the_lowest_quota_and_the_soonest_lock_of_a_model() -> None:
    quotas = [
        AccountQuota("flash", ["f"], 0.9, None),
        AccountQuota("pro", ["p"], 0.12, 7200.0, is_protected=True),
    ]
    locks = [AccountLock("p", "quota", 7200.0), AccountLock("q", "absent", None)]
    text = shown(account(state="limited", quotas=quotas, locks=locks))
    assert "12 % of pro, full in 2 h, kept in reserve" in text
    assert "limited, free in 2 h" in text
    assert "p: its quota for this model is used up (and 1 more models)" in text


def test_status_names_fixed_and_disabled_accounts() -> None:
    text = shown(
        account(is_fixed=True),
        account(id="b", state="disabled", why="on holiday"),
        fixed="a-1",
        demo=True,
    )
    assert text.startswith("DEMO")
    assert "ready, fixed" in text
    assert "on holiday" in text
    assert "'antigravity accounts use --auto' ends that" in text
    assert "Tunnel: off" in text
    assert "Ledger of requests: on, 1.0 MiB" in text


def test_explanation_says_why_nothing_serves() -> None:
    found = Explanation(
        "gpt-9",
        "gpt-9",
        [],
        [UpstreamExplanation("openai", False, None, None, "it does not list the model", {})],
        [AccountExplanation("a-1", "openai", "", "disabled", "on holiday", None, "me")],
        served=False,
        problem="Nothing has it.",
    )
    text = explain.describe(msgspec.to_builtins(found), {})
    assert text.startswith("gpt-9 cannot be served now.\nNothing has it.")
    assert "it does not list the model" in text
    assert "on holiday" in text
    assert "100" not in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (89, "89 s"),
        (3540, "59 min"),
        (7200, "2 h"),
        (86400 * 3, "3 days"),
        (-5, "0 s"),
    ],
)
def test_span_uses_the_largest_fitting_unit(seconds: float, text: str) -> None:
    assert terminal.span(seconds) == text


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("colours", [True, False])
def test_table_wraps_on_a_terminal(monkeypatch: pytest.MonkeyPatch, colours: bool) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr("sys.stdout", Screen())
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")
    text = terminal.table(("NAME", "WHY"), [("locked", "word " * 30)])
    plain = click.unstyle(text)
    assert max(map(len, plain.splitlines())) <= 40
    assert plain.count("word") == 30
    assert ("\x1b[1;31m" in text) == colours


def test_table_in_a_pipe_never_wraps() -> None:
    text = terminal.table(("NAME", "WHY"), [("名", "word " * 30), ("ab", "x")])
    assert len(text.splitlines()) == 3
    assert text.splitlines()[2] == "ab    x"
