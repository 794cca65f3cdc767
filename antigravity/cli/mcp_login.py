"""``antigravity mcp login``: log in to another MCP server with a browser."""

from __future__ import annotations

import time
from typing import Any, Final
from urllib.parse import urlsplit

import click
from msgspec import Struct

from antigravity.app.mcp.logins import build_metadata_client, oauth_client_settings
from antigravity.cli.browser_login import log_in
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options, note
from antigravity.cli.reactor import run
from antigravity.config.home import prepare_home
from antigravity.config.mcp_checks import has_own_credential
from antigravity.config.settings import Settings
from antigravity.ir.errors import GatewayError
from antigravity.mcp.client.errors import McpConnectionError
from antigravity.mcp.client.http_connection import Address
from antigravity.mcp.client.login_probe import ProbeResult, probe
from antigravity.oauth.authorization_code import CALLBACK_PATH, AuthorizationRequest
from antigravity.oauth.challenge import clean_scopes
from antigravity.oauth.errors import DiscoveryError, LoginError
from antigravity.oauth.file_lock import FileLock
from antigravity.oauth.grants import Grant, GrantFile
from antigravity.oauth.login import Login
from antigravity.oauth.registration import OAuthClientSettings

#: How often a server may ask for more scopes during one login.
_MOST_ROUNDS: Final = 3
#: Seconds to wait for a gateway that is renewing the login before.
_LOCK_TIMEOUT: Final = 45.0


class Target(Struct, frozen=True):
    """A server to log in to; ``redirect_uri`` is empty for any."""

    name: str
    url: str
    headers: tuple[tuple[str, str], ...]
    oauth: OAuthClientSettings
    redirect_uri: str
    start_timeout: float

    def __repr__(self) -> str:
        return f"<Target {self.name}>"

    @property
    def address(self) -> Address:
        """The address for the connection."""
        return Address(self.name, self.url, self.headers, self.start_timeout)


@click.command(cls=Command)
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, help="One more scope to request; repeatable.")
@click.option(
    "--no-browser", is_flag=True, help="Do not open a browser; paste the address at which it ends."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="The loopback port for the redirect, such as that of an SSH tunnel (default: that of "
    "oauth.redirect_uri, else a free one).",
)
@click.option("--timeout", default=300.0, help="Seconds to wait for the browser (default: 300).")
@command_options
def login(
    invocation: Invocation,
    name: str,
    scopes: tuple[str, ...],
    no_browser: bool,
    port: int,
    timeout: float,
) -> None:
    """Log in to the MCP server NAME in a browser.

    NAME is that of a table [mcp.servers.NAME] with a url.  If this machine has no browser, open the
    address on another machine, and paste the address at which the browser ends.  A running gateway
    connects to the server within a few seconds.
    """
    target = find_target(invocation.configuration().settings, name)
    if not timeout > 0:
        raise click.UsageError("--timeout must be more than 0")
    more = clean_scopes(scopes)
    if len(more) != len(set(scopes)):
        raise click.UsageError("--scope: this is not a valid scope")
    file = GrantFile(invocation.home, name)
    attempt = _LoginAttempt(target, file.read(), port, timeout, no_browser=no_browser)
    try:
        grant, result = attempt.run(more)
    except (LoginError, GatewayError) as error:
        text = error.message if isinstance(error, GatewayError) else str(error)
        raise click.ClickException(f"{name}: {text.rstrip('.')}") from None
    prepare_home(invocation.home, with_file=False)
    _save(file, grant)
    expires_in = None if grant.expires_at is None else grant.expires_at - grant.issued_at
    data = {
        "server": name,
        "issuer": grant.issuer,
        "resource": grant.resource,
        "scopes": list(grant.scopes),
        "expires_in": expires_in,
        "renews": bool(grant.refresh),
        "tools": None if result is None else result.tools,
    }
    tools = "" if result is None else f"; it has {result.tools} tools"
    invocation.show(data, f"Logged in to {name} by {grant.issuer}{tools}.")
    if not grant.refresh and expires_in is not None:
        note(f"antigravity: the login cannot be renewed; log in again in {format_span(expires_in)}")


def find_target(settings: Settings, name: str) -> Target:
    """Return the server ``name`` of the configuration.

    :raises click.ClickException: if there is none with an address, or it has a key.
    """
    server = settings.mcp.servers.get(name)
    if server is None:
        names = [each for each, table in settings.mcp.servers.items() if table.url]
        known = f"; there are {', '.join(names)}" if names else ""
        raise click.ClickException(f"there is no table [mcp.servers.{name}]{known}")
    if not server.url:
        raise click.ClickException(
            f"{name} is a program, which gets its credentials in env and has no login"
        )
    if has_own_credential(server):
        raise click.ClickException(
            f"{name} has a key; to log in instead, remove api_key and an Authorization header "
            f"from [mcp.servers.{name}]"
        )
    return Target(
        name,
        server.url,
        tuple((header.lower(), value.reveal()) for header, value in server.headers.items()),
        oauth_client_settings(settings.mcp, server),
        server.oauth.redirect_uri,
        server.start_timeout,
    )


