"""The way from a protected server to its authorization server (RFC 9728, RFC 8414)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from antigravity.ir.printable import shorten
from antigravity.oauth.addresses import (
    authorization_server_addresses,
    check_address,
    origin_of,
    protected_resource_addresses,
    resource_of,
)
from antigravity.oauth.challenge import Challenge, clean_scopes
from antigravity.oauth.errors import DiscoveryError
from antigravity.oauth.metadata import (
    AuthorizationServer,
    ProtectedResource,
    parse_authorization_server,
    parse_protected_resource,
)
from antigravity.oauth.metadata_client import MetadataClient

_RESOURCE: Final = "metadata of the server"
_SERVER: Final = "metadata of the authorization server"


class Discovered(Struct, frozen=True):
    """A resource and its authorization server.

    ``scopes`` are those that the resource names, ``None`` if it names none.
    """

    resource: str
    server: AuthorizationServer
    scopes: tuple[str, ...] | None = None


async def discover(
    client: MetadataClient, url: str, challenge: Challenge | None, issuer: str = ""
) -> Discovered:
    """Return the authorization server of the server at ``url``.

    :param issuer: the authorization server that the operator has configured, empty for any.
    :raises DiscoveryError: if there is none, or it must not be used.
    """
    resource = await _protected_resource(client, url, challenge)
    if resource is None:
        return await _discover_without_resource(client, url, issuer)
    chosen = _choose(resource.authorization_servers, issuer)
    check_address(chosen, "issuer of the authorization server", client.trusted)
    server = await _authorization_server(client, chosen, (chosen,))
    if server is None:
        raise DiscoveryError(f"the authorization server {chosen} publishes no metadata")
    scopes = resource.scopes_supported
    return Discovered(resource.resource, server, None if scopes is None else clean_scopes(scopes))


async def _protected_resource(
    client: MetadataClient, url: str, challenge: Challenge | None
) -> ProtectedResource | None:
    """Return the metadata of the resource, ``None`` if it publishes none."""
    if challenge is not None and challenge.resource_metadata:
        body = await client.fetch(challenge.resource_metadata, _RESOURCE)
        if body is None:
            raise DiscoveryError("there is no metadata at the address that the server names")
        return parse_protected_resource(body, url)
    for address in protected_resource_addresses(url):
        body = await client.fetch(address, _RESOURCE)
        if body is not None and _is_object(body):
            return parse_protected_resource(body, url)
    return None


async def _discover_without_resource(client: MetadataClient, url: str, issuer: str) -> Discovered:
    """Return the configured authorization server, else the one at the root of the server.

    The latter is the rule of the revision 2025-03-26, which knows no metadata of resources.
    """
    chosen = issuer or origin_of(url)
    issuers = (issuer,) if issuer else (chosen, f"{chosen}/")
    server = await _authorization_server(client, chosen, issuers)
    if server is None:
        raise DiscoveryError(
            "the server publishes no metadata about its login"
            if not issuer
            else f"the authorization server {issuer} publishes no metadata"
        )
    return Discovered(resource_of(url), server)


def _choose(offered: Sequence[str], issuer: str) -> str:
    """Return the authorization server to use.

    :raises DiscoveryError: if there is none, or not the configured one.
    """
    if issuer:
        if offered and issuer.rstrip("/") not in [each.rstrip("/") for each in offered]:
            raise DiscoveryError(
                f"the server no longer uses the configured authorization server {issuer}, but "
                f"{shorten(offered[0])}; if you trust it, change oauth.issuer"
            )
        return issuer
    if not offered:
        raise DiscoveryError("the metadata of the server names no authorization server")
    return offered[0]


async def _authorization_server(
    client: MetadataClient, issuer: str, issuers: Sequence[str]
) -> AuthorizationServer | None:
    for address in authorization_server_addresses(issuer):
        body = await client.fetch(address, _SERVER)
        if body is not None and _is_object(body):
            return parse_authorization_server(body, issuers, client.trusted)
    return None


def _is_object(body: bytes) -> bool:
    """Return whether ``body`` looks like JSON; some servers have a web page at every address."""
    return body.lstrip()[:1] == b"{"
