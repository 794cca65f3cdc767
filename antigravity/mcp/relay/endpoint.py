"""A path whose requests are relayed to a remote server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.mcp import IMcpEndpoint, McpCall
from antigravity.interfaces.mcp_values import McpError
from antigravity.interfaces.transport import IHttpTransport, IIncomingResponse, OutgoingRequest
from antigravity.ir.errors import DeadlineError, GatewayError
from antigravity.logs import make_logger
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.lost_session import reports_lost_session
from antigravity.mcp.relay.sessions import RelayedSession, RelayedSessions
from antigravity.mcp.relay.stream import RelayStream
from antigravity.mcp.relay.target import (
    SESSION,
    Headers,
    RelayTarget,
    is_listening,
    request_headers,
    response_headers,
    safe_content_type,
)
from antigravity.mcp.tool_calls import (
    METHOD,
    Observe,
    ToolCall,
    ToolCallEnd,
    end_of,
    ignore,
    ignore_end,
    requested_tool,
)
from antigravity.redaction.errors import redact_errors

METHODS: Final = ("POST", "GET", "DELETE")
#: The maximum size of a response that is not a stream.
_LARGEST: Final = 64 * 1024 * 1024
#: The error code for unknown sessions.
_NO_SESSION: Final = -32001


class _Result(Struct, frozen=True, rename={"is_error": "isError"}):
    is_error: Any = False


class _Answer(Struct, frozen=True):
    """What says how a call of a tool ended."""

    result: _Result = _Result()
    error: Any = None


class _RefusalError(Exception):
    """An error response of the gateway's own."""

    def __init__(self, status: int, message: str, code: int = messages.INTERNAL_ERROR) -> None:
        super().__init__(message)
        self.status = status
        self.error = McpError(code, message)


@implementer(IMcpEndpoint)
class RelayEndpoint:
    """A path whose requests are relayed to ``remote``, with its own credentials.

    ``enter`` and ``leave`` are called at the start and end of every call, ``observe`` with every
    call of a tool.  At most ``most``
    calls run at once, and as many clients may listen; 0 is no limit.
    """

    log = make_logger()

    def __init__(
        self,
        remote: RelayTarget,
        transport: IHttpTransport,
        clock: IReactorTime,
        enter: Callable[[object], None],
        leave: Callable[[object], None],
        observe: Observe = ignore,
    ) -> None:
        self.remote = remote
        self._observe = observe
        self.most = 256
        self.sessions = RelayedSessions(clock)
        self._transport = transport
        self._enter = enter
        self._leave = leave
        self._running = {True: 0, False: 0}
        self._streams: set[RelayStream] = set()

    def handle(self, call: McpCall) -> Deferred[Reply]:
        """Serve one HTTP request; see :class:`IMcpEndpoint`."""
        return Deferred.fromCoroutine(self._handle(call))

    def stop(self) -> None:
        """End all streams."""
        for stream in list(self._streams):
            stream.finish()

    async def _handle(self, call: McpCall) -> Reply:
        try:
            if call.method not in METHODS:
                raise _RefusalError(405, f"This path supports only {', '.join(METHODS)}.")
            session = self._session(call)
            listening = is_listening(call.method, call.headers)
            if self.most and self._running[listening] >= self.most:
                raise _RefusalError(503, "Too many calls are running; try again.")
            note_end = self._note(call)
            try:
                return await self._relay(call, session, listening, note_end)
            except _RefusalError as refused:
                note_end(ToolCallEnd("error", refused.status, f"UpstreamError: {refused}"))
                raise
            except Exception:
                note_end(end_of(Failure(), ""))
                raise
        except _RefusalError as refused:
            body = messages.error(_id_of(call), refused.error)
            return Reply(refused.status, "application/json", (), body)

    def _session(self, call: McpCall) -> RelayedSession | None:
        named = call.headers.get(SESSION, "").strip()
        if not named:
            return None
        session = self.sessions.find(named, call.principal)
        if session is None:
            message = "Session not found or expired; send initialize."
            raise _RefusalError(404, message, _NO_SESSION)
        return session

    def _note(self, call: McpCall) -> Callable[[ToolCallEnd], None]:
        """Note which tools are called; return the function that notes the end, once."""
        if METHOD.encode() not in call.body:
            return ignore_end
        client = call.headers.get("user-agent", "")
        notes = []
        for number, name in enumerate(_called_tools(call.body)):
            own_id = f"{call.request_id}-{number}" if number else call.request_id
            # Clients choose the name, so it is not known to be a tool.
            noted = ToolCall(name, call.principal, client, own_id, "", self.remote.name)
            notes.append(self._observe(noted))

        def note_end(end: ToolCallEnd) -> None:
            for each in notes:
                each(end)

        return note_end

    async def _relay(
        self,
        call: McpCall,
        session: RelayedSession | None,
        listening: bool,
        note_end: Callable[[ToolCallEnd], None],
    ) -> Reply:
        run = _Run(self, session, listening)
        try:
            response = await self._send(call, session, listening)
            headers = self._process_response_head(call, session, response)
            kind = response.headers().get("content-type", "")
            if kind.partition(";")[0].strip().lower() == "text/event-stream":
                return self._stream(response, headers, kind, run, note_end)
            body = redact_errors(await response.collect(_LARGEST))
            self._check_session(call, session, response.status(), body)
        except GatewayError as error:
            raise self._relay_error(error) from error
        finally:
            run.end()
        note_end(_end_of_body(response.status(), body))
        return Reply(response.status(), safe_content_type(kind), headers, body)

    def _stream(
        self,
        response: IIncomingResponse,
        headers: Headers,
        kind: str,
        run: _Run,
        note_end: Callable[[ToolCallEnd], None],
    ) -> Reply:
        """Return a streamed response, counted by ``run`` until it ends."""

        def ended(stream: RelayStream) -> None:
            self._streams.discard(stream)
            going_on.end()
            note_end(stream.end)

        going_on = run.again()
        stream = RelayStream(response, ended)
        self._streams.add(stream)
        return Reply(response.status(), kind, headers, stream=stream)

    async def _send(
        self, call: McpCall, session: RelayedSession | None, listening: bool
    ) -> IIncomingResponse:
        remote_id = session.remote_id if session is not None else ""
        request = OutgoingRequest(
            call.method,
            self.remote.url,
            request_headers(self.remote, call.headers, remote_id),
            call.body if call.method == "POST" else b"",
            self.remote.timeouts(listening=listening),
        )
        return await self._transport.send(request)

    def _process_response_head(
        self, call: McpCall, session: RelayedSession | None, response: IIncomingResponse
    ) -> Headers:
        """Return the headers for the client, and update its session."""
        status, headers = response.status(), response.headers()
        if status in (401, 403):
            response.abort()
            self.log.error(
                "{name} rejected the gateway's key ({n})", name=self.remote.name, n=status
            )
            raise _RefusalError(503, f"{self.remote.name} rejected the gateway's key.")
        if 300 <= status < 400:
            response.abort()
            raise _RefusalError(
                502, f"{self.remote.name} has moved; its configured address is outdated."
            )
        if session is not None and (status == 404 or (call.method == "DELETE" and status < 300)):
            self.sessions.close(session)
            session = None
        remote_id = headers.get(SESSION, "").strip()
        if remote_id and status < 300 and call.method != "DELETE":
            if session is None or session.remote_id != remote_id:
                session = self.sessions.open(call.principal, remote_id)
            return (*response_headers(headers), ("Mcp-Session-Id", session.id))
        return response_headers(headers)

    def _check_session(
        self, call: McpCall, session: RelayedSession | None, status: int, body: bytes
    ) -> None:
        """Check whether a 400 of the server means that it lost the session.

        :raises _RefusalError: if so, with status 404, which clients can handle.
        """
        if session is not None and status == 400 and reports_lost_session(body, _id_of(call)):
            self.sessions.close(session)
            message = "The server no longer has the session; send initialize."
            raise _RefusalError(404, message, _NO_SESSION)

    def _relay_error(self, error: GatewayError) -> _RefusalError:
        if isinstance(error, DeadlineError):
            message = f"{self.remote.name} did not respond within {self.remote.timeout:g} seconds."
            return _RefusalError(504, message)
        return _RefusalError(error.status, f"{self.remote.name}: {error.message}.")


