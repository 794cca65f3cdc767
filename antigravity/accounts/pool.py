"""The accounts behind one reliable upstream: who serves, who waits, and for how long."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from antigravity.accounts.account_events import AccountEvents
from antigravity.accounts.affinity import Bindings
from antigravity.accounts.candidate_finder import (
    CandidateFinder,
    FactsProvider,
    Family,
    Protections,
    each_model,
    no_facts,
    no_protections,
    secret_stamp,
)
from antigravity.accounts.guarded_policy import GuardedPolicy
from antigravity.accounts.in_flight import InFlightCounts
from antigravity.accounts.lease import Lease
from antigravity.accounts.lease_errors import queue_full, refusal, stopping
from antigravity.accounts.lease_queue import Choice, LeaseQueue
from antigravity.accounts.lock_release import LockReleaser
from antigravity.accounts.lock_table import LockTable
from antigravity.accounts.locked_candidates import retry_estimated_locks
from antigravity.accounts.pool_status import report, verdicts
from antigravity.accounts.probes import probe_first
from antigravity.accounts.selection import Balance
from antigravity.config.settings import SchedulingSettings
from antigravity.interfaces.accounts import (
    CandidateStatus,
    IAccountPool,
    ICredentialSource,
    ILease,
    LeaseRequest,
    UpstreamModel,
)
from antigravity.interfaces.quota import Quota
from antigravity.interfaces.selection import Candidate, ISelectionPolicy, SelectionContext
from antigravity.interfaces.stores import IStateStore
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import GatewayError
from antigravity.logs import make_logger


@implementer(IAccountPool)
class AccountPool:
    """Leases accounts.

    ``clock`` counts seconds since the epoch as they pass, and ``wall`` returns what the calendar's
    clock says, which may be set anew: locks are kept over restarts.  ``facts`` returns tier and
    quota of an account for a model, ``protections`` which
    of its quotas are protected.  ``state`` keeps locks and bindings.  ``policy`` chooses.
    ``watch`` tells observers.  ``family`` returns which models of an upstream share an account's
    cache.  ``chance`` returns a number from 0 to 1.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        source: ICredentialSource,
        settings: SchedulingSettings,
        *,
        facts: FactsProvider = no_facts,
        protections: Protections = no_protections,
        state: IStateStore | None = None,
        policy: ISelectionPolicy | None = None,
        watch: AccountEvents | None = None,
        family: Family = each_model,
        chance: Callable[[], float] = random.random,
        wall: Callable[[], float] | None = None,
    ) -> None:
        self._clock = clock
        self._protections = protections
        self._state = state
        self._watch = watch or AccountEvents()
        self._family = family
        self._lockouts = LockTable(clock.seconds, chance=chance, wall=wall)
        self._lock_releaser = LockReleaser(self._lockouts, self._watch)
        self._bindings = Bindings(clock.seconds, wall=wall)
        self._occupancy = InFlightCounts(clock.seconds)
        self._roster = CandidateFinder(
            source,
            facts,
            self._lockouts,
            self._bindings,
            self._occupancy,
            family,
            clock.seconds,
        )
        self._room = LeaseQueue(clock, self._choose, self._grant, self._refuse)
        self._stopped = False
        self._configure(settings, policy or Balance())

    # Life

    def start(self) -> None:
        """Take in what was kept of the last run."""
        self._stopped = False
        if self._state is None:
            return
        kept = self._state.load()
        lockouts = kept.get("lockouts")
        ignored = self._lockouts.restore(lockouts if isinstance(lockouts, Mapping) else {})
        ignored += self._bindings.restore(kept.get("bindings"))
        self._lock_releaser.restore(kept.get("marks"))
        if ignored:
            self.log.warn("{n} entries of the kept state make no sense", n=ignored)
        self._state.watch(self._snapshot)

    def stop(self) -> Deferred[None]:
        """Refuse who waits, and return a Deferred that fires when everything is kept."""
        self._stopped = True
        self._room.refuse_all(stopping)
        return succeed(None) if self._state is None else self._state.stop()

    def reload(
        self, source: ICredentialSource, settings: SchedulingSettings, policy: ISelectionPolicy
    ) -> None:
        """Go on with other accounts and settings; leases that are out stay valid."""
        self._roster.source = source
        self._configure(settings, policy)
        self._occupancy.keep_only({each.id for each in _all(source)})
        if self._lock_releaser.follow(_all(source)):
            self._changed()
        self.learnt()

    def quota_known(self, credential: str, quota: Quota, asked: float) -> None:
        """End the limits of an account that its new quota shows to be over.

        :param asked: when the upstream was asked.
        """
        now, interval = self._clock.seconds(), self._settings.probe_interval
        if self._lock_releaser.by_quota(credential, quota, asked, now, interval):
            self._changed()

    def recheck(self) -> None:
        """Look again who can serve those that wait: what is known of accounts has changed."""
        self._room.serve()

    def learnt(self) -> None:
        """Tell observers, and those that wait, what is new of the accounts."""
        self._watch.look(_all(self._roster.source))
        self.recheck()

    def retired(self, credential: Credential, reason: str) -> None:
        """Take note that an account is gone from the source for good."""
        self._watch.retired(credential, reason)
        self.recheck()

    # Demands

    def lease(self, request: LeaseRequest, max_wait: float) -> Deferred[ILease]:
        """Return a Deferred that fires with the account that is to serve."""
        if self._stopped:
            return fail(stopping())
        self._room.serve_due()
        choice = self._choose(request, 0.0 if max_wait > 0 else math.inf)
        if choice.chosen is not None:
            return succeed(self._grant(request, choice))
        if max_wait <= 0 or choice.hopeless(max_wait):
            return fail(self._refuse(request, choice))
        if len(self._room) >= self._settings.queue_limit:
            full = queue_full(self._occupancy.typical)
            if not self._room.make_room(request, full):
                return fail(full)
        return self._room.wait(request, max_wait, choice.again)

    def would_wait(self, request: LeaseRequest) -> bool:
        """Return whether no account is free now for the request."""
        if not self._roster.limit and not self._lockouts:
            return False
        return self._choose(request, 0.0).chosen is None

    def explain(self, request: LeaseRequest) -> Sequence[CandidateStatus]:
        """Return what would be chosen, and why each other account would not."""
        choice = self._choose(request, 0.0)
        return verdicts(choice.candidates, choice.chosen, self._roster.source)

    # Control

    def fix(self, credential: str | None) -> None:
        """Serve everything that it can from one account, or from all again."""
        self._roster.fixed = credential
        self.log.info("fixed account: {credential}", credential=credential or "none")
        self.recheck()

    def unlock(self, credential: str, model: str = "") -> int | None:
        """End the locks of an account (for one model), and return how many there were."""
        found = next((each for each in _all(self._roster.source) if each.id == credential), None)
        if found is None:
            return None
        ended = self._lock_releaser.release(credential, model, found.upstream)
        self._changed()
        self.recheck()
        return ended

    def clear_bindings(self) -> None:
        """Forget which conversation belongs to which account."""
        self._bindings.clear()
        self._changed()

    def status(self) -> dict[str, object]:
        """Return accounts (labels masked), what keeps them, bindings and queue, as JSON."""
        return {
            "mode": self._policy.name,
            "fixed": self._roster.fixed,
            "running": self._occupancy.running,
            "queue": {"waiting": len(self._room), "limit": self._settings.queue_limit},
            **report(
                self._roster.source,
                self._lockouts,
                self._bindings,
                self._occupancy,
                self._protections,
                self._clock.seconds(),
            ),
        }

    def last_used(self, credential: str) -> float:
        """Return when an account was used last, 0 for never."""
        return self._occupancy.last_used(credential)

    # Inside

    def _configure(self, settings: SchedulingSettings, policy: ISelectionPolicy) -> None:
        self._settings = settings
        self._policy = GuardedPolicy(policy)
        self._roster.limit = settings.max_concurrency
        self._roster.probe_interval = settings.probe_interval
        self._lockouts.max_lock = settings.max_lock_seconds

    def _snapshot(self) -> dict[str, Any]:
        return {
            "lockouts": self._lockouts.snapshot(),
            "bindings": self._bindings.snapshot(),
            "marks": self._lock_releaser.marks,
        }

    def _changed(self) -> None:
        if self._state is not None:
            self._state.changed()

    def _situation(self, request: LeaseRequest, waited: float) -> SelectionContext:
        return SelectionContext(request.session, waited, self._settings.max_wait_seconds)

    def _choose(self, request: LeaseRequest, waited: float) -> Choice:
        candidates = self._roster.candidates(request)
        eligible = [each for each in candidates if each.eligible]
        if eligible and all(each.locked_for > 0 for each in eligible):
            candidates = retry_estimated_locks(candidates, self._settings.max_wait_seconds)
        selection = self._policy.select(candidates, self._situation(request, waited))
        locks = [c.locked_for for c in candidates if c.eligible and c.locked_for > 0]
        again = min([selection.wait, *locks])
        chosen = next((each for each in selection.order if each.available), None)
        return Choice(candidates, probe_first(candidates, chosen) or chosen, again)

    def _refuse(self, request: LeaseRequest, choice: Choice) -> GatewayError:
        return refusal(request, choice.candidates, self._occupancy.typical)

    def _grant(self, request: LeaseRequest, choice: Choice, waited: float = 0.0) -> Lease:
        chosen = choice.chosen
        assert chosen is not None
        option, name, session = chosen.option, chosen.credential, request.session
        is_probe = not chosen.available
        if is_probe:
            self.log.info(
                "{credential} is probed for {model} despite its lock",
                credential=name,
                model=option.model,
            )
            self._lockouts.begin_probe(option.upstream, name, option.model)
        elif session and self._policy.sticky:
            self._bind(request, choice, chosen, waited)
        attracts = not (request.only or is_probe)
        self._occupancy.take(option.upstream, name, session, attracts=attracts)
        credential = self._roster.credential(chosen)
        lifted = self._lifted if is_probe else None
        return Lease(option, credential, session, self._clock.seconds(), self._ended, lifted)

    def _bind(
        self, request: LeaseRequest, choice: Choice, chosen: Candidate, waited: float
    ) -> None:
        """Note whose the conversation is, if that changes now or should be refreshed.

        It belongs to one account of a rank, whatever upstreams the rank's options are of.
        """
        session, option, name = request.session, chosen.option, chosen.credential
        known = self._owners(request, chosen.place)
        if known and (option, name) not in known:
            own = [c for c in choice.candidates if c.place == chosen.place and c.bound]
            context = self._situation(request, waited)
            bound = own[0] if own else None
            if chosen.fixed or not self._policy.moves(bound, choice.candidates, context):
                return
            self.log.info(
                "session {session} moves from {old} to {new} for {model}",
                session=session[:8],
                old=", ".join(owner for _, owner in known),
                new=name,
                model=option.model,
            )
        elif not known and chosen.fixed:
            return  # it would stay there when the account is not fixed any more
        for place, owner in known:
            if place != option:
                self._bindings.drop(session, place.upstream, self._family(place), owner)
        if self._bindings.bind(session, option.upstream, self._family(option), name):
            self._changed()

    def _owners(self, request: LeaseRequest, rank: int) -> list[tuple[UpstreamModel, str]]:
        """Return the accounts that a conversation belongs to, of the options of one rank."""
        found = [
            (option, self._bindings.get(request.session, option.upstream, self._family(option)))
            for place, option in request.ranked
            if place == rank
        ]
        return [(option, owner) for option, owner in found if owner is not None]

    def _ended(self, lease: Lease, success: bool, error: GatewayError | None) -> None:
        """Take a lease's place back, with what was learnt."""
        option, name = lease.option, lease.credential.id
        if success:
            self._succeeded(lease)
        elif error is not None:
            self._failed(lease, error)
        if lease.is_probe:
            self._lockouts.end_probe(option.upstream, name, option.model)
        lasted = self._clock.seconds() - lease.began
        self._occupancy.give_back(name, lease.session, lasted)
        self.recheck()

    def _lifted(self, lease: Lease) -> None:
        """End the locks that a probe has passed; others need not wait until it is complete."""
        self._succeeded(lease)
        self.recheck()

    def _succeeded(self, lease: Lease) -> None:
        option, name = lease.option, lease.credential.id
        ended = self._lockouts.succeeded(
            option.upstream, name, option.model, since=lease.began, probe=lease.is_probe
        )
        if ended:
            self._changed()
            self._watch.unlocked(option.upstream, name, option.model)

    def _failed(self, lease: Lease, error: GatewayError) -> None:
        option, name = lease.option, lease.credential.id
        before = self._lockouts.held(option.upstream, name, option.model)
        rule = self._lockouts.failed(
            option.upstream,
            name,
            option.model,
            error,
            since=lease.began,
            stamp=secret_stamp(lease.credential),
            probe=lease.is_probe,
        )
        if rule is None:
            return
        self._changed()
        if rule.ends_bindings and rule.reach == "account":
            self._bindings.drop_account(name)
        elif rule.ends_bindings:
            self._bindings.drop(lease.session, option.upstream, self._family(option), name)
        held = self._lockouts.held(option.upstream, name, option.model)
        if held is not None:
            account = "" if rule.reach == "everyone" else name
            model = "" if rule.reach == "account" else option.model
            self._watch.locked(option, account, model, before, held)
        self.log.info(
            "{credential} is locked for {model} ({kind}) for {seconds} s",
            credential=name if rule.reach != "everyone" else "every account",
            model=option.model if rule.reach != "account" else "all models",
            kind=rule.kind,
            seconds="?" if held is None else round(held.until - self._clock.seconds(), 1),
        )


def _all(source: ICredentialSource) -> list[Credential]:
    return [each for name in source.upstreams for each in source.credentials(name)]
