"""State on a Redis or Valkey server, for gateways on several machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Any, Final

import txredisapi
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    FirstError,
    gatherResults,
    inlineCallbacks,
    succeed,
)
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from antigravity.interfaces.state import (
    WINDOW_PARTS,
    Claim,
    Claimed,
    ClaimState,
    ISlotRenewal,
    IState,
    Listener,
    Settlement,
    SlotClaim,
    SlotRelease,
    StateError,
    WindowClaim,
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
from antigravity.state.redis_address import RedisAddress

#: Seconds after which a command fails at the latest, and to wait for the first connection.
_TIMEOUT: Final = 10.0
_START_TIMEOUT: Final = 2.0
#: Seconds between two checks whether replies come, and how many may find that none came.
_CHECK_INTERVAL: Final = 1.0
_SILENT_CHECKS: Final = 2
_CONNECTIONS: Final = 2
_SCRIPTS: Final = files(__package__) / "lua"


@implementer(IState, ISlotRenewal)
class RedisState:
    """The state at ``address``.

    All keys begin with ``{PREFIX}``, so that a cluster keeps them on one node: a script sees only
    one.  Times are those of the server's clock.
    """

    log = make_logger()

    def __init__(self, reactor: Any, address: RedisAddress, prefix: str = "antigravity") -> None:
        self._reactor = reactor
        self._address = address
        self._prefix = f"{{{prefix}}}:".encode()
        self._commands: Any = _Factory(address, _CONNECTIONS)
        self._messages: Any = _SubscriberFactory(address, self._received, self._channels)
        self._listeners: dict[bytes, list[Listener]] = {}
        self._scripts = {
            name: (_SCRIPTS / f"{name}.lua").read_text("utf-8")
            for name in ("claim", "settle", "replace", "renew")
        }

    @inlineCallbacks
    def start(self) -> Any:
        """Connect, and wait a moment for the first connection."""
        endpoint = self._address.endpoint(self._reactor)
        for factory in (self._commands, self._messages):
            factory.startConnecting(endpoint)
        both = [self._commands.deferred, self._messages.deferred]
        connected = gatherResults(both, consumeErrors=True)
        with suppress(DeferredTimeout, CancelledError, FirstError):  # calls fail until then
            yield connected.addTimeout(_START_TIMEOUT, self._reactor)

    @inlineCallbacks
    def stop(self) -> Any:
        """Close all connections."""
        for factory in (self._commands, self._messages):
            yield factory.disconnect()

    def server(self) -> Deferred[str]:
        """Return a Deferred with the version of the server."""
        return self._call("info").addCallback(_version)

    def get(self, key: str) -> Deferred[bytes | None]:
        """Return a Deferred with a value."""
        return self._call("get", self._key(b"v", key))

    def get_many(self, keys: Sequence[str]) -> Deferred[list[bytes | None]]:
        """Return a Deferred with several values, by one command."""
        check_keys(keys)
        if not keys:
            return succeed([])
        return self._call("mget", [self._key(b"v", key) for key in keys])

    def put(self, key: str, value: bytes, ttl: float) -> Deferred[None]:
        """Store a value."""
        check_value(value)
        check_ttl(ttl)
        done = self._call("set", self._key(b"v", key), value, pexpire=_millis(ttl))
        return done.addCallback(_nothing)

    def replace(self, key: str, expected: bytes | None, value: bytes, ttl: float) -> Deferred[bool]:
        """Store a value if the present one is ``expected``."""
        check_value(value)
        check_ttl(ttl)
        arguments = [int(expected is not None), expected or b"", value, _millis(ttl)]
        return self._script("replace", [self._key(b"v", key)], arguments).addCallback(bool)

    def delete(self, key: str) -> Deferred[bool]:
        """Delete a value."""
        return self._call("delete", self._key(b"v", key)).addCallback(bool)

    def claim(self, claims: Sequence[Claim]) -> Deferred[Claimed]:
        """Grant all claims or none, by one script."""
        check_claims(claims)
        keys: list[bytes] = []
        arguments: list[object] = [WINDOW_PARTS]
        for each in claims:
            if isinstance(each, WindowClaim):
                keys.append(self._key(b"w", each.key))
                arguments += ["w", each.amount, each.limit, _millis(each.period)]
            else:
                keys.append(self._key(b"s", each.key))
                arguments += ["s", each.holder, each.limit, _millis(each.ttl)]
        return self._script("claim", keys, arguments).addCallback(_claimed)

    def settle(self, settlements: Sequence[Settlement]) -> Deferred[None]:
        """Correct and end what was claimed, by one script."""
        check_settlements(settlements)
        keys: list[bytes] = []
        arguments: list[object] = [WINDOW_PARTS]
        for each in settlements:
            if isinstance(each, SlotRelease):
                keys.append(self._key(b"s", each.key))
                arguments += ["s", each.holder, "", ""]
            else:
                keys.append(self._key(b"w", each.key))
                arguments += ["w", each.place, each.amount, _millis(each.period)]
        return self._script("settle", keys, arguments).addCallback(_nothing)

    def renew(self, slots: Sequence[SlotClaim]) -> Deferred[None]:
        """Let holders have their slots for longer, by one script."""
        check_slots(slots)
        keys = [self._key(b"s", each.key) for each in slots]
        arguments = [item for each in slots for item in (each.holder, _millis(each.ttl))]
        return self._script("renew", keys, arguments).addCallback(_nothing)

    def publish(self, channel: str, message: bytes) -> Deferred[None]:
        """Send a message."""
        check_value(message)
        return self._call("publish", self._key(b"c", channel), message).addCallback(_nothing)

    @inlineCallbacks
    def subscribe(self, channel: str, listener: Listener) -> Any:
        """Call ``listener`` with later messages, also after the connection was lost."""
        name = self._key(b"c", channel)
        listeners = self._listeners.setdefault(name, [])
        listeners.append(listener)
        if len(listeners) == 1:
            try:
                yield from self._guarded(self._messages, "subscribe", [name])
            except StateError:
                self._unsubscribe(name, listener)
                raise
        return lambda: self._unsubscribe(name, listener)

    def _unsubscribe(self, name: bytes, listener: Listener) -> None:
        listeners = self._listeners.get(name, [])
        if listener in listeners:
            listeners.remove(listener)
        if not listeners and self._listeners.pop(name, None) is not None:
            self._messages.end(name)

    def _channels(self) -> list[bytes]:
        return list(self._listeners)

    def _received(self, name: bytes, message: bytes) -> None:
        for listener in tuple(self._listeners.get(name, ())):
            try:
                listener(message)
            except Exception:  # noqa: BLE001 - the others must be called
                self.log.failure("a listener of {channel} failed", channel=name.decode())

    def _key(self, kind: bytes, key: str) -> bytes:
        check_key(key)
        return self._prefix + kind + b":" + key.encode("utf-8", "surrogatepass")

    def _script(self, name: str, keys: list[bytes], arguments: list[Any]) -> Deferred[Any]:
        return self._call("eval", self._scripts[name], keys, arguments)

    @inlineCallbacks
    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        return (yield from self._guarded(self._commands, method, *arguments, **options))

    def _guarded(self, factory: Any, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of a connection, and raise its errors as ``StateError``."""
        if not factory.size:
            raise StateError(f"{self._address.name} is not connected")
        try:
            sent = getattr(factory.handler, method)(*arguments, **options)
            return (yield sent.addTimeout(_TIMEOUT, self._reactor))
        except (txredisapi.RedisError, DeferredTimeout, CancelledError, ConnectionClosed) as error:
            reason = " ".join(map(_text, error.args)) or type(error).__name__
            raise StateError(f"{self._address.name} cannot be used now: {reason}") from None


