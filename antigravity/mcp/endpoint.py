"""An MCP endpoint: one path for all revisions of the protocol."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.mcp import IMcpEndpoint, McpCall
from antigravity.interfaces.mcp_values import McpChange, McpError
from antigravity.interfaces.operator_view import OperatorView
from antigravity.mcp.methods import Methods
from antigravity.mcp.post_response import error_reply, parse_accept
from antigravity.mcp.protocol import messages, sealed_state
from antigravity.mcp.protocol.headers import META, VERSION_HEADER
from antigravity.mcp.protocol.messages import MalformedMessageError, Parsed, Request
from antigravity.mcp.protocol.revisions import REVISIONS
from antigravity.mcp.registry import McpRegistry
from antigravity.mcp.running_calls import CallLimits, CallTable
from antigravity.mcp.server_info import ServerInfo
from antigravity.mcp.stateful import SESSION_HEADER, Stateful
from antigravity.mcp.stateless import Stateless
from antigravity.mcp.tasks.table import TaskLimits, TaskTable
from antigravity.mcp.tool_calls import Observe, ignore

METHODS: Final = ("POST", "GET", "DELETE")
#: Seconds in which changes are collected into one notification.
_COLLECTION_TIME: Final = 0.05


class Limits(Struct, frozen=True):
    """The limits of an endpoint.  Times are in seconds; 0 is no limit for ``calls``."""

    calls: CallLimits = CallLimits()
    tasks: TaskLimits = TaskLimits()
    session_ttl: float = 3600.0
    max_sessions: int = 1000
    keepalive: float = 15.0


def _nothing(_: object) -> None:
    """Ignore a call."""


@implementer(IMcpEndpoint)
class McpEndpoint:
    """An endpoint that serves the contents of ``registry``.

    ``enter`` and ``leave`` are called at the start and end of every call, ``observe`` with every
    call of a tool.
    """

    def __init__(
        self,
        registry: McpRegistry,
        clock: IReactorTime,
        *,
        server_info: ServerInfo = ServerInfo(),  # noqa: B008 - it is frozen
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        enter: Callable[[object], None] = _nothing,
        leave: Callable[[object], None] = _nothing,
        observe: Observe = ignore,
    ) -> None:
        self.registry = registry
        self._clock = clock
        self._calls = CallTable(Methods(registry), clock, enter, leave, observe)
        self._tasks = TaskTable(clock)
        sealer = sealed_state.StateSealer(secrets.token_bytes(32), time.monotonic)
        self._stateful = Stateful(self._calls, clock, server_info, self._tasks, limits.keepalive)
        self._stateless = Stateless(
            self._calls, clock, server_info, self._tasks, sealer, limits.keepalive
        )
        self._changes: dict[McpChange, None] = {}
        self._timer: IDelayedCall | None = None
        self._unwatch = registry.watch(self._changed)
        self.configure(limits)

    @property
    def finished(self) -> Mapping[tuple[str, str], int]:
        """The number of finished calls by method and outcome."""
        return self._calls.finished

    def configure(self, limits: Limits) -> None:
        """Apply other limits from now on."""
        self._calls.limits = limits.calls
        self._tasks.limits = limits.tasks
        self._stateful.sessions.ttl = limits.session_ttl
        self._stateful.sessions.most = limits.max_sessions
        self._stateful.configure(limits.keepalive)
        self._stateless.keepalive = limits.keepalive

    def show_gateway(self, view: OperatorView) -> None:
        """Let tools that not every client may call see the gateway."""
        before, self._calls.operator_view = self._calls.operator_view, view
        if before is not None and before.principal != view.principal:
            self._changed(McpChange("tools"))

    def handle(self, call: McpCall) -> Deferred[Reply]:
        """Serve one HTTP request; see :class:`IMcpEndpoint`."""
        if call.method == "POST":
            return self._post(call)
        if call.headers.get(VERSION_HEADER, "").strip() in _STATELESS:
            return _not_allowed(("POST",))
        if call.method == "GET":
            return self._stateful.listen(call)
        if call.method == "DELETE":
            return self._stateful.delete(call)
        return _not_allowed(METHODS)

    def stop(self) -> None:
        """Cancel all calls and end all streams."""
        self._unwatch()
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        self._tasks.stop()
        self._calls.cancel_all("The gateway is stopping.")
        self._stateless.stop()
        self._stateful.stop()

    def _post(self, call: McpCall) -> Deferred[Reply]:
        kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind and kind != "application/json":
            return _refuse(415, "The request body must be application/json.")
        accept = parse_accept(call.headers)
        if not accept.whole and not accept.stream:
            return _refuse(406, "Accept must allow application/json or text/event-stream.")
        try:
            parsed = messages.parse(call.body)
        except MalformedMessageError as error:
            return error_reply(400, error, error.id)
        if self._is_stateless(call, parsed):
            return self._stateless.post(call, parsed)
        return self._stateful.post(call, parsed)

    def _is_stateless(self, call: McpCall, parsed: Parsed) -> bool:
        """Return whether a request uses a stateless revision."""
        version = call.headers.get(VERSION_HEADER, "").strip()
        if version in _STATELESS:
            return True
        first = parsed.messages[0]
        if isinstance(first, Request):
            meta = first.params.get("_meta")
            if isinstance(meta, dict) and f"{META}protocolVersion" in meta:
                return True
            if first.method in ("server/discover", "subscriptions/listen"):
                return True
            if first.method == "initialize":
                return False
        unknown = bool(version) and version not in REVISIONS
        return unknown and SESSION_HEADER not in call.headers

    def _changed(self, change: McpChange) -> None:
        self._changes[change] = None
        if self._timer is None:
            self._timer = self._clock.callLater(_COLLECTION_TIME, self._notify_changes)

    def _notify_changes(self) -> None:
        self._timer = None
        changes, self._changes = self._changes, {}
        for change in changes:
            self._stateful.changed(change)
            self._stateless.changed(change)


_STATELESS: Final = frozenset(name for name, r in REVISIONS.items() if r.stateless)


def _refuse(status: int, message: str) -> Deferred[Reply]:
    return error_reply(status, McpError(messages.INVALID_REQUEST, message))


def _not_allowed(methods: tuple[str, ...]) -> Deferred[Reply]:
    error = McpError(messages.INVALID_REQUEST, f"This path supports only {', '.join(methods)}.")
    return error_reply(405, error, headers=(("Allow", ", ".join(methods)),))
