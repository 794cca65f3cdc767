"""The login with OAuth: authorization code with PKCE (RFC 6749, 7636, 8252), as a native app.

The code arrives at a loopback port or is pasted; in both cases it is valid only with the
verifier, which does not leave this process before the code is redeemed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import msgspec
from msgspec import Struct

from antigravity.config.settings import OAuthSettings
from antigravity.interfaces.transport import IHttpTransport, OutgoingRequest, Timeouts
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.protocols import lenient
from antigravity.upstreams.codeassist.oauth import error_code_of
from antigravity.upstreams.metadata import fetch_first
from antigravity.version import USER_AGENT

#: The path of the redirect URI at the loopback address.
CALLBACK_PATH: Final = "/oauth2/callback"

_TIMEOUTS: Final = Timeouts(connect=10.0, first_byte=20.0, idle=20.0, total=30.0)


class ConsentError(Exception):
    """The login failed; the text names the reason and what to do.

    ``final`` says that the user has refused, so that no further response is expected.
    """

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class Consent(Struct, frozen=True):
    """One login: the address for the browser, and the values to verify its response."""

    url: str
    redirect_uri: str
    state: str
    verifier: str

    def __repr__(self) -> str:
        return f"<Consent {self.redirect_uri}>"


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


def start_login(settings: OAuthSettings, redirect_uri: str) -> Consent:
    """Return a new login, whose URL is for the user's browser."""
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        "client_id": settings.client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": " ".join(settings.scopes),
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        # Without both, Google gives a refresh token only the first time.
        "access_type": "offline",
        "prompt": "consent",
    }
    mark = "&" if "?" in settings.auth_url else "?"
    url = f"{settings.auth_url}{mark}{urlencode(query)}"
    return Consent(url, redirect_uri, state, verifier)


def code_in(query: str, consent: Consent) -> str:
    """Return the code in the query of the redirect.

    :raises ConsentError: if it belongs to another login, or the user refused.
    """
    values = {key: found[-1] for key, found in parse_qs(query, errors="replace").items()}
    if not hmac.compare_digest(values.get("state", "").encode(), consent.state.encode()):
        raise ConsentError("this response belongs to another login (its state differs); try again")
    if "error" in values:
        error_code = values["error"] if values["error"].replace("_", "").isalnum() else "refused"
        raise ConsentError(f"the login was refused ({error_code})", final=True)
    if not values.get("code"):
        raise ConsentError("the response has no code; try again")
    return values["code"]


def code_in_text(text: str, consent: Consent) -> str:
    """Return the code in a pasted text, which is the redirect address or the code.

    A code alone has no state; PKCE proves that it belongs to this login.

    :raises ConsentError: if there is no code, or it belongs to another login.
    """
    text = text.strip()
    if not text:
        raise ConsentError("nothing was pasted")
    if "://" in text or "code=" in text or "error=" in text:
        try:
            query = urlsplit(text).query
        except ValueError:
            raise ConsentError("this is not a valid address") from None
        return code_in(query or text.rpartition("?")[2], consent)
    if any(letter.isspace() for letter in text):
        raise ConsentError("this is neither an address nor a code")
    return unquote(text)


async def redeem(
    transport: IHttpTransport,
    settings: OAuthSettings,
    consent: Consent,
    code: str,
    proxy: str | None = None,
) -> Grant:
    """Exchange the code for tokens, and return them with the user's e-mail address, if available.

    :raises ConsentError: if the code is not accepted.
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
        raise ConsentError("the OAuth server sent a malformed response") from None
    except GatewayError as error:
        raise ConsentError(error.message) from None
    if not tokens.refresh_token:
        raise ConsentError(
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
