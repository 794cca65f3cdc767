"""Gateways without HTTP: their real clients of shared state, tokens and bindings, and a load.

Times are in seconds of the reactor.
"""

from __future__ import annotations

import json
import random
from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import deferLater
from zope.interface import implementer

from antigravity.accounts.affinity import Bindings, rendezvous_weight
from antigravity.builtin.state import RedisKind
from antigravity.config.secret import Secret
from antigravity.config.settings import OAuthSettings
from antigravity.interfaces.state import (
    Claim,
    Claimed,
    Settlement,
    SlotClaim,
    SlotRelease,
    StateError,
    WindowChange,
    WindowClaim,
)
from antigravity.interfaces.transport import IHttpTransport, OutgoingRequest
from antigravity.interfaces.upstreams import Credential
from antigravity.state.shared import SharedState
from antigravity.upstreams.codeassist.oauth import RENEW_BEFORE, AccessTokens
from antigravity.upstreams.services import UpstreamServices

UPSTREAM: Final = "provider"
MODEL: Final = "model"
#: Tokens of a request: an estimate at its start, and what it really used.
ESTIMATE, USED = 1000, 700
#: Seconds after which the slot of a gateway that was killed is free.
_SLOT_TTL: Final = 3600.0
KINDS: Final = {scheme: RedisKind() for scheme in RedisKind().schemes}


@dataclass(frozen=True)
class Key:
    """A key whose requests are limited in each period; it asks for twice of that."""

    name: str
    limit: int


def claims_of(key: Key, holder: str, period: float) -> list[Claim]:
    """Return what a request claims whose key has all limits."""
    return [
        WindowClaim(f"key/{key.name}/requests", 1, key.limit, period),
        WindowClaim(f"key/{key.name}/tokens", ESTIMATE, 10**9, period),
        SlotClaim(f"key/{key.name}/parallel", holder, 10**6, _SLOT_TTL),
    ]


def settlements_of(key: str, holder: str, claimed: Claimed, period: float) -> list[Settlement]:
    """Return what ends these claims."""
    place = claimed.states[1].place
    return [
        WindowChange(f"key/{key}/tokens", place, USED - ESTIMATE, period),
        SlotRelease(f"key/{key}/parallel", holder),
    ]


@dataclass
class Figures:
    """What happened in a phase."""

    seconds: float = 0.0
    requests: int = 0
    granted: int = 0
    failed: int = 0
    #: Milliseconds of each claim.
    claims: list[float] = field(default_factory=list)
    #: The largest share of a limit that was used in a period which ended in this phase, by key.
    used: dict[str, float] = field(default_factory=dict)
    refreshes: int = 0
    #: Refreshes although the token before was good for longer.
    needless: int = 0
    #: Requests of a session to another account than its last one, and those of them for no reason.
    moved: int = 0
    moved_needlessly: int = 0
    #: Requests to an account that the provider had locked.
    refused: int = 0
    locks: int = 0
    #: Commands of Redis, its CPU seconds, and whether it was away.
    commands: int = 0
    cpu: float = 0.0


class Provider:
    """The accounts, their locks, and the tokens that its OAuth server issues."""

    def __init__(self, clock: Any, accounts: int, token_life: float) -> None:
        self._clock = clock
        self.token_life = token_life
        self.accounts = tuple(
            Credential(f"account-{number}", UPSTREAM, f"refresh-{number}")
            for number in range(accounts)
        )
        #: When each lock ends.
        self.locked: dict[str, float] = {}
        #: When each token has to be renewed.
        self._good_until: dict[str, float] = {}
        self._sessions: dict[str, str] = {}
        self.figures = Figures()

    def lock(self, seconds: float) -> None:
        """Lock an account that is not locked."""
        now = self._clock.seconds()
        free = [each.id for each in self.accounts if self.locked.get(each.id, 0.0) <= now]
        if free:
            self.locked[random.choice(free)] = now + seconds
            self.figures.locks += 1

    def issue(self, refresh_token: str) -> dict[str, object]:
        """Return a new token, and count it."""
        now = self._clock.seconds()
        self.figures.refreshes += 1
        # A moment before the end, gateways may differ in what they think of it.
        self.figures.needless += self._good_until.get(refresh_token, 0.0) > now + 0.05
        self._good_until[refresh_token] = now + self.token_life
        number = self.figures.refreshes
        return {"access_token": f"{number}", "expires_in": self.token_life + RENEW_BEFORE}

    def serve(self, session: str, account: str) -> float | None:
        """Count a request; return when the lock of the account ends, ``None`` if it has none."""
        until = self.locked.get(account, 0.0)
        if until > self._clock.seconds():
            self.figures.refused += 1
            return until
        before = self._sessions.get(session, account)
        if before != account:
            self.figures.moved += 1
            was_locked = self.locked.get(before, 0.0) > self._clock.seconds()
            self.figures.moved_needlessly += not was_locked
        self._sessions[session] = account
        return None


class _Response:
    """A response of the OAuth server."""

    def __init__(self, body: Mapping[str, object]) -> None:
        self._body = json.dumps(body).encode()

    def status(self) -> int:
        """Return the status."""
        return 200

    def headers(self) -> dict[str, str]:
        """Return no headers."""
        return {}

    async def collect(self, limit: int) -> bytes:
        """Return the body."""
        return self._body


