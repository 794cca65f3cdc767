"""The address of a PostgreSQL server, which may hold a password."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

#: The parameters of an address that are secret.
_SECRET: Final = frozenset({"password", "sslpassword", "oauth_client_secret"})


class Server:
    """A database on a PostgreSQL server.

    :ivar url: its address, with what is secret.
    :ivar name: its address without user, password and parameters, for people.
    """

    __slots__ = ("_secrets", "name", "url")

    def __init__(self, url: str) -> None:
        self.url = url
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
        parameters = dict(parse_qsl(parts.query))
        found = {value for name, value in parameters.items() if name in _SECRET}
        if parts.password:
            found |= {parts.password, unquote(parts.password)}
        self._secrets = sorted(filter(None, {url, *found}), key=len, reverse=True)
        self.name = f"{parts.scheme}://{place or parameters.get('host', '')}{parts.path}"

    def without_secrets(self, text: str) -> str:
        """Return a text without the address and the password."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text

    def __repr__(self) -> str:
        return f"Server({self.name!r})"
