"""What a monitoring system gets to know of a running gateway."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredLock, inlineCallbacks, maybeDeferred
from twisted.internet.error import CannotListenError
from zope.interface import implementer

from antigravity.config.ledger_settings import MetricsSettings
from antigravity.config.settings import ProxySettings, Settings
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.metrics import IMetrics
from antigravity.interfaces.status import LedgerState, PoolStatus, SharedStateStatus
from antigravity.logs import make_logger
from antigravity.metrics.requests import RequestMetrics
from antigravity.metrics.state import (
    AccountState,
    GatewayNumbers,
    LedgerNumbers,
    SharedStateNumbers,
)
from antigravity.signatures.store import SignatureStore
from antigravity.version import VERSION
from antigravity.web.host_policy import HostPolicy
from antigravity.web.listener import Listener

if TYPE_CHECKING:
    from antigravity.app.accounts import AccountServices
    from antigravity.app.running_parts import RunningParts
    from antigravity.app.workers import Workers
    from antigravity.ledger.rows import RequestRow


@implementer(IMetrics)
class GatewayMetrics:
    """The numbers of a gateway, and the ports that serve only them.

    :param parts: returns the running parts; :param workers: what other processes do.
    :ivar requests: what finished requests did.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        accounts: AccountServices,
        signatures: SignatureStore,
        parts: Callable[[], RunningParts],
        workers: Callable[[], Workers],
        *,
        demo: bool,
    ) -> None:
        self._reactor = reactor
        self._accounts = accounts
        self._signatures = signatures
        self._parts = parts
        self._workers = workers
        self._demo = demo
        self._settings = MetricsSettings()
        self._host_policy = HostPolicy(ProxySettings())
        self._changing = DeferredLock()
        self._listener: Listener | None = None
        self.requests = RequestMetrics()

    @property
    def is_enabled(self) -> bool:
        """Whether requests are added up."""
        return self._settings.enabled

    @property
    def listener(self) -> Listener | None:
        """The ports that serve only metrics, if there are some."""
        return self._listener

    def use(self, settings: Settings) -> Any:
        """Open the ports that the settings want; the Deferred fires when that is done."""
        self._host_policy = HostPolicy(settings.proxy, socket.gethostname())
        return self._changing.run(self._use, settings.metrics)

    def stop(self) -> Any:
        """Close these ports; the Deferred fires when that is done."""
        return self._changing.run(self._listen, [])

    def add_rows(self, rows: Sequence[RequestRow]) -> None:
        """Add what requests cost; the ledger knows that soon after their end."""
        for row in rows:
            if row.cost is not None or row.input or row.cached or row.output or row.reasoning:
                key = (row.operation, row.protocol, row.upstream, row.served_model)
                self.requests.add_cost(key, row.cost, row.list_cost)

    def render(self) -> Deferred[tuple[str, bytes]]:
        """Return a Deferred with the media type and the page, which is written in a thread."""
        refreshed: Deferred[Any] = maybeDeferred(self._workers().refresh)
        return refreshed.addCallback(
            lambda _: call_in_thread(self._reactor, self._render, self.state())
        )

    def state(self) -> GatewayNumbers:
        """Return the state of the gateway now."""
        parts, workers = self._parts(), self._workers()
        administration = parts.administration()
        status, tunnel = administration.status(), administration.tunnel()
        pool = status.pool
        return GatewayNumbers(
            version=VERSION,
            demo=self._demo,
            is_current=administration.is_current(),
            running=status.running_requests,
            waiting=pool.queue.waiting,
            wrong_keys=parts.front_end.wrong_keys + workers.wrong_keys,
            accounts=self._account_states(pool),
            locks=Counter(each.reason for each in pool.locks),
            mcp_servers=Counter(each.state for each in status.mcp.servers),
            mcp_calls=parts.front_end.mcp_calls(),
            signatures=dict(workers.add_signatures(self._signatures.lookups)),
            sessions=dict(workers.add_sessions(self._accounts.pool.session_uses)),
            tunnel=tunnel.state,
            tunnel_connections=tunnel.connections,
            ledger=_ledger_numbers(status.ledger),
            shared=_shared_numbers(status.state),
            has_current_keys=not status.key_store.problem,
        )

    def _account_states(self, pool: PoolStatus) -> list[AccountState]:
        whole = [each for each in pool.locks if each.model is None]
        locked = {each.account for each in whole}
        upstreams = {each.upstream for each in whole if each.account is None}
        return [
            AccountState(
                each.id,
                each.upstream,
                each.running,
                self._left(each.id),
                each.id in locked or each.upstream in upstreams,
            )
            for each in pool.accounts
        ]

    def _left(self, account: str) -> dict[str, float]:
        """Return what is left of the quotas of an account, as far as it is known."""
        quota, now = self._accounts.quotas.quota(account), self._reactor.seconds()
        models = {} if quota is None else quota.models
        left = {name: each.remaining(now) for name, each in models.items()}
        return {name: each for name, each in left.items() if each is not None}

    def _render(self, state: GatewayNumbers) -> tuple[str, bytes]:
        from antigravity.metrics.exposition import render

        return render(self.requests, state, old_names=self._settings.old_names)

    @inlineCallbacks
    def _use(self, settings: MetricsSettings) -> Any:
        before, self._settings = self._settings, settings
        wanted = settings.listen if settings.enabled else []
        if self._listener is None or wanted != before.listen or not settings.enabled:
            yield self._listen(wanted)

    @inlineCallbacks
    def _listen(self, endpoints: list[str]) -> Any:
        before, self._listener = self._listener, None
        if before is not None:
            yield before.stopService()
        if not endpoints:
            return
        from antigravity.web.metrics_site import MetricsSite

        site = MetricsSite(self._reactor, self, lambda host: self._host_policy.check_host(host))
        listener = Listener(self._reactor, site, ProxySettings(listen=endpoints))
        try:
            yield listener.listen()
        except CannotListenError as error:
            self.log.error("the metrics have no port of their own: {error}", error=str(error))
        else:
            self._listener = listener


def _shared_numbers(state: SharedStateStatus) -> SharedStateNumbers | None:
    if not state.name:
        return None
    return SharedStateNumbers(not state.problem, state.gateways, state.failed_calls, state.losses)


def _ledger_numbers(ledger: LedgerState) -> LedgerNumbers | None:
    if not ledger.enabled:
        return None
    return LedgerNumbers(
        ledger.waiting,
        ledger.lost,
        ledger.bytes,
        ledger.lag,
        is_writable=not ledger.problem,
        spooled=ledger.spooled,
    )
