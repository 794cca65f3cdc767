"""The metadata of protected resources and authorization servers, sans-IO (RFC 9728, RFC 8414)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from antigravity.oauth.addresses import check_address, covers
from antigravity.oauth.errors import DiscoveryError
from antigravity.protocols import lenient

T = TypeVar("T")

#: The authorization servers of a resource that are looked at.
_MOST_SERVERS: Final = 20


class ProtectedResource(Struct, frozen=True):
    """The metadata of a protected resource (RFC 9728, section 2)."""

    resource: str
    authorization_servers: list[str] = []
    scopes_supported: list[str] | None = None
    bearer_methods_supported: list[str] | None = None


class AuthorizationServer(Struct, frozen=True):
    """The metadata of an authorization server (RFC 8414, section 2)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    registration_endpoint: str = ""
    revocation_endpoint: str = ""
    scopes_supported: list[str] | None = None
    response_types_supported: list[str] | None = None
    grant_types_supported: list[str] | None = None
    code_challenge_methods_supported: list[str] | None = None
    token_endpoint_auth_methods_supported: list[str] | None = None
    client_id_metadata_document_supported: bool = False
    authorization_response_iss_parameter_supported: bool = False


def parse_protected_resource(body: bytes, url: str) -> ProtectedResource:
    """Return the metadata of the server at ``url``.

    :raises DiscoveryError: if it is malformed, or that of another resource.
    """
    found: ProtectedResource = _decode(body, ProtectedResource, "metadata of the server")
    if not covers(found.resource, url):
        raise DiscoveryError(
            "the metadata of the server is that of another resource, so its login is not used"
        )
    methods = found.bearer_methods_supported
    if methods is not None and methods and "header" not in methods:
        raise DiscoveryError("the server takes no tokens in the Authorization header")
    return msgspec.structs.replace(
        found, authorization_servers=found.authorization_servers[:_MOST_SERVERS]
    )


def parse_authorization_server(
    body: bytes, issuers: Collection[str], trusted: Collection[str]
) -> AuthorizationServer:
    """Return the metadata of the authorization server with one of ``issuers``.

    ``trusted`` are the origins that need no https.

    :raises DiscoveryError: if it is malformed, of another server, or does not support PKCE.
    """
    found: AuthorizationServer = _decode(
        body, AuthorizationServer, "metadata of the authorization server"
    )
    if found.issuer not in issuers:
        is_near = found.issuer.rstrip("/") in [each.rstrip("/") for each in issuers]
        remedy = f"; if you trust it, set oauth.issuer to {found.issuer}" if is_near else ""
        raise DiscoveryError(
            f"the metadata of the authorization server {min(issuers)} names another issuer, so it "
            f"is not used{remedy}"
        )
    for what in ("authorization_endpoint", "token_endpoint"):
        check_address(getattr(found, what), what, trusted)
    for what in ("registration_endpoint", "revocation_endpoint"):
        if address := getattr(found, what):
            check_address(address, what, trusted)
    methods = found.code_challenge_methods_supported
    if "S256" not in (methods or ()):
        raise DiscoveryError(
            f"the authorization server {found.issuer} does not support PKCE with S256, without "
            "which a login is not safe"
        )
    if "code" not in (found.response_types_supported or ("code",)):
        raise DiscoveryError(
            f"the authorization server {found.issuer} does not support authorization codes"
        )
    return found


def _decode(body: bytes, kind: type[T], what: str) -> T:
    try:
        found: Any = lenient.decode(body, kind)
    except msgspec.DecodeError:
        raise DiscoveryError(f"the {what} is malformed") from None
    result: T = found
    return result
