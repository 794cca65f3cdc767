"""The login with Google's OAuth server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from antigravity.config.settings import OAuthSettings
from antigravity.interfaces.transport import IHttpTransport, OutgoingRequest, Timeouts
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.oauth.authorization_code import AuthorizationRequest, build_authorization_request
from antigravity.oauth.errors import LoginError
from antigravity.oauth.token_requests import error_code_of
from antigravity.protocols import lenient
from antigravity.upstreams.metadata import fetch_first
from antigravity.version import USER_AGENT

_TIMEOUTS: Final = Timeouts(connect=10.0, first_byte=20.0, idle=20.0, total=30.0)


class Grant(Struct, frozen=True):
    """The result of a login."""

    refresh_token: str
    email: str = ""

    def __repr__(self) -> str:
        return "<Grant>"


class _Tokens(Struct):
    access_token: str
    refresh_token: str = ""


class _UserInfo(Struct):
    email: str = ""


def start_login(settings: OAuthSettings, redirect_uri: str) -> AuthorizationRequest:
    """Return a new login, whose URL is for the user's browser."""
    parameters = {
        "client_id": settings.client_id,
        "scope": " ".join(settings.scopes),
        # Without both, Google gives a refresh token only the first time.
        "access_type": "offline",
        "prompt": "consent",
    }
    return build_authorization_request(settings.auth_url, redirect_uri, parameters)


async def redeem(
    transport: IHttpTransport,
    settings: OAuthSettings,
    consent: AuthorizationRequest,
    code: str,
    proxy: str | None = None,
) -> Grant:
    """Exchange the code for tokens, and return them with the user's e-mail address, if available.

    :raises LoginError: if the code is not accepted.
    """
    form = {
        "grant_type": "authorization_code",
        "client_id": settings.client_id,
        "client_secret": settings.client_secret.reveal(),
        "code": code,
        "redirect_uri": consent.redirect_uri,
        "code_verifier": consent.verifier,
    }
    request = OutgoingRequest(
        "POST",
        settings.token_url,
        (*_HEADERS, ("content-type", "application/x-www-form-urlencoded")),
        urlencode(form).encode(),
        _TIMEOUTS,
        proxy,
    )
    try:
        body = await fetch_first(transport, [request], _token_error, lambda error: False)
        tokens = lenient.decode(body, _Tokens, strict=False)
    except msgspec.DecodeError:
        raise LoginError("the OAuth server sent a malformed response") from None
    except GatewayError as error:
        raise LoginError(error.message) from None
    if not tokens.refresh_token:
        raise LoginError(
            "the OAuth server sent no refresh token; remove the access of this client at "
            "https://myaccount.google.com/connections and log in again"
        )
    return Grant(
        tokens.refresh_token, await _email(transport, settings, tokens.access_token, proxy)
    )


_HEADERS: Final = (("user-agent", USER_AGENT), ("accept", "application/json"))


async def _email(
    transport: IHttpTransport, settings: OAuthSettings, token: str, proxy: str | None
) -> str:
    """Return the e-mail address of the user, empty if the scopes do not permit it."""
    if not settings.userinfo_url:
        return ""
    headers = (*_HEADERS, ("authorization", f"Bearer {token}"))
    request = OutgoingRequest("GET", settings.userinfo_url, headers, b"", _TIMEOUTS, proxy)
    try:
        body = await fetch_first(transport, [request], _userinfo_error, lambda error: False)
        user: _UserInfo = lenient.decode(body, _UserInfo)
        return user.email
    except (GatewayError, msgspec.DecodeError):
        return ""


def _userinfo_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    return UpstreamError("the e-mail address is not available", upstream_status=status)


def _token_error(status: int, headers: Mapping[str, str], body: bytes) -> GatewayError:
    """Return the error in the response of the token endpoint, with its remedy."""
    error_code = error_code_of(body)
    if error_code == "invalid_grant":
        message = "the code is invalid, was used before or has expired; log in again"
    elif error_code in ("invalid_client", "unauthorized_client"):
        message = (
            f"the OAuth server refuses the client ({error_code}); check client_id and client_secret"
        )
    elif error_code == "redirect_uri_mismatch":
        message = (
            "the OAuth server refuses the redirect address; the client must be of the "
            "type 'Desktop app'"
        )
    else:
        message = f"the OAuth server sent no token ({f'{status} {error_code}'.rstrip()})"
    return UpstreamError(message, code=error_code or None, upstream_status=status)
