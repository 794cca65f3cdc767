"""All configured MCP servers; a reload connects and disconnects them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime

from antigravity.interfaces.mcp import IMcpCatalog
from antigravity.interfaces.status import McpServerStatus
from antigravity.interfaces.transport import IHttpTransport
from antigravity.logs import make_logger
from antigravity.mcp.client.channel import Channel, Receive
from antigravity.mcp.client.federated_server import FederatedServer, ServerTimeouts
from antigravity.mcp.client.http_channel import HttpChannel
from antigravity.mcp.client.http_connection import Address
from antigravity.mcp.client.list_entries import pattern_of
from antigravity.mcp.client.server_login import ServerLogin
from antigravity.mcp.client.stdio_channel import Process, StdioChannel
from antigravity.oauth.registration import OAuthClientSettings
from antigravity.processes.command import Command
from antigravity.processes.guarded import OnEnd, OnLine, OnOutput
from antigravity.processes.log_lines import LogLineCleaner

#: A function that starts a program; it can raise ``OSError``.
Run = Callable[[Command, OnLine, OnEnd, OnOutput], Process]
#: A function that returns the login to the server with a name and an address.
OpenLogin = Callable[[str, str, OAuthClientSettings], ServerLogin]


class Server(Struct, frozen=True):
    """A configured server at ``place``, an address or a program.

    ``secrets`` are removed from its log lines; ``tools`` are patterns for the tools to offer.
    ``oauth`` is for logins to it, ``None`` if it can have none.
    """

    place: Address | Command
    limits: ServerTimeouts = ServerTimeouts()
    tools: tuple[str, ...] = ("*",)
    secrets: tuple[str, ...] = ()
    oauth: OAuthClientSettings | None = None

    def __repr__(self) -> str:
        return f"<Server {self.place!r}>"


class Federation:
    """The connections to all configured servers.

    ``run`` starts those that are programs; ``open_login`` reads the logins to the others.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        transport: IHttpTransport,
        run: Run,
        open_login: OpenLogin | None = None,
    ) -> None:
        self._clock = clock
        self._transport = transport
        self._run = run
        self._open_login = open_login
        self._servers: dict[str, tuple[Server, FederatedServer]] = {}
        self._stopping: set[Deferred[Any]] = set()

    @property
    def catalogs(self) -> Sequence[IMcpCatalog]:
        """The catalogs of the servers, in the order of the configuration."""
        return tuple(server.catalog for _, server in self._servers.values())

    def use(self, servers: Mapping[str, Server]) -> None:
        """Connect exactly these servers; connections of unchanged servers stay open."""
        before, self._servers = self._servers, {}
        for name, configured in servers.items():
            if name in before and before[name][0] == configured:
                self._servers[name] = before.pop(name)
            else:
                self._servers[name] = configured, self._new(name, configured)
        for _, server in before.values():
            self._stop(server)
        for _, server in self._servers.values():
            if not server.is_started:
                server.start()

    def stop(self) -> Deferred[Any]:
        """Disconnect all servers, and return a Deferred that fires when that is done."""
        self.use({})
        return DeferredList(list(self._stopping))

    def status(self) -> list[McpServerStatus]:
        """Return the state of each server, for the operator."""
        return [server.status() for _, server in self._servers.values()]

    def _stop(self, server: FederatedServer) -> None:
        stopping = server.stop()
        self._stopping.add(stopping)
        stopping.addBoth(lambda _: self._stopping.discard(stopping))

    def _new(self, name: str, server: Server) -> FederatedServer:
        login = None
        place = server.place
        if isinstance(place, Address) and server.oauth is not None and self._open_login:
            login = self._open_login(name, place.url, server.oauth)
            place = replace(place, authorization=login)
        return FederatedServer(
            name,
            self._clock,
            partial(self._open, name, server, place),
            server.limits,
            pattern_of(server.tools),
            login,
        )

    def _open(
        self, name: str, server: Server, place: Address | Command, receive: Receive
    ) -> Channel:
        if isinstance(place, Address):
            return HttpChannel(self._transport, self._clock, place, receive)
        cleaner = LogLineCleaner(server.secrets)

        def log_line(line: str) -> None:
            self.log.info("MCP server {name}: {text}", name=name, text=cleaner.clean(line))

        return StdioChannel(name, self._clock, partial(self._run, place), log_line, receive)
