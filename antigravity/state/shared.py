"""The state of one gateway: a backend that may be out of reach, and what happens while it is."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal, TypeGuard

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from antigravity.deferreds import ended_alone
from antigravity.interfaces.state import (
    Claim,
    Claimed,
    ISharedState,
    ISlotRenewal,
    Listener,
    Settlement,
    SlotClaim,
    SlotRelease,
    StateError,
)
from antigravity.logs import make_logger
from antigravity.state.kinds import check_backend, find_kind
from antigravity.state.subscriptions import Subscriptions
from antigravity.state.windows import renewing_claims

#: Calls that wait for the backend; others fail at once.
MAX_CALLS: Final = 5_000
#: Seconds between two signs of life, and after which a silent gateway does not count any more.
BEAT: Final = 10.0
_LIFE: Final = 35.0
#: Seconds until the first attempt to reach a backend again, and between the later ones at most.
_FIRST_RETRY: Final = 0.25
_LONGEST_RETRY: Final = 5.0
#: The slots that count the gateways; there are never as many.
_GATEWAYS: Final = "gateways"
_MANY: Final = 1_000_000

OnLoss = Literal["local", "refuse"]


class SharedStateNumbers(Struct, frozen=True):
    """What people and monitoring systems get to know.

    ``name`` is the address without password, empty for memory.  ``problem`` says why the state is
    out of reach, empty if it is not.  ``failed`` counts calls that failed, ``losses`` how often
    the state went away.
    """

    name: str
    problem: str
    gateways: int
    on_loss: OnLoss
    failed: int
    losses: int


@implementer(ISharedState)
class SharedState:
    """The state of a gateway; see :class:`ISharedState`.

    Without an address it is a :class:`MemoryState`, which exists once it is used.

    :ivar on_loss: what becomes of claims while the backend is out of reach: ``local`` grants them
        here, up to this gateway's part of the limit; ``refuse`` lets them fail.
    """

    log = make_logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.identity = secrets.token_hex(8)
        self.on_loss: OnLoss = "local"
        self.gateways = 1
        self._url = ""
        self._name = ""
        self._backend: Any = None
        #: A backend that connects at first; it is not asked yet.
        self._starting: Any = None
        self._memory: Any = None
        self._problem = ""
        self._calls = 0
        self._failed = 0
        self._losses = 0
        self._retry = _FIRST_RETRY
        self._timer: IDelayedCall | None = None
        self._beating = False
        #: Whether the backend could be reached once.
        self._was_reached = False
        self._subscriptions = Subscriptions(partial(self._call, "subscribe"))
        self._watchers: list[Callable[[], None]] = []

    # Life cycle

    @property
    def is_shared(self) -> bool:
        """Whether there is a backend, which other processes may share."""
        return self._backend is not None

    @property
    def is_lost(self) -> bool:
        """Whether the backend is out of reach."""
        return bool(self._problem)

    @property
    def numbers(self) -> SharedStateNumbers:
        """What is known now."""
        return SharedStateNumbers(
            self._name, self._problem, self.gateways, self.on_loss, self._failed, self._losses
        )

    @inlineCallbacks
    def use(self, url: str, on_loss: OnLoss, kinds: Mapping[str, Any]) -> Any:
        """Use the backend at ``url``; empty for none.  ``kinds`` are those of backends by scheme.

        The Deferred fires when it is connected, or could not be reached for a moment.

        :raises ValueError: if there is no such backend; the earlier one stays in use.
        """
        self.on_loss = on_loss
        if url == self._url:
            return
        backend, name = None, ""
        if url:
            kind: Any = find_kind(url, kinds)
            name = kind.name(url)
            backend = yield maybeDeferred(kind.build, self._reactor, url)
            check_backend(backend)
        yield self.stop()
        self._url, self._name = url, name
        if backend is not None:
            self._starting = backend
            yield backend.start()
            if self._starting is backend:  # it was not stopped meanwhile
                self._starting, self._backend = None, backend
                yield self._beat()
        else:
            yield self._subscriptions.renew()

    @inlineCallbacks
    def stop(self) -> Any:
        """End all connections and timers; listeners stay for a later backend."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        backend, self._backend = self._backend, None
        memory, self._memory = self._memory, None
        starting, self._starting = self._starting, None
        if backend is not None and not self._problem:
            release = [SlotRelease(_GATEWAYS, self.identity)]
            yield maybeDeferred(backend.settle, release).addErrback(lambda _: None)
        self._subscriptions.forget_backend()
        self._url = self._name = self._problem = ""
        self._retry, self.gateways = _FIRST_RETRY, 1
        self._was_reached = False
        for each in (backend, starting, memory):
            if each is not None:
                yield each.stop()

    def watch(self, connected: Callable[[], None]) -> Callable[[], None]:
        """Call ``connected`` whenever shared state can be reached, at first or again."""
        self._watchers.append(connected)
        return lambda: self._watchers.remove(connected)

    # State

    def start(self) -> Deferred[None]:
        """Do nothing: :meth:`use` starts."""
        return succeed(None)

    def server(self) -> Deferred[str]:
        """Return a Deferred with name and version of what keeps the state."""
        return self._call("server")

    def get(self, key: str) -> Deferred[bytes | None]:
        """Return a Deferred with a value."""
        return self._call("get", key)

    def get_many(self, keys: Sequence[str]) -> Deferred[list[bytes | None]]:
        """Return a Deferred with several values."""
        return self._call("get_many", keys)

    def put(self, key: str, value: bytes, ttl: float) -> Deferred[None]:
        """Store a value."""
        return self._call("put", key, value, ttl)

    def replace(self, key: str, expected: bytes | None, value: bytes, ttl: float) -> Deferred[bool]:
        """Store a value if the present one is ``expected``."""
        return self._call("replace", key, expected, value, ttl)

    def delete(self, key: str) -> Deferred[bool]:
        """Delete a value."""
        return self._call("delete", key)

    def claim(self, claims: Sequence[Claim]) -> Any:
        """Grant all claims or none; while the backend is lost, as ``on_loss`` says."""
        if self._backend is None:
            return self._in_memory().claim(claims)
        return ended_alone(self._claim(claims), partial(self._give_back, claims))

    def _give_back(self, claims: Sequence[Claim], found: Claimed) -> None:
        """Release the slots of a claim that nobody waits for any more."""
        slots = [SlotRelease(each.key, each.holder) for each in claims if _is_slot(each)]
        if found.granted and slots:
            self._settle(slots).addErrback(lambda failure: failure.trap(StateError) and None)

    @inlineCallbacks
    def _claim(self, claims: Sequence[Claim]) -> Any:
        try:
            return (yield self._call("claim", claims))
        except StateError:
            if self.on_loss == "refuse":
                raise
        parts = [replace(each, limit=self._part(each.limit)) for each in claims]
        found = yield self._in_memory().claim(parts)
        # Places below zero are those of claims that only this process knows.
        states = [replace(each, place=-1 - each.place) for each in found.states]
        return Claimed(found.granted, tuple(states))

    def settle(self, settlements: Sequence[Settlement]) -> Any:
        """Correct and end what was claimed, where it was."""
        if self._backend is None:
            return self._in_memory().settle(settlements)
        return self._settle(settlements)

    @inlineCallbacks
    def _settle(self, settlements: Sequence[Settlement]) -> Any:
        here: list[Settlement] = []
        there: list[Settlement] = []
        for each in settlements:
            if isinstance(each, SlotRelease):
                here.append(each)
                there.append(each)
            elif each.place < 0:
                here.append(replace(each, place=-1 - each.place))
            else:
                there.append(each)
        if here and self._memory is not None:
            yield self._memory.settle(here)
        if there:
            yield self._call("settle", there)

    def renew(self, slots: Sequence[SlotClaim]) -> Any:
        """Let holders have their slots for longer, where limits count now."""
        if self._backend is None:
            return self._in_memory().renew(slots)
        return ended_alone(self._renew(slots))

    @inlineCallbacks
    def _renew(self, slots: Sequence[SlotClaim]) -> Any:
        try:
            if ISlotRenewal.providedBy(self._backend):
                yield self._call("renew", slots)
            else:
                for claims in renewing_claims(slots, _MANY):
                    yield self._call("claim", claims)
        except StateError:
            if self.on_loss == "refuse":
                raise
            yield self._in_memory().renew(slots)

    def publish(self, channel: str, message: bytes) -> Deferred[None]:
        """Send a message."""
        return self._call("publish", channel, message)

    def subscribe(self, channel: str, listener: Listener) -> Deferred[Callable[[], None]]:
        """Call ``listener`` with later messages, whatever backend there is then."""
        return ended_alone(self._subscriptions.add(channel, listener), lambda end: end())

    # Internals

    def _in_memory(self) -> Any:
        if self._memory is None:
            from antigravity.state.memory import MemoryState

            self._memory = MemoryState(self._reactor)
            self._memory.start()
        return self._memory

    def _part(self, limit: int) -> int:
        """Return the part of a limit that this gateway may grant alone."""
        return max(1, limit // self.gateways) if limit else 0

    def _call(self, method: str, *arguments: Any) -> Deferred[Any]:
        return ended_alone(self._call_now(method, *arguments))

    @inlineCallbacks
    def _call_now(self, method: str, *arguments: Any) -> Any:
        backend = self._backend
        if backend is None:
            return (yield getattr(self._in_memory(), method)(*arguments))
        if self._problem:
            self._failed += 1
            raise StateError(self._problem)
        return (yield self._ask(backend, method, *arguments))

    @inlineCallbacks
    def _ask(self, backend: Any, method: str, *arguments: Any) -> Any:
        """Call a method of the backend, and notice if it is lost."""
        if self._calls >= MAX_CALLS:
            self._failed += 1
            raise StateError(f"{self._calls} calls wait for {self._name}")
        self._calls += 1
        try:
            return (yield getattr(backend, method)(*arguments))
        except StateError as error:
            self._failed += 1
            if backend is self._backend:
                self._lose(str(error))
            raise
        finally:
            self._calls -= 1

    def _lose(self, problem: str) -> None:
        """Do without the backend, and try again soon."""
        if self._problem:
            return
        self._problem = problem
        self._losses += 1
        consequence = (
            "limits are kept by each gateway alone"
            if self.on_loss == "local"
            else "requests that need it are refused"
        )
        self.log.error(
            "the shared state is lost: {problem}; {consequence}",
            problem=problem,
            consequence=consequence,
        )
        self._retry = _FIRST_RETRY
        self._beat_in(self._retry)

    def _beat_in(self, seconds: float) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self._reactor.callLater(seconds, self._beat)

    @inlineCallbacks
    def _beat(self) -> Any:
        """Say that this gateway lives, and learn how many do."""
        backend = self._backend
        if backend is None or self._beating:
            return
        self._beating = True
        try:
            claim = SlotClaim(_GATEWAYS, self.identity, _MANY, _LIFE)
            found = yield self._ask(backend, "claim", [claim])
        except StateError:
            if backend is self._backend:
                self._beat_in(self._retry)
                self._retry = min(2 * self._retry, _LONGEST_RETRY)
            return
        finally:
            self._beating = False
        if backend is not self._backend:
            return
        self.gateways = max(1, found.states[0].used)
        self._beat_in(BEAT)
        if self._problem or not self._was_reached:
            yield self._found()

    @inlineCallbacks
    def _found(self) -> Any:
        """Use the backend, at first or again."""
        if self._problem:
            self.log.info("the shared state at {name} can be reached again", name=self._name)
        self._problem, self._was_reached = "", True
        memory, self._memory = self._memory, None
        if memory is not None:
            yield memory.stop()
        yield self._subscriptions.renew()
        for connected in tuple(self._watchers):
            try:
                connected()
            except Exception:  # noqa: BLE001 - the others must be called
                self.log.failure("a watcher of the shared state failed")


def _is_slot(claim: Claim) -> TypeGuard[SlotClaim]:
    return isinstance(claim, SlotClaim)
