"""Send messages to a server over streamable HTTP, and receive its messages.

This module handles HTTP, sessions and interrupted streams, but not the content of messages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct, structs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from antigravity.interfaces.transport import (
    IHttpTransport,
    IIncomingResponse,
    OutgoingRequest,
    Timeouts,
)
from antigravity.ir.errors import DeadlineError, GatewayError
from antigravity.mcp.client.authorization import Authorization
from antigravity.mcp.client.errors import McpConnectionError, SessionLostError
from antigravity.mcp.client.event_reader import EventReader
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.lost_session import mentions_session, reports_lost_session
from antigravity.mcp.protocol.messages import Message, RequestId, Response
from antigravity.version import USER_AGENT

Headers = tuple[tuple[str, str], ...]
#: A receiver of the bytes of a message, the parsed messages, and the id of the request on whose
#: stream it arrived.
Receive = Callable[[bytes, tuple[Message, ...], RequestId | None], None]

SESSION: Final = "mcp-session-id"
VERSION: Final = "mcp-protocol-version"
_JSON: Final = "application/json"
_EVENTS: Final = "text/event-stream"
_LARGEST: Final = 64 * 1024 * 1024
_LARGEST_ERROR: Final = 1024 * 1024
#: Seconds before an interrupted stream is requested again: the default, and the maximum.
_RETRY: Final = 1.0
_LONGEST_RETRY: Final = 60.0
#: The number of consecutive streams without an event after which the request fails.
_MOST_RETRIES: Final = 5


class Address(Struct, frozen=True):
    """The address of a server; ``headers`` hold credentials.

    ``name`` is for messages.  ``timeout`` limits the seconds of silence while a response is
    expected; 0 is no limit.  ``authorization`` adds access tokens to requests.
    """

    name: str
    url: str
    headers: Headers = ()
    timeout: float = 600.0
    authorization: Authorization | None = None

    def __repr__(self) -> str:
        return f"<Address of {self.name}>"


class HttpConnection:
    """A connection to the server at ``address``.

    :ivar session: the session's id, ``""`` if there is none.
    :ivar version: the revision of the session, ``""`` before it is known.
    """

    def __init__(
        self, transport: IHttpTransport, clock: IReactorTime, address: Address, receive: Receive
    ) -> None:
        self.session = ""
        self.version = ""
        self._transport = transport
        self._clock = clock
        self._address = address
        self._receive = receive
        self._readers: set[EventReader] = set()
        self._is_paused = False
        self._last_event_id = ""

    def post(
        self,
        body: bytes,
        headers: Headers = (),
        *,
        about: RequestId | None = None,
        endless: bool = False,
    ) -> Deferred[None]:
        """Send a message.

        Return a Deferred that fires when the message is sent and, if it is the request
        ``about``, its response has been received.  It fails with a ``GatewayError`` without a
        response.  The response to an ``endless`` request may be silent for any time.  Cancelling
        the Deferred closes the connection.
        """
        return Deferred.fromCoroutine(self._post(body, headers, about, endless))

    def listen(self) -> Deferred[bool]:
        """Listen once for messages that belong to no request.

        Return a Deferred that fires with ``True`` when the stream has ended, and with ``False``
        if the server has no such stream.
        """
        return Deferred.fromCoroutine(self._listen())

    def end_session(self) -> Deferred[None]:
        """End the session; return a Deferred that fires when the server has responded."""
        return Deferred.fromCoroutine(self._end_session())

    def pause(self) -> None:
        """Pause reading all streams."""
        self._is_paused = True
        for reader in self._readers:
            reader.pause()

    def resume(self) -> None:
        """Continue to read streams."""
        self._is_paused = False
        for reader in list(self._readers):
            reader.resume()

    # -- requests --

    async def _post(
        self,
        body: bytes,
        headers: Headers,
        about: RequestId | None,
        endless: bool,
    ) -> None:
        session = self.session
        content = (("content-type", _JSON), ("accept", f"{_JSON}, {_EVENTS}"))
        response = await self._send("POST", (*content, *headers), body, endless=endless)
        status, kind = response.status(), _kind_of(response)
        if not 200 <= status < 300:
            await self._refused(response, session, about)
            return
        if not session:
            self.session = response.headers().get(SESSION, "").strip()
        if kind == _EVENTS:
            await self._read_events(response, about, endless)
            return
        has_response = self._deliver(await self._collect(response, _LARGEST), about)
        if about is not None and not has_response:
            raise McpConnectionError(
                f"{self._address.name} sent something other than the response.", status
            )

    async def _refused(
        self,
        response: IIncomingResponse,
        session: str,
        about: RequestId | None,
    ) -> None:
        """Handle an HTTP error; a JSON-RPC error in its body counts as the response.

        :raises McpConnectionError: if the body is not a JSON-RPC message.
        """
        status, name = response.status(), self._address.name
        if 300 <= status < 400 or status in (401, 403):
            response.abort()
            what = "has moved to another address" if status < 400 else "rejected the key"
            raise McpConnectionError(f"{name} {what} ({status}).", status)
        data = await self._collect(response, _LARGEST_ERROR)
        if session and (status == 404 or (status == 400 and reports_lost_session(data, about))):
            raise self._lost(session, status)
        if not self._deliver(data, about):
            raise McpConnectionError(f"{name} responded with status {status}.", status)

    async def _listen(self) -> bool:
        headers: Headers = (("accept", _EVENTS),)
        if self._last_event_id:
            headers += (("last-event-id", self._last_event_id),)
        session = self.session
        response = await self._send("GET", headers, endless=True)
        status = response.status()
        if status != 200 or _kind_of(response) != _EVENTS:
            if status == 400 and session:
                data = await self._collect(response, _LARGEST_ERROR)
                if mentions_session(data):
                    raise self._lost(session, status)
            response.abort()
            if status == 404 and session:
                raise self._lost(session, status)
            if status >= 500:
                raise McpConnectionError(
                    f"{self._address.name} responded with status {status}.", status
                )
            self._last_event_id = ""
            return False
        reader = self._reader(response, None, [])
        try:
            await reader.done
        finally:
            self._readers.discard(reader)
            self._last_event_id = reader.last_id or self._last_event_id
        await self._wait(reader)
        return True

    def _lost(self, session: str, status: int) -> SessionLostError:
        if self.session == session:
            self.session = ""
        name = self._address.name
        return SessionLostError(f"{name} no longer knows the session ({status}).", status)

    async def _end_session(self) -> None:
        if self.session:
            response = await self._send("DELETE", ())
            self.session = ""
            response.abort()

    async def _send(
        self, method: str, headers: Headers, body: bytes = b"", *, endless: bool = False
    ) -> IIncomingResponse:
        named = {name for name, _ in headers}
        timeout = self._address.timeout
        own: Headers = (("user-agent", USER_AGENT), *self._address.headers)
        if self.session:
            own += ((SESSION, self.session),)
        if self.version and VERSION not in named:
            own += ((VERSION, self.version),)
        limits = Timeouts(first_byte=timeout, idle=0.0 if endless else timeout)
        request = OutgoingRequest(method, self._address.url, (*headers, *own), body, limits)
        authorization = self._address.authorization
        try:
            if authorization is not None:
                return await self._send_authorized(request, authorization)
            return await self._transport.send(request)
        except GatewayError as error:
            raise self._connection_error(error) from error

    async def _send_authorized(
        self, request: OutgoingRequest, authorization: Authorization
    ) -> IIncomingResponse:
        """Send a request with an access token; send it again if that was replaced in between."""
        for is_last in (False, True):
            token = await authorization.token()
            own: Headers = (("authorization", f"Bearer {token}"),) if token else ()
            response = await self._transport.send(
                structs.replace(request, headers=(*request.headers, *own))
            )
            status = response.status()
            if status not in (401, 403):
                authorization.accepted(token)
                return response
            challenges = response.values("www-authenticate")
            response.abort()
            if not await authorization.refused(token, status, challenges) or is_last:
                break
        raise McpConnectionError(f"{self._address.name} refused the request ({status}).", status)

    async def _collect(self, response: IIncomingResponse, limit: int) -> bytes:
        try:
            return await response.collect(limit)
        except GatewayError as error:
            raise self._connection_error(error) from error

    # -- streams --

    async def _read_events(
        self,
        response: IIncomingResponse,
        about: RequestId | None,
        endless: bool,
    ) -> None:
        """Read until the response is complete; reconnect after an interruption."""
        responded: list[bool] = []
        last, failures = "", 0
        while True:
            reader = self._reader(response, about, responded)
            before = last
            try:
                await reader.done
            except GatewayError as error:
                if not (reader.last_id or last):
                    raise self._connection_error(error) from error
            finally:
                self._readers.discard(reader)
            last = reader.last_id or last
            if about is None or responded:
                return
            failures = failures + 1 if last == before else 0
            if not last or failures >= _MOST_RETRIES:
                name = self._address.name
                raise McpConnectionError(f"{name} ended its response before it was complete.", 200)
            await self._wait(reader)
            response = await self._send(
                "GET", (("accept", _EVENTS), ("last-event-id", last)), endless=endless
            )
            if response.status() != 200 or _kind_of(response) != _EVENTS:
                response.abort()
                raise McpConnectionError(
                    f"{self._address.name} did not store the rest of its response."
                )

    def _reader(
        self,
        response: IIncomingResponse,
        about: RequestId | None,
        responded: list[bool],
    ) -> EventReader:
        def on_data(data: bytes) -> None:
            if self._deliver(data, about):
                responded.append(True)
                reader.finish()

        reader = EventReader(on_data)
        self._readers.add(reader)
        reader.read(response, paused=self._is_paused)
        return reader

    def _wait(self, reader: EventReader) -> Deferred[Any]:
        retry = _RETRY if reader.retry is None else min(reader.retry, _LONGEST_RETRY)
        return deferLater(self._clock, retry, lambda: None)

    def _deliver(self, data: bytes, about: RequestId | None) -> bool:
        """Deliver a message; return whether it is the response to the request ``about``."""
        if not data.strip():
            return False
        try:
            batch = messages.parse_responses(data, about)
        except messages.MalformedMessageError:
            return False
        self._receive(data, batch, about)
        return about is not None and any(
            isinstance(message, Response) and message.id == about for message in batch
        )

    def _connection_error(self, error: GatewayError) -> McpConnectionError:
        name = self._address.name
        if isinstance(error, McpConnectionError):
            return error
        if isinstance(error, DeadlineError):
            return McpConnectionError(f"{name} was silent for {self._address.timeout:g} seconds.")
        return McpConnectionError(f"{name} cannot be reached: {error.message}.")


def _kind_of(response: IIncomingResponse) -> str:
    kind: str = response.headers().get("content-type", "")
    return kind.partition(";")[0].strip().lower()
