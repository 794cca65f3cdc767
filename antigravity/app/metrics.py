"""What a monitoring system gets to know of a running gateway."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from antigravity.accounts.quota_monitor import QuotaMonitor
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.administration import IAdministration
from antigravity.interfaces.metrics import IMetrics
from antigravity.metrics.requests import RequestMetrics
from antigravity.metrics.state import AccountState, GatewayState
from antigravity.version import VERSION


@implementer(IMetrics)
class GatewayMetrics:
    """The numbers of a gateway.

    :param administration: returns the operator's view of the configuration in force.
    :ivar requests: what finished requests did.
    :ivar old_names: whether old names of the conventions are written, too.
    """

    def __init__(
        self,
        reactor: Any,
        quotas: QuotaMonitor,
        administration: Callable[[], IAdministration],
        *,
        demo: bool,
    ) -> None:
        self._reactor = reactor
        self._quotas = quotas
        self._administration = administration
        self._demo = demo
        self.requests = RequestMetrics()
        self.old_names = False

    def render(self, wrong_keys: int) -> Deferred[tuple[str, bytes]]:
        """Return a Deferred with the media type and the page, which is written in a thread."""
        return call_in_thread(self._reactor, self._render, self.state(wrong_keys))

    def state(self, wrong_keys: int) -> GatewayState:
        """Return the state of the gateway now."""
        administration = self._administration()
        status = administration.status()
        tunnel = administration.tunnel()
        pool, ledger = status.pool, status.ledger
        sizes = {
            "waiting_rows": ledger.waiting,
            "lost_rows": ledger.lost,
            "size_bytes": ledger.bytes,
        }
        return GatewayState(
            VERSION,
            self._demo,
            status.running_requests,
            pool.queue.waiting,
            wrong_keys,
            [
                AccountState(each.id, each.upstream, each.running, self._left(each.id))
                for each in pool.accounts
            ],
            Counter(each.reason for each in pool.locks),
            Counter(each.state for each in status.mcp.servers),
            bool(tunnel.connections),
            sizes if ledger.enabled else None,
        )

    def _left(self, account: str) -> dict[str, float]:
        """Return what is left of the quotas of an account, as far as it is known."""
        quota, now = self._quotas.quota(account), self._reactor.seconds()
        models = {} if quota is None else quota.models
        left = {name: each.remaining(now) for name, each in models.items()}
        return {name: each for name, each in left.items() if each is not None}

    def _render(self, state: GatewayState) -> tuple[str, bytes]:
        from antigravity.metrics.exposition import render

        return render(self.requests, state, old_names=self.old_names)
