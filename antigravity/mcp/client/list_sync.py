"""Keep the lists of a server's tools, prompts and resources up to date."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from antigravity.interfaces.mcp_values import Json, McpError
from antigravity.ir.errors import GatewayError
from antigravity.ir.printable import shorten
from antigravity.logs import make_logger
from antigravity.mcp.catalog import Catalog
from antigravity.mcp.client import list_entries
from antigravity.mcp.client.errors import McpConnectionError, SessionLostError
from antigravity.mcp.client.remote_session import RemoteSession
from antigravity.mcp.client.request_sender import RequestSender
from antigravity.mcp.protocol.extensions import TASKS, with_extension
from antigravity.mcp.protocol.messages import METHOD_NOT_FOUND, Notification
from antigravity.mcp.protocol.ui import prefixed

_KINDS: Final = ("tools", "prompts", "resources")
_CHANGED: Final = {f"notifications/{kind}/list_changed": kind for kind in _KINDS}
_MOST_PAGES: Final = 200
_MOST_ENTRIES: Final = 10_000
#: The size of all pages of a list as JSON in bytes.
_MOST_BYTES: Final = 64 * 1024 * 1024
#: What the gateway itself supports, so that servers list all tools that need it.
_CAPABILITIES: Final = with_extension({}, TASKS)
#: Seconds for which a list is fresh, whatever its server says.
_SHORTEST_TTL: Final = 30.0
#: The longest such time that servers can ask for, in milliseconds.
_LONGEST_TTL: Final = 24 * 3600 * 1000
#: Seconds between two attempts to listen.
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0


class ListSync:
    """The synchronisation of ``catalog`` with a server, for the tools that match ``tool_names``."""

    log = make_logger()

    def __init__(
        self, sender: RequestSender, catalog: Catalog, tool_names: re.Pattern[str]
    ) -> None:
        self._sender = sender
        self._catalog = catalog
        self._tool_names = tool_names
        self._known: dict[str, list[Json]] = {}
        self._tasks: list_entries.ServerTasks = None
        self._capabilities: Json = _CAPABILITIES
        self._ttl = 0.0
        self._fresh_until: dict[str, float] = {}
        self._stale: dict[str, None] = {}
        self._refreshing: Deferred[None] | None = None

    async def refresh(self, session: RemoteSession) -> None:
        """Request all lists; only the list of tools must succeed.

        :raises GatewayError: if the server does not respond.
        :raises McpError: if it refuses to list its tools.
        """
        self._stale.clear()
        for kind in _KINDS:
            try:
                await self._refresh(session, kind)
            except McpError as error:
                if kind == "tools":
                    raise
                self._warn_incomplete(f"{kind}/list", f"it was refused: {shorten(error.message)}")

    def notification_received(self, session: RemoteSession, message: Notification) -> None:
        """Handle a notification that belongs to no request."""
        kind = _CHANGED.get(message.method)
        if kind is not None:
            self._stale[kind] = None
            self._refresh_soon(session)
        elif message.method == "notifications/resources/updated":
            uri = message.params.get("uri")
            if isinstance(uri, str):
                self._catalog.resource_updated(prefixed(self._sender.name, uri))

    def _refresh_soon(self, session: RemoteSession) -> None:
        if self._refreshing is None and session.version:
            self._refreshing = Deferred.fromCoroutine(self._refresh_stale(session))
            self._refreshing.addErrback(self._not_refreshed).addBoth(self._refreshed)

    def refresh_expired(self, session: RemoteSession) -> None:
        """Read the lists again that have expired, if the server does not report changes of them."""
        now = self._sender.clock.seconds()
        for kind, until in self._fresh_until.items():
            if now >= until and not _has(session, kind, "listChanged"):
                self._stale[kind] = None
        if self._stale:
            self._refresh_soon(session)

    def declare(self, capabilities: Json, session: RemoteSession | None) -> None:
        """Declare ``capabilities`` with all requests, and read the lists again."""
        self._capabilities = capabilities
        if session is not None:
            self._stale |= dict.fromkeys(_KINDS)
            self._refresh_soon(session)

    def stop(self) -> None:
        """Stop refreshing."""
        if self._refreshing is not None:
            self._refreshing.cancel()

    async def follow(self, session: RemoteSession, clock: IReactorTime) -> None:
        """Listen for changes as long as the server supports that.

        :raises SessionLostError: if the server no longer knows the session.
        """
        pause, is_first = _FIRST_PAUSE, True
        while True:
            listening = self._listen(session)
            began = clock.seconds()
            try:
                if not is_first:
                    await self._refresh_quietly(session)  # changes in between were missed
                if not await listening:
                    return
            except SessionLostError:
                if is_first:
                    return  # the session is new, so the server just has no such stream
                raise
            except McpError:
                return  # the server does not know the method
            except GatewayError as error:
                self.log.debug("{name}: {why}", name=self._sender.name, why=shorten(error.message))
            finally:
                listening.addErrback(_forget)
                listening.cancel()
            is_first = False
            lasted = clock.seconds() - began > _LONGEST_PAUSE
            pause = _FIRST_PAUSE if lasted else min(pause * 2, _LONGEST_PAUSE)
            await deferLater(clock, pause)

    def _listen(self, session: RemoteSession) -> Deferred[bool]:
        """Listen once; return a Deferred that fires with whether to listen again."""
        if not session.is_modern:
            return session.channel.listen()
        announced = {kind for kind in _KINDS if _has(session, kind, "listChanged")}
        if not announced:
            never: Deferred[bool] = Deferred()
            never.callback(False)
            return never
        changes = {f"{kind}ListChanged": True for kind in _KINDS if kind in announced}
        params = {"notifications": changes}
        return session.request("subscriptions/listen", params, endless=True).addCallback(
            lambda result: True
        )

    async def _refresh_stale(self, session: RemoteSession) -> None:
        while self._stale:
            kind = next(iter(self._stale))
            del self._stale[kind]
            await self._refresh(session, kind)

    async def _refresh_quietly(self, session: RemoteSession) -> None:
        try:
            await self.refresh(session)
        except McpError as error:
            raise McpConnectionError(error.message) from error

    def _not_refreshed(self, failure: Failure) -> None:
        error, name = failure.value, self._sender.name
        if isinstance(error, (GatewayError, McpError)):
            why = shorten(error.message)
            self.log.warn("the lists of {name} are out of date: {why}", name=name, why=why)
        elif not isinstance(error, CancelledError):
            self.log.failure("reading the lists of {name} failed", failure, name=name)

    def _refreshed(self, _: object) -> None:
        self._refreshing = None

    async def _refresh(self, session: RemoteSession, kind: str) -> None:
        self._ttl = 0.0
        try:
            await self._read(session, kind)
        finally:
            fresh = max(self._ttl, _SHORTEST_TTL)
            self._fresh_until[kind] = self._sender.clock.seconds() + fresh

    async def _read(self, session: RemoteSession, kind: str) -> None:
        has = kind in session.capabilities
        match kind:
            case "tools":
                self._use_tasks(session.tasks)
                entries = await self._all(session, "tools/list", "tools") if has else []
                self._offer(kind, entries, self._offer_tools)
            case "prompts":
                entries = await self._all(session, "prompts/list", "prompts") if has else []
                self._offer(kind, entries, self._offer_prompts)
            case _:
                entries = await self._all(session, "resources/list", "resources") if has else []
                method = "resources/templates/list"
                more = await self._all(session, method, "resourceTemplates") if has else []
                self._offer(kind, [*entries, {}, *more], self._offer_resources)

    def _use_tasks(self, tasks: list_entries.ServerTasks) -> None:
        if tasks != self._tasks:
            self._tasks = tasks
            self._known.pop("tools", None)  # they are offered in another way

    def _offer(self, kind: str, entries: list[Json], offer: Callable[[list[Json]], None]) -> None:
        """Offer a list only if it has changed, to avoid needless notifications."""
        if self._known.get(kind, [{}] if kind == "resources" else []) != entries:
            self._known[kind] = entries
            offer(entries)

    def _offer_tools(self, entries: list[Json]) -> None:
        self._catalog.set_tools(
            list_entries.tools_of(self._sender, entries, self._tool_names, self._tasks)
        )

    def _offer_prompts(self, entries: list[Json]) -> None:
        self._catalog.set_prompts(list_entries.prompts_of(self._sender, entries))

    def _offer_resources(self, entries: list[Json]) -> None:
        middle = entries.index({})
        self._catalog.set_resources(
            list_entries.resources_of(self._sender, entries[:middle]),
            list_entries.templates_of(self._sender, entries[middle + 1 :]),
        )

    async def _all(self, session: RemoteSession, method: str, key: str) -> list[Json]:
        """Return all pages of a list, or those before the first faulty one."""
        found: list[Json] = []
        size = 0
        page: list[Json] = []
        cursors: set[str] = set()
        params: dict[str, Any] = {}
        while True:
            try:
                result: Json = await session.request(
                    method, params, capabilities=self._capabilities
                )
            except McpError as error:
                if error.code == METHOD_NOT_FOUND and not found:
                    return []
                if not found:
                    raise
                self._warn_incomplete(method, f"a page was refused: {shorten(error.message)}")
                return found
            ttl = result.get("ttlMs")
            self._ttl = min(ttl, _LONGEST_TTL) / 1000 if isinstance(ttl, (int, float)) else 0.0
            before, page = page, self._page(result.get(key), method)
            if page and page == before:
                self._warn_incomplete(method, "it sent the same page twice")
                return found
            found += page
            if len(found) > _MOST_ENTRIES:
                self._warn_incomplete(method, f"there are more than {_MOST_ENTRIES} entries")
                return found[:_MOST_ENTRIES]
            cursor = result.get("nextCursor")
            if not isinstance(cursor, str) or not cursor:
                return found
            if cursor in cursors:
                self._warn_incomplete(method, "it sent the same cursor twice")
                return found
            cursors.add(cursor)
            if len(cursors) >= _MOST_PAGES:
                self._warn_incomplete(method, f"there are more than {_MOST_PAGES} pages")
                return found
            size += len(msgspec.json.encode(page))
            if size > _MOST_BYTES:
                self._warn_incomplete(method, f"it is larger than {_MOST_BYTES} bytes")
                return found
            params = {"cursor": cursor}

    def _page(self, entries: object, method: str) -> list[Json]:
        if entries is None:  # some servers send null for an empty list
            return []
        if not isinstance(entries, list):
            raise McpConnectionError(f"its response to {method} is not a list")
        return [entry for entry in entries if entry and isinstance(entry, Mapping)]

    def _warn_incomplete(self, method: str, why: str) -> None:
        self.log.warn(
            "{method} of {name} is not complete: {why}",
            method=method,
            name=self._sender.name,
            why=why,
        )


def _has(session: RemoteSession, kind: str, what: str) -> bool:
    found = session.capabilities.get(kind)
    return isinstance(found, Mapping) and found.get(what) is True


def _forget(failure: Failure) -> None:
    """Ignore a failure that was already reported to its caller."""
    failure.trap(GatewayError, McpError, CancelledError)
