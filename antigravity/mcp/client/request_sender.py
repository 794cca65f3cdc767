"""Send requests to another server, and relay its requests for input to the client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeGuard

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from antigravity.interfaces.mcp import IMcpContext
from antigravity.interfaces.mcp_values import ClientRequest, Json, ToolError
from antigravity.mcp.client.errors import SessionLostError
from antigravity.mcp.client.remote_session import RemoteSession
from antigravity.mcp.context import LEVELS, CallContext
from antigravity.mcp.protocol.headers import META
from antigravity.mcp.protocol.messages import Notification
from antigravity.redaction.credentials import CREDENTIALS

#: How often a server can ask for more input during one call.
_MOST_ROUNDS: Final = 10
#: The largest number in progress that is passed on; it must fit into a float.
_LARGEST: Final = 1e300
#: What servers may ask of clients.
ASKABLE: Final = ("elicitation/create", "sampling/createMessage", "roots/list")


class SessionProvider(Protocol):
    """A holder of the session with a server, which replaces a lost session."""

    async def session(self) -> RemoteSession:
        """Return the session, once the server is connected.

        :raises McpConnectionError: if it is not connected, and no attempt is in progress.
        """

    def session_lost(self, session: RemoteSession, reason: str) -> None:
        """Replace ``session``, which the server no longer knows."""


class RequestSender:
    """A sender of requests to ``name``; each may take ``limit`` seconds, 0 is no limit."""

    def __init__(
        self, name: str, clock: IReactorTime, provider: SessionProvider, limit: float
    ) -> None:
        self.name = name
        self.clock = clock
        self._provider = provider
        self._limit = limit

    def send(
        self,
        method: str,
        params: Json,
        context: IMcpContext | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        capabilities: Json | None = None,
    ) -> Deferred[Json]:
        """Return a Deferred that fires with the server's result.

        If the server asks for input, the request goes to the client of ``context``.
        ``capabilities`` are declared to the server; by default those of this client.
        """
        if capabilities is None and context is not None:
            capabilities = context.capabilities
        sending = Deferred.fromCoroutine(self._send(method, params, context, headers, capabilities))
        if not self._limit:
            return sending
        return sending.addTimeout(self._limit, self.clock).addErrback(self._timed_out)

    def _timed_out(self, failure: Failure) -> Any:
        if failure.check(defer.TimeoutError):
            raise ToolError(f"{self.name} took longer than {self._limit:g} seconds.")
        return failure

    async def _send(
        self,
        method: str,
        params: Json,
        context: IMcpContext | None,
        headers: tuple[tuple[str, str], ...],
        capabilities: Json | None,
    ) -> Json:
        for _ in range(_MOST_ROUNDS):
            result = await self._request(method, params, context, headers, capabilities)
            if result.get("resultType") != "input_required":
                return result
            params = {**params, **await self._collect_input(result, context)}
        raise ToolError(f"{self.name} asked for input more than {_MOST_ROUNDS} times.")

    async def _collect_input(self, result: Json, context: IMcpContext | None) -> dict[str, Any]:
        """Ask the client for the input that the server needs."""
        requests = self._requested_input(result)
        new_params: dict[str, Any] = {}
        if requests:
            if context is None:
                raise ToolError(f"{self.name} asked for input, but no client can provide it here.")
            new_params["inputResponses"] = dict(await context.ask(requests))
        if "requestState" in result:
            new_params["requestState"] = result["requestState"]
        return new_params

    def _requested_input(self, result: Json) -> dict[str, ClientRequest]:
        requests = result.get("inputRequests", {})
        out: dict[str, ClientRequest] = {}
        for name, one in requests.items() if isinstance(requests, Mapping) else ():
            method = one.get("method") if isinstance(one, Mapping) else None
            if method not in ASKABLE:
                raise ToolError(
                    f"{self.name} sent a request that servers must not send to clients."
                )
            params = one.get("params")
            out[name] = ClientRequest(method, params if isinstance(params, Mapping) else {})
        return out

    async def _request(
        self,
        method: str,
        params: Json,
        context: IMcpContext | None,
        headers: tuple[tuple[str, str], ...],
        capabilities: Json | None,
    ) -> Json:
        session = await self._provider.session()
        try:
            found: Json = await _send(session, method, params, context, headers, capabilities)
        except SessionLostError as error:
            # The server did nothing, so the request may be sent again.
            self._provider.session_lost(session, error.message)
            session = await self._provider.session()
            found = await _send(session, method, params, context, headers, capabilities)
        return found


def _send(
    session: RemoteSession,
    method: str,
    params: Json,
    context: IMcpContext | None,
    headers: tuple[tuple[str, str], ...],
    capabilities: Json | None,
) -> Deferred[Any]:
    if context is None:
        return session.request(method, params, capabilities=capabilities, headers=headers)
    return session.request(
        method,
        params,
        meta=_meta_for(context, modern=session.is_modern),
        capabilities=capabilities,
        headers=headers,
        on_notification=NotificationForwarder(context),
        wants_progress="progressToken" in context.meta or "task" in params,
    )


def _meta_for(context: IMcpContext, *, modern: bool) -> dict[str, Any]:
    """Return the client's metadata that is meant for the server."""
    found = {
        key: value
        for key, value in context.meta.items()
        if not key.startswith(META) and key != "progressToken"
    }
    level = context.meta.get(f"{META}logLevel")
    if modern and level in LEVELS:
        found[f"{META}logLevel"] = level
    return found


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and abs(value) <= _LARGEST


class NotificationForwarder:
    """Forwards progress and log messages of a server to the client of ``context``."""

    __slots__ = ("_context",)

    def __init__(self, context: IMcpContext) -> None:
        self._context = context

    @property
    def is_over(self) -> bool:
        """Whether the client no longer waits."""
        return isinstance(self._context, CallContext) and self._context.is_over

    def __call__(self, message: Notification) -> None:
        """Forward a notification."""
        params = message.params
        if message.method == "notifications/progress":
            done, total, note = params.get("progress"), params.get("total"), params.get("message")
            if _is_number(done):
                if isinstance(self._context, CallContext):
                    self._context.forwards_progress = True
                self._context.progress(
                    done,
                    total if _is_number(total) else None,
                    note if isinstance(note, str) else "",
                )
        elif message.method == "notifications/message" and params.get("level") in LEVELS:
            logger = params.get("logger")
            self._context.log(
                params["level"],
                CREDENTIALS.redact_json(params.get("data")),
                logger if isinstance(logger, str) else "",
            )
