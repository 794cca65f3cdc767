"""Get a grant for a code, renew it and revoke it: the requests, and the grants they lead to."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from antigravity.config.secret import Secret
from antigravity.ir.errors import OverloadedError, UpstreamError
from antigravity.oauth.authorization_code import AuthorizationRequest
from antigravity.oauth.discovery import Discovered
from antigravity.oauth.errors import LoginError, LoginLostError
from antigravity.oauth.grants import Grant
from antigravity.oauth.metadata_client import MetadataClient
from antigravity.oauth.registration import OAuthClientSettings, RegisteredClient
from antigravity.oauth.token_requests import (
    Client,
    Tokens,
    build_form_request,
    error_code_of,
    parse_tokens,
)

#: Error codes after which the refresh token is of no use any more.
_LOST = {
    "invalid_grant": "its login was revoked or has expired",
    "invalid_client": "its authorization server no longer knows the client of the login",
    "unauthorized_client": "its authorization server no longer accepts the client of the login",
}


async def redeem(
    requests: MetadataClient,
    url: str,
    discovered: Discovered,
    registered: RegisteredClient,
    request: AuthorizationRequest,
    code: str,
    scopes: tuple[str, ...],
    now: float,
) -> Grant:
    """Return the grant for a code.

    :raises LoginError: if the code is not accepted.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": request.redirect_uri,
        "code_verifier": request.verifier,
        "resource": discovered.resource,
    }
    server = discovered.server
    status, body = await requests.send(
        build_form_request(server.token_endpoint, registered.client, form)
    )
    if status != 200:
        raise LoginError(_redeem_error(status, error_code_of(body)))
    grant = Grant(
        url=url,
        resource=discovered.resource,
        issuer=server.issuer,
        token_endpoint=server.token_endpoint,
        revocation_endpoint=server.revocation_endpoint,
        registered=_without_configured_secret(registered),
        access=Secret(),
        scopes=scopes,
    )
    return _with_tokens(grant, parse_tokens(body), now)


async def renew(
    requests: MetadataClient, grant: Grant, settings: OAuthClientSettings, now: float
) -> Grant:
    """Return ``grant`` with new tokens; the refresh token can be a new one, too.

    :raises LoginLostError: if only a new login helps.
    :raises GatewayError: if the authorization server is not available.
    """
    form = {
        "grant_type": "refresh_token",
        "refresh_token": grant.refresh.reveal(),
        "resource": grant.resource,
    }
    request = build_form_request(grant.token_endpoint, _client_of(grant, settings), form)
    status, body = await requests.exchange(request)
    code = error_code_of(body)
    if status == 429 or status >= 500:
        raise OverloadedError(f"the authorization server is overloaded ({status})")
    if status != 200:
        if code in _LOST:
            raise LoginLostError(_LOST[code], code=code)
        raise UpstreamError(
            f"the authorization server sent no token ({f'{status} {code}'.rstrip()})"
        )
    try:
        return _with_tokens(grant, parse_tokens(body), now)
    except LoginError as error:
        raise UpstreamError(str(error)) from None


async def revoke(
    requests: MetadataClient, grant: Grant, settings: OAuthClientSettings
) -> bool | None:
    """Revoke the tokens (RFC 7009); return whether that worked, ``None`` if it is not offered."""
    if not grant.revocation_endpoint or not (grant.refresh or grant.access):
        return None
    is_refresh = bool(grant.refresh)
    token = grant.refresh if is_refresh else grant.access
    form = {
        "token": token.reveal(),
        "token_type_hint": "refresh_token" if is_refresh else "access_token",
    }
    try:
        client = _client_of(grant, settings)
        status, _ = await requests.send(build_form_request(grant.revocation_endpoint, client, form))
    except (LoginError, LoginLostError):
        return False
    return status == 200


def _client_of(grant: Grant, settings: OAuthClientSettings) -> Client:
    """Return the client of a login, with its secret.

    :raises LoginLostError: if the operator has configured another client since.
    """
    client = grant.registered.client
    if grant.registered.source != "configured":
        return client
    if client.id != settings.client_id:
        raise LoginLostError("its login was made with another client than oauth.client_id")
    return replace(client, secret=settings.client_secret)


def _without_configured_secret(registered: RegisteredClient) -> RegisteredClient:
    """Return a client without the secret that is in the configuration already."""
    if registered.source != "configured":
        return registered
    return replace(registered, client=replace(registered.client, secret=Secret()))


def _with_tokens(grant: Grant, tokens: Tokens, now: float) -> Grant:
    changes: dict[str, Any] = {
        "access": tokens.access,
        "issued_at": now,
        "expires_at": None if tokens.lifetime is None else now + tokens.lifetime,
        "lost": "",
    }
    if tokens.refresh:
        changes["refresh"] = tokens.refresh
    return replace(grant, **changes)


def _redeem_error(status: int, code: str) -> str:
    """Return what a refused code means, with its remedy."""
    if code == "invalid_grant":
        return "the code is invalid, was used before or has expired; log in again"
    if code in ("invalid_client", "unauthorized_client"):
        return (
            f"the authorization server refuses the client ({code}); check oauth.client_id and "
            "oauth.client_secret"
        )
    if code == "invalid_target":
        return "the authorization server issues no tokens for this server (invalid_target)"
    return f"the authorization server sent no token ({f'{status} {code}'.rstrip()})"
