"""The account pool: many accounts, used as one reliable upstream."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred, fail, inlineCallbacks, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from antigravity.accounts.account_events import AccountEvents
from antigravity.accounts.affinity import Bindings
from antigravity.accounts.candidate_finder import (
    CandidateFinder,
    FactsProvider,
    Protections,
    no_facts,
    no_protections,
)
from antigravity.accounts.guarded_policy import GuardedPolicy
from antigravity.accounts.in_flight import InFlightCounts
from antigravity.accounts.lease import Lease
from antigravity.accounts.lease_errors import no_account_error, queue_full_error, stopping_error
from antigravity.accounts.lease_queue import Choice, LeaseQueue
from antigravity.accounts.lease_results import LeaseResults
from antigravity.accounts.lock_release import LockReleaser
from antigravity.accounts.lock_rules import BINDING_KINDS
from antigravity.accounts.lock_table import LockTable
from antigravity.accounts.locked_candidates import choose_probe, retry_estimated_locks
from antigravity.accounts.locks import Lock, LockScope
from antigravity.accounts.pool_status import build_status, explain_candidates
from antigravity.accounts.selection import POLICIES, Balance
from antigravity.accounts.session_binder import SessionBinder
from antigravity.accounts.session_moves import SessionMoves
from antigravity.accounts.shared_accounts import SharedAccounts
from antigravity.accounts.shared_slots import AccountSlots
from antigravity.config.settings import SchedulingSettings
from antigravity.interfaces.accounts import (
    CandidateStatus,
    IAccountPool,
    ICredentialSource,
    ILease,
    LeaseRequest,
)
from antigravity.interfaces.quota import Quota
from antigravity.interfaces.selection import ISelectionPolicy, SelectionContext
from antigravity.interfaces.status import PoolStatus, QueueState
from antigravity.interfaces.stores import IStateStore
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import GatewayError
from antigravity.logs import make_logger


@implementer(IAccountPool)
class AccountPool:
    """Leases accounts, and keeps their locks and the bindings of sessions.

    :param clock: its seconds since the epoch pass evenly.
    :param wall: returns the time of the system clock, which may be set; stored times refer to it.
    :param facts: returns tier and quota of an account for a model.
    :param protections: returns the protected quotas of an account.
    :param state: stores locks and bindings.
    :param events: notifies observers.
    :param chance: returns a number from 0 to 1.
    :param shared: the state that gateways share, which provides :class:`ISharedState`.
    :ivar shared_accounts: what gateways tell each other; ``None`` without ``shared``.
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
        events: AccountEvents | None = None,
        chance: Callable[[], float] = random.random,
        wall: Callable[[], float] | None = None,
        shared: Any = None,
    ) -> None:
        self._clock = clock
        self._protections = protections
        self._state = state
        self._events = events or AccountEvents()
        self._locks = LockTable(clock.seconds, chance=chance, wall=wall)
        self._lock_releaser = LockReleaser(self._locks, self._events)
        self._bindings = Bindings(clock.seconds, wall=wall)
        self._binder = SessionBinder(self._bindings)
        self._in_flight = InFlightCounts(clock.seconds)
        self._finder = CandidateFinder(
            source,
            facts,
            self._locks,
            self._bindings,
            self._in_flight,
            clock.seconds,
        )
        self._results = LeaseResults(
            clock.seconds,
            self._locks,
            self._bindings,
            self._in_flight,
            self._events,
            self._changed,
            self.serve_waiting,
        )
        self._queue = LeaseQueue(clock, self._choose, self._grant, self._refusal)
        self._stopped = False
        self.shared_accounts: SharedAccounts | None = None
        self._slots: AccountSlots | None = None
        if shared is not None:
            self._share(shared, wall or clock.seconds)
        self._configure(settings, policy or POLICIES[Balance.name])

    # Life cycle

    def start(self) -> None:
        """Restore the state of the last run."""
        self._stopped = False
        if self._state is None:
            return
        stored = self._state.load()
        locks = stored.get("locks")
        ignored = self._locks.restore(locks if isinstance(locks, Mapping) else {})
        ignored += self._bindings.restore(stored.get("bindings"))
        self._lock_releaser.restore(stored.get("marks"))
        if ignored:
            self.log.warn("ignored {n} invalid entries of the stored account state", n=ignored)
        self._state.watch(self._snapshot)

    def stop(self) -> Deferred[None]:
        """Refuse waiting requests, and return a Deferred that fires when the state is stored."""
        self._stopped = True
        self._queue.refuse_all(stopping_error)
        return succeed(None) if self._state is None else self._state.stop()

    def reload(
        self, source: ICredentialSource, settings: SchedulingSettings, policy: ISelectionPolicy
    ) -> None:
        """Use other accounts and settings; current leases stay valid."""
        self._finder.source = source
        self._configure(settings, policy)
        self._in_flight.keep_only({each.id for each in _all(source)})
        if self._lock_releaser.update_accounts(_all(source)):
            self._changed()
        self.accounts_changed()

    def apply_quota(self, credential: str, quota: Quota, fetched: float) -> None:
        """End the locks of an account whose new quota shows that something remains.

        :param fetched: when the request for the quota was sent.
        """
        now, interval = self._clock.seconds(), self._settings.probe_interval
        if self._lock_releaser.apply_quota(credential, quota, fetched, now, interval):
            self._changed()

    def serve_waiting(self) -> None:
        """Lease accounts to waiting requests, after the state of accounts has changed."""
        self._queue.serve()

    def accounts_changed(self) -> None:
        """Notify observers of changed accounts and quotas, and serve waiting requests."""
        self._events.update(_all(self._finder.source))
        self.serve_waiting()

    def account_disabled(self, credential: Credential, reason: str) -> None:
        """Notify observers that an account was removed from the source for good."""
        if self.shared_accounts is not None:
            self.shared_accounts.disabled(credential, reason)
        self._events.account_disabled(credential, reason)
        self.serve_waiting()

    # Leases

    def lease_now(self, request: LeaseRequest, max_wait: float) -> ILease | None:
        """Return a lease of an account that is free now, ``None`` if there is none."""
        if self._stopped or (self._slots is not None and self._slots.is_used):
            return None
        choice = self._choose_now(request, max_wait)
        return None if choice.chosen is None else self._grant(request, choice)

    def lease(self, request: LeaseRequest, max_wait: float) -> Deferred[ILease]:
        """Return a Deferred that fires with a lease of the chosen account."""
        if self._slots is not None and self._slots.is_used:
            return Deferred.fromCoroutine(self._lease_with_slot(self._slots, request, max_wait))
        return self._lease(request, max_wait)

    async def _lease_with_slot(
        self, slots: AccountSlots, request: LeaseRequest, max_wait: float
    ) -> ILease:
        """Return a lease of an account that has a slot left, over all gateways."""
        deadline = self._clock.seconds() + max_wait
        while True:
            lease = await self._lease(request, max(0.0, deadline - self._clock.seconds()))
            is_granted = False
            try:
                is_granted = await slots.take(cast("Lease", lease))
            finally:
                if not is_granted:
                    lease.release()
            if is_granted:
                return lease

    def _lease(self, request: LeaseRequest, max_wait: float) -> Deferred[ILease]:
        if self._stopped:
            return fail(stopping_error())
        choice = self._choose_now(request, max_wait)
        if choice.chosen is not None:
            return succeed(self._grant(request, choice))
        if max_wait <= 0 or not choice.can_be_served_within(max_wait):
            return fail(self._refusal(request, choice))
        if len(self._queue) >= self._settings.queue_limit:
            error = queue_full_error(self._in_flight.average_duration)
            if not self._queue.make_room(request, error):
                return fail(error)
        return self._queue.wait(request, max_wait, choice.retry_in)

    def explain(self, request: LeaseRequest) -> Sequence[CandidateStatus]:
        """Return which account would be chosen, and why each other one would not."""
        choice = self._choose(request, 0.0, fully=True)
        return explain_candidates(choice.candidates, choice.chosen, self._finder.source)

    # Administration

    def fix(self, credential: str | None) -> None:
        """Use one account for every request that it can serve; ``None`` ends that."""
        self._finder.fixed = credential
        self.log.info("fixed account: {credential}", credential=credential or "none")
        self.serve_waiting()

    def unlock(self, credential: str, model: str = "") -> int | None:
        """End the locks of an account, for one model or all; return the number of locks."""
        found = next((each for each in _all(self._finder.source) if each.id == credential), None)
        if found is None:
            return None
        ended = self._lock_releaser.unlock(credential, model, found.upstream)
        self._changed()
        self.serve_waiting()
        return ended

    def clear_bindings(self) -> None:
        """Remove all bindings of sessions to accounts."""
        self._bindings.clear()
        self._changed()

    def status(self) -> PoolStatus:
        """Return accounts (labels masked), locks, bindings and queue."""
        return build_status(
            self._finder.source,
            self._locks,
            self._bindings,
            self._in_flight,
            self._protections,
            self._clock.seconds(),
            mode=self._policy.name,
            fixed=self._finder.fixed,
            queue=QueueState(len(self._queue), self._settings.queue_limit),
        )

    @property
    def session_uses(self) -> Mapping[str, int]:
        """How often a session kept its account, moved to another one, or was new."""
        return self._bindings.uses

    def last_used(self, credential: str) -> float:
        """Return when an account was last used, 0 for never."""
        return self._in_flight.last_used(credential)

    # Internals

    def _share(self, shared: Any, wall: Callable[[], float]) -> None:
        """Tell other gateways of locks and of sessions, and use theirs."""

        def credentials() -> list[Credential]:
            return _all(self._finder.source)

        self._binder.moves = SessionMoves(
            shared, self._clock, self._bindings, credentials, wall=wall
        )
        self.shared_accounts = SharedAccounts(
            shared, self._clock, self._locks, credentials, self._locked_elsewhere, wall=wall
        )
        self._slots = AccountSlots(shared, self._clock, self._in_flight, self.serve_waiting)
        self._locks.on_change = self.shared_accounts.locks_changed
        self._lock_releaser.on_unlock = self.shared_accounts.unlocked

    @inlineCallbacks
    def start_sharing(self) -> Any:
        """Return a Deferred that fires when what other gateways know was read, or cannot be."""
        for each in (self.shared_accounts, self._binder.moves):
            if each is not None:
                yield each.start()

    @inlineCallbacks
    def stop_sharing(self) -> Any:
        """Return a Deferred that fires when other gateways know everything."""
        if self._slots is not None:
            self._slots.stop()
        for each in (self.shared_accounts, self._binder.moves):
            if each is not None:
                yield each.stop()

    def _locked_elsewhere(self, scope: LockScope, lock: Lock | None) -> None:
        """Apply that another gateway has locked or unlocked something."""
        if lock is not None and lock.kind in BINDING_KINDS and scope.model is None:
            self._bindings.unbind_account(scope.credential or "")
        self._changed()
        self.serve_waiting()

    def _configure(self, settings: SchedulingSettings, policy: ISelectionPolicy) -> None:
        self._settings = settings
        self._policy = GuardedPolicy(policy)
        #: Whether the policy always chooses an account that is the only one, and available.
        self._is_built_in = policy in POLICIES.values()
        self._keeps_bindings = self._is_built_in and self._policy.sticky
        self._finder.max_requests = settings.max_concurrency
        if self._slots is not None:
            self._slots.limit = settings.max_concurrency
        self._finder.probe_interval = settings.probe_interval
        self._locks.max_lock = settings.max_lock_seconds

    def _snapshot(self) -> dict[str, Any]:
        return {
            "locks": self._locks.snapshot(),
            "bindings": self._bindings.snapshot(),
            "marks": self._lock_releaser.marks,
        }

    def _changed(self) -> None:
        if self._state is not None:
            self._state.changed()

    def _context(self, request: LeaseRequest, waited: float) -> SelectionContext:
        return SelectionContext(request.session, waited, self._settings.max_wait_seconds)

    def _choose_now(self, request: LeaseRequest, max_wait: float) -> Choice:
        """Return the choice for a new request, once those that can be served have been."""
        self._queue.serve_due()
        if self._keeps_bindings and (bound := self._finder.find_bound(request)) is not None:
            return Choice((bound,), bound, math.inf)
        return self._choose(request, 0.0 if max_wait > 0 else math.inf)

    def _choose(self, request: LeaseRequest, waited: float, *, fully: bool = False) -> Choice:
        """Return the choice; ``fully`` with all that is known of the only candidate, too."""
        quick = self._is_built_in and not fully
        if quick and (only := self._finder.find_only(request)) is not None:
            return Choice((only,), only, math.inf)
        candidates = self._finder.find(request)
        if self._is_built_in and len(candidates) == 1 and candidates[0].available:
            return Choice(candidates, candidates[0], math.inf)
        eligible = [each for each in candidates if each.eligible]
        if eligible and all(each.locked_for > 0 for each in eligible):
            candidates = retry_estimated_locks(candidates, self._settings.max_wait_seconds)
        selection = self._policy.select(candidates, self._context(request, waited))
        locks = [c.locked_for for c in candidates if c.eligible and c.locked_for > 0]
        retry_in = min([selection.wait, *locks])
        chosen = next((each for each in selection.order if each.available), None)
        return Choice(candidates, choose_probe(candidates, chosen) or chosen, retry_in)

    def _refusal(self, request: LeaseRequest, choice: Choice) -> GatewayError:
        return no_account_error(request, choice.candidates, self._in_flight.average_duration)

    def _grant(self, request: LeaseRequest, choice: Choice, waited: float = 0.0) -> Lease:
        chosen = choice.chosen
        assert chosen is not None
        upstream_model, name, session = chosen.upstream_model, chosen.credential, request.session
        is_probe = chosen.locked_for > 0
        if is_probe:
            self.log.info(
                "{credential} is probed for {model} despite its lock",
                credential=name,
                model=upstream_model.model,
            )
            self._locks.begin_probe(upstream_model.upstream, name, upstream_model.model)
        elif session and self._policy.sticky:
            context = self._context(request, waited)
            if self._binder.bind(request, choice.candidates, chosen, self._policy, context):
                self._changed()
        followed = not (request.only or is_probe)
        self._in_flight.begin(upstream_model.upstream, name, session, followed=followed)
        credential = self._finder.credential_of(chosen)
        results = self._results
        passed = results.probe_passed if is_probe else None
        return Lease(
            upstream_model, credential, session, self._clock.seconds(), results.apply, passed
        )


def _all(source: ICredentialSource) -> list[Credential]:
    return [each for name in source.upstreams for each in source.credentials(name)]
