"""One configured MCP server: its connection and its catalog."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal

from msgspec import Struct
from twisted.internet import defer
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from antigravity.interfaces.mcp_values import Json, McpError
from antigravity.interfaces.status import LoginStatus, McpServerStatus
from antigravity.ir.errors import GatewayError
from antigravity.ir.printable import shorten
from antigravity.logs import make_logger
from antigravity.mcp.client.channel import Channel, Receive
from antigravity.mcp.client.errors import McpConnectionError
from antigravity.mcp.client.federated_catalog import FederatedCatalog
from antigravity.mcp.client.list_sync import ListSync
from antigravity.mcp.client.remote_session import RemoteSession
from antigravity.mcp.client.request_sender import RequestSender
from antigravity.mcp.client.server_login import ServerLogin
from antigravity.mcp.protocol.extensions import TASKS
from antigravity.mcp.protocol.messages import Notification
from antigravity.mcp.protocol.ui import DECLARATION

#: Seconds before the next attempt to connect; doubled after each failure.
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
#: After so many seconds of connection, the pauses start again from the first.
STABLE_AFTER: Final = 30.0

State = Literal["starting", "ready", "waiting", "needs login", "stopped"]
Open = Callable[[Receive], Channel]


class ServerTimeouts(Struct, frozen=True):
    """Seconds to connect, for ``server/discover`` (0: not sent), and for a call (0: no limit)."""

    start: float = 60.0
    probe: float = 10.0
    call: float = 0.0


class FederatedServer:
    """The server ``name``, reached over channels that ``open`` creates.

    It connects at once and reconnects after a loss, whether or not there are calls.  While it
    is disconnected its catalog stays, and calls fail with the reason.  ``login`` is its login, if
    it can have one; a new one makes it reconnect at once.

    :ivar catalog: the tools, prompts and resources of the server.
    :ivar is_started: whether :meth:`start` was called.
    """

    log = make_logger()

    def __init__(
        self,
        name: str,
        clock: IReactorTime,
        open: Open,  # noqa: A002
        limits: ServerTimeouts,
        tool_names: re.Pattern[str],
        login: ServerLogin | None = None,
    ) -> None:
        self.name = name
        sender = RequestSender(name, clock, self, limits.call)
        self.catalog = FederatedCatalog(sender, self._declare_pages, self._refresh_lists)
        self.state: State = "starting"
        self.reason = ""
        self._clock = clock
        self._open = open
        self._limits = limits
        self._login = login
        self._probe = limits.probe
        self._lists = ListSync(sender, self.catalog, tool_names)
        self._capabilities: Json = {}
        self._session: RemoteSession | None = None
        self._loss: Deferred[str] = Deferred()
        self._connecting: Deferred[None] | None = None
        self._ended: list[Deferred[None]] = []
        self._waiting: list[Deferred[None]] = []
        self._failures = 0
        self._reconnect_at_once = False
        self.is_started = False

    def start(self) -> None:
        """Connect the server."""
        self.is_started = True
        self._connecting = Deferred.fromCoroutine(self._stay_connected())
        self._connecting.addErrback(self._broken).addBoth(self._stopped)

    def stop(self) -> Deferred[None]:
        """Disconnect, and return a Deferred that fires when that is done."""
        ended: Deferred[None] = Deferred()
        if self._login is not None:
            ended.addCallback(self._end_login, self._login)
        if self._connecting is None:
            ended.callback(None)
            return ended
        self._ended.append(ended)
        if len(self._ended) == 1:
            self._connecting.cancel()
        return ended

    def _end_login(self, _: None, login: ServerLogin) -> Deferred[None]:
        return login.stop()

    def status(self) -> McpServerStatus:
        """Return the state of the server for the operator."""
        return McpServerStatus(
            self.name,
            self.state,
            self.reason,
            self._session.version if self._session is not None else "",
            len(self.catalog.tools()),
            LoginStatus() if self._login is None else self._login.status(),
        )

    async def session(self) -> RemoteSession:
        """Return the session; see :class:`.request_sender.SessionProvider`."""
        if self._session is None and self.state in ("starting", "ready"):
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting
        if self._session is None:
            why = self.reason.rstrip(".") or "it is not connected"
            raise McpConnectionError(f"The MCP server {self.name} is not connected: {why}.")
        return self._session

    def session_lost(self, session: RemoteSession, reason: str) -> None:
        """Reconnect, because the server no longer knows ``session``."""
        if self._session is session:
            self._reconnect_at_once = True
            self._lose(reason, self._loss)

    def _declare_pages(self) -> None:
        """Declare to the server that a client shows pages, so that it offers all tools.

        A session declares that once, so it is replaced, unless a client has used it: the server
        may have state for it.  Then the next one declares it.
        """
        self._capabilities = {"extensions": DECLARATION}
        self._lists.declare({"extensions": {TASKS: {}, **DECLARATION}}, self._modern_session())
        session = self._session
        if session is not None and not session.is_modern and not session.was_used:
            self.session_lost(session, "a client shows pages")

    def _refresh_lists(self) -> None:
        session = self._modern_session()
        if session is not None:
            self._lists.refresh_expired(session)

    def _modern_session(self) -> RemoteSession | None:
        return self._session if self._session is not None and self._session.is_modern else None

    # -- connection --

    async def _stay_connected(self) -> None:
        while True:
            begun = self._clock.seconds()
            try:
                reason = await self._connect_once()
            except (GatewayError, McpError) as error:
                reason = shorten(error.message)
            except OSError as error:
                reason = f"it cannot be started: {error.strerror or 'unknown error'}"
            except CancelledError:
                raise
            except Exception:  # noqa: BLE001 - a server can send anything; retry later
                self.log.failure("connecting the MCP server {name} failed", name=self.name)
                reason = "an error in the gateway; see its log"
            was_ready, self._session = self.state == "ready", None
            if was_ready and self._clock.seconds() - begun >= STABLE_AFTER:
                self._failures = 0
            if not (self._reconnect_at_once and was_ready):
                await self._pause(reason)
            self.state = "starting"

    async def _pause(self, reason: str) -> None:
        pause = min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE)
        self._failures += 1
        write = self.log.debug if reason == self.reason else self.log.warn
        needs_login = self._login is not None and self._login.is_required
        self.state, self.reason = "needs login" if needs_login else "waiting", reason
        write(
            "the MCP server {name} is not connected: {why}; next attempt in {s:g} s",
            name=self.name,
            why=reason.rstrip("."),
            s=pause,
        )
        self._wake_waiting()
        if self._login is None:
            await deferLater(self._clock, pause)
        elif await self._login.wait(pause):
            self._failures = 0

    async def _connect_once(self) -> str:
        """Connect, and return the reason when the connection has ended."""
        loss: Deferred[str] = Deferred()
        self._loss = loss
        self._reconnect_at_once = False
        session = RemoteSession(
            self.name, self._clock, self._open, self._notification_received, self._capabilities
        )
        session.channel.lost.addCallback(self._lose, loss)
        following: list[Deferred[None]] = []
        try:
            await self._connect(session, following)
            self._set_ready(session)
            return await loss
        finally:
            self._session = None
            self._lists.stop()
            for one in following:
                one.cancel()
            await session.channel.close()

    async def _connect(self, session: RemoteSession, following: list[Deferred[None]]) -> None:
        limit = self._limits.start
        connecting = Deferred.fromCoroutine(self._initialize(session, following))
        try:
            await (connecting.addTimeout(limit, self._clock) if limit else connecting)
        except defer.TimeoutError:
            raise McpConnectionError(f"it was not ready within {limit:g} seconds") from None
        except GatewayError:
            if not session.channel.has_headers and not session.version:
                # Some programs exit when they receive server/discover.
                self._probe = 0.0 if self._probe else self._limits.probe
            raise

    async def _initialize(self, session: RemoteSession, following: list[Deferred[None]]) -> None:
        await session.initialize(self._limits.start, probe=self._probe)
        # Before the lists are read, so that no change in between is missed.
        follow = Deferred.fromCoroutine(self._lists.follow(session, self._clock))
        following.append(follow.addErrback(self._not_followed, self._loss))
        await self._lists.refresh(session)

    def _set_ready(self, session: RemoteSession) -> None:
        self._session = session
        self.state, self.reason = "ready", ""
        self.log.info(
            "connected to the MCP server {name}: revision {revision}, {n} tools",
            name=self.name,
            revision=session.version,
            n=len(self.catalog.tools()),
        )
        self._wake_waiting()

    def _wake_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.called:  # its caller may have cancelled it
                one.callback(None)

    def _lose(self, reason: str, loss: Deferred[str]) -> None:
        if not loss.called:
            loss.callback(reason)

    def _not_followed(self, failure: Failure, loss: Deferred[str]) -> None:
        error = failure.value
        if isinstance(error, CancelledError):
            return
        if isinstance(error, GatewayError):
            self._reconnect_at_once = True
            self._lose(error.message, loss)
            return
        self.log.failure("following the MCP server {name} failed", failure, name=self.name)
        self._lose("an error in the gateway; see its log", loss)

    def _notification_received(self, session: RemoteSession, message: Notification) -> None:
        self._lists.notification_received(session, message)

    def _broken(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure(
                "the MCP server {name} is abandoned after an error", failure, name=self.name
            )

    def _stopped(self, _: object) -> None:
        self._connecting = None
        self.state, self.reason = "stopped", "it was disabled"
        self._wake_waiting()
        ended, self._ended = self._ended, []
        for one in ended:
            one.callback(None)
