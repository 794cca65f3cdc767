"""A pool on a fake clock, with accounts from thin air."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from antigravity.accounts.account_events import AccountEvents
from antigravity.accounts.pool import AccountPool
from antigravity.accounts.selection import POLICIES
from antigravity.config.settings import SchedulingSettings
from antigravity.interfaces.accounts import ICredentialSource, ILease, LeaseRequest, UpstreamModel
from antigravity.interfaces.selection import AccountFacts
from antigravity.interfaces.upstreams import Credential

BEGINNING = 1_800_000_000.0
PRO = UpstreamModel("google", "gemini-pro")
FLASH = UpstreamModel("google", "gemini-flash")


@implementer(ICredentialSource)
class Source:
    """Credentials by upstream; secrets are not ids."""

    def __init__(self, **upstreams: Sequence[str]) -> None:
        self.upstreams = upstreams
        self.secrets: dict[str, str] = {}
        self.marks: dict[str, str] = {}

    def credentials(self, upstream: str) -> Sequence[Credential]:
        return [
            Credential(
                name,
                upstream,
                self.secrets.get(name, f"secret-{name}"),
                f"{name}@mail.de",
                mark=self.marks.get(name, ""),
            )
            for name in self.upstreams.get(upstream, ())
        ]

    def next_credential(
        self, upstream: str, exclude: Collection[str] = frozenset()
    ) -> Credential | None:
        raise AssertionError("the pool chooses by itself")


class PoolFixture:
    """Everything around one pool, and short words for what tests ask of it."""

    def __init__(
        self,
        accounts: Sequence[str] = ("a", "b"),
        *,
        facts: Mapping[str, AccountFacts] | None = None,
        clock: Clock | None = None,
        state: Any = None,
        policies: Any = None,
        events: AccountEvents | None = None,
        wall: Any = None,
        shared: Any = None,
        **settings: Any,
    ) -> None:
        self.clock = clock or Clock()
        if clock is None:
            self.clock.advance(BEGINNING)
        self.source = Source(google=list(accounts))
        self.facts = dict(facts or {})
        settings.setdefault("probe_interval", 0.0)
        scheduling = SchedulingSettings(**settings)
        self.policies = policies or POLICIES
        self.pool = AccountPool(
            self.clock,
            self.source,
            scheduling,
            facts=lambda credential, model: self.facts.get(credential.id, AccountFacts()),
            state=state,
            events=events,
            policy=self.policies[scheduling.mode],
            chance=lambda: 0.5,
            wall=wall,
            shared=shared,
        )
        self.pool.start()

    def reload(self, source: Source | None = None, **settings: Any) -> None:
        """Go on with other accounts or settings."""
        settings.setdefault("probe_interval", 0.0)
        scheduling = SchedulingSettings(**settings)
        policy = self.policies[scheduling.mode]
        self.pool.reload(source or self.source, scheduling, policy)

    def ask(
        self,
        session: str = "",
        *upstream_models: UpstreamModel,
        exclude: Collection[str] = (),
        max_wait: float = 60.0,
        principal: str = "",
    ) -> Deferred[ILease]:
        """Return the Deferred of a lease, whose failure is no unhandled error."""
        request = LeaseRequest(upstream_models or (PRO,), session, frozenset(exclude), principal)
        deferred = self.pool.lease(request, max_wait)
        deferred.addErrback(lambda failure: failure)
        return deferred

    def take(self, session: str = "", *upstream_models: UpstreamModel, **more: Any) -> Any:
        """Return a lease that is there at once."""
        return got(self.ask(session, *upstream_models, **more))

    def refused(self, session: str = "", *upstream_models: UpstreamModel, **more: Any) -> Any:
        """Return the error of a request that is refused at once."""
        return error(self.ask(session, *upstream_models, **more))

    def states(self, session: str = "", *upstream_models: UpstreamModel) -> dict[str, str]:
        """Return the verdict on each account."""
        request = LeaseRequest(upstream_models or (PRO,), session)
        return {verdict.credential: verdict.state for verdict in self.pool.explain(request)}


def got(deferred: Deferred[ILease]) -> Any:
    """Return the result of a Deferred that has fired."""
    results: list[Any] = []

    def keep(result: Any) -> Any:
        results.append(result)
        return result

    deferred.addCallback(keep)
    assert results, "it has not fired"
    return results[0]


def error(deferred: Deferred[ILease]) -> Any:
    """Return the error of a Deferred that has failed."""
    errors: list[Any] = []
    deferred.addErrback(lambda failure: errors.append(failure.value))
    assert errors, "it has not failed"
    return errors[0]


def waits(deferred: Deferred[ILease]) -> bool:
    """Return whether a Deferred has not fired yet."""
    return not deferred.called
