"""The authorization code flow with PKCE as a native app, sans-IO (RFC 6749, 7636, 8252, 9207).

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

from msgspec import Struct

from antigravity.oauth.errors import LoginError
from antigravity.oauth.token_requests import clean_error_code

#: The path of the redirect URI at the loopback address.
CALLBACK_PATH: Final = "/oauth2/callback"


class AuthorizationRequest(Struct, frozen=True):
    """One login: the address for the browser, and the values to verify its response.

    ``issuer`` is the authorization server, empty if it is not known; a response that names
    another one is refused, and one that names none if it ``requires_issuer``.
    """

    url: str
    redirect_uri: str
    state: str
    verifier: str
    issuer: str = ""
    requires_issuer: bool = False

    def __repr__(self) -> str:
        return f"<AuthorizationRequest {self.redirect_uri}>"


def build_authorization_request(
    endpoint: str,
    redirect_uri: str,
    parameters: Mapping[str, str],
    *,
    issuer: str = "",
    requires_issuer: bool = False,
) -> AuthorizationRequest:
    """Return a new login, whose URL is for the user's browser.

    ``parameters`` are sent besides those of the flow itself, such as ``client_id``.
    """
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        **parameters,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    mark = "&" if "?" in endpoint else "?"
    url = f"{endpoint}{mark}{urlencode(query)}"
    return AuthorizationRequest(url, redirect_uri, state, verifier, issuer, requires_issuer)


def code_in(query: str, request: AuthorizationRequest) -> str:
    """Return the code in the query of the redirect.

    :raises LoginError: if it belongs to another login or server, or the user refused.
    """
    values = {key: found[-1] for key, found in parse_qs(query, errors="replace").items()}
    if not hmac.compare_digest(values.get("state", "").encode(), request.state.encode()):
        raise LoginError("this response belongs to another login (its state differs); try again")
    _check_issuer(values, request)
    if "error" in values:
        error_code = clean_error_code(values["error"]) or "refused"
        raise LoginError(f"the login was refused ({error_code})", final=True)
    if not values.get("code"):
        raise LoginError("the response has no code; try again")
    return values["code"]


def _check_issuer(values: Mapping[str, str], request: AuthorizationRequest) -> None:
    """Check that the response is of the authorization server that was asked (RFC 9207).

    :raises LoginError: if not; nothing else of the response may be used or shown then.
    """
    issuer = values.get("iss")
    if issuer is None:
        if request.requires_issuer:
            raise LoginError(
                "the response does not name its authorization server (iss), which it always does; "
                "the login was stopped",
                final=True,
            )
    elif request.issuer and issuer != request.issuer:
        raise LoginError(
            "the response comes from another authorization server (its iss differs); the login "
            "was stopped",
            final=True,
        )


def code_in_text(text: str, request: AuthorizationRequest) -> str:
    """Return the code in a pasted text, which is the redirect address or the code.

    A code alone has no state; PKCE proves that it belongs to this login.

    :raises LoginError: if there is no code, or it belongs to another login or server.
    """
    text = text.strip()
    if not text:
        raise LoginError("nothing was pasted")
    if "://" in text or "code=" in text or "error=" in text:
        try:
            query = urlsplit(text).query
        except ValueError:
            raise LoginError("this is not a valid address") from None
        return code_in(query or text.rpartition("?")[2], request)
    if any(letter.isspace() for letter in text):
        raise LoginError("this is neither an address nor a code")
    if request.requires_issuer:
        raise LoginError(
            "paste the whole address: it also names the authorization server, which must be checked"
        )
    return unquote(text)
