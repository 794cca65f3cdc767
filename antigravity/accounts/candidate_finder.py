"""Finds the candidates for a request: its accounts with quota, locks and load."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

from antigravity.accounts.affinity import Bindings
from antigravity.accounts.in_flight import InFlightCounts
from antigravity.accounts.lock_table import LockTable
from antigravity.accounts.locks import Lock
from antigravity.accounts.selection import LAST_TIER, OVERLOADED_AT_LEAST, TIERS, tier_rank
from antigravity.interfaces.accounts import ICredentialSource, LeaseRequest, UpstreamModel
from antigravity.interfaces.selection import PROTECTED, AccountFacts, Candidate, Protection
from antigravity.interfaces.upstreams import Credential

FactsProvider: TypeAlias = Callable[[Credential, str], AccountFacts]
Protections: TypeAlias = Callable[[Credential], Sequence[Protection]]

#: The seconds between forced probes of a lock, and between its beginning and the first one.
FORCED_INTERVAL: Final = 60.0
_NO_FACTS = AccountFacts()


def no_facts(credential: Credential, model: str) -> AccountFacts:
    """Return facts without any content."""
    return _NO_FACTS


def no_protections(credential: Credential) -> Sequence[Protection]:
    """Return no protections."""
    return ()


def secret_stamp(credential: Credential) -> str:
    """Return a hash that identifies a credential's secret and does not reveal it."""
    data = f"antigravity account\0{credential.id}\0{credential.secret}".encode()
    return hashlib.sha256(data).hexdigest()[:12]


class CandidateFinder:
    """Builds candidates from the current state.

    :ivar max_requests: the number of requests that an account may serve at once, 0 for no limit.
    :ivar probe_interval: the seconds between probes of a lock, 0 for no probes.
    :ivar fixed: the id of the account that the operator chose for all requests.
    """

    def __init__(
        self,
        source: ICredentialSource,
        facts: FactsProvider,
        locks: LockTable,
        bindings: Bindings,
        in_flight: InFlightCounts,
        now: Callable[[], float],
    ) -> None:
        self.source = source
        self.max_requests = 0
        self.probe_interval = 0.0
        self.forced_interval = FORCED_INTERVAL
        self.fixed: str | None = None
        self._facts = facts
        self._locks = locks
        self._bindings = bindings
        self._in_flight = in_flight
        self._now = now

    def find(self, request: LeaseRequest) -> list[Candidate]:
        """Return every account of every upstream model, in order."""
        found: list[Candidate] = []
        only = request.only
        for rank, upstream_model in request.ranked:
            bound = None
            if request.session:
                bound = self._bindings.get(
                    request.session, upstream_model.upstream, upstream_model.model
                )
            recent = self._in_flight.recent(upstream_model.upstream)
            found += [
                self._candidate(rank, upstream_model, credential, request, bound, recent)
                for credential in self.source.credentials(upstream_model.upstream)
                if not only or credential.id == only
            ]
        return found

    def find_only(self, request: LeaseRequest) -> Candidate | None:
        """Return the only account for a request, if nothing can keep it from serving.

        Most requests have no other choice, and need not compare anything.
        """
        if (
            len(request.upstream_models) != 1
            or request.session
            or request.exclude
            or request.only
            or self.max_requests
            or self._locks
        ):
            return None
        upstream_model = request.upstream_models[0]
        credentials = self.source.credentials(upstream_model.upstream)
        if len(credentials) != 1:
            return None
        facts = self._facts(credentials[0], upstream_model.model)
        if facts.disabled or facts.protection is not None:
            return None
        return Candidate(
            request.ranks[0] if request.ranks else 0, upstream_model, credentials[0].id
        )

    def find_bound(self, request: LeaseRequest) -> Candidate | None:
        """Return the account of the request's session, if nothing can keep it from serving.

        ``None`` does not mean that it may not serve: then all candidates have to be compared.
        """
        session = request.session
        if not session or request.exclude or request.only or self.fixed or self._locks:
            return None
        ranked = request.ranked
        rank = min((number for number, _ in ranked), default=0)
        first = [upstream_model for number, upstream_model in ranked if number == rank]
        bound = self._bindings.accounts(session, first)
        if len(bound) != 1:
            return None
        upstream_model, name = bound[0]
        _, load_of_others, last_used = self._in_flight.activity_of(name, session)
        if load_of_others >= OVERLOADED_AT_LEAST:
            return None
        if self._in_flight.is_full(name, self.max_requests):
            return None
        for credential in self.source.credentials(upstream_model.upstream):
            if credential.id == name:
                facts = self._facts(credential, upstream_model.model)
                if facts.disabled or facts.protection is not None:
                    return None
                return Candidate(rank, upstream_model, name, last_used=last_used, bound=True)
        return None

    def credential_of(self, candidate: Candidate) -> Credential:
        """Return the credential of a candidate that was just found."""
        every: Sequence[Credential] = self.source.credentials(candidate.upstream_model.upstream)
        if len(every) == 1:
            return every[0]
        return next(each for each in every if each.id == candidate.credential)

    def _candidate(
        self,
        rank: int,
        upstream_model: UpstreamModel,
        credential: Credential,
        request: LeaseRequest,
        bound: str | None,
        recent: str | None,
    ) -> Candidate:
        name = credential.id
        facts = self._facts(credential, upstream_model.model)
        tier = tier_rank(facts.tier) if facts.tier else LAST_TIER
        lock, may_probe = None, False
        if self._locks:
            locked = (upstream_model.upstream, name, upstream_model.model)
            stamp = partial(secret_stamp, credential)
            lock = self._locks.strongest_lock(*locked, stamp)
            if lock is not None and facts.protection is None:
                may_probe = self._may_probe(locked, stamp, request)
        locked_for, kind = self._locked_for(lock, facts.protection)
        load, load_of_others, last_used = self._in_flight.activity_of(name, request.session)
        return Candidate(
            rank=rank,
            upstream_model=upstream_model,
            credential=name,
            tier=tier,
            remaining=1.0 if facts.remaining is None else facts.remaining,
            load=load,
            load_of_others=load_of_others,
            last_used=last_used,
            locked_for=locked_for,
            lock=kind,
            disabled=facts.disabled,
            protection=facts.protection,
            excluded=name in request.exclude,
            busy=self._in_flight.is_full(name, self.max_requests),
            fixed=name == self.fixed,
            bound=name == bound,
            recent=name == recent,
            estimated=lock is not None and lock.estimated and facts.protection is None,
            probe=may_probe,
            resting=lock is not None and lock.rests_until > self._now(),
            quota_known=facts.remaining is not None,
            tier_known=facts.tier.upper() in TIERS,
        )

    def _may_probe(
        self, locked: tuple[str, str, str], stamp: Callable[[], str], request: LeaseRequest
    ) -> bool:
        interval = self.probe_interval
        if request.probe == "forced":
            interval = self.forced_interval
        elif request.probe == "never" or interval <= 0:
            return False
        return self._locks.can_probe(*locked, interval, stamp)

    def _locked_for(self, lock: Lock | None, protection: Protection | None) -> tuple[float, str]:
        """Return for how many seconds an account is locked or protected, and the kind of lock."""
        if protection is not None and (lock is None or lock.until <= protection.until):
            return protection.until - self._now(), PROTECTED
        return (0.0, "") if lock is None else (lock.until - self._now(), lock.kind)
