"""State of another process of the same machine, over its Unix socket."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from twisted.application.internet import ClientService, backoffPolicy
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    inlineCallbacks,
)
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.task import deferLater
from twisted.protocols import amp
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.interfaces.state import (
    Claim,
    Claimed,
    ISlotRenewal,
    IState,
    Listener,
    Settlement,
    SlotClaim,
    StateError,
)
from antigravity.logs import make_logger
from antigravity.state.checks import (
    check_claims,
    check_key,
    check_keys,
    check_settlements,
    check_slots,
    check_ttl,
    check_value,
)
from antigravity.state.local import Call, Message, decode_result, encode

#: Seconds after which a call without a response fails, and to wait for the first connection.
_TIMEOUT: Final = 3.0
_START_TIMEOUT: Final = 2.0


@implementer(IState, ISlotRenewal)
class LocalState:
    """The state at the socket ``path``, connected again when the connection is lost."""

    log = make_logger()

    def __init__(self, reactor: Any, path: Path) -> None:
        self._reactor = reactor
        self._path = path
        self._listeners: dict[str, list[Listener]] = {}
        self._connection: _Connection | None = None
        policy = backoffPolicy(initialDelay=0.05, maxDelay=1.0)
        endpoint = UNIXClientEndpoint(reactor, str(path))
        self._service: Any = ClientService(endpoint, _ClientFactory(self), policy, reactor)

    @inlineCallbacks
    def start(self) -> Any:
        """Connect, and wait a moment for the first connection."""
        self._service.startService()
        with suppress(DeferredTimeout, CancelledError):  # calls fail until it is connected
            yield self._service.whenConnected().addTimeout(_START_TIMEOUT, self._reactor)
        yield deferLater(self._reactor, 0)  # the service cannot be stopped before

    def stop(self) -> Any:
        """Close the connection."""
        return self._service.stopService()

    def server(self) -> Deferred[str]:
        """Return a Deferred with what the other process keeps its state in."""
        return self._call("server")

    def get(self, key: str) -> Deferred[bytes | None]:
        """Return a Deferred with a value."""
        check_key(key)
        return self._call("get", key)

    def get_many(self, keys: Sequence[str]) -> Deferred[list[bytes | None]]:
        """Return a Deferred with several values."""
        check_keys(keys)
        return self._call("get_many", list(keys))

    def put(self, key: str, value: bytes, ttl: float) -> Deferred[None]:
        """Store a value."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        return self._call("put", key, value, ttl)

    def replace(self, key: str, expected: bytes | None, value: bytes, ttl: float) -> Deferred[bool]:
        """Store a value if the present one is ``expected``."""
        check_key(key)
        check_value(value)
        check_ttl(ttl)
        return self._call("replace", key, expected, value, ttl)

    def delete(self, key: str) -> Deferred[bool]:
        """Delete a value."""
        check_key(key)
        return self._call("delete", key)

    def claim(self, claims: Sequence[Claim]) -> Deferred[Claimed]:
        """Grant all claims or none."""
        check_claims(claims)
        return self._call("claim", list(claims))

    def settle(self, settlements: Sequence[Settlement]) -> Deferred[None]:
        """Correct and end what was claimed."""
        check_settlements(settlements)
        return self._call("settle", list(settlements))

    def renew(self, slots: Sequence[SlotClaim]) -> Deferred[None]:
        """Let holders have their slots for longer."""
        check_slots(slots)
        return self._call("renew", list(slots))

    def publish(self, channel: str, message: bytes) -> Deferred[None]:
        """Send a message."""
        check_key(channel)
        check_value(message)
        return self._call("publish", channel, message)

    @inlineCallbacks
    def subscribe(self, channel: str, listener: Listener) -> Any:
        """Call ``listener`` with later messages, also after the connection was lost."""
        check_key(channel)
        listeners = self._listeners.setdefault(channel, [])
        listeners.append(listener)
        if len(listeners) == 1:
            try:
                yield self._call("subscribe", channel)
            except StateError:
                self._forget(channel, listener)
                raise
        return lambda: self._unsubscribe(channel, listener)

    def _unsubscribe(self, channel: str, listener: Listener) -> None:
        if self._forget(channel, listener) and self._connection is not None:
            self._call("unsubscribe", channel).addErrback(lambda _: None)

    def _forget(self, channel: str, listener: Listener) -> bool:
        """Remove a listener; return whether it was the last one of its channel."""
        listeners = self._listeners.get(channel, [])
        if listener in listeners:
            listeners.remove(listener)
        return not listeners and self._listeners.pop(channel, None) is not None

    @inlineCallbacks
    def _call(self, method: str, *arguments: Any) -> Any:
        connection: Any = self._connection
        if connection is None:
            raise StateError(f"{self._path} is not connected")
        sent = connection.callRemote(Call, method=method.encode(), body=encode(arguments))
        try:
            reply = yield sent.addTimeout(_TIMEOUT, self._reactor)
        except (ConnectionClosed, ConnectError, DeferredTimeout, CancelledError) as error:
            raise StateError(f"{self._path} is lost: {type(error).__name__}") from None
        except (amp.RemoteAmpError, amp.UnhandledCommand) as error:
            raise StateError(f"{self._path} cannot be used: {error}") from None
        return decode_result(method, reply["body"])

    # What the connection calls

    def connected(self, connection: _Connection) -> None:
        """Use another connection, and listen to the same channels."""
        self._connection = connection
        for channel in self._listeners:
            self._call("subscribe", channel).addErrback(lambda _: None)

    def disconnected(self, connection: _Connection) -> None:
        """Do without the connection."""
        if self._connection is connection:
            self._connection = None

    def received(self, channel: str, message: bytes) -> None:
        """Call the listeners of a channel."""
        for listener in tuple(self._listeners.get(channel, ())):
            try:
                listener(message)
            except Exception:  # noqa: BLE001 - the others must be called
                self.log.failure("a listener of {channel} failed", channel=channel)


class _Connection(amp.AMP):
    """The connection to the server."""

    def __init__(self, state: LocalState) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._state = state

    def connectionMade(self) -> None:
        """Tell the state."""
        super().connectionMade()  # type: ignore[no-untyped-call]
        self._state.connected(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the state, before the calls fail."""
        self._state.disconnected(self)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    @Message.responder
    def message(self, channel: bytes, body: bytes) -> dict[str, object]:
        """Take a message."""
        self._state.received(channel.decode("utf-8", "surrogatepass"), body)
        return {}


class _ClientFactory(Factory):
    """Makes connections."""

    noisy = False

    def __init__(self, state: LocalState) -> None:
        self._state = state

    def buildProtocol(self, address: object) -> _Connection:
        """Return another connection."""
        return _Connection(self._state)