class _Run:
    """The count of one running request."""

    def __init__(
        self, endpoint: RelayEndpoint, session: RelayedSession | None, listening: bool
    ) -> None:
        self._endpoint = endpoint
        self._session = session
        self._listening = listening
        self._is_over = False
        endpoint._running[listening] += 1
        if session is not None:
            session.streams += 1
        if not listening:
            endpoint._enter(self)

    def again(self) -> _Run:
        """Return a count of one more request of the same kind."""
        return _Run(self._endpoint, self._session, self._listening)

    def end(self) -> None:
        """Stop counting the request."""
        if self._is_over:
            return
        self._is_over = True
        self._endpoint._running[self._listening] -= 1
        if self._session is not None:
            self._session.streams -= 1
        if not self._listening:
            self._endpoint._leave(self)


def _called_tools(body: bytes) -> list[str]:
    """Return the names of the tools that the messages in a body call."""
    try:
        parsed = messages.parse(body)
    except messages.MalformedMessageError:
        return []
    return [
        requested_tool(each.params)
        for each in parsed.messages
        if isinstance(each, messages.Request) and each.method == METHOD
    ]


def _end_of_body(status: int, body: bytes) -> ToolCallEnd:
    """Return how a call ended whose response is not a stream."""
    if status >= 400:
        return ToolCallEnd("error", status, f"UpstreamError: The server has answered {status}.")
    try:
        found = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, RecursionError):
        return ToolCallEnd(status=status)
    if found.error is not None:
        return ToolCallEnd("error", status, "McpError: The server has reported an error.")
    return end_of({"isError": found.result.is_error}, "")


def _id_of(call: McpCall) -> messages.RequestId | None:
    """Return the id of the request in a body, ``None`` if there is none."""
    try:
        parsed = messages.parse(call.body)
    except messages.MalformedMessageError as error:
        return error.id
    first = parsed.messages[0]
    return first.id if isinstance(first, messages.Request) and not parsed.is_batch else None
