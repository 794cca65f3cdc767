"""The connection between the main process and one worker: either may call the other."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols import amp
from twisted.python.failure import Failure

from antigravity.interfaces.state import StateError
from antigravity.logs import make_logger
from antigravity.workers.commands import Call, decode_arguments, decode_result, encode

#: Seconds after which a call without a response fails, if the caller names no other time.
TIMEOUT: Final = 5.0


class Channel(amp.AMP):
    """One side of the connection.

    :param target: has the methods that the other side may call; they may return Deferreds.
    :param methods: their names.
    :param lost: called when the connection has ended.
    """

    log = make_logger()

    def __init__(
        self, clock: Any, target: object, methods: Iterable[str], lost: Callable[[], None]
    ) -> None:
        super().__init__()
        self._clock = clock
        self._target = target
        self._methods = frozenset(methods)
        self._lost = lost
        self.transport: Any = None
        self.is_open = False

    def connectionMade(self) -> None:
        """Begin to serve calls."""
        super().connectionMade()
        self.is_open = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Let calls fail, and say so."""
        self.is_open = False
        super().connectionLost(reason)
        self._lost()

    def close(self) -> None:
        """Close the connection."""
        if self.is_open:
            self.transport.loseConnection()

    @Call.responder
    @inlineCallbacks
    def called(self, method: bytes, body: bytes) -> Any:
        """Call a method of this side.

        :raises StateError: if that failed; the reason is logged here.
        """
        name = method.decode("utf-8", "replace")
        try:
            if name not in self._methods:
                raise ValueError(f"there is no method {name[:40]!r}")
            result = yield getattr(self._target, name)(*decode_arguments(name, body))
        except StateError:
            raise
        except Exception as error:  # noqa: BLE001 - the caller is in another process
            self.log.failure("a call of {name} between processes failed", name=name)
            raise StateError(f"{name} failed: {type(error).__name__}") from None
        return {"body": encode(result)}

    def call(self, method: str, *arguments: Any, timeout: float = TIMEOUT) -> Deferred[Any]:
        """Return a Deferred with the result of a method of the other side.

        It fails with a ``StateError`` if the connection is lost, or there is no response in time.
        """
        return self._call(method, arguments, timeout)

    def tell(self, method: str, *arguments: Any) -> None:
        """Call a method of the other side, and log it if that fails."""

        def failed(failure: Failure) -> None:
            self.log.warn(
                "{method} did not reach a process: {error}",
                method=method,
                error=str(failure.value),
            )

        self.call(method, *arguments).addErrback(failed)

    @inlineCallbacks
    def _call(self, method: str, arguments: tuple[Any, ...], timeout: float) -> Any:
        if not self.is_open:
            raise StateError("the other process is gone")
        sent = self.callRemote(Call, method=method.encode(), body=encode(arguments))
        try:
            reply = yield sent.addTimeout(timeout, self._clock)
        except (ConnectionClosed, ConnectError, DeferredTimeout, CancelledError) as error:
            raise StateError(
                f"the other process does not respond: {type(error).__name__}"
            ) from None
        except (amp.RemoteAmpError, amp.UnhandledCommand) as error:
            raise StateError(f"the other process failed: {error}") from None
        return decode_result(method, reply["body"])


class ChannelFactory(Factory):
    """Makes the one connection that is adopted.

    :param channel: the connection.
    """

    noisy = False

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def buildProtocol(self, address: object) -> Channel:
        """Return the connection."""
        return self._channel
