"""All configured servers; what changes in the configuration changes here, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime

from antigravity.interfaces.mcp import IMcpCatalog
from antigravity.interfaces.transport import IHttpTransport
from antigravity.logs import make_logger
from antigravity.mcp.client.channel import Channel, Receive
from antigravity.mcp.client.http_channel import HttpChannel
from antigravity.mcp.client.link import Address
from antigravity.mcp.client.member import Limits, Member
from antigravity.mcp.client.reading import pattern_of
from antigravity.mcp.client.stdio_channel import Process, StdioChannel
from antigravity.processes.cleaning import Cleaner
from antigravity.processes.command import Command
from antigravity.processes.guarded import OnEnd, OnLine, OnOutput

#: Starts a program; may raise ``OSError``.
Run = Callable[[Command, OnLine, OnEnd, OnOutput], Process]


class Server(Struct, frozen=True):
    """A server to be connected to: at ``place``, an address or a program.

    ``secrets`` are kept out of the log, ``tools`` are patterns of the tools to offer.
    """

    place: Address | Command
    limits: Limits = Limits()
    tools: tuple[str, ...] = ("*",)
    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Server {self.place!r}>"


class Federation:
    """Keeps the servers connected that are wanted.

    ``run`` starts those that are programs.
    """

    log = make_logger()

    def __init__(self, clock: IReactorTime, transport: IHttpTransport, run: Run) -> None:
        self._clock = clock
        self._transport = transport
        self._run = run
        self._members: dict[str, tuple[Server, Member]] = {}
        self._stopping: set[Deferred[Any]] = set()

    @property
    def catalogs(self) -> Sequence[IMcpCatalog]:
        """What the servers offer, in their order."""
        return tuple(member.catalog for _, member in self._members.values())

    def use(self, wanted: Mapping[str, Server]) -> None:
        """Be connected to these servers and no others; who stays the same notices nothing."""
        before, self._members = self._members, {}
        for name, server in wanted.items():
            if name in before and before[name][0] == server:
                self._members[name] = before.pop(name)
            else:
                self._members[name] = server, self._new(name, server)
        for _, member in before.values():
            self._let_go(member)
        for _, member in self._members.values():
            if not member.is_started:
                member.start()

    def stop(self) -> Deferred[Any]:
        """Return a Deferred that fires when nothing of any server is left."""
        self.use({})
        return DeferredList(list(self._stopping))

    def status(self) -> list[dict[str, object]]:
        """Return how each server is, for the operator."""
        return [member.status() for _, member in self._members.values()]

    def _let_go(self, member: Member) -> None:
        stopping = member.stop()
        self._stopping.add(stopping)
        stopping.addBoth(lambda _: self._stopping.discard(stopping))

    def _new(self, name: str, server: Server) -> Member:
        return Member(
            name,
            self._clock,
            partial(self._open, name, server),
            server.limits,
            pattern_of(server.tools),
        )

    def _open(self, name: str, server: Server, receive: Receive) -> Channel:
        place = server.place
        if isinstance(place, Address):
            return HttpChannel(self._transport, self._clock, place, receive)
        cleaner = Cleaner(server.secrets)

        def said(line: str) -> None:
            self.log.info("MCP server {name}: {text}", name=name, text=cleaner.clean(line))

        return StdioChannel(name, self._clock, partial(self._run, place), said, receive)
