"""The metrics of the gateway's state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.registry import Collector

from antigravity.metrics.families import by_label, counters, gauges
from antigravity.metrics.state import GatewayNumbers, LedgerNumbers, SharedStateNumbers

_ACCOUNT: Final = ("account", "upstream")
_TUNNEL_STATES: Final = ("off", "refused", "starting", "up", "waiting", "failed")


class StateCollector(Collector):
    """Collects the state of the gateway."""

    def __init__(self, state: GatewayNumbers) -> None:
        self._state = state

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that nothing is collected when it is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return the state."""
        state = self._state
        info = InfoMetricFamily("antigravity", "The gateway.")
        info.add_metric((), {"version": state.version, "demo": str(state.demo).lower()})
        yield info
        yield GaugeMetricFamily(
            "antigravity_configuration_current",
            "Whether the newest configuration is in force.",
            int(state.is_current),
        )
        yield GaugeMetricFamily("antigravity_requests_running", "Running requests.", state.running)
        yield GaugeMetricFamily(
            "antigravity_requests_waiting", "Requests that wait for an account.", state.waiting
        )
        yield CounterMetricFamily(
            "antigravity_wrong_keys", "Requests with a wrong key.", state.wrong_keys
        )
        yield GaugeMetricFamily(
            "antigravity_keys_current",
            "Whether the store of the keys of clients can be read.",
            int(state.has_current_keys),
        )
        yield from self._accounts()
        yield counters(
            "antigravity_signature_lookups",
            "Look-ups of stored thinking.",
            ("result",),
            by_label(state.signatures),
        )
        yield counters(
            "antigravity_session_bindings",
            "Accounts of conversations that were kept, moved or new.",
            ("result",),
            by_label(state.sessions),
        )
        yield gauges(
            "antigravity_mcp_servers",
            "Other MCP servers by state.",
            ("state",),
            by_label(state.mcp_servers),
        )
        yield counters(
            "antigravity_mcp_calls",
            "Finished calls of MCP clients.",
            ("method", "outcome"),
            state.mcp_calls.items(),
        )
        yield GaugeMetricFamily(
            "antigravity_tunnel_connected",
            "Connections of the tunnel.",
            state.tunnel_connections,
        )
        states = {name: name == state.tunnel for name in _TUNNEL_STATES}
        yield StateSetMetricFamily("antigravity_tunnel_state", "State of the tunnel.", states)
        if state.ledger is not None:
            yield from _ledger(state.ledger)
        if state.shared is not None:
            yield from _shared(state.shared)

    def _accounts(self) -> Iterator[Metric]:
        accounts = self._state.accounts
        yield gauges(
            "antigravity_account_requests_running",
            "Running requests by account.",
            _ACCOUNT,
            (((each.id, each.upstream), each.in_flight) for each in accounts),
        )
        yield gauges(
            "antigravity_account_available",
            "Whether the account is not locked for all models.",
            _ACCOUNT,
            (((each.id, each.upstream), not each.is_locked) for each in accounts),
        )
        yield gauges(
            "antigravity_account_quota_remaining_ratio",
            "What is left of a quota, from 0 to 1.",
            (*_ACCOUNT, "quota"),
            (
                ((each.id, each.upstream, name), left)
                for each in accounts
                for name, left in each.quota.items()
            ),
        )
        yield gauges(
            "antigravity_account_locks",
            "Locks by reason.",
            ("reason",),
            by_label(self._state.locks),
        )


def _ledger(ledger: LedgerNumbers) -> Iterator[Metric]:
    for name, text, value in (
        ("waiting_rows", "Rows that are not written yet.", ledger.waiting),
        ("spooled_rows", "Rows that wait in a file for the server of the ledger.", ledger.spooled),
        ("lost_rows", "Rows that were lost.", ledger.lost),
        ("size_bytes", "Size of the ledger.", ledger.size),
        ("lag_seconds", "Age of the oldest row that is not written yet.", ledger.lag),
        ("writable", "Whether nothing keeps the ledger from writing.", ledger.is_writable),
    ):
        yield GaugeMetricFamily(f"antigravity_ledger_{name}", text, value)


def _shared(shared: SharedStateNumbers) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "antigravity_state_connected",
        "Whether the state that gateways share can be reached.",
        int(shared.is_connected),
    )
    yield GaugeMetricFamily(
        "antigravity_state_gateways",
        "Gateways that share the state, as last seen.",
        shared.gateways,
    )
    yield CounterMetricFamily(
        "antigravity_state_failed_calls",
        "Calls of the shared state that failed.",
        shared.failed_calls,
    )
    yield CounterMetricFamily(
        "antigravity_state_losses", "How often the shared state went away.", shared.losses
    )