def format_span(seconds: float) -> str:
    """Return a time span as text, in its largest unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:g} {unit}"
    return f"{max(0.0, seconds) // 1:g} s"


class _LoginAttempt:
    """The steps of one login; the browser is used between them."""

    def __init__(
        self, target: Target, earlier: Grant | None, port: int, timeout: float, *, no_browser: bool
    ) -> None:
        self._target = target
        self._earlier = earlier
        self._port = port
        self._timeout = timeout
        self._no_browser = no_browser
        self._login = Login(target.url, target.oauth, earlier, time.time)

    def run(self, more: tuple[str, ...]) -> tuple[Grant, ProbeResult | None]:
        """Return the grant, and what the server responds with it, if it responds.

        :raises LoginError: if the login fails.
        :raises GatewayError: if the server cannot be reached.
        """
        result = self._discover()
        challenge = result.challenge
        for _ in range(_MOST_ROUNDS):
            request, code = self._ask_user(result, more)
            grant, verified = self._redeem(request, code)
            if verified is None or not verified.status:
                return grant, verified
            if verified.status == 401 or verified.challenge is None:
                raise LoginError(f"the server refuses the new login ({verified.status})")
            more = (*more, *verified.challenge.scopes)
            note("antigravity: the server asks for more scopes; log in once more")
        wanted = () if challenge is None else challenge.scopes
        raise LoginError(f"the server still asks for more scopes {' '.join(wanted)}".rstrip())

    def _discover(self) -> ProbeResult:
        target = self._target

        async def work(reactor: Any, transport: Any) -> ProbeResult:
            result = await probe(transport, reactor, target.address, timeout=target.start_timeout)
            requests = build_metadata_client(reactor, target.name, target.url, target.oauth)
            try:
                await self._login.discover(requests, result.challenge)
            except DiscoveryError as error:
                if not result.status:
                    raise LoginError(f"the server requires no login, and {error}") from None
                raise
            finally:
                await requests.close()
            return result

        return run(work)

    def _ask_user(
        self, result: ProbeResult, more: tuple[str, ...]
    ) -> tuple[AuthorizationRequest, str]:
        target, earlier = self._target, self._earlier
        fixed = urlsplit(target.redirect_uri)

        def build(redirect_uri: str) -> AuthorizationRequest:
            async def work(reactor: Any, transport: Any) -> AuthorizationRequest:
                requests = build_metadata_client(reactor, target.name, target.url, target.oauth)
                try:
                    return await self._login.authorize(
                        requests, result.challenge, redirect_uri, more
                    )
                finally:
                    await requests.close()

            return run(work)

        before = "" if earlier is None else earlier.registered.redirect_uri
        host = f"[{fixed.hostname}]" if ":" in (fixed.hostname or "") else fixed.hostname
        return log_in(
            build,
            port=self._port or fixed.port or 0,
            timeout=self._timeout,
            no_browser=self._no_browser,
            path=fixed.path or CALLBACK_PATH,
            host=host or "",
            preferred_port=urlsplit(before).port or 0,
        )

    def _redeem(self, request: AuthorizationRequest, code: str) -> tuple[Grant, ProbeResult | None]:
        """Return the grant for a code, and whether the server accepts it, if it responds."""
        target = self._target

        async def work(reactor: Any, transport: Any) -> tuple[Grant, ProbeResult | None]:
            requests = build_metadata_client(reactor, target.name, target.url, target.oauth)
            try:
                grant = await self._login.redeem(requests, request, code)
            finally:
                await requests.close()
            try:
                verified = await probe(
                    transport,
                    reactor,
                    target.address,
                    token=grant.access.reveal(),
                    timeout=target.start_timeout,
                )
            except McpConnectionError as error:
                note(f"antigravity: the login is not verified: {error.message}")
                return grant, None
            return grant, verified

        return run(work)


def _save(file: GrantFile, grant: Grant) -> None:
    """Write a login, unless another process holds the one before for too long."""

    async def work(reactor: Any, transport: Any) -> None:
        file.path.parent.mkdir(mode=0o700, exist_ok=True)
        lock = FileLock(file.lock_path, reactor)
        if not await lock.acquire(_LOCK_TIMEOUT):
            raise click.ClickException("another process is using the login; try again")
        try:
            file.write(grant)
        finally:
            lock.release()

    run(work)
