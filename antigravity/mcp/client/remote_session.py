"""A server that we speak to: requests and their answers, in both families of revisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from antigravity.interfaces.mcp_values import Json, McpError
from antigravity.ir.errors import GatewayError
from antigravity.logs import make_logger
from antigravity.mcp.client.channel import Channel, OutgoingMessage, Receive
from antigravity.mcp.client.errors import McpConnectionError, McpTimeoutError, SessionLostError
from antigravity.mcp.protocol import messages
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

Hear = Callable[[Notification], None]

_ME: Final = {"name": "antigravity", "title": "antigravity gateway", "version": VERSION}
_MODERN: Final = next(name for name, revision in REVISIONS.items() if revision.stateless)
_INITIALIZE: Final = {
    "protocolVersion": NEWEST_STATEFUL.name,
    "capabilities": {},
    "clientInfo": _ME,
}
#: What says nothing of what a server knows: no answer over HTTP, and a key that it refuses.  All
#: else may be its way to say that it does not know what it was asked.
_SAYS_NOTHING: Final = (0, 401, 403)
#: What cannot be taken back.
_BEFORE_ALL: Final = ("initialize", "server/discover")


class _Pending:
    """A request that waits for its answer."""

    def __init__(self, done: Deferred[Any], hear: Hear | None) -> None:
        self.done = done
        self.hear = hear
        self.sending: Deferred[None] | None = None


class RemoteSession:
    """Speaks over the channel that ``open`` makes.

    ``heard`` gets what the server says of itself.

    :ivar is_modern: whether the revision is one without sessions.
    :ivar capabilities: what the server says that it has.
    """

    log = make_logger()

    def __init__(
        self,
        name: str,
        clock: IReactorTime,
        open: Callable[[Receive], Channel],  # noqa: A002
        heard: Callable[[RemoteSession, Notification], None],
    ) -> None:
        self.is_modern = False
        self.version = ""
        self.capabilities: Json = {}
        self._name = name
        self._clock = clock
        self._heard = heard
        self._number = 0
        self._pending: dict[RequestId, _Pending] = {}
        self.channel = open(self._received)

    # -- the beginning --

    async def greet(self, patience: float, *, probe: float) -> None:
        """Find out what the server speaks: the newest revision first, for ``probe`` seconds.

        :raises GatewayError: if it speaks nothing that we do, or not within ``patience``.
        :raises McpError: if it refuses.
        """
        if probe and await self._discover(min(probe, patience)):
            return
        try:
            result = await self._within(patience, self.request("initialize", _INITIALIZE))
        except McpError as error:
            # One that was only slow to say so: it has understood the first question meanwhile.
            if error.code == messages.UNSUPPORTED_VERSION and await self._discover(patience):
                return
            raise
        version = result.get("protocolVersion")
        revision = REVISIONS.get(version) if isinstance(version, str) else None
        if revision is None or revision.stateless:
            raise McpConnectionError(f"{self._name} speaks a revision that is not known here.")
        self.version = revision.name
        self.channel.agreed(revision.name)
        self._learn(result)
        try:
            await self._within(patience, self.notify("notifications/initialized"))
        except SessionLostError:
            raise
        except McpConnectionError as error:
            if error.http_status < 404:
                raise
            # It wants no answer, and whether the server works shows at the next request.
            self.log.debug("{name}: {why}", name=self._name, why=error.message)

    async def _discover(self, patience: float) -> bool:
        self.is_modern = True
        try:
            result = await self._within(patience, self.request("server/discover", {}))
            versions = result.get("supportedVersions")
            if isinstance(versions, list) and _MODERN in versions:
                self.version = _MODERN
                self._learn(result)
                return True
        except (McpError, McpTimeoutError):
            pass  # older servers know no such method, or wait for one that they know
        except McpConnectionError as error:
            if error.http_status in _SAYS_NOTHING or 300 <= error.http_status < 400:
                raise
        self.is_modern = False
        return False

    def _learn(self, result: Json) -> None:
        found = result.get("capabilities")
        # Who does not say what it has is asked for what most have.
        self.capabilities = found if isinstance(found, Mapping) else {"tools": {}}

    async def _within(self, patience: float, waiting: Deferred[Any]) -> Any:
        if not patience:
            return await waiting
        try:
            return await waiting.addTimeout(patience, self._clock)
        except defer.TimeoutError:
            said = f"{self._name} did not answer within {patience:g} seconds."
            raise McpTimeoutError(said) from None

    # -- what we send --

    def request(
        self,
        method: str,
        params: Json,
        *,
        meta: Json | None = None,
        capabilities: Json | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        hear: Hear | None = None,
        wants_progress: bool = False,
        endless: bool = False,
    ) -> Deferred[Any]:
        """Return a Deferred that fires with the result.

        It fails with an ``McpError`` if the server says so, or a ``GatewayError`` if it does
        not answer.  ``hear`` gets what the server says meanwhile, as far as it belongs here.
        Cancelling it tells the server.
        """
        self._number += 1
        id = self._number  # noqa: A001
        own = dict(meta or {})
        if wants_progress:
            own["progressToken"] = id
        if self.is_modern:
            own[f"{META}protocolVersion"] = _MODERN
            own[f"{META}clientInfo"] = _ME
            own[f"{META}clientCapabilities"] = capabilities or {}
            headers = (*self._headers(method, params), *headers)
        else:
            headers = ()
        full = {**params, "_meta": own} if own else params
        done: Deferred[Any] = Deferred(lambda _: self._cancel(id, method))
        pending = self._pending[id] = _Pending(done, hear)
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
            pending.done.errback(McpConnectionError(f"{self._name} did not answer."))

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
        closing_tells = self.is_modern and self.channel.has_headers
        if method not in _BEFORE_ALL and not closing_tells:
            params = {"requestId": id, "reason": "Nobody waits for the answer any more."}
            self.notify("notifications/cancelled", params).addErrback(_forget)
        if pending.sending is not None:
            pending.sending.cancel()

    # -- what comes --

    def _received(self, message: Message, about: RequestId | None) -> None:
        match message:
            case Response():
                self._answered(message, about)
            case Notification():
                self._told(message, about)
            case Request():
                self._asked(message)

    def _answered(self, message: Response, about: RequestId | None) -> None:
        pending = self._pending.pop(message.id, None)
        if pending is None:
            self._answered_unasked(message, about)
            return
        if message.error is not None:
            pending.done.errback(message.error)
        else:
            pending.done.callback(message.result or {})

    def _answered_unasked(self, message: Response, about: RequestId | None) -> None:
        """Let the request ``about`` fail whose stream brings the answer to one never made."""
        is_ours = isinstance(message.id, int) and 0 < message.id <= self._number
        pending = None if is_ours or about is None else self._pending.pop(about, None)
        if pending is None:
            return
        pending.done.errback(
            McpConnectionError(f"{self._name} sent a response with an unknown id.")
        )
        if pending.sending is not None:
            pending.sending.cancel()

    def _told(self, message: Notification, about: RequestId | None) -> None:
        if message.method == "notifications/progress":
            about = message.params.get("progressToken")
        pending = self._pending.get(about) if isinstance(about, (str, int)) else None
        if pending is not None and pending.hear is not None:
            pending.hear(message)
        else:
            self._heard(self, message)

    def _asked(self, message: Request) -> None:
        """Answer a server that asks us; nobody is here who could be asked in its name."""
        if message.method == "ping":
            data = messages.result(message.id, {})
        else:
            said = f"The gateway passes no {message.method} on: it serves many clients at once."
            data = messages.error(message.id, McpError(messages.METHOD_NOT_FOUND, said))
        self.channel.send(OutgoingMessage(data)).addErrback(_forget)


def _forget(failure: Failure) -> None:
    """Let a message be lost that nobody waits for."""
    failure.trap(GatewayError, CancelledError)
