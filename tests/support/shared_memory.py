"""A kind of shared state for tests: one memory for all gateways, which can be out of reach."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import directlyProvides, implementer, provider

from antigravity.interfaces.state import ISlotRenewal, IState, IStateKind, Listener, StateError
from antigravity.state.memory import MemoryState
from antigravity.state.shared import SharedState


class SharedMemory:
    """The memory of several gateways.

    :ivar is_away: whether calls fail.
    :ivar waiting: if it is a list, calls wait in it.
    :ivar calls: the names of the calls.
    :ivar renews: whether later backends can renew many slots at once.
    """

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.memory = MemoryState(reactor)
        self.memory.start()
        self.is_away = False
        self.waiting: list[Deferred[Any]] | None = None
        self.calls: list[str] = []
        self.renews = True
        self.members: list[_Member] = []

    def kinds(self) -> dict[str, Any]:
        """Return the kinds of backends, with this one as ``memory:`` and ``other:``."""

        @provider(IStateKind)
        class SharedMemoryKind:
            schemes = ("memory", "other")

            @staticmethod
            def name(url: str) -> str:
                if url.endswith("wrong"):
                    raise ValueError("the address is wrong")
                return url

            @staticmethod
            def build(reactor: Any, url: str) -> Any:
                return succeed(_Member(self))

        return {"memory": SharedMemoryKind, "other": SharedMemoryKind}

    def gateway(self, *, on_loss: Any = "local") -> SharedState:
        """Return the state of another gateway, which uses the memory."""
        state = SharedState(self.reactor)
        state.use("memory:", on_loss, self.kinds())
        return state


@implementer(IState)
class _Member:
    """One gateway's connection to the memory."""

    def __init__(self, shared: SharedMemory) -> None:
        self._shared = shared
        self.is_running = False
        self.ends: list[Any] = []
        if shared.renews:
            directlyProvides(self, ISlotRenewal)
        shared.members.append(self)

    def start(self) -> Any:
        self.is_running = True
        return succeed(None)

    def stop(self) -> Any:
        self.is_running = False
        for end in self.ends:
            end()
        return succeed(None)

    def _call(self, method: str, *arguments: Any) -> Any:
        shared = self._shared
        shared.calls.append(method)
        if shared.is_away:
            return fail(StateError("memory: is away"))
        if shared.waiting is not None:
            waiter: Deferred[Any] = Deferred()
            shared.waiting.append(waiter)
            return waiter.addCallback(lambda _: getattr(shared.memory, method)(*arguments))
        return getattr(shared.memory, method)(*arguments)

    def server(self) -> Any:
        return self._call("server")

    def get(self, key: str) -> Any:
        return self._call("get", key)

    def get_many(self, keys: Any) -> Any:
        return self._call("get_many", keys)

    def put(self, key: str, value: bytes, ttl: float) -> Any:
        return self._call("put", key, value, ttl)

    def replace(self, key: str, expected: bytes | None, value: bytes, ttl: float) -> Any:
        return self._call("replace", key, expected, value, ttl)

    def delete(self, key: str) -> Any:
        return self._call("delete", key)

    def claim(self, claims: Any) -> Any:
        return self._call("claim", claims)

    def settle(self, settlements: Any) -> Any:
        return self._call("settle", settlements)

    def renew(self, slots: Any) -> Any:
        return self._call("renew", slots)

    def publish(self, channel: str, message: bytes) -> Any:
        return self._call("publish", channel, message)

    def subscribe(self, channel: str, listener: Listener) -> Any:
        def remember(end: Any) -> Any:
            self.ends.append(end)
            return end

        return self._call("subscribe", channel, listener).addCallback(remember)