class _Connection:
    """What both kinds of connections do while commands wait and no reply comes: they end.

    Nothing is sent over such a connection any more, and what still arrives is ignored.  Otherwise a
    later command would get the reply of another one.

    Silence is counted in checks, not in seconds: on a busy machine the reactor may stand still for
    long, and what has arrived meanwhile is read after the timers.
    """

    transport: Any
    replyQueue: Any  # noqa: N815 - names of the library
    callLater: Callable[..., IDelayedCall]  # noqa: N815
    _is_broken = False
    _silent_checks = 0
    _timer: IDelayedCall | None = None

    def execute_command(self, *arguments: Any, **options: Any) -> Any:
        """Send a command; return a Deferred with its reply."""
        if self._is_broken:
            raise txredisapi.ConnectionError("Not connected")
        reply = super().execute_command(*arguments, **options)  # type: ignore[misc]
        if self._timer is None:
            self._silent_checks = 0
            self._timer = self.callLater(_CHECK_INTERVAL, self._check)
        return reply

    def replyReceived(self, reply: Any) -> None:  # noqa: N802 - the name of the library
        """Give a reply to the command that waits longest."""
        self._silent_checks = 0
        if not self._is_broken or isinstance(reply, Exception):
            super().replyReceived(reply)  # type: ignore[misc]

    def connectionLost(self, reason: Any) -> None:
        """Let all commands fail that wait for replies."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        super().connectionLost(reason)  # type: ignore[misc]

    def _check(self) -> None:
        """End the connection if nothing came for long although commands wait."""
        self._timer = None
        if not self.replyQueue.waiting:
            return
        self._silent_checks += 1
        if self._silent_checks > _SILENT_CHECKS:
            self._is_broken = True
            self.transport.abortConnection()
        else:
            self._timer = self.callLater(_CHECK_INTERVAL, self._check)


class _CommandConnection(_Connection, txredisapi.RedisProtocol):  # type: ignore[misc]
    """A connection for commands."""


class _Factory(txredisapi.RedisFactory):  # type: ignore[misc]
    """A few connections, which are made again when they were lost."""

    maxDelay = 5.0  # noqa: N815 - the name of the library
    protocol = _CommandConnection

    def __init__(self, address: RedisAddress, connections: int) -> None:
        super().__init__(
            address.name,
            address.database,
            connections,
            isLazy=True,
            charset=None,
            password=address.password,
            convertNumbers=False,
            username=address.user,
        )


class _Subscriber(_Connection, txredisapi.SubscriberProtocol):  # type: ignore[misc]
    def messageReceived(self, pattern: Any, channel: bytes, message: bytes) -> None:  # noqa: N802
        self.factory.received(channel, message)


class _SubscriberFactory(_Factory):
    """The connection of messages, which listens to the same channels when it is made again."""

    protocol = _Subscriber

    def __init__(
        self,
        address: RedisAddress,
        received: Callable[[bytes, bytes], None],
        channels: Callable[[], list[bytes]],
    ) -> None:
        super().__init__(address, 1)
        self.received = received
        self._channels = channels
        self._connection: Any = None

    def buildProtocol(self, address: Any) -> Any:
        """Return a connection that listens as soon as it is ready."""
        connection = super().buildProtocol(address)
        connection.whenConnected().addCallbacks(self._ready, lambda _: None)
        return connection

    def end(self, channel: bytes) -> None:
        """Listen to a channel no more."""
        if self.size:
            self.handler.unsubscribe([channel]).addErrback(lambda _: None)

    def _ready(self, connection: Any) -> Any:
        channels = self._channels()
        if channels:
            connection.subscribe(channels).addErrback(lambda _: None)
        return connection


def _claimed(reply: list[int]) -> Claimed:
    granted, *rest = reply
    states = tuple(
        ClaimState(used, retry / 1000, place)
        for used, retry, place in zip(rest[::3], rest[1::3], rest[2::3], strict=True)
    )
    return Claimed(bool(granted), states)


def _version(info: bytes) -> str:
    """Return name and version in the reply to INFO; those of Valkey have both versions."""
    lines = (line.partition(":") for line in _text(info).splitlines())
    fields = {name: value for name, _, value in lines}
    if version := fields.get("valkey_version"):
        return f"Valkey {version}"
    return f"Redis {fields.get('redis_version', 'of an unknown version')}"


def _millis(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _nothing(_: object) -> None:
    return None


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
