"""One configured server: connected, kept connected, and offered."""

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

from antigravity.interfaces.mcp_values import McpError
from antigravity.ir.errors import GatewayError
from antigravity.ir.plain import brief
from antigravity.logs import make_logger
from antigravity.mcp.catalog import Catalog
from antigravity.mcp.client.channel import Channel, Receive
from antigravity.mcp.client.errors import McpConnectionError
from antigravity.mcp.client.list_sync import ListSync
from antigravity.mcp.client.remote_session import RemoteSession
from antigravity.mcp.client.request_sender import RequestSender
from antigravity.mcp.protocol.messages import Notification

#: Seconds before a server is tried again; doubled each time that it did not help.
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
#: A server that was there for so long is well: the pauses begin anew.
WELL_AFTER: Final = 30.0

State = Literal["starting", "ready", "waiting", "stopped"]
Open = Callable[[Receive], Channel]


class Limits(Struct, frozen=True):
    """Seconds: to connect, for the first question (0: it is not asked), for a call (0: any)."""

    start: float = 60.0
    probe: float = 10.0
    call: float = 0.0


class FederatedServer:
    """The server ``name``, reached by the channels that ``open`` makes.

    It is connected at once, and again when that is lost, whether anybody calls or not.  What
    it has offered once stays in the lists while it is away: calls say that it is.

    :ivar catalog: what it offers.
    :ivar is_started: whether it was told to connect.
    """

    log = make_logger()

    def __init__(
        self,
        name: str,
        clock: IReactorTime,
        open: Open,  # noqa: A002
        limits: Limits,
        wanted: re.Pattern[str],
    ) -> None:
        self.name = name
        self.catalog = Catalog(name)
        self.state: State = "starting"
        self.reason = ""
        self._clock = clock
        self._open = open
        self._limits = limits
        self._probe = limits.probe
        self._lists = ListSync(RequestSender(name, clock, self, limits.call), self.catalog, wanted)
        self._session: RemoteSession | None = None
        self._gone: Deferred[str] = Deferred()
        self._living: Deferred[None] | None = None
        self._ended: list[Deferred[None]] = []
        self._waiting: list[Deferred[None]] = []
        self._failures = 0
        self._is_at_once = False
        self.is_started = False

    def start(self) -> None:
        """Connect."""
        self.is_started = True
        self._living = Deferred.fromCoroutine(self._live())
        self._living.addErrback(self._broken).addBoth(self._stopped)

    def stop(self) -> Deferred[None]:
        """Return a Deferred that fires when nothing of the connection is left."""
        ended: Deferred[None] = Deferred()
        if self._living is None:
            ended.callback(None)
            return ended
        self._ended.append(ended)
        if len(self._ended) == 1:
            self._living.cancel()
        return ended

    def status(self) -> dict[str, object]:
        """Return how it is, for the operator."""
        return {
            "name": self.name,
            "state": self.state,
            "reason": self.reason,
            "revision": self._session.version if self._session is not None else "",
            "tools": len(self.catalog.tools()),
        }

    async def session(self) -> RemoteSession:
        """Return the server; see :class:`antigravity.mcp.client.request_sender.Connection`."""
        if self._session is None and self.state in ("starting", "ready"):
            waiting: Deferred[None] = Deferred()
            self._waiting.append(waiting)
            await waiting
        if self._session is None:
            why = self.reason or "it is not connected"
            raise McpConnectionError(f"The MCP server {self.name} is not there: {why}.")
        return self._session

    def session_lost(self, session: RemoteSession, reason: str) -> None:
        """Connect anew: the server has forgotten us."""
        if self._session is session:
            self._is_at_once = True
            self._lose(reason, self._gone)

    # -- its life --

    async def _live(self) -> None:
        while True:
            begun = self._clock.seconds()
            try:
                reason = await self._once()
            except (GatewayError, McpError) as error:
                reason = brief(error.message)
            except OSError as error:
                reason = f"it cannot be started: {error.strerror or 'nobody knows why'}"
            except CancelledError:
                raise
            except Exception:  # noqa: BLE001 - whatever a server sends: it may do better later
                self.log.failure("connecting the MCP server {name} failed", name=self.name)
                reason = "the gateway made a mistake; its log says which"
            was_ready, self._session = self.state == "ready", None
            if was_ready and self._clock.seconds() - begun >= WELL_AFTER:
                self._failures = 0
            if not (self._is_at_once and was_ready):
                await self._pause(reason)
            self.state = "starting"

    async def _pause(self, reason: str) -> None:
        pause = min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE)
        self._failures += 1
        say = self.log.debug if reason == self.reason else self.log.warn
        self.state, self.reason = "waiting", reason
        say(
            "the MCP server {name} is not there: {why}; again in {s:g} s",
            name=self.name,
            why=reason,
            s=pause,
        )
        self._tell_waiting()
        await deferLater(self._clock, pause)

    async def _once(self) -> str:
        """Connect, and return why the connection has ended."""
        gone: Deferred[str] = Deferred()
        self._gone = gone
        self._is_at_once = False
        session = RemoteSession(self.name, self._clock, self._open, self._heard)
        session.channel.lost.addCallback(self._lose, gone)
        following: list[Deferred[None]] = []
        try:
            await self._connect(session, following)
            self._set_ready(session)
            return await gone
        finally:
            self._session = None
            self._lists.rest()
            for one in following:
                one.cancel()
            await session.channel.close()

    async def _connect(self, session: RemoteSession, following: list[Deferred[None]]) -> None:
        limit = self._limits.start
        connecting = Deferred.fromCoroutine(self._greet(session, following))
        try:
            await (connecting.addTimeout(limit, self._clock) if limit else connecting)
        except defer.TimeoutError:
            raise McpConnectionError(f"it was not ready within {limit:g} seconds") from None
        except GatewayError:
            if not session.channel.has_headers and not session.version:
                # The first question may be what the program does not survive.
                self._probe = 0.0 if self._probe else self._limits.probe
            raise

    async def _greet(self, session: RemoteSession, following: list[Deferred[None]]) -> None:
        await session.greet(self._limits.start, probe=self._probe)
        # Before the lists are read: what changes meanwhile must be heard.
        follow = Deferred.fromCoroutine(self._lists.follow(session, self._clock))
        following.append(follow.addErrback(self._not_followed, self._gone))
        await self._lists.refresh(session)

    def _set_ready(self, session: RemoteSession) -> None:
        self._session = session
        self.state, self.reason = "ready", ""
        self.log.info(
            "the MCP server {name} is there: revision {revision}, {n} tools",
            name=self.name,
            revision=session.version,
            n=len(self.catalog.tools()),
        )
        self._tell_waiting()

    def _tell_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.called:  # who has waited may have left
                one.callback(None)

    def _lose(self, reason: str, gone: Deferred[str]) -> None:
        if not gone.called:
            gone.callback(reason)

    def _not_followed(self, failure: Failure, gone: Deferred[str]) -> None:
        error = failure.value
        if isinstance(error, CancelledError):
            return
        if isinstance(error, GatewayError):
            self._is_at_once = True
            self._lose(error.message, gone)
            return
        self.log.failure("following the MCP server {name} failed", failure, name=self.name)
        self._lose("the gateway made a mistake; its log says which", gone)

    def _heard(self, session: RemoteSession, message: Notification) -> None:
        self._lists.heard(session, message)

    def _broken(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("the MCP server {name} is given up", failure, name=self.name)

    def _stopped(self, _: object) -> None:
        self._living = None
        self.state, self.reason = "stopped", "it was switched off"
        self._tell_waiting()
        ended, self._ended = self._ended, []
        for one in ended:
            one.callback(None)
