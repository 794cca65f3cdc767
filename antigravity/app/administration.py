"""The operator's interface to a running gateway."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

from twisted.internet.defer import Deferred
from zope.interface import implementer

from antigravity.accounts.lookup import find_account
from antigravity.app.access import Access
from antigravity.app.account_control import AccountControl, AccountsOwner
from antigravity.app.build import new_id
from antigravity.app.configuration_status import ConfigurationStatus
from antigravity.app.connections import ClientConnections
from antigravity.app.explanation import check_protocol, explain
from antigravity.app.gateway_state import GatewayState
from antigravity.app.home_ledger import HomeLedger
from antigravity.app.key_control import KeyControl
from antigravity.app.lab import Lab
from antigravity.app.mcp.endpoints import McpEndpoints
from antigravity.app.metrics import GatewayMetrics
from antigravity.app.model_administration import ModelAdministration
from antigravity.app.replay import replay
from antigravity.app.system_control import Installation, SystemControl
from antigravity.app.workers import Workers
from antigravity.exchange.running import reference_of
from antigravity.exchange.snapshot import Snapshot
from antigravity.interfaces.administration import (
    Belief,
    CancelledRequest,
    Explanation,
    IAdministration,
    ModelDescription,
    ModelDescriptions,
    ReplayedRequest,
    RunningRequest,
    RunningRequests,
    UnlockedAccount,
    WarmupReport,
)
from antigravity.interfaces.exchange import IExchange
from antigravity.interfaces.status import GatewayStatus, McpStatus, TunnelStatus, UpstreamStatus
from antigravity.ir.errors import CancelledByOperatorError, NotFoundError
from antigravity.ir.record import ExchangeRecord
from antigravity.ledger.client_name import client_name
from antigravity.routing.learned_refusals import LearnedRefusals
from antigravity.services import Drain
from antigravity.tunnel.service import Tunnel
from antigravity.version import VERSION
from antigravity.warmup.on_demand import WarmupsOnDemand


class GatewayControl(AccountsOwner, Installation, Protocol):
    """A gateway as its operator controls it: requests, configuration, and what was learned."""

    drain: Drain
    status: ConfigurationStatus
    refusals: LearnedRefusals
    ledger: HomeLedger
    keys: KeyControl
    metrics: GatewayMetrics
    state: GatewayState
    workers: Workers

    @property
    def is_demo(self) -> bool:
        """Whether a simulator serves every model."""


@implementer(IAdministration)
class Administration:
    """The operator's view of one runtime; see :class:`IAdministration`."""

    def __init__(
        self,
        exchange: IExchange,
        snapshot: Snapshot,
        tunnel: Tunnel,
        warmups: WarmupsOnDemand,
        mcp: McpEndpoints,
        control: GatewayControl,
        accounts: AccountControl,
        keys: KeyControl,
        models: ModelAdministration,
        access: Access,
        connections: ClientConnections,
        system: SystemControl,
        lab: Lab,
    ) -> None:
        self._exchange = exchange
        self._snapshot = snapshot
        self._tunnel = tunnel
        self._warmups = warmups
        self._mcp = mcp
        self._control = control
        self.accounts = accounts
        self.keys = keys
        self.system = system
        self.models = models
        self.access = access
        self.connections = connections
        self.lab = lab

    def status(self) -> GatewayStatus:
        """Return the state of the gateway and of its accounts."""
        return GatewayStatus(
            version=VERSION,
            demo=self._control.is_demo,
            configuration=self._control.status.state(),
            running_requests=self._control.drain.active + self._control.workers.active,
            pool=self._control.workers.add_pools(self._snapshot.pool.status()),
            quotas=self._control.accounts.quota_status(),
            mcp=McpStatus(self._mcp.status()),
            ledger=self._control.ledger.status(),
            upstreams=self._upstreams(),
            wrong_keys=self._control.workers.wrong_keys,
            state=self._control.state.status(),
            key_store=self.keys.status(),
            workers=self._control.workers.status(),
        )

    def _upstreams(self) -> list[UpstreamStatus]:
        store = self._control.runtime.accounts
        problems = {
            each.key.split(".")[1]: each.message
            for each in store.problems
            if each.key.startswith("upstreams.")
        }
        return [
            UpstreamStatus(
                name, settings.kind, len(store.credentials(name)), problems.get(name, "")
            )
            for name, settings in store.upstreams.items()
        ]

    def is_current(self) -> bool:
        """Return whether the newest configuration is in force."""
        return not self._control.status.problem

    def running(self) -> RunningRequests:
        """Return the requests that are being served, oldest first."""
        now = time.time()
        found = [describe_running(each, now) for each in self._exchange.running()]
        found += self._control.workers.running()
        return RunningRequests(sorted(found, key=lambda each: each.time))

    def cancel(self, name: str) -> CancelledRequest:
        """Cancel a running request."""
        is_here = self._exchange.cancel(name, cancelled_by_operator())
        if not (self._control.workers.cancel(name) or is_here):
            raise NotFoundError(
                f"No request with the id {name[:100]!r} is running.",
                code="request_not_running",
            )
        return CancelledRequest(name)

    def replay(self, request_id: str, model: str) -> Deferred[ReplayedRequest]:
        """Return a Deferred that fires with the response to a request that is sent again."""
        servers = self._control.runtime.registry.all_servers
        ledger = self._control.ledger
        return Deferred.fromCoroutine(
            replay(self._exchange, servers, ledger, request_id, model, new_id)
        )

    def explain(self, model: str, protocol: str) -> Deferred[Explanation]:
        """Return a Deferred that fires with how a model would be routed, and why."""
        return Deferred.fromCoroutine(self._explain(model, protocol))

    def describe_model(self, model: str, protocol: str) -> Deferred[ModelDescriptions]:
        """Return a Deferred that fires with what is believed about a model, and why."""
        return Deferred.fromCoroutine(self._describe_model(model, protocol))

    def reload(self) -> Deferred[None]:
        """Read the configuration again; the Deferred fires when it is in force."""
        return self._control.reload()

    def fix_account(self, credential: str | None) -> None:
        """Use one account for all requests that it can serve, or all accounts for ``None``."""
        self._snapshot.pool.fix(credential)
        self._control.workers.fix_account(credential)

    def unlock_account(self, account: str, model: str) -> UnlockedAccount:
        """End the locks of an account, for one model or for all."""
        accounts, pool = self._snapshot.credentials, self._snapshot.pool
        credentials = [each for name in accounts.upstreams for each in accounts.credentials(name)]
        credential = find_account(credentials, account)
        ended = pool.unlock(credential.id, model) or 0
        known = self._control.workers.unlock(credential.id, model)
        return UnlockedAccount(credential.id, model or None, max(ended, known))

    def clear_bindings(self) -> None:
        """Forget which account serves which conversation."""
        self._snapshot.pool.clear_bindings()
        self._control.workers.clear_bindings()

    def warm_up(self, account: str, model: str, project: str) -> Deferred[WarmupReport]:
        """Return a Deferred that fires with the result of each warm-up."""
        return Deferred.fromCoroutine(self._warmups.warm_up(account, model, project))

    def tunnel(self) -> TunnelStatus:
        """Return the state of the tunnel."""
        return self._tunnel.status()

    def start_tunnel(self, insecure: bool) -> None:
        """Start the tunnel; ``insecure`` allows it without authentication."""
        self._tunnel.start(insecure)

    def stop_tunnel(self) -> Deferred[None]:
        """Return a Deferred that fires when the tunnel has stopped."""
        return self._tunnel.stop()

    async def _describe_model(self, model: str, protocol: str) -> ModelDescriptions:
        found = await self._snapshot.router.describe(model, protocol)
        return ModelDescriptions(
            model,
            [
                ModelDescription(
                    each.upstream,
                    each.model,
                    each.plain,
                    each.protocol,
                    each.native,
                    list(each.quirks),
                    [Belief(belief.field, belief.value, belief.source) for belief in each.beliefs],
                    {
                        name: refusal.message
                        for name, refusal in sorted(
                            self._control.refusals.refusals(each.upstream, each.model).items()
                        )
                    },
                )
                for each in found
            ],
        )

    async def _explain(self, model: str, protocol: str) -> Explanation:
        registry = self._control.runtime.registry
        check_protocol(protocol, {each.name for each in registry.all_servers})
        return await explain(self._snapshot, model, protocol, self.accounts.accounts().accounts)


def cancelled_by_operator() -> CancelledByOperatorError:
    """Return the error that ends a request which the operator cancels."""
    return CancelledByOperatorError(
        "The operator of the gateway has cancelled this request.", code="cancelled_by_operator"
    )


def describe_running(record: ExchangeRecord, now: float) -> RunningRequest:
    """Return a running request as its operator sees it; ``now`` is in seconds since the epoch."""
    attempt = record.attempts[-1] if record.attempts else None
    return RunningRequest(
        id=record.id,
        reference=reference_of(record),
        time=datetime.fromtimestamp(record.started, UTC).isoformat(timespec="milliseconds"),
        age=max(0.0, round(now - record.started, 3)),
        protocol=record.protocol,
        operation=record.operation,
        stream=record.stream,
        model=record.model,
        served_model="" if attempt is None else attempt.model,
        upstream="" if attempt is None else attempt.upstream,
        account="" if attempt is None else attempt.credential,
        client=client_name(record.client),
        session=record.session,
        attempts=len(record.attempts),
        first_byte=record.first_byte,
    )
