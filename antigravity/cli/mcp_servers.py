"""``antigravity mcp list`` and ``logout``: the other MCP servers and the logins to them."""

from __future__ import annotations

import time
from typing import Any, Final

import click

from antigravity.app.mcp.logins import build_metadata_client, oauth_client_settings
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options
from antigravity.cli.mcp_login import format_span
from antigravity.cli.reactor import run
from antigravity.cli.terminal import table
from antigravity.config.mcp_checks import has_own_credential
from antigravity.config.mcp_settings import McpServerSettings, McpSettings
from antigravity.config.settings import Settings
from antigravity.oauth.file_lock import FileLock
from antigravity.oauth.grant_requests import revoke
from antigravity.oauth.grants import Grant, GrantFile, find_problem, stored_names
from antigravity.oauth.registration import OAuthClientSettings

#: Seconds to wait for a gateway that is renewing the login.
_LOCK_TIMEOUT: Final = 45.0


@click.command("list", cls=Command)
@command_options
def list_servers(invocation: Invocation) -> None:
    """List the other MCP servers with their logins."""
    mcp = invocation.configuration().settings.mcp
    servers = [
        view_server(name, server, mcp, GrantFile(invocation.home, name).read())
        for name, server in mcp.servers.items()
    ]
    others = [name for name in stored_names(invocation.home) if name not in mcp.servers]
    rows = [(each["name"], each["address"], _describe(each)) for each in servers]
    rows += [(name, "-", "login without a server; remove it with logout") for name in others]
    data = {"servers": servers, "unused_logins": others}
    empty = "There are no other MCP servers; see [mcp.servers.NAME] in the configuration."
    invocation.show(data, table(("NAME", "ADDRESS", "LOGIN"), rows) if rows else empty)


@click.command(cls=Command)
@click.argument("name")
@command_options
def logout(invocation: Invocation, name: str) -> None:
    """Revoke and remove the login to the MCP server NAME.

    If NAME is not in the configuration any more, its login is removed all the same.
    """
    settings = invocation.configuration().settings
    if name not in settings.mcp.servers and name not in stored_names(invocation.home):
        raise click.ClickException(f"there is no table [mcp.servers.{name}] and no login")
    file = GrantFile(invocation.home, name)
    if not file.path.exists():
        raise click.ClickException(f"there is no login to {name}")
    oauth = _oauth(settings, name)

    async def work(reactor: Any, transport: Any) -> tuple[Grant | None, bool | None]:
        lock = FileLock(file.lock_path, reactor)
        if not await lock.acquire(_LOCK_TIMEOUT):
            raise click.ClickException("another process is using the login; try again")
        try:
            grant = file.read()
            file.remove()
        finally:
            lock.release()
        if grant is None:
            return None, None
        requests = build_metadata_client(reactor, name, grant.url, oauth)
        try:
            return grant, await revoke(requests, grant, oauth)
        finally:
            await requests.close()

    grant, revoked = run(work)
    text = f"Removed the login to {name}"
    if grant is None:
        text += "; its file was not readable."
    elif revoked:
        text += f"; {grant.issuer} has revoked it."
    else:
        why = "cannot revoke it" if revoked is None else "did not revoke it"
        text += f". {grant.issuer} {why}: remove the access of the client there, too."
    invocation.show({"removed": name, "revoked": bool(revoked)}, text)


def _oauth(settings: Settings, name: str) -> OAuthClientSettings:
    server = settings.mcp.servers.get(name)
    return OAuthClientSettings() if server is None else oauth_client_settings(settings.mcp, server)


def view_server(
    name: str, server: McpServerSettings, mcp: McpSettings, grant: Grant | None
) -> dict[str, Any]:
    """Return a server and its login as JSON, without secrets."""
    found: dict[str, Any] = {
        "name": name,
        "address": server.url or server.command,
        "enabled": server.enabled,
        "login": "none",
    }
    if not server.url:
        return {**found, "login": "program"}
    if has_own_credential(server):
        return {**found, "login": "key"}
    if grant is None:
        return found
    now = time.time()
    problem = find_problem(grant, server.url, oauth_client_settings(mcp, server), now)
    return {
        **found,
        "login": "needed" if problem else "active",
        "problem": problem,
        "issuer": grant.issuer,
        "scopes": list(grant.scopes),
        "missing_scopes": [each for each in grant.wanted if each not in grant.scopes],
        "expires_in": None if grant.expires_at is None else grant.expires_at - now,
        "renews": bool(grant.refresh),
    }


def _describe(server: dict[str, Any]) -> str:
    """Return the state of a login for a table."""
    state = str(server["login"])
    if state in ("program", "key"):
        return "-" if state == "program" else "has a key"
    return describe_login({**server, "state": state}, server["name"])


def describe_login(login: dict[str, Any], name: str) -> str:
    """Return the state of the login to the server ``name`` for a table."""
    state = login["state"]
    if state == "none":
        return "none"
    if state == "needed":
        why = f" ({login['problem']})" if login.get("problem") else ""
        return f"needs login{why}: run 'antigravity mcp login {name}'"
    expires_in = login["expires_in"]
    if expires_in is None:
        text = "logged in"
    elif login["renews"]:
        text = f"logged in, renews in {format_span(expires_in)}"
    else:
        text = f"expires in {format_span(expires_in)}"
    if login["missing_scopes"]:
        text += f"; lacks {' '.join(login['missing_scopes'])}"
    return text
