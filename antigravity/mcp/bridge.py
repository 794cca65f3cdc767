"""Connect a client on stdio to an endpoint over HTTP.

Messages pass unchanged, in both families of revisions.  The bridge adds a session, and headers that
repeat parts of the body, as HTTP requires them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from twisted.internet.defer import CancelledError, Deferred, DeferredLock, DeferredQueue
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from antigravity.interfaces.mcp_values import McpError
from antigravity.interfaces.transport import IHttpTransport
from antigravity.ir.errors import GatewayError
from antigravity.ir.json_reader import decode
from antigravity.mcp.client.errors import SessionLostError
from antigravity.mcp.client.http_connection import Address, Headers, HttpConnection
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.headers import (
    META,
    METHOD_HEADER,
    NAME_HEADER,
    NAMED,
    VERSION_HEADER,
    encode,
    mirrored,
    parameter_headers,
)
from antigravity.mcp.protocol.messages import Message, Notification, Request, RequestId, Response

#: Seconds to wait for pending responses after the client has closed its output.
GRACE: Final = 10.0
_END_SESSION_TIMEOUT: Final = 2.0
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_INITIALIZED: Final = messages.notification("notifications/initialized")
_END: Final = b""


class Bridge:
    """A bridge from the lines of a client to ``address``.

    ``write`` receives each line for the client, ``notify_user`` messages for the user.
    """

    def __init__(
        self,
        transport: IHttpTransport,
        clock: IReactorTime,
        address: Address,
        write: Callable[[bytes], None],
        notify_user: Callable[[str], None],
    ) -> None:
        self.connection = HttpConnection(transport, clock, address, self._received)
        self._clock = clock
        self._write = write
        self._notify_user = notify_user
        self._lines: DeferredQueue[bytes] = DeferredQueue()
        self._running: dict[RequestId, Deferred[None]] = {}
        self._endless: set[RequestId] = set()
        self._opening: tuple[bytes, RequestId] | None = None
        self._hidden_id: RequestId | None = None
        self._opened = DeferredLock()
        self._listening: Deferred[None] | None = None
        self._listing: set[RequestId] = set()
        self._schemas: dict[str, Any] = {}
        self._all_done: Deferred[None] | None = None

    def feed(self, line: bytes) -> None:
        """Handle a line of the client."""
        if line.strip():
            self._lines.put(line)

    def end(self) -> None:
        """Handle the end of the client's output."""
        self._lines.put(_END)

    async def run(self) -> None:
        """Forward messages until the client has closed its output and has all responses."""
        try:
            while (line := await self._lines.get()) != _END:
                await self._forward_line(line)
            await self._finish()
        finally:
            self._stop_all()
        if self.connection.session:
            ending = self.connection.end_session().addTimeout(_END_SESSION_TIMEOUT, self._clock)
            await ending.addErrback(lambda failure: None)

    async def _finish(self) -> None:
        for id in self._endless & set(self._running):  # noqa: A001
            self._running[id].cancel()
        if self._running:
            self._all_done = Deferred()
            self._all_done.addTimeout(GRACE, self._clock)
            await self._all_done.addErrback(lambda failure: None)

    def _stop_all(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
        for running in list(self._running.values()):
            running.cancel()

    # -- from the client --

    async def _forward_line(self, line: bytes) -> None:
        try:
            parsed = messages.parse(line)
        except messages.MalformedMessageError as error:
            self._write(messages.error(error.id, error))
            return
        first = parsed.messages[0]
        requests = [m for m in parsed.messages if isinstance(m, Request)]
        if isinstance(first, Request) and first.method == "initialize":
            await self._initialize(line, first)
        elif requests:
            self._start(line, requests)
        elif isinstance(first, Notification) and self._cancels(first):
            return
        else:
            await self._forward_without_response(line, first)

    async def _initialize(self, line: bytes, request: Request) -> None:
        self.connection.session = self.connection.version = ""
        self._opening = line, request.id
        try:
            await self.connection.post(line, about=request.id)
        except GatewayError as error:
            self._fail([request], error)

    async def _forward_without_response(self, line: bytes, message: Message) -> None:
        """Forward a message that gets no response."""
        try:
            await self._post(line, self._headers(message))
        except GatewayError as error:
            self._notify_user(error.message)
        if isinstance(message, Notification) and message.method == "notifications/initialized":
            self._listen()

    def _cancels(self, message: Notification) -> bool:
        """Close the connection of a request, in revisions that cancel requests that way."""
        if message.method != "notifications/cancelled":
            return False
        id = message.params.get("requestId")  # noqa: A001
        running = self._running.get(id) if isinstance(id, (str, int)) else None
        if running is None or self.connection.session:
            return False
        running.cancel()
        return True

    def _start(self, line: bytes, requests: list[Request]) -> None:
        first = requests[0]
        if first.method == "tools/list":
            self._listing.add(first.id)
        endless = first.method == "subscriptions/listen"
        if endless:
            self._endless.add(first.id)
        headers = self._headers(first)
        running = Deferred.fromCoroutine(self._forward_request(line, requests, headers, endless))
        self._running[first.id] = running
        running.addBoth(self._request_ended, first.id)

    async def _forward_request(
        self, line: bytes, requests: list[Request], headers: Headers, endless: bool
    ) -> None:
        try:
            await self._post(line, headers, about=requests[0].id, endless=endless)
        except GatewayError as error:
            self._fail(requests, error)
        except CancelledError:
            return

    def _request_ended(self, _: object, id: RequestId) -> None:  # noqa: A002
        self._running.pop(id, None)
        self._endless.discard(id)
        self._listing.discard(id)
        if self._all_done is not None and not self._running and not self._all_done.called:
            self._all_done.callback(None)

    def _fail(self, requests: list[Request], error: GatewayError) -> None:
        self._notify_user(error.message)
        failure = McpError(messages.INTERNAL_ERROR, error.message)
        for request in requests:
            self._write(messages.error(request.id, failure))

    async def _post(
        self,
        line: bytes,
        headers: Headers = (),
        about: RequestId | None = None,
        *,
        endless: bool = False,
    ) -> None:
        session = self.connection.session
        try:
            await self.connection.post(line, headers, about=about, endless=endless)
        except SessionLostError:
            await self._opened.run(self._reopen_session, session)
            await self.connection.post(line, headers, about=about, endless=endless)

    def _headers(self, message: Message) -> Headers:
        """Return the headers of the stateless revision that repeat parts of a message."""
        if isinstance(message, Response):
            return ()
        meta = message.params.get("_meta")
        version = meta.get(f"{META}protocolVersion") if isinstance(meta, Mapping) else None
        if not isinstance(version, str):
            return ()
        found: Headers = ((VERSION_HEADER, version), (METHOD_HEADER, message.method))
        name = message.params.get(NAMED.get(message.method, ""))
        if isinstance(name, str):
            found += ((NAME_HEADER, encode(name)),)
            arguments = message.params.get("arguments")
            if name in self._schemas and isinstance(arguments, Mapping):
                found += parameter_headers(self._schemas[name], arguments)
        return found

    # -- the session --

    def _reopen_session(self, lost: str) -> Deferred[None]:
        """Replace a lost session by a new one without involving the client."""
        return Deferred.fromCoroutine(self._reopen(lost))

    async def _reopen(self, lost: str) -> None:
        if self.connection.session not in ("", lost) or self._opening is None:
            return
        line, id = self._opening  # noqa: A001
        self.connection.session = self.connection.version = ""
        self._hidden_id = id
        try:
            await self.connection.post(line, about=id)
            await self.connection.post(_INITIALIZED)
        finally:
            self._hidden_id = None
        self._notify_user("The session was lost; a new one is open.")

    def _listen(self) -> None:
        if self._listening is None and self.connection.session:
            self._listening = Deferred.fromCoroutine(self._keep_listening())
            self._listening.addErrback(_ignore_cancellation)

    async def _keep_listening(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            session = self.connection.session
            try:
                if not await self.connection.listen():
                    return
                pause = _FIRST_PAUSE
                continue
            except SessionLostError:
                await self._reopen_or_report(self._opened.run(self._reopen_session, session))
            except GatewayError as error:
                self._notify_user(error.message)
            await deferLater(self._clock, pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _reopen_or_report(self, opening: Deferred[None]) -> None:
        try:
            await opening
        except GatewayError as error:
            self._notify_user(error.message)

    # -- to the client --

    def _received(self, data: bytes, found: tuple[Message, ...], about: RequestId | None) -> None:
        for message in found:
            if isinstance(message, Response):
                self._read_response(message, about)
        if about is not None and about == self._hidden_id:
            return
        if b"\n" in data or b"\r" in data:
            data = msgspec.json.encode(decode(data))
        self._write(data)

    def _read_response(self, message: Response, about: RequestId | None) -> None:
        result = message.result or {}
        if self._opening is not None and message.id == self._opening[1] == about:
            version = result.get("protocolVersion")
            self.connection.version = version if isinstance(version, str) else ""
        tools = result.get("tools")
        if message.id in self._listing and isinstance(tools, list):
            for tool in tools:
                schema = tool.get("inputSchema") if isinstance(tool, dict) else None
                if isinstance(schema, dict) and any(mirrored(schema)):
                    self._schemas[str(tool.get("name"))] = schema


def _ignore_cancellation(failure: Failure) -> None:
    """Ignore the cancellation of a request by the bridge."""
    failure.trap(CancelledError)
