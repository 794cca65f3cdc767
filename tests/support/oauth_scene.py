"""A protected server and its authorization server in memory, and the steps of a login."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from antigravity.mcp.client.http_connection import Address
from antigravity.mcp.client.login_probe import ProbeResult, probe
from antigravity.oauth.access_tokens import AccessTokens
from antigravity.oauth.authorization_code import AuthorizationRequest, code_in
from antigravity.oauth.grants import Grant, GrantFile
from antigravity.oauth.login import Login
from antigravity.oauth.metadata_client import MetadataClient
from antigravity.oauth.registration import OAuthClientSettings
from tests.support.authorization_server import AuthorizationServer
from tests.support.oauth_network import MemoryNetwork, Request
from tests.support.protected_server import ProtectedServer

URL = "https://mcp.example/mcp"
ISSUER = "https://auth.example"
REDIRECT = "http://127.0.0.1:8912/oauth2/callback"
START = 1_800_000_000.0


class Scene:
    """A network with a protected server, and a gateway that logs in."""

    def __init__(
        self,
        url: str = URL,
        issuer: str = ISSUER,
        oauth: OAuthClientSettings | None = None,
        trusted: tuple[str, ...] = (),
    ) -> None:
        self.clock = Clock()
        self.network = MemoryNetwork()
        self.url = url
        self.authorization = AuthorizationServer(issuer, {url}, self.now)
        self.server = ProtectedServer(url, self.authorization)
        self.add(issuer, self.authorization.handle)
        self.network.origins[self.server.origin] = self.server.handle
        self.oauth = oauth or OAuthClientSettings()
        self.requests = MetadataClient(self.network, trusted)
        self.request: AuthorizationRequest | None = None

    def add(self, issuer: str, handle: Any) -> None:
        """Add an authorization server."""
        parts = urlsplit(issuer)
        self.network.origins[f"{parts.scheme}://{parts.netloc}"] = handle

    def now(self) -> float:
        return START + self.clock.seconds()

    def probe(self, token: str = "") -> ProbeResult:
        """Connect to the server."""
        address = Address("far", self.url)
        return done(probe(self.network, self.clock, address, token=token))

    def login(
        self, earlier: Grant | None = None, redirect_uri: str = REDIRECT, **more: Any
    ) -> Grant:
        """Log in as the commands do."""
        login = Login(self.url, self.oauth, earlier, self.now)
        challenge = self.probe().challenge
        done(login.discover(self.requests, challenge))
        request = done(login.authorize(self.requests, challenge, redirect_uri, **more))
        self.request = request
        return done(
            login.redeem(self.requests, request, code_in(self.browse(request.url), request))
        )

    def browse(self, url: str) -> str:
        """Log in with a browser; return the query of the address at which it ends."""
        parts = urlsplit(url)
        handler = self.network.origins[f"{parts.scheme}://{parts.netloc}"]
        response = handler(Request("GET", url, {}))
        assert response.status == 302, response.body
        return urlsplit(dict(response.headers)["Location"]).query

    def tokens(self, home: Path, **changes: Any) -> AccessTokens:
        """Return the tokens of the login that is stored."""
        run = changes.pop("run", maybeDeferred)
        return AccessTokens(
            changes.pop("url", self.url),
            GrantFile(home, "far"),
            self.requests,
            changes.pop("oauth", self.oauth),
            self.clock,
            self.now,
            run,
        )

    def check_strict(self) -> None:
        """Check that no server had anything to complain about."""
        assert self.authorization.refusals == []
        assert self.server.refusals == []


def done(waiting: Any) -> Any:
    """Return the result of a coroutine or a Deferred that needs no time.

    :raises Exception: what it fails with.
    """
    found = outcome(waiting)
    assert found, "there is no result yet"
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def outcome(waiting: Any) -> list[Any]:
    """Return a list that holds the result or the error, once there is one."""
    found: list[Any] = []
    deferred = waiting if isinstance(waiting, Deferred) else Deferred.fromCoroutine(waiting)
    deferred.addCallbacks(found.append, lambda failure: found.append(failure.value))
    return found
