"""The model lists of the upstreams, fetched from them and cached."""

from __future__ import annotations

import math
from collections.abc import Sequence

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from antigravity.interfaces.accounts import ICredentialSource
from antigravity.interfaces.upstreams import IUpstream
from antigravity.ir.capabilities import Model, Reported
from antigravity.ir.errors import GatewayError
from antigravity.logs import make_logger
from antigravity.routing.reported_capabilities import find_reported, reported_by_list

#: Seconds after a failed fetch until the next one.
RETRY_AFTER = 30.0


class _Listing:
    """The model list of one upstream, and the fetch in progress."""

    def __init__(self) -> None:
        self.models: Sequence[Model] | None = None
        self.reported: dict[str, tuple[Reported, ...]] = {}
        self.fresh_until = 0.0
        self.running: Deferred[Sequence[Model]] | None = None
        self.waiting: list[Deferred[Sequence[Model] | None]] = []


class ModelCatalog:
    """Model lists by upstream.  Requests for the same list share one fetch.

    If a fetch fails, the previous list stays.
    """

    log = make_logger()

    def __init__(self, clock: IReactorTime, credentials: ICredentialSource, ttl: float) -> None:
        self._clock = clock
        self._credentials = credentials
        self._ttl = ttl
        self._listings: dict[str, _Listing] = {}
        self._fresh_until = math.inf
        #: The number of changes; it may count a change that has no effect.
        self.changes = 0

    def is_fresh(self) -> bool:
        """Return whether all lists can be used without a fetch."""
        return self._fresh_until > self._clock.seconds()

    def known(self, upstream: IUpstream) -> Sequence[Model] | None:
        """Return the cached models, ``None`` if there never was a list."""
        listing = self._listings.get(upstream.name)
        return None if listing is None else listing.models

    def reported(self, upstream: IUpstream, model: str) -> tuple[Reported, ...]:
        """Return what the upstream's list says about a model, as far as it has been fetched."""
        listing = self._listings.get(upstream.name)
        return () if listing is None else find_reported(listing.reported, model)

    def models(self, upstream: IUpstream) -> Deferred[Sequence[Model] | None]:
        """Return a Deferred that fires with the upstream's models.

        ``None`` if there never was a list.  The Deferred never fails; cancelling it does not cancel
        the fetch for others.
        """
        listing = self._listings.get(upstream.name)
        if listing is None:
            listing = self._listings[upstream.name] = _Listing()
            self._changed()
        elif listing.fresh_until > self._clock.seconds():
            return succeed(listing.models)
        return self._wait(upstream, listing)

    def _wait(self, upstream: IUpstream, listing: _Listing) -> Deferred[Sequence[Model] | None]:
        waiter: Deferred[Sequence[Model] | None] = Deferred(
            lambda waiter: listing.waiting.remove(waiter) if waiter in listing.waiting else None
        )
        listing.waiting.append(waiter)
        if listing.running is None:
            self._fetch(upstream, listing)
        return waiter

    def forget(self) -> None:
        """Fetch the lists again when they are next used."""
        for listing in self._listings.values():
            listing.fresh_until = 0.0
        self._changed()

    def stop(self) -> None:
        """Cancel the fetches in progress."""
        for listing in self._listings.values():
            if listing.running is not None:
                listing.running.cancel()

    def _fetch(self, upstream: IUpstream, listing: _Listing) -> None:
        credential = self._credentials.next_credential(upstream.name, frozenset())
        if credential is None:
            self._settle(listing, None, RETRY_AFTER)
            return
        listing.running = running = upstream.models(credential)

        def succeeded(models: Sequence[Model]) -> None:
            self._settle(listing, models, self._ttl)

        def failed(failure: Failure) -> None:
            if failure.check(GatewayError, CancelledError) is None:
                self.log.failure(
                    "fetching the models of {name} failed", failure, name=upstream.name
                )
            else:
                self.log.warn(
                    "the models of {name} could not be fetched: {error}",
                    name=upstream.name,
                    error=failure.value,
                )
            self._settle(listing, listing.models, RETRY_AFTER)

        running.addCallbacks(succeeded, failed)

    def _settle(self, listing: _Listing, models: Sequence[Model] | None, ttl: float) -> None:
        listing.running = None
        listing.models = models
        listing.reported = {model.id: reported_by_list(model) for model in models or ()}
        listing.fresh_until = self._clock.seconds() + ttl
        self._changed()
        waiting, listing.waiting = listing.waiting, []
        for waiter in waiting:
            waiter.callback(models)

    def _changed(self) -> None:
        self.changes += 1
        self._fresh_until = min(
            (listing.fresh_until for listing in self._listings.values()), default=math.inf
        )
