"""The other MCP servers of the configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from antigravity.app.mcp.logins import oauth_client_settings
from antigravity.config.mcp_checks import has_own_credential
from antigravity.config.mcp_settings import McpServerSettings, McpSettings
from antigravity.config.settings import Settings
from antigravity.mcp.client.federated_server import ServerTimeouts
from antigravity.mcp.client.federation import Server
from antigravity.mcp.client.http_connection import Address
from antigravity.processes.command import Command
from antigravity.processes.guarded import GuardedProcess, OnEnd, OnLine, OnOutput, spawn

#: Variables of the gateway's environment that servers inherit: paths, user and language.
_INHERITED: Final = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LOGNAME",
    "PATH",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TEMP",
    "TERM",
    "TMP",
    "TMPDIR",
    "TZ",
    "USER",
    "APPDATA",
    "HOMEDRIVE",
    "HOMEPATH",
    "LOCALAPPDATA",
    "PATHEXT",
    "PROGRAMFILES",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "USERNAME",
    "USERPROFILE",
)
#: Seconds for the first response of a server on the network.  A program gets more time, because
#: its package runner sometimes installs it first.
_PROBE: Final = 10.0


def build_servers(
    settings: Settings, home: Path, environ: Mapping[str, str] = os.environ
) -> dict[str, Server]:
    """Return the servers to connect to, by name."""
    if not settings.mcp.enabled:
        return {}
    return {
        name: _server(name, server, settings.mcp, home, environ)
        for name, server in settings.mcp.servers.items()
        if server.enabled and (server.url or server.command)
    }


def run(
    reactor: Any, command: Command, on_line: OnLine, on_end: OnEnd, on_output: OnOutput
) -> GuardedProcess:
    """Start a program.

    :raises OSError: if it cannot be started.
    """
    command.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return spawn(reactor, command, on_line, on_end, on_output)


def _server(
    name: str, server: McpServerSettings, mcp: McpSettings, home: Path, environ: Mapping[str, str]
) -> Server:
    timeout = mcp.call_timeout
    tools = tuple(server.tools)
    if server.url:
        limits = ServerTimeouts(server.start_timeout, _PROBE, server.timeout)
        address = Address(name, server.url, _headers(server), timeout)
        oauth = None if has_own_credential(server) else oauth_client_settings(mcp, server)
        return Server(address, limits, tools, oauth=oauth)
    limits = ServerTimeouts(
        server.start_timeout, server.start_timeout / 2 or _PROBE, server.timeout
    )
    secrets = tuple(value.reveal() for value in server.env.values())
    return Server(_command(name, server, home, environ), limits, tools, secrets)


def _headers(server: McpServerSettings) -> tuple[tuple[str, str], ...]:
    found = [(header.lower(), value.reveal()) for header, value in server.headers.items()]
    if server.api_key and not any(header == "authorization" for header, _ in found):
        found.append(("authorization", f"Bearer {server.api_key.reveal()}"))
    return tuple(found)


def _command(
    name: str, server: McpServerSettings, home: Path, environ: Mapping[str, str]
) -> Command:
    environment = {key: environ[key] for key in _INHERITED if key in environ}
    environment |= {key: value.reveal() for key, value in server.env.items()}
    own = Path("state", "mcp", name)
    directory = home.absolute() / (Path(server.directory).expanduser() if server.directory else own)
    executable = Path(server.command).expanduser()
    if os.sep in server.command:  # else it is on the PATH
        executable = directory / executable
    return Command(executable, tuple(server.args), environment, directory)
