"""The state of a gateway, with something in every field."""

from __future__ import annotations

from antigravity.metrics.state import AccountState, GatewayNumbers, LedgerNumbers

STATE = GatewayNumbers(
    version="1.2",
    demo=False,
    running=3,
    waiting=2,
    wrong_keys=1,
    accounts=[
        AccountState("google-1", "google", 4, {"gemini": 0.25}),
        AccountState("google-2", "google", 0, {}, True),
    ],
    locks={"quota": 2},
    mcp_servers={"ready": 1},
    mcp_calls={("tools/call", "ok"): 5},
    signatures={"hit": 7, "miss": 3},
    sessions={"kept": 9, "moved": 1, "new": 2},
    tunnel="up",
    tunnel_connections=4,
    ledger=LedgerNumbers(7, 1, 4096, 0.5, spooled=3),
)
