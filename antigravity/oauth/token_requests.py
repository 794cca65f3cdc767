"""Requests to token and revocation endpoints, and their responses, sans-IO.

The sources are RFC 6749 (2.3, 5.1, 5.2, 6), RFC 7009 and RFC 8707.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from antigravity.config.secret import Secret
from antigravity.interfaces.transport import OutgoingRequest, Timeouts
from antigravity.oauth.errors import LoginError
from antigravity.protocols import lenient
from antigravity.version import USER_AGENT

#: How a client proves its identity at the token endpoint.
AuthMethod = Literal["none", "client_secret_basic", "client_secret_post"]

TIMEOUTS: Final = Timeouts(connect=10.0, first_byte=20.0, idle=20.0, total=30.0)
#: The longest life of a token in seconds that is believed.
_MAX_LIFETIME: Final = 10 * 365 * 86400.0
#: The characters of a token that can be sent in a header, and the longest one.
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")
_ERROR_CODE: Final = re.compile(r"[0-9A-Za-z_]{1,64}")


class Client(Struct, frozen=True):
    """A client as an authorization server knows it."""

    id: str
    secret: Secret = Secret()
    auth_method: AuthMethod = "none"


class Tokens(Struct, frozen=True):
    """Tokens as an authorization server issues them.

    ``lifetime`` is that of the access token in seconds, ``None`` if it is not known.  ``scope`` is
    ``None`` if the granted scopes are those that were requested.
    """

    access: Secret
    refresh: Secret = Secret()
    lifetime: float | None = None
    scope: str | None = None


class _TokenResponse(Struct):
    """A successful response of the token endpoint (RFC 6749, section 5.1)."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - not a secret
    expires_in: float | None = None
    refresh_token: str = ""
    scope: str | None = None


def build_form_request(url: str, client: Client, form: Mapping[str, str]) -> OutgoingRequest:
    """Return a request of ``client`` with ``form`` as its body."""
    fields = dict(form)
    headers = [
        ("user-agent", USER_AGENT),
        ("accept", "application/json"),
        ("content-type", "application/x-www-form-urlencoded"),
    ]
    secret = client.secret.reveal()
    # It also identifies clients that authenticate by the header; some servers require it there.
    fields["client_id"] = client.id
    if client.auth_method == "client_secret_basic":
        # "%20" is a space for those that decode a form, and for those that decode an address.
        pair = f"{quote(client.id, safe='')}:{quote(secret, safe='')}"
        headers.append(("authorization", f"Basic {b64encode(pair.encode()).decode()}"))
    elif client.auth_method == "client_secret_post":
        fields["client_secret"] = secret
    return OutgoingRequest("POST", url, tuple(headers), urlencode(fields).encode(), TIMEOUTS)


def parse_tokens(body: bytes) -> Tokens:
    """Return the tokens in a successful response.

    :raises LoginError: if there is no bearer token that can be used.
    """
    try:
        found: _TokenResponse = lenient.decode(body, _TokenResponse, strict=False)
    except msgspec.DecodeError:
        raise LoginError("the authorization server sent a malformed response") from None
    if found.token_type.lower() != "bearer":
        raise LoginError("the authorization server sent a token that is not a bearer token")
    for token in filter(None, (found.access_token, found.refresh_token)):
        if not _TOKEN.fullmatch(token):
            raise LoginError("the authorization server sent a token that cannot be sent")
    if not found.access_token:
        raise LoginError("the authorization server sent an empty token")
    lifetime = found.expires_in
    if lifetime is not None:
        lifetime = min(lifetime, _MAX_LIFETIME) if lifetime > 0 else None
    return Tokens(Secret(found.access_token), Secret(found.refresh_token), lifetime, found.scope)


def error_code_of(body: bytes) -> str:
    """Return the error code in ``body``, empty if there is none."""
    try:
        response: Mapping[str, Any] = lenient.decode(body, dict[str, Any])
    except msgspec.DecodeError:
        return ""
    return clean_error_code(response.get("error"))


def clean_error_code(code: object) -> str:
    """Return ``code`` if it can be an error code that a message may repeat, else ``""``."""
    return code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""
