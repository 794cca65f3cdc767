"""Credentials of upstreams, and the account pool that leases them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from msgspec import Struct
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from antigravity.interfaces.status import PoolStatus
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import GatewayError


class ICredentialSource(Interface):
    """The credentials of each upstream."""

    upstreams = Attribute("Names of all upstreams.  :type: Collection[str]")

    def credentials(upstream: str) -> Sequence[Credential]:
        """Return all usable credentials of the upstream of that name."""

    def next_credential(upstream: str, exclude: Collection[str] = frozenset()) -> Credential | None:
        """Return the next credential in turn, ``None`` if there is none.

        :param exclude: ids of credentials to skip.
        """


class UpstreamModel(Struct, frozen=True):
    """An upstream, and its name for the model."""

    upstream: str
    model: str


class LeaseRequest(Struct, frozen=True):
    """A request for an account.

    ``upstream_models`` can serve it, in order of preference.  ``ranks`` has a rising number for
    each of them; the accounts of those with the same rank are compared with each other.  Without
    ranks, each upstream model has a rank of its own.

    ``session`` is an opaque key of the conversation; if it is empty, the request belongs to none.
    ``principal`` is an opaque name of the client's API key.  ``conversation`` replaces an empty
    ``session`` in the lease queue, and is needed only if the request has to wait.

    ``exclude`` are ids of credentials that must not be used, since they were tried.  ``only`` is
    the id of the single credential that may be used; such a request does not change which account
    other requests prefer.

    ``probe`` says whether a locked account may be used to see if its lock is still needed:
    ``allowed`` when a probe is due, ``forced`` already a minute after the lock began, ``never``.
    """

    upstream_models: tuple[UpstreamModel, ...]
    session: str = ""
    exclude: frozenset[str] = frozenset()
    principal: str = ""
    only: str = ""
    ranks: tuple[int, ...] = ()
    probe: Literal["allowed", "forced", "never"] = "allowed"
    conversation: str = ""

    @property
    def ranked(self) -> Sequence[tuple[int, UpstreamModel]]:
        """Each upstream model with its rank."""
        ranks = self.ranks or range(len(self.upstream_models))
        return list(zip(ranks, self.upstream_models, strict=True))


class CandidateStatus(Struct, frozen=True):
    """Whether one account can serve one upstream model, and why, for the operator.

    ``free_in`` is in seconds, ``None`` if it is not known.
    """

    upstream_model: UpstreamModel
    credential: str
    label: str
    state: Literal["chosen", "available", "locked", "busy", "excluded", "disabled", "protected"]
    reason: str
    free_in: float | None = None


class AccountChange(Struct, frozen=True):
    """A change of an account's state, for observers.  It holds no secret and no e-mail address.

    ``account`` is its id, empty if a model is locked for all accounts of the upstream.
    ``model`` is empty if the change concerns all models; for a protection it is the model group.
    ``until`` is in seconds since the epoch, ``None`` if it is not known.
    """

    state: Literal["locked", "unlocked", "disabled", "enabled", "protected", "unprotected"]
    upstream: str
    account: str
    model: str = ""
    reason: str = ""
    until: float | None = None


class ILease(Interface):
    """The right to use an account for one attempt.

    One of :meth:`succeeded`, :meth:`failed` and :meth:`release` must be called at the end of the
    attempt.  The first call ends the lease; later calls do nothing.
    """

    upstream_model = Attribute("The upstream and model to use.  :type: UpstreamModel")
    credential = Attribute("The credential to use.  :type: Credential")
    is_probe = Attribute("Whether the attempt probes a locked account.  :type: bool")

    def response_started() -> None:
        """Record that a successful response has started; this ends a probed lock."""

    def succeeded() -> None:
        """End the lease after a successful attempt."""

    def failed(error: GatewayError) -> None:
        """End the lease after a failed attempt: ``error`` may lock the account and unbind it."""

    def release() -> None:
        """End the lease without a result, for example because the client disconnected."""


class IAccountPool(Interface):
    """Many accounts, used as one reliable upstream."""

    def lease(request: LeaseRequest, max_wait: float) -> Deferred[ILease]:
        """Return a Deferred that fires with a lease of the chosen account.

        If no account is free, the request waits up to ``max_wait`` seconds in a fair queue.  The
        Deferred fails with ``RateLimitedError`` or ``OverloadedError``, whose ``retry_after`` is
        exact, if no account becomes free in that time, and with ``UnavailableError`` if there is
        no account.  Cancelling it leaves the queue.
        """

    def lease_now(request: LeaseRequest, max_wait: float) -> ILease | None:
        """Return a lease of the account that :meth:`lease` would choose at once.

        ``None`` if the request would have to wait, or would be refused.
        """

    def explain(request: LeaseRequest) -> Sequence[CandidateStatus]:
        """Return which account would be chosen, and why each other one would not."""

    def fix(credential: str | None) -> None:
        """Use one account for every request that it can serve; ``None`` ends that."""

    def unlock(credential: str, model: str = "") -> int | None:
        """End the locks of an account, for one model or all; return the number of locks.

        Return ``None`` if there is no such account.
        """

    def clear_bindings() -> None:
        """Remove all bindings of sessions to accounts."""

    def status() -> PoolStatus:
        """Return accounts (labels masked), locks, bindings and queue as a JSON object."""
