"""Sends requests to another server, and asks the client for input on its behalf."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from antigravity.interfaces.mcp import IMcpContext
from antigravity.interfaces.mcp_values import ClientRequest, Json, ToolError
from antigravity.mcp.client.errors import SessionLostError
from antigravity.mcp.client.remote_session import Hear, RemoteSession
from antigravity.mcp.context import LEVELS
from antigravity.mcp.protocol.headers import META
from antigravity.mcp.protocol.messages import Notification
from antigravity.redaction.credentials import CREDENTIALS

#: How often one call may be asked for more input.
_MOST_ROUNDS: Final = 10
_ASKABLE: Final = ("elicitation/create", "sampling/createMessage", "roots/list")


class Connection(Protocol):
    """Who is connected to the server."""

    async def session(self) -> RemoteSession:
        """Return the server, once it is there.

        :raises McpConnectionError: if it is not, and nothing is being done about that now.
        """

    def session_lost(self, session: RemoteSession, reason: str) -> None:
        """Note that the server has forgotten us."""


class RequestSender:
    """Asks the server ``name``; a call may take ``limit`` seconds, 0 is any time."""

    def __init__(
        self, name: str, clock: IReactorTime, connection: Connection, limit: float
    ) -> None:
        self.name = name
        self._clock = clock
        self._connection = connection
        self._limit = limit

    def ask(
        self,
        method: str,
        params: Json,
        context: IMcpContext | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Deferred[Json]:
        """Return a Deferred that fires with the server's result.

        What the server wants to know of the client, the client is asked, as far as it can be.
        """
        asking = Deferred.fromCoroutine(self._ask(method, params, context, headers))
        if not self._limit:
            return asking
        return asking.addTimeout(self._limit, self._clock).addErrback(self._late)

    def _late(self, failure: Failure) -> Any:
        if failure.check(defer.TimeoutError):
            raise ToolError(f"{self.name} took longer than {self._limit:g} seconds.")
        return failure

    async def _ask(
        self,
        method: str,
        params: Json,
        context: IMcpContext | None,
        headers: tuple[tuple[str, str], ...],
    ) -> Json:
        for _ in range(_MOST_ROUNDS):
            result = await self._request(method, params, context, headers)
            if result.get("resultType") != "input_required":
                return result
            params = {**params, **await self._answers(result, context)}
        raise ToolError(f"{self.name} asks for input again and again.")

    async def _answers(self, result: Json, context: IMcpContext | None) -> dict[str, Any]:
        """Have the client asked what the server wants to know."""
        wanted = self._wanted(result)
        found: dict[str, Any] = {}
        if wanted:
            if context is None:
                raise ToolError(f"{self.name} asks for input where nobody can be asked.")
            found["inputResponses"] = dict(await context.ask(wanted))
        if "requestState" in result:
            found["requestState"] = result["requestState"]
        return found

    def _wanted(self, result: Json) -> dict[str, ClientRequest]:
        wanted = result.get("inputRequests", {})
        found: dict[str, ClientRequest] = {}
        for name, one in wanted.items() if isinstance(wanted, Mapping) else ():
            method = one.get("method") if isinstance(one, Mapping) else None
            if method not in _ASKABLE:
                raise ToolError(f"{self.name} asks for something that clients are not asked for.")
            params = one.get("params")
            found[name] = ClientRequest(method, params if isinstance(params, Mapping) else {})
        return found

    async def _request(
        self,
        method: str,
        params: Json,
        context: IMcpContext | None,
        headers: tuple[tuple[str, str], ...],
    ) -> Json:
        session = await self._connection.session()
        try:
            found: Json = await _send(session, method, params, context, headers)
        except SessionLostError as error:
            # The server has done nothing, so that it may be asked again.
            self._connection.session_lost(session, error.message)
            session = await self._connection.session()
            found = await _send(session, method, params, context, headers)
        return found


def _send(
    session: RemoteSession,
    method: str,
    params: Json,
    context: IMcpContext | None,
    headers: tuple[tuple[str, str], ...],
) -> Deferred[Any]:
    if context is None:
        return session.request(method, params, headers=headers)
    return session.request(
        method,
        params,
        meta=_meta_for(context, modern=session.is_modern),
        capabilities=context.capabilities,
        headers=headers,
        hear=_hearing(context),
        wants_progress="progressToken" in context.meta,
    )


def _meta_for(context: IMcpContext, *, modern: bool) -> dict[str, Any]:
    """Return what the client adds to its request for whoever serves it."""
    found = {
        key: value
        for key, value in context.meta.items()
        if not key.startswith(META) and key != "progressToken"
    }
    level = context.meta.get(f"{META}logLevel")
    if modern and level in LEVELS:
        found[f"{META}logLevel"] = level
    return found


def _hearing(context: IMcpContext) -> Hear:
    """Return what passes on what the server says while it works."""

    def hear(message: Notification) -> None:
        params = message.params
        if message.method == "notifications/progress":
            done, total, said = params.get("progress"), params.get("total"), params.get("message")
            if isinstance(done, (int, float)):
                context.progress(
                    done,
                    total if isinstance(total, (int, float)) else None,
                    said if isinstance(said, str) else "",
                )
        elif message.method == "notifications/message" and params.get("level") in LEVELS:
            logger = params.get("logger")
            context.log(
                params["level"],
                CREDENTIALS.redact_json(params.get("data")),
                logger if isinstance(logger, str) else "",
            )

    return hear
