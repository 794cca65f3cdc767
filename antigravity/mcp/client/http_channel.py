"""The channel to a server over streamable HTTP."""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from antigravity.interfaces.transport import IHttpTransport
from antigravity.ir.printable import shorten
from antigravity.mcp.client.channel import OutgoingMessage, Receive
from antigravity.mcp.client.errors import LoginRequiredError
from antigravity.mcp.client.http_connection import Address, HttpConnection
from antigravity.mcp.protocol.messages import Message, RequestId

#: Seconds that a server has to accept the end of a session.
_END_SESSION_TIMEOUT: Final = 2.0


class HttpChannel:
    """A channel that sends each message in a request of its own."""

    has_headers = True

    def __init__(
        self, transport: IHttpTransport, clock: IReactorTime, address: Address, receive: Receive
    ) -> None:
        self.lost: Deferred[str] = Deferred()
        self._clock = clock
        self._receive = receive
        self._link = HttpConnection(transport, clock, address, self._received)
        self._running: set[Deferred[Any]] = set()

    def send(self, message: OutgoingMessage) -> Deferred[None]:
        """Send a message; see :class:`Channel`."""
        return self._run(
            self._link.post(
                message.data, message.headers, about=message.id, endless=message.endless
            )
        )

    def agreed(self, version: str) -> None:
        """Send ``version`` with all further messages."""
        self._link.version = version

    def listen(self) -> Deferred[bool]:
        """Listen once for messages that belong to no request; see :class:`Channel`."""
        return self._run(self._link.listen()) if self._link.session else succeed(False)

    def close(self) -> Deferred[None]:
        """Cancel all requests and end the session; a silent server does not delay this."""
        for running in list(self._running):
            running.cancel()
        ending = self._link.end_session()
        ending.addTimeout(_END_SESSION_TIMEOUT, self._clock)
        return ending.addErrback(lambda failure: None)

    def _run(self, running: Deferred[Any]) -> Deferred[Any]:
        def over(value: Any) -> Any:
            self._running.discard(running)
            return value

        self._running.add(running)
        return running.addBoth(over).addErrback(self._failed)

    def _failed(self, failure: Failure) -> Failure:
        if isinstance(failure.value, LoginRequiredError) and not self.lost.called:
            self.lost.callback(shorten(failure.value.message))
        return failure

    def _received(self, data: bytes, found: tuple[Message, ...], about: RequestId | None) -> None:
        for message in found:
            self._receive(message, about)
