"""Serve the stateful revisions, 2024-11-05 to 2025-11-25, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.mcp import McpCall
from antigravity.interfaces.mcp_values import ClientRequest, Json, McpChange, McpError
from antigravity.mcp.change_listeners import MOST_SUBSCRIPTIONS, SUBSCRIBED_CHARACTERS
from antigravity.mcp.context import LEVELS, CallContext
from antigravity.mcp.event_stream import EventStream
from antigravity.mcp.methods import text, unknown_method
from antigravity.mcp.post_response import (
    EVENTS,
    AcceptedTypes,
    PostResponse,
    error_reply,
    message_reply,
    no_content,
    parse_accept,
)
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.event_log import parse_event_id
from antigravity.mcp.protocol.headers import VERSION_HEADER
from antigravity.mcp.protocol.messages import Notification, Parsed, Request, Response
from antigravity.mcp.protocol.revisions import REVISIONS, negotiate
from antigravity.mcp.running_calls import CallTable, RunningCall, as_error
from antigravity.mcp.server_info import ServerInfo
from antigravity.mcp.sessions import FinishedStreams, Session, SessionTable

SESSION_HEADER: Final = "mcp-session-id"
#: The error code for unknown sessions in these revisions.
_NO_SESSION: Final = -32001
#: The maximum size of an ``initialize`` request, parts of which are stored with the session.
LONGEST_INITIALIZE: Final = 64 * 1024


class Stateful:
    """The server of the stateful revisions, whose clients have sessions."""

    def __init__(
        self, calls: CallTable, clock: IReactorTime, server_info: ServerInfo, keepalive: float
    ) -> None:
        self.keepalive = keepalive
        self.sessions = SessionTable(clock, self._ended)
        self._calls = calls
        self._clock = clock
        self._identity = server_info
        self._finished = FinishedStreams()

    # -- HTTP --

    def post(self, call: McpCall, parsed: Parsed) -> Deferred[Reply]:
        """Serve a POST with messages of a client."""
        accept = parse_accept(call.headers)
        first = parsed.messages[0]
        if isinstance(first, Request) and first.method == "initialize" and not parsed.is_batch:
            return self._initialize(call, first, accept)
        session = self._session(call)
        if not isinstance(session, Session):
            return session
        if parsed.is_batch and not session.revision.batches:
            return error_reply(
                400,
                McpError(
                    messages.INVALID_REQUEST,
                    f"Revision {session.revision.name} has no batches; send one message at a time.",
                ),
            )
        requests = [m for m in parsed.messages if isinstance(m, Request)]
        for message in parsed.messages:
            if isinstance(message, Notification):
                self._notified(session, message)
            elif isinstance(message, Response):
                session.receive_response(message)
        if not requests:
            return no_content()
        return self._respond(session, requests, accept, is_batch=parsed.is_batch)

    def listen(self, call: McpCall) -> Deferred[Reply]:
        """Open the stream that belongs to no request, or resume an interrupted one."""
        if SESSION_HEADER not in call.headers:
            return error_reply(
                405,
                McpError(
                    messages.INVALID_REQUEST, "A stream needs a session; send initialize first."
                ),
                headers=(("Allow", "POST, DELETE"),),
            )
        session = self._session(call)
        if not isinstance(session, Session):
            return session
        if not parse_accept(call.headers).stream:
            return error_reply(
                406, McpError(messages.INVALID_REQUEST, f"Accept must allow {EVENTS}.")
            )
        log, after = session.standalone, session.standalone.delivered - 1
        last = call.headers.get("last-event-id", "").strip()
        if last:
            place = parse_event_id(last)
            stream = None if place is None else session.streams.get(place[0])
            if place is None or stream is None:
                return error_reply(
                    400,
                    McpError(messages.INVALID_REQUEST, "This stream can no longer be resumed."),
                )
            log, after = stream, place[1]
        reader = EventStream(
            log,
            self._clock,
            self.keepalive,
            lambda: None,
            after=after,
            prime=session.revision.priming,
        )
        return succeed(Reply(200, EVENTS, (), stream=reader))

    def delete(self, call: McpCall) -> Deferred[Reply]:
        """End a session."""
        session = self._session(call)
        if not isinstance(session, Session):
            return session
        self.sessions.remove(session)
        return no_content(204)

    def changed(self, change: McpChange) -> None:
        """Notify all sessions of a change."""
        for session in self.sessions.all():
            if change.kind == "resource":
                if change.uri in session.subscriptions:
                    self._notify(session, "notifications/resources/updated", {"uri": change.uri})
            elif session.is_ready:
                self._notify(session, f"notifications/{change.kind}/list_changed")

    def stop(self) -> None:
        """End all sessions."""
        self.sessions.stop()

    # -- sessions --

    def _initialize(
        self, call: McpCall, request: Request, accept: AcceptedTypes
    ) -> Deferred[Reply]:
        if len(call.body) > LONGEST_INITIALIZE:
            error = McpError(messages.INVALID_REQUEST, "The initialize request is too large.")
            return error_reply(413, error, request.id)
        version = request.params.get("protocolVersion")
        client = request.params.get("clientInfo")
        capabilities = request.params.get("capabilities")
        if not isinstance(version, str) or not isinstance(client, (Mapping, type(None))):
            error = McpError(
                messages.INVALID_PARAMS, "initialize needs a protocolVersion and a clientInfo."
            )
            return error_reply(400, error, request.id)
        session = Session(
            call.principal,
            negotiate(version),
            client or {},
            capabilities if isinstance(capabilities, Mapping) else {},
        )
        if not self.sessions.add(session):
            error = McpError(messages.INTERNAL_ERROR, "Too many sessions are in use.")
            return error_reply(503, error, request.id)
        result = self._identity.initialized(session.revision)
        headers = (("Mcp-Session-Id", session.id),)
        return message_reply(accept, messages.result(request.id, result), headers)

    def _session(self, call: McpCall) -> Session | Deferred[Reply]:
        """Return the session of a call, or an error response."""
        version = call.headers.get(VERSION_HEADER, "").strip()
        if version and (version not in REVISIONS or REVISIONS[version].stateless):
            names = ", ".join(name for name, r in REVISIONS.items() if not r.stateless)
            message = f"MCP-Protocol-Version must be one of {names} in a session."
            return error_reply(400, McpError(messages.INVALID_REQUEST, message))
        session_id = call.headers.get(SESSION_HEADER, "").strip()
        if not session_id:
            message = "Mcp-Session-Id is missing; send initialize first."
            return error_reply(400, McpError(messages.INVALID_REQUEST, message))
        session = self.sessions.find(session_id, call.principal)
        if session is None:
            message = "Session not found or expired; send initialize."
            return error_reply(404, McpError(_NO_SESSION, message))
        return session

    def _ended(self, session: Session) -> None:
        for running in list(session.calls.values()):
            running.cancel("The session has ended.")
        self._finished.remove_all(session)
        for log in list(session.streams.values()):
            log.end()

    def _notify(self, session: Session, method: str, params: Json | None = None) -> None:
        data = messages.notification(method, params)
        if not session.standalone.is_waiting(data):
            session.standalone.append(data, expendable=True)

    # -- messages --

    def _notified(self, session: Session, message: Notification) -> None:
        if message.method == "notifications/initialized":
            session.is_ready = True
        elif message.method == "notifications/cancelled":
            call_id = message.params.get("requestId")
            if isinstance(call_id, (str, int)):
                running = session.calls.get(call_id)
                if running is not None:
                    running.cancel()

    def _respond(
        self, session: Session, requests: list[Request], accept: AcceptedTypes, *, is_batch: bool
    ) -> Deferred[Reply]:
        log = session.new_log()

        def store_or_discard(_: Any) -> None:
            """Store the stream if the client can resume it, otherwise discard it."""
            if post_response.begun:
                self._finished.add(session, log)
            else:
                session.streams.pop(log.name, None)

        post_response = PostResponse(
            log,
            accept,
            self._clock,
            self.keepalive,
            lambda: None,  # a disconnected client can resume; it cancels with a message
            expected=len(requests),
            is_batch=is_batch,
            prime=session.revision.priming,
        )
        post_response.complete.addCallback(store_or_discard)
        for request in requests:
            self._start(session, request, post_response)
        return post_response.reply

    def _start(self, session: Session, request: Request, post_response: PostResponse) -> None:
        if request.id in session.calls:
            error = McpError(messages.INVALID_REQUEST, "A request with this id is already running.")
            post_response.fail(request.id, error)
            return
        context = CallContext(
            principal=session.principal,
            revision=session.revision,
            client=session.client,
            capabilities=session.capabilities,
            params=request.params,
            post_response=post_response,
            level=session.level,
            ask=lambda context, client_request: self._ask(session, context, client_request),
        )
        try:
            own = self._own_method(session, request, context)
        except McpError as error:
            post_response.fail(request.id, error)
            return
        if own is not None:
            post_response.result(request.id, own)
            return
        running = self._calls.start(request.method, request.params, context)
        session.calls[request.id] = running
        running.done.addBoth(self._done, session, request, running)

    def _done(self, value: Any, session: Session, request: Request, call: RunningCall) -> None:
        session.calls.pop(request.id, None)
        session.last_used = self._clock.seconds()
        post_response = call.context.post_response
        if not isinstance(value, Failure):
            post_response.result(request.id, value)
        elif not value.check(CancelledError):
            post_response.fail(request.id, as_error(value))
        elif call.reason:
            post_response.fail(request.id, McpError(messages.INTERNAL_ERROR, call.reason))
        else:
            post_response.skip()

    def _own_method(
        self, session: Session, request: Request, context: CallContext
    ) -> dict[str, Any] | None:
        """Return the result of a method that concerns the session, ``None`` for other methods.

        :raises McpError: if the request is not valid.
        """
        match request.method:
            case "ping":
                return {}
            case "logging/setLevel":
                level = text(request.params, "level")
                if level not in LEVELS:
                    raise McpError(
                        messages.INVALID_PARAMS, f"The level must be one of {', '.join(LEVELS)}."
                    )
                session.level = level
                return {}
            case "resources/subscribe":
                uri = self._calls.methods.check_resource(request.params, context)
                if len(session.subscriptions) >= MOST_SUBSCRIPTIONS or (
                    sum(map(len, session.subscriptions)) + len(uri) > SUBSCRIBED_CHARACTERS
                ):
                    raise McpError(messages.INVALID_REQUEST, "Too many subscriptions.")
                session.subscriptions.add(uri)
                return {}
            case "resources/unsubscribe":
                session.subscriptions.discard(text(request.params, "uri"))
                return {}
        if request.method not in self._calls.methods:
            raise unknown_method(request.method)
        return None

    def _ask(
        self, session: Session, context: CallContext, request: ClientRequest
    ) -> Deferred[Json]:
        """Send a request to the client on the stream of the call."""
        if not context.post_response.can_stream:
            raise McpError(messages.INVALID_REQUEST, f"The client does not accept {EVENTS}.")

        def on_response(response: Response) -> None:
            if response.error is not None:
                result.errback(response.error)
            else:
                result.callback(response.result or {})

        def cancelled(_: Any) -> None:
            if session.forget(id_):
                params = {"requestId": id_, "reason": "The call has ended."}
                data = messages.notification("notifications/cancelled", params)
                context.post_response.send(data)

        id_ = session.expect(on_response)
        result: Deferred[Json] = Deferred(cancelled)
        context.post_response.send(messages.request(id_, request.method, request.params))
        return result
