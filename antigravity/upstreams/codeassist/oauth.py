"""Access tokens from refresh tokens, with the operator's own OAuth client."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred, succeed

from antigravity.config.settings import OAuthSettings
from antigravity.interfaces.transport import OutgoingRequest, Timeouts
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import (
    GatewayError,
    OverloadedError,
    UnavailableError,
    UpstreamCredentialError,
    UpstreamError,
)
from antigravity.oauth.token_requests import error_code_of
from antigravity.protocols import lenient
from antigravity.upstreams.codeassist.shared_tokens import SharedToken, SharedTokens
from antigravity.upstreams.codeassist.single_flight import SingleFlight
from antigravity.upstreams.metadata import fetch_first
from antigravity.upstreams.services import UpstreamServices
from antigravity.version import USER_AGENT

#: A token is renewed this many seconds before it expires.
RENEW_BEFORE: Final = 300.0

#: A token younger than this was not the refused one, since responses to requests with the earlier
#: token may still arrive.
MIN_AGE: Final = 30.0

#: Seconds for which a token is not renewed if it was refused although it is new.
RENEWAL_PAUSE: Final = 600.0

#: The maximum life of a token in seconds, whatever the server reports.
MAX_LIFETIME: Final = 86400.0

_TIMEOUTS: Final = Timeouts(connect=10.0, first_byte=20.0, idle=20.0, total=30.0)


class _TokenResponse(Struct):
    """A successful response of the token endpoint (RFC 6749, section 5.1)."""

    access_token: str
    expires_in: float = 3600.0


class _Token(Struct, frozen=True):
    """An access token, its refresh token, and its times on the clock.

    ``doubtful`` says that it replaced a refused token and has not been accepted yet.
    """

    access: str
    refresh: str
    made: float
    expires: float
    doubtful: bool = False

    def __repr__(self) -> str:
        return "<_Token>"


class AccessTokens:
    """The access tokens of all credentials of one upstream."""

    def __init__(
        self, settings: OAuthSettings, services: UpstreamServices, proxy: str | None
    ) -> None:
        self._settings = settings
        self._services = services
        self._clock = services.clock
        self._proxy = proxy
        self._tokens: dict[str, _Token] = {}
        #: Accounts whose last token was refused.
        self._doubtful: set[str] = set()
        #: The last refused token of each account, which another gateway may still share.
        self._refused: dict[str, str] = {}
        self._refreshing: SingleFlight[str] = SingleFlight()

    def token(self, credential: Credential) -> Deferred[str]:
        """Return a Deferred that fires with a token that does not expire soon.

        It fails with ``UpstreamCredentialError`` for a refresh token that is of no use any
        more, and with ``UnavailableError`` if no OAuth client is configured.
        """
        access = self.current(credential)
        if access is not None:
            return succeed(access)
        return self._refreshing.join(
            credential.id, lambda: Deferred.fromCoroutine(self._refresh(credential))
        )

    def current(self, credential: Credential) -> str | None:
        """Return a token that does not expire soon, ``None`` if there is none yet."""
        token = self._tokens.get(credential.id)
        if token is None:
            return None
        if token.refresh != credential.secret:
            del self._tokens[credential.id]
            return None
        return token.access if token.expires - RENEW_BEFORE > self._clock.seconds() else None

    def refused(self, credential: Credential) -> None:
        """Drop the token of ``credential``, unless it is newer than the refused one."""
        token = self._tokens.get(credential.id)
        least = RENEWAL_PAUSE if token is not None and token.doubtful else MIN_AGE
        if token is not None and self._clock.seconds() - token.made >= least:
            self._refused[credential.id] = token.access
            del self._tokens[credential.id]

    def renews(self, credential: Credential, access: str) -> bool:
        """Drop the token ``access``, which got a 401; return whether another one may work.

        A newer token stays.  A token that replaced a refused one and was never accepted stays for
        :data:`RENEWAL_PAUSE` seconds, since the account is at fault.
        """
        token = self._tokens.get(credential.id)
        if token is None or token.access != access:
            return True
        if token.doubtful and self._clock.seconds() - token.made < RENEWAL_PAUSE:
            return False
        self._doubtful.add(credential.id)
        self._refused[credential.id] = access
        del self._tokens[credential.id]
        return True

    def accepted(self, credential: Credential) -> None:
        """Record that a token works, even if it replaced a refused one."""
        token = self._tokens.get(credential.id)
        if token is not None and token.doubtful:
            self._tokens[credential.id] = replace(token, doubtful=False)

    async def _refresh(self, credential: Credential) -> str:
        """Return a token that another gateway has got, or a new one."""
        state = self._services.state
        if state is None or not state.is_shared:
            return await self._fetch(credential)
        shared = SharedTokens(state, self._clock, credential.secret, self._settings.client_id)
        refused = self._refused.get(credential.id)

        def is_usable(token: SharedToken) -> bool:
            is_lasting = token.expires - RENEW_BEFORE > self._clock.seconds()
            return is_lasting and token.access != refused

        try:
            found = await shared.find_or_lease(is_usable)
            if found is not None:
                self._keep(credential, found.access, found.made, found.expires)
                return found.access
            began = self._clock.seconds()
            access = await self._fetch(credential)
            token = self._tokens.get(credential.id)
            if token is not None and token.made >= began:
                ttl = token.expires - self._clock.seconds() - RENEW_BEFORE
                await shared.store(SharedToken(access, token.made, token.expires), ttl)
            return access
        finally:
            shared.release()

    def _keep(self, credential: Credential, access: str, made: float, expires: float) -> None:
        doubtful = credential.id in self._doubtful
        self._doubtful.discard(credential.id)
        self._refused.pop(credential.id, None)
        self._tokens[credential.id] = _Token(access, credential.secret, made, expires, doubtful)

    async def _fetch(self, credential: Credential) -> str:
        request = self._request(credential)
        try:
            body = await fetch_first(
                self._services.transport,
                [request],
                lambda status, headers, body: self._error(credential, status, body),
                lambda error: False,
            )
            response: _TokenResponse = lenient.decode(body, _TokenResponse, strict=False)
        except msgspec.DecodeError:
            return self._last_resort(
                credential, UpstreamError("the OAuth server sent a malformed response")
            )
        except UpstreamCredentialError as error:
            self._tokens.pop(credential.id, None)
            self._services.on_credential_invalid(credential, error.message)
            raise
        except UpstreamError as error:
            return self._last_resort(credential, error)
        now = self._clock.seconds()
        lifetime = min(max(0.0, response.expires_in), MAX_LIFETIME)
        self._keep(credential, response.access_token, now, now + lifetime)
        return response.access_token

    def _last_resort(self, credential: Credential, error: UpstreamError) -> str:
        """Return the old token until it expires.

        :raises UpstreamError: ``error``, if there is none.
        """
        token = self._tokens.get(credential.id)
        if token is None or token.expires <= self._clock.seconds():
            raise error
        return token.access

    def _request(self, credential: Credential) -> OutgoingRequest:
        settings, name = self._settings, self._services.name
        missing = [
            f"upstreams.{name}.oauth.{key}"
            for key, value in (
                ("client_id", settings.client_id),
                ("client_secret", settings.client_secret),
            )
            if not value
        ]
        if missing:
            raise UnavailableError(
                f"upstream {name} has no OAuth client: set {' and '.join(missing)} to those "
                "of a client of your own (Google Cloud console, APIs & Services, Credentials)",
                code="oauth_client_missing",
            )
        form = {
            "grant_type": "refresh_token",
            "client_id": settings.client_id,
            "client_secret": settings.client_secret.reveal(),
            "refresh_token": credential.secret,
        }
        headers = (
            ("user-agent", USER_AGENT),
            ("accept", "application/json"),
            ("content-type", "application/x-www-form-urlencoded"),
        )
        return OutgoingRequest(
            "POST", settings.token_url, headers, urlencode(form).encode(), _TIMEOUTS, self._proxy
        )

    def _error(self, credential: Credential, status: int, body: bytes) -> GatewayError:
        """Return the error in the response of the token endpoint (RFC 6749, section 5.2)."""
        error_code = error_code_of(body)
        account = credential.id
        if error_code == "invalid_grant":
            return UpstreamCredentialError(
                f"the refresh token of {account} has been revoked or has expired; add the account "
                "again",
                code="invalid_grant",
                upstream_status=status,
            )
        if error_code in ("invalid_client", "unauthorized_client"):
            keys = f"upstreams.{self._services.name}.oauth"
            return UnavailableError(
                f"the OAuth server refuses the client ({error_code}); check {keys}.client_id and "
                f"{keys}.client_secret, and that the refresh token of {account} was made with them",
                code=error_code,
                upstream_status=status,
            )
        if status == 429 or status >= 500:
            return OverloadedError(
                f"the OAuth server is overloaded ({status})", upstream_status=status
            )
        reason = f"{status} {error_code}".rstrip()
        return UpstreamError(
            f"the OAuth server sent no token for {account} ({reason})", upstream_status=status
        )