@implementer(IHttpTransport)
class OAuthConnection:
    """A connection to the OAuth server, whose responses take a moment."""

    def __init__(self, clock: Any, provider: Provider) -> None:
        self._clock = clock
        self._provider = provider

    def send(self, request: OutgoingRequest) -> Deferred[Any]:
        """Return a Deferred with the response."""
        token = (request.body or b"").rpartition(b"=")[2].decode()
        done: Deferred[Any] = deferLater(self._clock, 0.1, lambda: None)
        return done.addCallback(lambda _: _Response(self._provider.issue(token)))

    def close(self) -> Any:
        """Do nothing."""


class Node:
    """A gateway."""

    def __init__(self, reactor: Any, provider: Provider, number: int) -> None:
        self._reactor = reactor
        self._provider = provider
        self.number = number
        self.state = SharedState(reactor)
        services = UpstreamServices(
            UPSTREAM, OAuthConnection(reactor, provider), reactor, {}, state=self.state
        )
        settings = OAuthSettings("client", Secret("secret"), "http://127.0.0.1/token")
        self._tokens = AccessTokens(settings, services, None)
        self._bindings = Bindings(reactor.seconds)
        self._locked: dict[str, float] = {}
        self.is_alive = True
        self._requests = 0

    async def start(self, url: str) -> None:
        """Connect to Redis."""
        await self.state.use(url, "local", KINDS)

    async def stop(self, *, kill: bool = False) -> None:
        """Leave in order, or without a word."""
        self.is_alive = False
        if kill:
            self.state._problem = "killed"  # so that it does not say that it leaves
        await self.state.stop()

    async def serve(self, key: Key, session: str, period: float, figures: Figures) -> bool:
        """Serve one request as a gateway does; return whether it was granted."""
        self._requests += 1
        holder = f"{self.number}-{self._requests}"
        began = self._reactor.seconds()
        claimed: Claimed = await self.state.claim(claims_of(key, holder, period))
        figures.claims.append(1000 * (self._reactor.seconds() - began))
        if not claimed.granted:
            return False
        ensureDeferred(self._finish(session, key, holder, claimed, period))
        return True

    async def _finish(
        self, session: str, key: Key, holder: str, claimed: Claimed, period: float
    ) -> None:
        await self._ask_provider(session)
        if not self.is_alive:
            return  # it was killed
        try:
            await self.state.settle(settlements_of(key.name, holder, claimed, period))
        except StateError:
            return

    async def _ask_provider(self, session: str) -> None:
        for account in self._candidates(session):
            await self._tokens.token(account)
            await deferLater(self._reactor, random.uniform(0.1, 0.5))
            until = self._provider.serve(session, account.id)
            if until is None:
                self._bindings.bind(session, UPSTREAM, MODEL, account.id)
                return
            self._locked[account.id] = until

    def _candidates(self, session: str) -> list[Credential]:
        """Return the accounts that this gateway would try, the bound one first."""
        now = self._reactor.seconds()
        bound = self._bindings.get(session, UPSTREAM, MODEL)
        free = [each for each in self._provider.accounts if self._locked.get(each.id, 0.0) <= now]
        return sorted(
            free, key=lambda each: (each.id != bound, -rendezvous_weight(session, each.id))
        )


class Load:
    """Requests of all keys at an even pace, each to a gateway that is chosen at random."""

    def __init__(
        self, reactor: Any, keys: Sequence[Key], period: float, sessions: int, nodes: list[Node]
    ) -> None:
        self._reactor = reactor
        self._keys = keys
        self._period = period
        self._sessions = sessions
        self._nodes = nodes
        self._granted: dict[str, list[float]] = defaultdict(list)
        self._sent: Counter[str] = Counter()
        self._running = 0
        self._random = random.Random(1)

    async def run(self, seconds: float, figures: Figures) -> None:
        """Send requests for so many seconds, and wait until all were granted or not."""
        began = self._reactor.seconds()
        self._sent.clear()
        while (elapsed := self._reactor.seconds() - began) < seconds:
            for key in self._keys:
                while self._sent[key.name] < 2 * key.limit * elapsed / self._period:
                    self._sent[key.name] += 1
                    ensureDeferred(self._send(key, figures))
            await deferLater(self._reactor, 0.005)
        while self._running:
            await deferLater(self._reactor, 0.005)
        figures.seconds = self._reactor.seconds() - began
        for key in self._keys:
            figures.used[key.name] = self._most(key, began) / key.limit

    async def _send(self, key: Key, figures: Figures) -> None:
        node = self._random.choice([each for each in self._nodes if each.is_alive])
        session = f"session-{self._random.randrange(self._sessions)}"
        self._running += 1
        figures.requests += 1
        try:
            if await node.serve(key, session, self._period, figures):
                figures.granted += 1
                insort(self._granted[key.name], self._reactor.seconds())
        except StateError:
            figures.failed += 1
        finally:
            self._running -= 1

    def _most(self, key: Key, since: float) -> int:
        """Return the most requests that were granted in a period which ended after ``since``."""
        times = self._granted[key.name]
        first = bisect_left(times, since)
        found = (
            index + 1 - bisect_left(times, times[index] - self._period)
            for index in range(first, len(times))
        )
        return max(found, default=0)
