"""How the gateway becomes a client of an authorization server.

In this order: a client that the operator has registered, the operator's client id metadata
document, and dynamic registration (RFC 7591).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Struct

from antigravity.config.secret import Secret
from antigravity.interfaces.transport import OutgoingRequest
from antigravity.oauth.errors import LoginError
from antigravity.oauth.metadata import AuthorizationServer
from antigravity.oauth.metadata_client import MetadataClient
from antigravity.oauth.token_requests import TIMEOUTS, AuthMethod, Client, error_code_of
from antigravity.protocols import lenient
from antigravity.version import USER_AGENT

#: Where a client comes from.
ClientSource = Literal["configured", "document", "registered"]

CLIENT_NAME: Final = "antigravity gateway"
GRANT_TYPES: Final = ("authorization_code", "refresh_token")
#: A registration that expires within so many seconds is made anew.
_MIN_LIFE: Final = 3600.0
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]{1,4096}")


class OAuthClientSettings(Struct, frozen=True):
    """What the operator has configured for the logins to one server.

    ``metadata_url`` is the address of a client id metadata document.  ``scopes`` replace those that
    the server names.
    """

    client_id: str = ""
    client_secret: Secret = Secret()
    metadata_url: str = ""
    issuer: str = ""
    scopes: tuple[str, ...] = ()


class RegisteredClient(Struct, frozen=True):
    """A client, its redirect URI, and the time when its secret expires, 0 for never."""

    client: Client
    source: ClientSource
    redirect_uri: str
    expires: float = 0.0


class _Registration(Struct):
    """The response to a registration (RFC 7591, section 3.2.1)."""

    client_id: str
    client_secret: str = ""
    client_secret_expires_at: float = 0.0
    token_endpoint_auth_method: str = ""
    redirect_uris: list[str] | None = None


async def obtain_client(
    requests: MetadataClient,
    server: AuthorizationServer,
    settings: OAuthClientSettings,
    redirect_uri: str,
    earlier: RegisteredClient | None,
    now: float,
) -> RegisteredClient:
    """Return a client of ``server``.

    :param earlier: a client of this server from an earlier login, if there is one.
    :raises LoginError: if there is none and ``server`` registers none.
    """
    if settings.client_id:
        return configured_client(server, settings, redirect_uri)
    if settings.metadata_url and server.client_id_metadata_document_supported:
        return RegisteredClient(Client(settings.metadata_url), "document", redirect_uri)
    if earlier is not None and _is_usable(earlier, redirect_uri, now):
        return earlier
    if server.registration_endpoint:
        return await _register(requests, server, redirect_uri)
    raise LoginError(
        f"the authorization server {server.issuer} registers no clients by itself; register one "
        f"there with the redirect address {redirect_uri}, and set oauth.client_id"
        + (
            ", or publish a client id metadata document and set mcp.client_metadata_url"
            if server.client_id_metadata_document_supported
            else ""
        )
    )


def configured_client(
    server: AuthorizationServer, settings: OAuthClientSettings, redirect_uri: str
) -> RegisteredClient:
    """Return the client that the operator has registered."""
    method = choose_auth_method(server, settings.client_secret)
    client = Client(settings.client_id, settings.client_secret, method)
    return RegisteredClient(client, "configured", redirect_uri)


def choose_auth_method(
    server: AuthorizationServer, secret: Secret, registered: str = ""
) -> AuthMethod:
    """Return how a client with ``secret`` authenticates.

    :param registered: the method that the registration states, if any.
    :raises LoginError: if no method of the server is supported here.
    """
    if not secret or registered == "none":
        return "none"
    offered = server.token_endpoint_auth_methods_supported or ["client_secret_basic"]
    for method in (registered, *offered):  # in the order that the server prefers
        if method == "client_secret_basic":
            return "client_secret_basic"
        if method == "client_secret_post":
            return "client_secret_post"
    if "none" in offered:
        return "none"
    raise LoginError(
        f"the authorization server {server.issuer} requires another way of client authentication "
        f"than {', '.join(get_args(AuthMethod))}"
    )


def _is_usable(client: RegisteredClient, redirect_uri: str, now: float) -> bool:
    if client.source != "registered" or client.redirect_uri != redirect_uri:
        return False
    return not client.expires or client.expires - _MIN_LIFE > now


async def _register(
    requests: MetadataClient, server: AuthorizationServer, redirect_uri: str
) -> RegisteredClient:
    body = msgspec.json.encode(_client_metadata(server, redirect_uri))
    headers = (
        ("user-agent", USER_AGENT),
        ("accept", "application/json"),
        ("content-type", "application/json"),
    )
    request = OutgoingRequest("POST", server.registration_endpoint, headers, body, TIMEOUTS)
    status, response = await requests.send(request)
    if status not in (200, 201):
        reason = f"{status} {error_code_of(response)}".rstrip()
        raise LoginError(
            f"the authorization server {server.issuer} does not register the gateway ({reason}) "
            f"with the redirect address {redirect_uri}; register a client there yourself, and set "
            "oauth.client_id and oauth.redirect_uri"
        )
    try:
        found: _Registration = lenient.decode(response, _Registration, strict=False)
    except msgspec.DecodeError:
        raise LoginError("the authorization server sent a malformed registration") from None
    if not _PRINTABLE.fullmatch(found.client_id) or (
        found.client_secret and not _PRINTABLE.fullmatch(found.client_secret)
    ):
        raise LoginError("the authorization server sent a malformed registration")
    if found.redirect_uris and redirect_uri not in found.redirect_uris:
        raise LoginError(
            f"the authorization server {server.issuer} registered another redirect address than "
            f"{redirect_uri}; set oauth.redirect_uri to one that it accepts"
        )
    secret = Secret(found.client_secret)
    method = choose_auth_method(server, secret, found.token_endpoint_auth_method)
    client = Client(found.client_id, secret, method)
    expires = found.client_secret_expires_at
    # JSON, in which the client is stored, has no other numbers.
    expires = expires if isfinite(expires) else 0.0
    return RegisteredClient(client, "registered", redirect_uri, expires)


def _client_metadata(server: AuthorizationServer, redirect_uri: str) -> Mapping[str, Any]:
    """Return the metadata to register: of a native app, without a secret if that is possible."""
    offered = server.token_endpoint_auth_methods_supported or ["none"]
    known = [each for each in offered if each in get_args(AuthMethod)]
    method = "none" if "none" in known or not known else known[0]
    return {
        "client_name": CLIENT_NAME,
        "redirect_uris": [redirect_uri],
        "grant_types": list(GRANT_TYPES),
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
        "application_type": "native",
    }
