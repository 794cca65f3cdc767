"""State that the processes of a gateway share: values, windows, slots and messages.

A backend keeps it in this process, in a process beside it, or on a server.  All of it may be lost:
what must last is in a database.  Keys are text of at most :data:`KEY_LIMIT` characters; times are
in seconds.  Every method that returns a Deferred fails with a :class:`StateError` if the state is
out of reach.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

#: The most characters of a key, and the most bytes of a value or a message.
KEY_LIMIT: Final = 500
VALUE_LIMIT: Final = 16 * 1024 * 1024
#: The beginning of keys of contents: many and large values, which must not displace others.
CONTENT_PREFIX: Final = "content/"
#: The most keys of one :meth:`IState.get_many`.
MANY_KEYS: Final = 1000
#: The longest time that anything is kept, and the shortest period of a window.
LONGEST_TTL: Final = 366 * 86_400.0
SHORTEST_PERIOD: Final = 0.1
#: A window is divided into so many parts, whose sums expire one after another.
WINDOW_PARTS: Final = 12


class StateError(Exception):
    """The state is out of reach now; the message says why."""


class WindowClaim(Struct, frozen=True, tag="window"):
    """A wish for ``amount`` within a window: at most ``limit`` in any ``period``.

    The window slides in steps of a twelfth of the period.  What was claimed counts for up to one
    step more than the period, so that the limit is never exceeded.
    """

    key: str
    amount: int
    limit: int
    period: float


class SlotClaim(Struct, frozen=True, tag="slot"):
    """A wish for one of ``limit`` slots, which is free again after ``ttl``.

    ``holder`` names who has it; who has it already gets it again, for another ``ttl``.  A lease
    that only one process may have is a slot with the limit 1.
    """

    key: str
    holder: str
    limit: int
    ttl: float


Claim = WindowClaim | SlotClaim


class ClaimState(Struct, frozen=True):
    """What a claim found.

    ``used`` includes the claim itself if all claims were granted.  ``retry_in`` is how long until
    there will be room for it, 0 if there is; for slots, until the first one is free again at the
    latest.  ``place`` is the part of the window that it counts in, for :class:`WindowChange`.
    """

    used: int
    retry_in: float
    place: int = 0


class Claimed(Struct, frozen=True):
    """Whether all claims were granted, and what each found, in their order."""

    granted: bool
    states: tuple[ClaimState, ...]


class WindowChange(Struct, frozen=True, tag="window"):
    """A correction of what was claimed in a window, by ``amount``, which may be negative.

    It counts in the same part of the window, if that has not expired, and makes no part negative.
    """

    key: str
    place: int
    amount: int
    period: float


class SlotRelease(Struct, frozen=True, tag="slot"):
    """The end of a slot; nothing happens if ``holder`` does not have it."""

    key: str
    holder: str


Settlement = WindowChange | SlotRelease
Listener = Callable[[bytes], None]


class IState(Interface):
    """A backend of shared state."""

    def start() -> Deferred[None]:
        """Connect; the Deferred fires at once or later, also if the state is out of reach."""

    def stop() -> Deferred[None]:
        """Return a Deferred that fires when all connections and timers have ended."""

    def server() -> Deferred[str]:
        """Return a Deferred with name and version of what keeps the state, for people."""

    def get(key: str) -> Deferred[bytes | None]:
        """Return a Deferred with a value, ``None`` if there is none."""

    def get_many(keys: Sequence[str]) -> Deferred[list[bytes | None]]:
        """Return a Deferred with the values of at most :data:`MANY_KEYS` keys, in one step.

        Of values that are larger than :data:`VALUE_LIMIT` together, the last ones may be ``None``.
        """

    def put(key: str, value: bytes, ttl: float) -> Deferred[None]:
        """Store a value for ``ttl`` in place of another."""

    def replace(key: str, expected: bytes | None, value: bytes, ttl: float) -> Deferred[bool]:
        """Store a value if the present one is ``expected``; return a Deferred with whether it was.

        ``None`` stands for no value.
        """

    def delete(key: str) -> Deferred[bool]:
        """Delete a value; return a Deferred with whether there was one."""

    def claim(claims: Sequence[Claim]) -> Deferred[Claimed]:
        """Grant all claims or none, in one step that no other claim comes between.

        A key must not occur twice.
        """

    def settle(settlements: Sequence[Settlement]) -> Deferred[None]:
        """Correct and end what was claimed, in one step."""

    def publish(channel: str, message: bytes) -> Deferred[None]:
        """Send a message to all who listen now, in all processes.  Messages can be lost."""

    def subscribe(channel: str, listener: Listener) -> Deferred[Callable[[], None]]:
        """Call ``listener`` with later messages; return a Deferred with a function that ends that.

        Errors of the listener are logged.
        """


class ISlotRenewal(Interface):
    """What a backend can provide beside :class:`IState`: to prolong many slots in one step."""

    def renew(slots: Sequence[SlotClaim]) -> Deferred[None]:
        """Let each holder have its slot for another ``ttl``.

        It gets one also if it has none, or if there are as many as the limit: what holds it runs.
        Keys may occur several times, and there are at most :data:`MANY_KEYS` slots.
        """


class IStateKind(Interface):
    """A kind of backend, which the scheme of ``state.url`` names; plugins can register more."""

    schemes: tuple[str, ...] = Attribute("The schemes of its addresses, such as ``redis``.")

    def name(url: str) -> str:
        """Return an address without user and password, for people.

        :raises ValueError: if it is invalid; the message does not quote it.
        """

    def build(reactor: Any, url: str) -> Any:
        """Return a provider of :class:`IState` that is not started, or a Deferred with one.

        :raises ValueError: if the address is invalid; the message does not quote it.
        """


class ISharedState(IState, ISlotRenewal):
    """The state of one gateway: that of the backend which the configuration names.

    Without one it is in memory, and nobody shares it.  While the backend is out of reach, claims
    are granted by this process alone, each up to its part of the limit, or fail, as the
    configuration says; everything else fails at once.

    Cancelling a Deferred ends only the wait: the backend does what it was asked.  Slots that it
    grants then are free again at once.
    """

    identity: str = Attribute("A name of this gateway that no other one has.")
    is_shared: bool = Attribute("Whether other processes may share the state.")
    is_lost: bool = Attribute("Whether the state is shared, and out of reach.")
    gateways: int = Attribute("How many gateways share the state, as last seen.")

    def watch(connected: Callable[[], None]) -> Callable[[], None]:
        """Call ``connected`` whenever shared state can be reached, at first or again.

        Messages may have been lost before.  Return a function that ends that.
        """
