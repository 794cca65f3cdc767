"""Applies the results of leases to locks, bindings and counts, and notifies observers."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.accounts.account_events import AccountEvents
from antigravity.accounts.affinity import Bindings
from antigravity.accounts.candidate_finder import secret_stamp
from antigravity.accounts.in_flight import InFlightCounts
from antigravity.accounts.lease import Lease
from antigravity.accounts.lock_table import LockTable
from antigravity.ir.errors import GatewayError
from antigravity.logs import make_logger


class LeaseResults:
    """What the success or the failure of an attempt means for its account.

    :param now: returns seconds.
    :param changed: called when locks or bindings need to be stored.
    :param serve_waiting: serves requests that wait for an account.
    """

    log = make_logger()

    def __init__(
        self,
        now: Callable[[], float],
        locks: LockTable,
        bindings: Bindings,
        in_flight: InFlightCounts,
        events: AccountEvents,
        changed: Callable[[], None],
        serve_waiting: Callable[[], None],
    ) -> None:
        self._now = now
        self._locks = locks
        self._bindings = bindings
        self._in_flight = in_flight
        self._events = events
        self._changed = changed
        self._serve_waiting = serve_waiting

    def apply(self, lease: Lease, success: bool, error: GatewayError | None) -> None:
        """Apply the result of a lease that has ended."""
        upstream_model, name = lease.upstream_model, lease.credential.id
        if success:
            self._succeeded(lease)
        elif error is not None:
            self._failed(lease, error)
        if lease.is_probe:
            self._locks.end_probe(upstream_model.upstream, name, upstream_model.model)
        duration = self._now() - lease.began
        self._in_flight.end(name, lease.session, duration, error)
        self._serve_waiting()

    def probe_passed(self, lease: Lease) -> None:
        """End the locks of a probed account before the response to the probe is complete."""
        self._succeeded(lease)
        self._serve_waiting()

    def _succeeded(self, lease: Lease) -> None:
        upstream_model, name = lease.upstream_model, lease.credential.id
        ended = self._locks.record_success(
            upstream_model.upstream,
            name,
            upstream_model.model,
            since=lease.began,
            probe=lease.is_probe,
        )
        if ended:
            self._changed()
            self._events.unlocked(upstream_model.upstream, name, upstream_model.model)

    def _failed(self, lease: Lease, error: GatewayError) -> None:
        upstream_model, name = lease.upstream_model, lease.credential.id
        before = self._locks.strongest_lock(upstream_model.upstream, name, upstream_model.model)
        rule = self._locks.record_failure(
            upstream_model.upstream,
            name,
            upstream_model.model,
            error,
            since=lease.began,
            stamp=secret_stamp(lease.credential),
            probe=lease.is_probe,
        )
        if rule is None:
            return
        self._changed()
        if rule.ends_bindings and rule.scope == "account":
            self._bindings.unbind_account(name)
        elif rule.ends_bindings:
            self._bindings.unbind(
                lease.session, upstream_model.upstream, upstream_model.model, name
            )
        lock = self._locks.strongest_lock(upstream_model.upstream, name, upstream_model.model)
        if lock is not None:
            account = "" if rule.scope == "everyone" else name
            model = "" if rule.scope == "account" else upstream_model.model
            self._events.locked(upstream_model, account, model, before, lock)
        self.log.info(
            "{credential} is locked for {model} ({kind}) for {seconds} s",
            credential=name if rule.scope != "everyone" else "every account",
            model=upstream_model.model if rule.scope != "account" else "all models",
            kind=rule.kind,
            seconds="?" if lock is None else round(lock.until - self._now(), 1),
        )
