"""``antigravity mcp``: the gateway's MCP endpoint for clients that can only start programs.

Its commands are for the other MCP servers behind the gateway.
"""

# ruff: noqa: N802 - the names are Twisted's

from __future__ import annotations

from typing import Any, Final

import click
from twisted.internet import stdio
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.cli.gateway_client import NoGatewayError, find_address
from antigravity.cli.gateway_key import GatewayKey
from antigravity.cli.group import Group
from antigravity.cli.invocation import Invocation, current_invocation, note
from antigravity.cli.mcp_login import login
from antigravity.cli.mcp_servers import list_servers, logout
from antigravity.cli.reactor import run
from antigravity.config.addresses import address_problem
from antigravity.config.keys import KeyFormatError, clean_key
from antigravity.config.raw_configuration import KEY_VARIABLE
from antigravity.mcp.bridge import Bridge
from antigravity.mcp.client.http_connection import Address
from antigravity.transport.client import HttpTransport

PATH: Final = "/mcp"


@click.group(cls=Group, invoke_without_command=True)
@click.option("--url", help="The endpoint (default: /mcp of the gateway on this machine).")
@click.option(
    "--key",
    envvar=KEY_VARIABLE,
    help=f"The gateway's key (default: ${KEY_VARIABLE}, else the configuration's).  Other users of "
    "this machine can see the options of programs; prefer the variable.",
)
@click.pass_context
def mcp(context: click.Context, url: str | None, key: str | None) -> None:
    """Run an MCP server on standard input and output.

    For clients that can only start programs: let them start "antigravity mcp".  The commands are
    for the other MCP servers behind the gateway.
    """
    if context.invoked_subcommand is not None:
        if url:
            raise click.UsageError("--url is for 'antigravity mcp' without a command")
        return
    address, own_key = _address(url, key, current_invocation())

    async def work(reactor: Any, transport: HttpTransport) -> None:
        if own_key is not None:
            own_key.use(reactor)
        await StdioConnection(reactor, transport, address).run()

    run(work)


for command in (list_servers, login, logout):
    mcp.add_command(command)


def _address(
    url: str | None, key: str | None, invocation: Invocation
) -> tuple[Address, GatewayKey | None]:
    """Return the endpoint's address, and the configured key if that is the one to send.

    The configured key is only for the configured gateway, which has to prove that it knows it.
    """
    own_key = None
    if url is None:
        proxy = invocation.gateway_configuration().settings.proxy
        try:
            gateway = find_address(invocation.home, proxy)
        except NoGatewayError as error:
            raise click.ClickException(f"{error}; name the endpoint with --url") from None
        if gateway is None:
            raise click.ClickException(
                "the configuration has no TCP port; name the endpoint with --url"
            )
        url = f"{gateway}{PATH}"
        if not key and proxy.api_key:
            own_key = GatewayKey(gateway, proxy.api_key.reveal())
    elif problem := address_problem(url):
        raise click.ClickException(f"--url: {problem.message}")
    try:
        key = clean_key(key or "")
    except KeyFormatError as error:
        raise click.UsageError(f"the gateway's key {error}") from None
    headers = (("authorization", f"Bearer {key}"),) if key else ()
    return Address("The gateway", url, headers, 0.0, own_key), own_key


@implementer(IHalfCloseableProtocol, IPushProducer)
class StdioConnection(Protocol):
    """Standard input and output, with one message in each line."""

    transport: Any

    def __init__(self, reactor: Any, transport: HttpTransport, address: Address) -> None:
        self._reactor = reactor
        self._bridge = Bridge(transport, reactor, address, self._write, _note)
        self._pieces: list[bytes] = []
        self._running: Deferred[None] | None = None
        self._closed: Deferred[None] = Deferred()
        self._is_open = True

    async def run(self) -> None:
        """Forward all messages until standard input ends."""
        stdio.StandardIO(self, reactor=self._reactor)
        self.transport.registerProducer(self, True)
        self._running = Deferred.fromCoroutine(self._bridge.run())
        self._running.addErrback(lambda failure: None if not self._is_open else failure)
        try:
            await self._running
        finally:
            if self._is_open:
                self.transport.unregisterProducer()
                self.transport.loseConnection()
                await self._closed

    def dataReceived(self, data: bytes) -> None:
        """Forward each line of the client."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._bridge.feed(b"".join([*self._pieces, line]))
            self._pieces = []
        if rest:
            self._pieces.append(rest)

    def readConnectionLost(self) -> None:
        """Forward the last line, and finish."""
        self._bridge.feed(b"".join(self._pieces))
        self._bridge.end()

    def writeConnectionLost(self) -> None:
        """Stop, because standard output is closed."""
        self._close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Stop, because the client is gone."""
        self._close()

    def pauseProducing(self) -> None:
        """Pause while the client does not read."""
        self._bridge.connection.pause()

    def resumeProducing(self) -> None:
        """Resume."""
        self._bridge.connection.resume()

    def stopProducing(self) -> None:
        """Do nothing, because the connection is lost as well."""

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            if self._running is not None:
                self._running.cancel()
            self._closed.callback(None)

    def _write(self, data: bytes) -> None:
        if self._is_open:
            self.transport.write(data + b"\n")


def _note(text: str) -> None:
    note(f"antigravity: {text}")
