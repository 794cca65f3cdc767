"""A PostgreSQL server: its address, which may hold a password, and connections to it."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from antigravity.installation import extra_command

#: The schema of all tables of the gateway.
SCHEMA: Final = "antigravity"
#: The parameters of an address that are secret.
_SECRET: Final = frozenset({"password", "sslpassword", "oauth_client_secret"})
#: Seconds after which a silent server is asked whether it is there, between two such questions,
#: and how many may stay without an answer.
_KEEPALIVES: Final = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
_MISSING: Final = "the PostgreSQL client is not installed"


class MissingClientError(Exception):
    """The client for PostgreSQL is not installed."""


class Server:
    """A database on a PostgreSQL server.

    :ivar url: its address, with what is secret.
    :ivar name: its address without user, password and parameters, for people.
    """

    __slots__ = ("_secrets", "name", "url")

    def __init__(self, url: str) -> None:
        self.url = url
        credentials, rest = split_credentials(url)
        password = credentials.partition(":")[2]
        parts = urlsplit(rest)
        parameters = [pair.partition("=") for pair in parts.query.split("&")]
        found = {password, *(value for name, _, value in parameters if name in _SECRET)}
        self._secrets = sorted(filter(None, {url, *found, *map(unquote, found)}), key=len)[::-1]
        host = next((unquote(value) for name, _, value in parameters if name == "host"), "")
        self.name = f"{parts.scheme}://{parts.netloc or host}{parts.path}"

    def without_secrets(self, text: str) -> str:
        """Return a text without the address and the password."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text

    def explain(self, error: Exception) -> str:
        """Return the reason in an error of the client in one line, without secrets."""
        return self.without_secrets(" ".join(str(error).split()) or type(error).__name__)

    def connect(self, connect_timeout: int, send_timeout: int, **options: Any) -> Any:
        """Return a connection, which begins no transaction by itself; this blocks.

        :param connect_timeout: seconds to wait for it.
        :param send_timeout: seconds to wait for what was sent to be received.
        :param options: more of ``psycopg.connect``.
        :raises psycopg.Error: if there is none.
        :raises OSError: if there is none.
        """
        psycopg = load_client()
        defaults = {
            "connect_timeout": connect_timeout,
            "tcp_user_timeout": send_timeout * 1000,
            **_KEEPALIVES,
            "application_name": "antigravity",
        }
        given = psycopg.conninfo.conninfo_to_dict(self.url)
        return psycopg.connect(**{**defaults, **given}, autocommit=True, **options)

    def __repr__(self) -> str:
        return f"Server({self.name!r})"


def split_credentials(url: str) -> tuple[str, str]:
    """Return user and password of an address, and the address without them.

    As for libpq, they may have ``?`` and ``#``.
    """
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    credentials, _, place = authority.rpartition("@")
    return credentials, f"{scheme}{separator}{place}{slash}{path}"


def load_client() -> Any:
    """Return the module of the client.

    :raises MissingClientError: if it is not installed.
    """
    try:
        import psycopg
        import psycopg.types.numeric
    except ImportError:
        raise MissingClientError(f"{_MISSING}: {extra_command('postgres')}") from None
    return psycopg


def break_connection(connection: Any) -> None:
    """End a connection that another thread waits for, which then gets an error."""
    with suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as copy:
        copy.shutdown(socket.SHUT_RDWR)
