"""The logins to other MCP servers, for the gateway and for the commands."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any, Final

from antigravity.config.mcp_settings import McpServerSettings, McpSettings
from antigravity.deferreds import call_in_thread
from antigravity.mcp.client.server_login import ServerLogin
from antigravity.oauth.access_tokens import AccessTokens
from antigravity.oauth.addresses import host_and_port_of, origin_of
from antigravity.oauth.grants import GrantFile
from antigravity.oauth.metadata_client import MAX_BODY, MetadataClient
from antigravity.oauth.registration import OAuthClientSettings
from antigravity.transport.client import HttpTransport
from antigravity.transport.endpoints import caching_policy
from antigravity.transport.guarded_endpoints import GuardedEndpoints

#: Bytes that a connection may receive besides twice the largest body: headers, chunks, TLS.
_OVERHEAD: Final = 256 * 1024


def oauth_client_settings(mcp: McpSettings, server: McpServerSettings) -> OAuthClientSettings:
    """Return the settings for logins to ``server``."""
    oauth = server.oauth
    return OAuthClientSettings(
        client_id=oauth.client_id,
        client_secret=oauth.client_secret,
        metadata_url=mcp.client_metadata_url,
        issuer=oauth.issuer,
        scopes=tuple(oauth.scopes),
    )


def build_metadata_client(
    reactor: Any, name: str, url: str, settings: OAuthClientSettings
) -> MetadataClient:
    """Return a client for the authorization server of the server ``name``.

    The metadata of a server names the addresses to send requests to, so only those that are on
    the public Internet are reached, and the two that are configured.
    """
    configured = [address for address in (url, settings.issuer) if address]
    guard = GuardedEndpoints(
        reactor,
        caching_policy(None),
        frozenset(map(host_and_port_of, configured)),
        2 * MAX_BODY + _OVERHEAD,
        f"mcp.servers.{name}.oauth.issuer",
    )
    transport = HttpTransport(reactor, endpoints=guard, persistent=False)
    return MetadataClient(transport, map(origin_of, configured))


def open_login(
    reactor: Any, home: Path, name: str, url: str, settings: OAuthClientSettings
) -> ServerLogin:
    """Return the login to the server ``name`` at ``url``."""
    tokens = AccessTokens(
        url,
        GrantFile(home, name),
        build_metadata_client(reactor, name, url, settings),
        settings,
        reactor,
        time.time,
        partial(call_in_thread, reactor),
    )
    return ServerLogin(name, tokens, reactor, time.time)
