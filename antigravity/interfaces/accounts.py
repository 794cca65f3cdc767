"""Where credentials of upstreams come from, and who is next."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from msgspec import Struct
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import GatewayError


class ICredentialSource(Interface):
    """Knows the credentials of each upstream and hands them out."""

    upstreams = Attribute("Names of all upstreams.  :type: Collection[str]")

    def credentials(upstream: str) -> Sequence[Credential]:
        """Return all credentials of the upstream of that name that may be used."""

    def lease(upstream: str, exclude: Collection[str] = frozenset()) -> Credential | None:
        """Return the credential whose turn it is, ``None`` if there is none left.

        :param exclude: ids of credentials that are of no use this time.
        """


class UpstreamModel(Struct, frozen=True):
    """One place where a request could be served: an upstream, and its name for the model."""

    upstream: str
    model: str


class LeaseRequest(Struct, frozen=True):
    """What a request needs an account for.

    ``options`` are in order of preference.  ``session`` is an opaque key of the conversation,
    empty where there is none.  ``exclude`` are ids of credentials that were tried already;
    ``only`` is the one that must serve, and says nothing of who else should serve anybody.
    ``principal`` is who asks, an opaque name.
    ``ranks`` holds a number for each option, rising: those of the same one are preferred alike,
    and their accounts are chosen among as if they were one option's.  Without ranks, each
    option comes behind the one before it.
    ``probe`` says whether a locked account may be tried with it: where that is due, already a
    minute after the lock was made (``forced``: the operator wants to know), or not at all.
    ``conversation`` stands for the conversation in the queue where ``session`` is empty because
    there is nothing to choose; it matters only if the request has to wait.
    """

    options: tuple[UpstreamModel, ...]
    session: str = ""
    exclude: frozenset[str] = frozenset()
    principal: str = ""
    only: str = ""
    ranks: tuple[int, ...] = ()
    probe: Literal["allowed", "forced", "never"] = "allowed"
    conversation: str = ""

    @property
    def ranked(self) -> Sequence[tuple[int, UpstreamModel]]:
        """Each option with its rank."""
        ranks = self.ranks or range(len(self.options))
        return list(zip(ranks, self.options, strict=True))


class CandidateStatus(Struct, frozen=True):
    """What the pool thinks of one account for one option, for people."""

    option: UpstreamModel
    credential: str
    label: str
    state: Literal["chosen", "available", "locked", "busy", "excluded", "disabled", "protected"]
    reason: str
    free_in: float | None = None


class AccountChange(Struct, frozen=True):
    """What has become of an account, for observers; no secret, and no address of anybody.

    ``account`` is its id, empty where a model is locked for all accounts of the upstream.
    ``model`` is empty where it is about all models; a protection names its quota there.
    ``until`` is in seconds since the epoch, ``None`` where nobody knows.
    """

    state: Literal["locked", "unlocked", "disabled", "enabled", "protected", "unprotected"]
    upstream: str
    account: str
    model: str = ""
    reason: str = ""
    until: float | None = None


class ILease(Interface):
    """An account that was chosen for one attempt.

    Exactly one of :meth:`succeeded`, :meth:`failed` and :meth:`release` has to be called
    in the end; each gives the account's place back, and later calls do nothing.
    """

    option = Attribute("Where to send the request.  :type: UpstreamModel")
    credential = Attribute("With which credential.  :type: Credential")
    is_probe = Attribute("Whether the account is locked, and this is to find out.  :type: bool")

    def answered() -> None:
        """Take note that the upstream has begun to answer well: this ends a lock that is probed."""

    def succeeded() -> None:
        """Take note that the account has served."""

    def failed(error: GatewayError) -> None:
        """Take note of why it has not: lock the account (and model), end a binding."""

    def release() -> None:
        """Give the place back without any judgement: the client has gone, say."""


class IAccountPool(Interface):
    """Many accounts that behave as one reliable upstream."""

    def lease(request: LeaseRequest, max_wait: float) -> Deferred[ILease]:
        """Return a Deferred that fires with the account that is to serve.

        If none is free now, the request waits in a fair queue, ``max_wait`` seconds at the most.
        It fails with ``RateLimitedError`` or ``OverloadedError`` whose ``retry_after`` is true,
        if no account gets free in that time, and with ``UnavailableError`` if there is none at
        all.  Cancelling it leaves the queue.
        """

    def would_wait(request: LeaseRequest) -> bool:
        """Return whether no account is free now for the request."""

    def explain(request: LeaseRequest) -> Sequence[CandidateStatus]:
        """Return what would be chosen, and why each other account would not."""

    def fix(credential: str | None) -> None:
        """Serve everything that it can from one account, or from all again."""

    def unlock(credential: str, model: str = "") -> int | None:
        """End the locks of an account (for one model), and return how many there were.

        Return ``None`` if there is no such account.
        """

    def clear_bindings() -> None:
        """Forget which conversation belongs to which account."""

    def status() -> dict[str, object]:
        """Return accounts (labels masked), lockouts, bindings and queue as a JSON object."""
