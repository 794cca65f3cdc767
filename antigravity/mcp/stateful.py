"""Serve the stateful revisions, 2024-11-05 to 2025-11-25, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.mcp import McpCall
from antigravity.interfaces.mcp_values import McpChange, McpError
from antigravity.mcp.event_stream import EventStream
from antigravity.mcp.post_response import (
    EVENTS,
    AcceptedTypes,
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
from antigravity.mcp.running_calls import CallTable
from antigravity.mcp.server_info import ServerInfo
from antigravity.mcp.session_calls import SessionCalls
from antigravity.mcp.sessions import Session, SessionTable
from antigravity.mcp.tasks.table import TaskTable

SESSION_HEADER: Final = "mcp-session-id"
#: The error code for unknown sessions in these revisions.
_NO_SESSION: Final = -32001
#: The maximum size of an ``initialize`` request, parts of which are stored with the session.
LONGEST_INITIALIZE: Final = 64 * 1024


class Stateful:
    """The server of the stateful revisions, whose clients have sessions."""

    def __init__(
        self,
        calls: CallTable,
        clock: IReactorTime,
        server_info: ServerInfo,
        tasks: TaskTable,
        keepalive: float,
    ) -> None:
        self.sessions = SessionTable(clock, self._ended)
        self._calls = SessionCalls(calls, clock, tasks, keepalive)
        self._clock = clock
        self._identity = server_info

    def configure(self, keepalive: float) -> None:
        """Send keep-alives to silent streams after so many seconds from now on."""
        self._calls.keepalive = keepalive

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
                self._calls.notified(session, message)
            elif isinstance(message, Response):
                session.receive_response(message)
        if not requests:
            return no_content()
        return self._calls.respond(session, requests, accept, call, is_batch=parsed.is_batch)

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
            self._calls.keepalive,
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
                    session.notify("notifications/resources/updated", {"uri": change.uri})
            elif session.is_ready:
                session.notify(f"notifications/{change.kind}/list_changed")

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
        self._calls.finished_streams.remove_all(session)
        for log in list(session.streams.values()):
            log.end()
