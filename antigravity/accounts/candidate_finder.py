"""What is known of each account that could serve a request, put together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

from antigravity.accounts.affinity import Bindings
from antigravity.accounts.in_flight import InFlightCounts
from antigravity.accounts.lock_table import LockTable
from antigravity.accounts.locks import Lock
from antigravity.accounts.selection import tier_rank
from antigravity.interfaces.accounts import ICredentialSource, LeaseRequest, UpstreamModel
from antigravity.interfaces.selection import PROTECTED, AccountFacts, Candidate, Protection
from antigravity.interfaces.upstreams import Credential

FactsProvider: TypeAlias = Callable[[Credential, str], AccountFacts]
Protections: TypeAlias = Callable[[Credential], Sequence[Protection]]
Family: TypeAlias = Callable[[UpstreamModel], str]

#: What the operator sends passes a lock that was made or probed so many seconds ago.
FORCED_INTERVAL: Final = 60.0
_NEUTRAL = AccountFacts()


def no_facts(credential: Credential, model: str) -> AccountFacts:
    """Return that nothing is known."""
    return _NEUTRAL


def no_protections(credential: Credential) -> Sequence[Protection]:
    """Return that nothing is protected."""
    return ()


def each_model(option: UpstreamModel) -> str:
    """Return the family that has one model only, as prompt caches do."""
    return option.model


def secret_stamp(credential: Credential) -> str:
    """Return what stands for a credential's secret, telling nothing of it."""
    data = f"antigravity account\0{credential.id}\0{credential.secret}".encode()
    return hashlib.sha256(data).hexdigest()[:12]


class CandidateFinder:
    """Makes candidates; looks everything up anew each time.

    ``limit`` is how many requests one account may serve at a time, 0 for any number.
    ``probe_interval`` is how many seconds apart locks are probed, 0 for never.
    """

    def __init__(
        self,
        source: ICredentialSource,
        facts: FactsProvider,
        lockouts: LockTable,
        bindings: Bindings,
        occupancy: InFlightCounts,
        family: Family,
        now: Callable[[], float],
    ) -> None:
        self.source = source
        self.limit = 0
        self.probe_interval = 0.0
        self.forced_interval = FORCED_INTERVAL
        self.fixed: str | None = None
        self._facts = facts
        self._lockouts = lockouts
        self._bindings = bindings
        self._occupancy = occupancy
        self._family = family
        self._now = now

    def candidates(self, request: LeaseRequest) -> list[Candidate]:
        """Return every account of every option, in order."""
        found: list[Candidate] = []
        for place, option in request.ranked:
            bound = None
            if request.session:
                bound = self._bindings.get(request.session, option.upstream, self._family(option))
            recent = self._occupancy.recent(option.upstream)
            found += [
                self._candidate(place, option, credential, request, bound, recent)
                for credential in self.source.credentials(option.upstream)
                if not request.only or credential.id == request.only
            ]
        return found

    def credential(self, candidate: Candidate) -> Credential:
        """Return the credential of a candidate that was just made."""
        every: Sequence[Credential] = self.source.credentials(candidate.option.upstream)
        return next(each for each in every if each.id == candidate.credential)

    def _candidate(
        self,
        place: int,
        option: UpstreamModel,
        credential: Credential,
        request: LeaseRequest,
        bound: str | None,
        recent: str | None,
    ) -> Candidate:
        name = credential.id
        facts = self._facts(credential, option.model)
        place_of_lock = (option.upstream, name, option.model)
        stamp = partial(secret_stamp, credential)
        lock = self._lockouts.held(*place_of_lock, stamp)
        locked_for, kind = self._held(lock, facts.protection)
        load = self._occupancy.load(name)
        return Candidate(
            place=place,
            option=option,
            credential=name,
            tier=tier_rank(facts.tier),
            remaining=1.0 if facts.remaining is None else facts.remaining,
            load=load,
            foreign_load=self._occupancy.foreign_load(name, request.session),
            last_used=self._occupancy.last_used(name),
            locked_for=locked_for,
            lock=kind,
            disabled=facts.disabled,
            protection=facts.protection,
            excluded=name in request.exclude,
            busy=bool(self.limit) and load >= self.limit,
            fixed=name == self.fixed,
            bound=name == bound,
            recent=name == recent,
            estimated=lock is not None and lock.estimated and facts.protection is None,
            probe=lock is not None
            and facts.protection is None
            and self._may_probe(place_of_lock, stamp, request),
        )

    def _may_probe(
        self, place: tuple[str, str, str], stamp: Callable[[], str], request: LeaseRequest
    ) -> bool:
        interval = self.probe_interval
        if request.probe == "forced":
            interval = self.forced_interval
        elif request.probe == "never" or interval <= 0:
            return False
        return self._lockouts.can_probe(*place, interval, stamp)

    def _held(self, lock: Lock | None, protection: Protection | None) -> tuple[float, str]:
        """Return for how long an account is not to be used, and why; protection is a lock, too."""
        if protection is not None and (lock is None or lock.until <= protection.until):
            return protection.until - self._now(), PROTECTED
        return (0.0, "") if lock is None else (lock.until - self._now(), lock.kind)
