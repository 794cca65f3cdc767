"""Requests of the operator that go to one upstream, or only as far as its address."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred, succeed
from zope.interface import implementer

from antigravity.context.calibration import Calibration
from antigravity.context.plan_store import PlanStore
from antigravity.exchange.running import RunningRequests
from antigravity.exchange.services import Services
from antigravity.exchange.snapshot import Snapshot
from antigravity.interfaces.accounts import (
    IAccountPool,
    ICredentialSource,
    ILease,
    LeaseRequest,
    UpstreamModel,
)
from antigravity.interfaces.traces import TraceSource
from antigravity.interfaces.transport import IHttpTransport, IIncomingResponse, OutgoingRequest
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import GatewayError, NotFoundError, UnavailableError
from antigravity.ir.record import ExchangeRecord
from antigravity.routing.learned_refusals import LearnedRefusals
from antigravity.signatures.bound_thinking import BoundThinking
from antigravity.signatures.store import SignatureStore
from antigravity.stores.persistent_cache import PersistentCache

#: The most bytes that requests to a simulator leave in each cache.
_SIMULATED_BYTES: Final = 16 * 1024 * 1024


class Captured(CancelledError):  # noqa: N818 - an end, not an error
    """The request that would have been sent: every stage ends as if the client had gone away."""

    def __init__(self, request: OutgoingRequest) -> None:
        super().__init__()
        self.request = request


@implementer(IHttpTransport)
class CapturingTransport:
    """A transport that sends nothing."""

    def send(self, request: OutgoingRequest) -> Deferred[IIncomingResponse]:
        """Capture a request.

        :raises Captured: always.
        """
        raise Captured(request)

    def close(self) -> Deferred[None]:
        """Return a Deferred that has fired: there are no connections."""
        return succeed(None)


@implementer(ILease)
class _TrialLease:
    """The use of an account that leaves no trace."""

    is_probe = False

    def __init__(self, upstream_model: UpstreamModel, credential: Credential) -> None:
        self.upstream_model = upstream_model
        self.credential = credential

    def response_started(self) -> None:
        """Do nothing."""

    def succeeded(self) -> None:
        """Do nothing."""

    def failed(self, error: GatewayError) -> None:
        """Do nothing: what was not sent says nothing about the account."""

    def release(self) -> None:
        """Do nothing."""


class TrialPool:
    """A pool that gives the first account of the best upstream, whatever its state.

    It has what attempts need of an ``IAccountPool``.
    """

    def __init__(self, credentials: ICredentialSource) -> None:
        self._credentials = credentials

    def lease_now(self, request: LeaseRequest, max_wait: float) -> ILease:
        """Return an account.

        :raises UnavailableError: if there is none.
        """
        for upstream_model in request.upstream_models:
            for credential in self._credentials.credentials(upstream_model.upstream):
                if credential.id not in request.exclude:
                    return _TrialLease(upstream_model, credential)
        names = ", ".join(dict.fromkeys(each.upstream for each in request.upstream_models))
        raise UnavailableError(f"There is no account for {names}.  Add one.", code="no_account")


class OneUpstream:
    """A pool whose accounts are all of one upstream; ``pool`` leases them.

    It has what attempts need of an ``IAccountPool``.
    """

    def __init__(self, pool: Any, upstream: str) -> None:
        self._pool = pool
        self._upstream = upstream

    def lease_now(self, request: LeaseRequest, max_wait: float) -> ILease | None:
        """Return a lease at once, ``None`` if the request has to wait.

        :raises NotFoundError: if the upstream does not serve the model.
        """
        lease: ILease | None = self._pool.lease_now(self._only(request), max_wait)
        return lease

    def lease(self, request: LeaseRequest, max_wait: float) -> Deferred[ILease]:
        """Return a Deferred that fires with a lease."""
        lease: Deferred[ILease] = self._pool.lease(self._only(request), max_wait)
        return lease

    def _only(self, request: LeaseRequest) -> LeaseRequest:
        found = [(rank, each) for rank, each in request.ranked if each.upstream == self._upstream]
        if not found:
            raise NotFoundError(f"The upstream {self._upstream!r} does not serve this model.")
        ranks, models = zip(*found, strict=True)
        return replace(request, upstream_models=models, ranks=ranks)


def trial(
    services: Services,
    snapshot: Snapshot,
    upstream: str,
    began: Callable[[ExchangeRecord], None],
) -> tuple[Services, Snapshot]:
    """Return collaborators with which requests reach the address of an upstream, and end there.

    Nothing is recorded and no account is used up.

    :param upstream: the only one to use; empty: the best.
    :param began: called with the record of a request, which is filled in while it runs.
    """
    pool: Any = TrialPool(snapshot.credentials)
    changed = replace(
        services,
        transport=CapturingTransport(),
        started=began,
        finished=lambda record: None,
        running=RunningRequests(),
    )
    return changed, replace(snapshot, pool=OneUpstream(pool, upstream) if upstream else pool)


def simulated(
    services: Services, snapshot: Snapshot, upstream: str, transport: IHttpTransport
) -> tuple[Services, Snapshot]:
    """Return collaborators with which requests go to a simulator.

    Nothing is recorded, no account is used up, and nothing is learned from the responses.

    :param upstream: the only one to use; empty: the best.
    :param transport: sends requests to the simulator.
    """
    now = services.clock.seconds
    services, snapshot = trial(services, snapshot, upstream, lambda record: None)
    cache = partial(PersistentCache, now, max_entries=100, max_bytes=_SIMULATED_BYTES, ttl=3600.0)
    changed = replace(
        services,
        transport=transport,
        signatures=SignatureStore(now),
        calibration=Calibration(),
        contexts=PlanStore(cache()),
        conversations=cache(),
        refusals=LearnedRefusals(now),
        bound=BoundThinking(),
        keys=None,
        traces=TraceSource(),
    )
    return changed, snapshot


def at_one_upstream(snapshot: Snapshot, upstream: str) -> Snapshot:
    """Return a snapshot with which requests use accounts of one upstream only."""
    pool: Any = OneUpstream(snapshot.pool, upstream)
    assert IAccountPool.providedBy(snapshot.pool)
    return replace(snapshot, pool=pool) if upstream else snapshot
