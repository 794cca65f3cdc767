"""One login to a protected server, from its challenge to the grant."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from antigravity.oauth import grant_requests
from antigravity.oauth.authorization_code import AuthorizationRequest, build_authorization_request
from antigravity.oauth.challenge import Challenge, clean_scopes
from antigravity.oauth.discovery import Discovered, discover
from antigravity.oauth.errors import LoginError
from antigravity.oauth.grants import Grant
from antigravity.oauth.metadata_client import MetadataClient
from antigravity.oauth.registration import (
    OAuthClientSettings,
    RegisteredClient,
    obtain_client,
)

#: The scope for a refresh token; it is requested only if the authorization server knows it.
OFFLINE: Final = "offline_access"


class Login:
    """A login to the server at ``url``.

    :param earlier: the login before, if there is one: its client and scopes are used again.
    :param now: returns seconds since 1970.
    """

    def __init__(
        self,
        url: str,
        settings: OAuthClientSettings,
        earlier: Grant | None,
        now: Callable[[], float],
    ) -> None:
        self._url = url
        self._settings = settings
        self._earlier = earlier if earlier is not None and earlier.url == url else None
        self._now = now
        self._discovered: Discovered | None = None
        self._client: RegisteredClient | None = None
        self._scopes: tuple[str, ...] = ()

    @property
    def issuer(self) -> str:
        """The authorization server, empty before it is known."""
        return "" if self._discovered is None else self._discovered.server.issuer

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that are requested, none for those that the server chooses."""
        return self._scopes

    async def discover(self, requests: MetadataClient, challenge: Challenge | None) -> None:
        """Find the authorization server.

        :raises DiscoveryError: if there is none that may be used.
        """
        issuer = self._settings.issuer
        self._discovered = await discover(requests, self._url, challenge, issuer)
        self._check_configured_client()

    async def authorize(
        self,
        requests: MetadataClient,
        challenge: Challenge | None,
        redirect_uri: str,
        more_scopes: Iterable[str] = (),
    ) -> AuthorizationRequest:
        """Return the request for the user's browser; :meth:`discover` comes before.

        :raises LoginError: if the authorization server accepts no client.
        """
        discovered = self._discovered
        assert discovered is not None
        server = discovered.server
        earlier = self._earlier_at(server.issuer)
        self._client = client = await obtain_client(
            requests,
            server,
            self._settings,
            redirect_uri,
            None if earlier is None else earlier.registered,
            self._now(),
        )
        self._scopes = scopes = self._choose_scopes(discovered, challenge, earlier, more_scopes)
        parameters = {"client_id": client.client.id, "resource": discovered.resource}
        if scopes:
            parameters["scope"] = " ".join(scopes)
        if OFFLINE in scopes:
            # OpenID Connect Core, section 11: without it, the scope is ignored.
            parameters["prompt"] = "consent"
        return build_authorization_request(
            server.authorization_endpoint,
            redirect_uri,
            parameters,
            issuer=server.issuer,
            requires_issuer=server.authorization_response_iss_parameter_supported,
        )

    async def redeem(
        self, requests: MetadataClient, request: AuthorizationRequest, code: str
    ) -> Grant:
        """Return the grant for the code of ``request``.

        :raises LoginError: if the code is not accepted.
        """
        assert self._discovered is not None
        assert self._client is not None
        return await grant_requests.redeem(
            requests,
            self._url,
            self._discovered,
            self._client,
            request,
            code,
            self._scopes,
            self._now(),
        )

    def _earlier_at(self, issuer: str) -> Grant | None:
        """Return the login before, if it was made at the same authorization server."""
        earlier = self._earlier
        return earlier if earlier is not None and earlier.issuer == issuer else None

    def _check_configured_client(self) -> None:
        """Check that a configured client belongs to the authorization server, as far as known.

        :raises LoginError: if the server uses another one than at the last login.
        """
        earlier, settings = self._earlier, self._settings
        if not settings.client_id or settings.issuer or earlier is None:
            return
        is_same = earlier.registered.client.id == settings.client_id
        if earlier.registered.source == "configured" and is_same and earlier.issuer != self.issuer:
            raise LoginError(
                f"the server now uses the authorization server {self.issuer} instead of "
                f"{earlier.issuer}; if oauth.client_id is a client of the new one, set "
                "oauth.issuer to it"
            )

    def _choose_scopes(
        self,
        discovered: Discovered,
        challenge: Challenge | None,
        earlier: Grant | None,
        more: Iterable[str],
    ) -> tuple[str, ...]:
        """Return the configured scopes, else those of the challenge, else those of the resource.

        Those of the login before, and those that the server has asked for since, are added.
        """
        asked = () if challenge is None else challenge.scopes
        chosen = self._settings.scopes or asked or discovered.scopes or ()
        before = () if earlier is None else (*earlier.scopes, *earlier.wanted)
        scopes = clean_scopes((*chosen, *asked, *before, *more))
        scopes = tuple(scope for scope in scopes if scope != OFFLINE)
        offered = discovered.server.scopes_supported or ()
        if OFFLINE in self._settings.scopes or (scopes and OFFLINE in offered):
            return (*scopes, OFFLINE)
        return scopes
