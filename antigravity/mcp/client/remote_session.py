"""A session with an MCP server: requests and responses, in both families of revisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Protocol

from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from antigravity.interfaces.mcp_values import Json, McpError
from antigravity.ir.errors import GatewayError
from antigravity.ir.printable import shorten
from antigravity.logs import make_logger
from antigravity.mcp.client.channel import Channel, OutgoingMessage, Receive
from antigravity.mcp.client.errors import McpConnectionError, McpTimeoutError, SessionLostError
from antigravity.mcp.protocol import messages
from antigravity.mcp.protocol.extensions import TASKS, declares
from antigravity.mcp.protocol.headers import (
    META,
    METHOD_HEADER,
    NAME_HEADER,
    NAMED,
    VERSION_HEADER,
    encode,
)
from antigravity.mcp.protocol.messages import Message, Notification, Request, RequestId, Response
from antigravity.mcp.protocol.revisions import NEWEST_STATEFUL, REVISIONS
from antigravity.version import VERSION


class OnNotification(Protocol):
    """A receiver of the notifications that belong to a request."""

    @property
    def is_over(self) -> bool:
        """Whether it no longer needs them."""

    def __call__(self, message: Notification) -> None:
        """Handle a notification."""


_CLIENT_INFO: Final = {"name": "antigravity", "title": "antigravity gateway", "version": VERSION}
_MODERN: Final = next(name for name, revision in REVISIONS.items() if revision.stateless)
#: HTTP statuses that do not show that the server lacks ``server/discover``: no response, and a
#: rejected key.  Any other error may show that.
_INCONCLUSIVE: Final = (0, 401, 403)
#: The number of tasks whose progress is forwarded.
_MOST_TASKS: Final = 1000
#: Methods that cannot be cancelled.
_NOT_CANCELLABLE: Final = ("initialize", "server/discover")


class _Pending:
    """A request that waits for its response."""

    def __init__(self, done: Deferred[Any], on_notification: OnNotification | None) -> None:
        self.done = done
        self.on_notification = on_notification
        self.sending: Deferred[None] | None = None


class RemoteSession:
    """A session with a server over the channel that ``open`` creates.

    ``notification_received`` receives notifications that belong to no request.
    ``client_capabilities`` are declared for the whole session, if the revision has sessions.

    :ivar is_modern: whether the revision is stateless.
    :ivar capabilities: the server's capabilities.
    :ivar was_used: whether a client has used the session.
    """

    log = make_logger()

    def __init__(
        self,
        name: str,
        clock: IReactorTime,
        open: Callable[[Receive], Channel],  # noqa: A002
        notification_received: Callable[[RemoteSession, Notification], None],
        client_capabilities: Json = {},  # noqa: B006 - it is not changed
    ) -> None:
        self.is_modern = False
        self.version = ""
        self.was_used = False
        self.capabilities: Json = {}
        self._name = name
        self._clock = clock
        self._notification_received = notification_received
        self._client_capabilities = client_capabilities
        self._number = 0
        self._pending: dict[RequestId, _Pending] = {}
        self._tasks: dict[RequestId, OnNotification] = {}
        self.channel = open(self._received)

    @property
    def tasks(self) -> Literal["extension", "session"] | None:
        """The form in which the server has tasks, if it has any."""
        if self.is_modern:
            return "extension" if declares(self.capabilities, TASKS) else None
        found: Any = self.capabilities
        for key in ("tasks", "requests", "tools", "call"):
            found = found.get(key) if isinstance(found, Mapping) else None
        return "session" if isinstance(found, Mapping) else None

    # -- initialization --

    async def initialize(self, timeout: float, *, probe: float) -> None:
        """Agree on a revision: first try the stateless one for ``probe`` seconds (0: not at all).

        :raises GatewayError: if there is no common revision, or no response in ``timeout`` seconds.
        :raises McpError: if the server refuses.
        """
        if probe and await self._discover(min(probe, timeout)):
            return
        try:
            params = {
                "protocolVersion": NEWEST_STATEFUL.name,
                "capabilities": self._client_capabilities,
                "clientInfo": _CLIENT_INFO,
            }
            result = await self._within(timeout, self.request("initialize", params))
        except McpError as error:
            # The server was only slow: it supports server/discover after all.
            if error.code == messages.UNSUPPORTED_VERSION and await self._discover(timeout):
                return
            raise
        version = result.get("protocolVersion")
        revision = REVISIONS.get(version) if isinstance(version, str) else None
        if revision is None or revision.stateless:
            raise McpConnectionError(f"{self._name} chose an unknown revision of MCP.")
        self.version = revision.name
        self.channel.agreed(revision.name)
        self._learn(result)
        try:
            await self._within(timeout, self.notify("notifications/initialized"))
        except SessionLostError:
            raise
        except McpConnectionError as error:
            if error.http_status < 404:
                raise
            # The notification needs no response; the next request shows whether the server works.
            self.log.debug("{name}: {why}", name=self._name, why=shorten(error.message))

    async def _discover(self, timeout: float) -> bool:
        self.is_modern = True
        try:
            result = await self._within(timeout, self.request("server/discover", {}))
            versions = result.get("supportedVersions")
            if isinstance(versions, list) and _MODERN in versions:
                self.version = _MODERN
                self._learn(result)
                return True
            why = f"it supports {versions!s:.200}"
        except (McpError, McpTimeoutError) as error:
            why = error.message  # older servers do not know the method, or wait for "initialize"
        except McpConnectionError as error:
            if error.http_status in _INCONCLUSIVE or 300 <= error.http_status < 400:
                raise
            why = error.message
        self.log.debug(
            "{name} does not support {revision}: {why}",
            name=self._name,
            revision=_MODERN,
            why=shorten(why),
        )
        self.is_modern = False
        return False

    def _learn(self, result: Json) -> None:
        found = result.get("capabilities")
        # A server that does not list its capabilities probably has tools.
        self.capabilities = found if isinstance(found, Mapping) else {"tools": {}}

    async def _within(self, timeout: float, waiting: Deferred[Any]) -> Any:
        if not timeout:
            return await waiting
        try:
            return await waiting.addTimeout(timeout, self._clock)
        except defer.TimeoutError:
            message = f"{self._name} did not respond within {timeout:g} seconds."
            raise McpTimeoutError(message) from None

    # -- sending --

    def request(
        self,
        method: str,
        params: Json,
        *,
        meta: Json | None = None,
        capabilities: Json | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        on_notification: OnNotification | None = None,
        wants_progress: bool = False,
        endless: bool = False,
    ) -> Deferred[Any]:
        """Return a Deferred that fires with the result.

        It fails with the ``McpError`` that the server sends, or with a ``GatewayError`` if it
        does not respond.  ``on_notification`` receives the notifications that belong to the
        request.  Cancelling the Deferred cancels the request at the server.
        """
        self._number += 1
        self.was_used = self.was_used or on_notification is not None
        id = self._number  # noqa: A001
        own = dict(meta or {})
        if wants_progress:
            own["progressToken"] = id
        if self.is_modern:
            own[f"{META}protocolVersion"] = _MODERN
            own[f"{META}clientInfo"] = _CLIENT_INFO
            own[f"{META}clientCapabilities"] = capabilities or {}
            headers = (*self._headers(method, params), *headers)
        else:
            headers = ()
        full = {**params, "_meta": own} if own else params
        done: Deferred[Any] = Deferred(lambda _: self._cancel(id, method))
        pending = self._pending[id] = _Pending(done, on_notification)
        data = messages.request(id, method, full)
        sending = self.channel.send(OutgoingMessage(data, id, headers, endless))
        pending.sending = sending
        sending.addCallbacks(self._sent, self._not_sent, callbackArgs=(id,), errbackArgs=(id,))
        return done

    def notify(self, method: str, params: Json | None = None) -> Deferred[None]:
        """Send a notification."""
        headers = self._headers(method, params or {}) if self.is_modern else ()
        data = messages.notification(method, params)
        return self.channel.send(OutgoingMessage(data, headers=headers))

    def _headers(self, method: str, params: Json) -> tuple[tuple[str, str], ...]:
        if not self.channel.has_headers:
            return ()
        found = ((VERSION_HEADER, _MODERN), (METHOD_HEADER, method))
        named = NAMED.get(method)
        if named is None:
            return found
        return (*found, (NAME_HEADER, encode(str(params.get(named)))))

    def _sent(self, _: object, id: RequestId) -> None:  # noqa: A002
        pending = self._pending.pop(id, None)
        if pending is not None:
            pending.done.errback(McpConnectionError(f"{self._name} did not respond."))

    def _not_sent(self, failure: Failure, id: RequestId) -> None:  # noqa: A002
        pending = self._pending.pop(id, None)
        if pending is None:
            return
        if failure.check(CancelledError):
            failure = Failure(McpConnectionError(f"{self._name} was disconnected."))
        pending.done.errback(failure)

    def _cancel(self, id: RequestId, method: str) -> None:  # noqa: A002
        pending = self._pending.pop(id, None)
        if pending is None:
            return
        cancels_by_closing = self.is_modern and self.channel.has_headers
        if method not in _NOT_CANCELLABLE and not cancels_by_closing:
            params = {"requestId": id, "reason": "The client no longer waits for the response."}
            self.notify("notifications/cancelled", params).addErrback(_forget)
        if pending.sending is not None:
            pending.sending.cancel()

    # -- receiving --

    def _received(self, message: Message, about: RequestId | None) -> None:
        match message:
            case Response():
                self._on_response(message, about)
            case Notification():
                self._on_notification(message, about)
            case Request():
                self._on_request(message)

    def _on_response(self, message: Response, about: RequestId | None) -> None:
        pending = self._pending.pop(message.id, None)
        if pending is None:
            self._fail_request_of_stream(message, about)
            return
        if message.error is not None:
            pending.done.errback(message.error)
        else:
            result = message.result or {}
            if "task" in result and pending.on_notification is not None:
                self._follow_task(message.id, pending.on_notification)
            pending.done.callback(result)

    def _follow_task(self, id: RequestId, on_notification: OnNotification) -> None:  # noqa: A002
        """Forward the progress of a call that continues as a task (revision 2025-11-25)."""
        self._tasks = {key: one for key, one in self._tasks.items() if not one.is_over}
        if len(self._tasks) < _MOST_TASKS:
            self._tasks[id] = on_notification

    def _fail_request_of_stream(self, message: Response, about: RequestId | None) -> None:
        """Fail the request ``about`` if its stream brings a response to an unknown request."""
        is_ours = isinstance(message.id, int) and 0 < message.id <= self._number
        pending = None if is_ours or about is None else self._pending.pop(about, None)
        if pending is None:
            return
        pending.done.errback(
            McpConnectionError(f"{self._name} sent a response with an unknown id.")
        )
        if pending.sending is not None:
            pending.sending.cancel()

    def _on_notification(self, message: Notification, about: RequestId | None) -> None:
        if message.method == "notifications/progress":
            about = message.params.get("progressToken")
        pending = self._pending.get(about) if isinstance(about, (str, int)) else None
        if pending is not None and pending.on_notification is not None:
            pending.on_notification(message)
        elif isinstance(about, (str, int)) and about in self._tasks:
            self._tasks[about](message)
        else:
            self._notification_received(self, message)

    def _on_request(self, message: Request) -> None:
        """Respond to a request of the server; it cannot be forwarded to any one client."""
        if message.method == "ping":
            data = messages.result(message.id, {})
        else:
            text = f"The gateway does not forward {message.method}: it serves many clients at once."
            data = messages.error(message.id, McpError(messages.METHOD_NOT_FOUND, text))
        self.channel.send(OutgoingMessage(data)).addErrback(_forget)


def _forget(failure: Failure) -> None:
    """Ignore the failure of a message whose result is not needed."""
    failure.trap(GatewayError, CancelledError)
