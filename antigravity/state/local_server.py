"""Serves state to other processes of one machine, on a Unix socket that only its owner can use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import UNIXServerEndpoint
from twisted.internet.interfaces import IListeningPort, IPushProducer
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols import amp
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.logs import make_logger
from antigravity.state.local import Call, Message, decode_arguments, encode_result


class LocalStateServer:
    """A server of ``state`` at the socket ``path``."""

    def __init__(self, reactor: Any, state: Any, path: Path) -> None:
        self._reactor = reactor
        self.state = state
        self._path = path
        self._port: IListeningPort | None = None
        self.connections: set[_Connection] = set()

    @inlineCallbacks
    def start(self) -> Any:
        """Start the state, and listen."""
        yield self.state.start()
        endpoint = UNIXServerEndpoint(self._reactor, str(self._path), mode=0o600)
        self._port = yield endpoint.listen(_ServerFactory(self))

    @inlineCallbacks
    def stop(self) -> Any:
        """End all connections, and stop the state."""
        port, self._port = self._port, None
        if port is not None:
            yield port.stopListening()
        for connection in tuple(self.connections):
            yield connection.end()
        yield self.state.stop()


@implementer(IPushProducer)
class _Connection(amp.AMP):
    """A client, and what it listens to."""

    log = make_logger()

    def __init__(self, server: LocalStateServer) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._server = server
        self._subscriptions: dict[str, Callable[[], None]] = {}
        self.transport: Any = None
        self._ended: Deferred[None] = Deferred()
        self._is_full = False

    def connectionMade(self) -> None:
        """Remember the connection."""
        super().connectionMade()  # type: ignore[no-untyped-call]
        self.transport.registerProducer(self, True)
        self._server.connections.add(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget the connection, and what it listened to."""
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
        self._server.connections.discard(self)
        subscriptions, self._subscriptions = self._subscriptions, {}
        for end in subscriptions.values():
            end()
        self._ended.callback(None)

    def end(self) -> Deferred[None]:
        """Abort the connection; the Deferred fires when it is lost."""
        self.transport.abortConnection()
        return self._ended

    @Call.responder
    @inlineCallbacks
    def call(self, method: bytes, body: bytes) -> Any:
        """Call a method of the state."""
        name = method.decode("utf-8", "replace")
        arguments = decode_arguments(name, body)
        if name == "subscribe":
            yield self._subscribe(*arguments)
            result = None
        elif name == "unsubscribe":
            self._subscriptions.pop(arguments[0], _nothing)()
            result = None
        else:
            result = yield getattr(self._server.state, name)(*arguments)
        return {"body": encode_result(name, result)}

    @inlineCallbacks
    def _subscribe(self, channel: str) -> Any:
        if channel in self._subscriptions:
            return
        self._subscriptions[channel] = _nothing  # until it is known how to end it
        end = yield self._server.state.subscribe(channel, lambda body: self._tell(channel, body))
        if channel in self._subscriptions:
            self._subscriptions[channel] = end
        else:
            end()

    def pauseProducing(self) -> None:
        """Drop messages: the client does not read."""
        self._is_full = True

    def resumeProducing(self) -> None:
        """Send messages again."""
        self._is_full = False

    def stopProducing(self) -> None:
        """Send nothing more."""
        self._is_full = True

    def _tell(self, channel: str, body: bytes) -> None:
        if self._is_full:
            return
        name = channel.encode("utf-8", "surrogatepass")
        self.callRemote(Message, channel=name, body=body)  # type: ignore[no-untyped-call]


class _ServerFactory(Factory):
    """Makes connections."""

    noisy = False

    def __init__(self, server: LocalStateServer) -> None:
        self._server = server

    def buildProtocol(self, address: object) -> _Connection:
        """Return the connection of another client."""
        return _Connection(self._server)


def _nothing() -> None:
    pass
