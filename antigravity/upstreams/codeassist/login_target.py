"""The upstream that a login in a browser is for."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from antigravity.config.settings import OAuthSettings, Settings, UpstreamSettings
from antigravity.oauth.errors import LoginError

KIND: Final = "codeassist"


class LoginTarget(Struct, frozen=True):
    """An upstream with its OAuth client."""

    name: str
    settings: UpstreamSettings

    @property
    def oauth(self) -> OAuthSettings:
        """The OAuth client."""
        return self.settings.oauth


def login_upstreams(settings: Settings) -> list[str]:
    """Return the names of the upstreams whose accounts log in by a browser."""
    return [name for name, each in settings.upstreams.items() if each.kind == KIND]


def login_target(settings: Settings, upstream: str = "") -> LoginTarget:
    """Return the upstream to log in for.

    :param upstream: its name, ``""`` for the only one.
    :raises LoginError: if there are several, it is of another kind, or has no OAuth client.
    """
    names = login_upstreams(settings)
    if not upstream and len(names) > 1:
        raise LoginError(f"choose an upstream (--upstream): {', '.join(names)}")
    name = upstream or (names[0] if names else KIND)
    table = settings.upstreams.get(name, UpstreamSettings(kind=KIND))
    if table.kind != KIND:
        raise LoginError(
            f"upstream {name} is of kind {table.kind}, which has keys and no login; run "
            f"'antigravity accounts add {table.kind}'"
        )
    oauth = table.oauth
    keys = {"client_id": oauth.client_id, "client_secret": oauth.client_secret}
    missing = [f"upstreams.{name}.oauth.{key}" for key, value in keys.items() if not value]
    if missing:
        raise LoginError(
            f"there is no OAuth client to log in with: set {' and '.join(missing)} to those of "
            "your own client of the type 'Desktop app' (Google Cloud console, APIs & Services, "
            "Credentials)"
        )
    return LoginTarget(name, table)
