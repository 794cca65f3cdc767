"""Logins in files: one for each server, readable by their owner only, replaced atomically."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from antigravity.config.atomic import remove_leftovers_of, sync_directory, write_private
from antigravity.config.secret import Secret
from antigravity.logs import make_logger
from antigravity.oauth.registration import OAuthClientSettings, RegisteredClient

#: The folder of the files, in the home directory.
FOLDER: Final = "mcp-logins"
#: The version of the file format.
VERSION: Final = 1
#: Larger files are ignored, since none is written.
_LARGEST: Final = 256 * 1024

_Mark = tuple[int, int, int]


class Grant(Struct, frozen=True):
    """One login, with its tokens.

    :ivar url: the address of the server as it was configured; the tokens are for no other.
    :ivar resource: the resource indicator of the server.
    :ivar issuer: the authorization server; the client is one of this server.
    :ivar scopes: the scopes that were requested.
    :ivar wanted: the scopes that the server has asked for since.
    :ivar issued_at: when the access token was issued, in seconds since 1970.
    :ivar expires_at: when it expires, ``None`` if that is not known.
    :ivar lost: why only a new login helps, empty if the login works.
    """

    url: str
    resource: str
    issuer: str
    token_endpoint: str
    registered: RegisteredClient
    access: Secret
    refresh: Secret = Secret()
    revocation_endpoint: str = ""
    scopes: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    issued_at: float = 0.0
    expires_at: float | None = None
    lost: str = ""
    version: int = VERSION

    def __repr__(self) -> str:
        return f"<Grant for {self.resource}>"

    def secrets(self) -> frozenset[str]:
        """Return the tokens and the client's secret."""
        found = (self.access, self.refresh, self.registered.client.secret)
        return frozenset(each.reveal() for each in found if each)


def find_problem(grant: Grant, url: str, settings: OAuthClientSettings, now: float) -> str:
    """Return why only a new login to the server at ``url`` helps, empty if ``grant`` works."""
    if grant.lost:
        return grant.lost
    if grant.url != url:
        return "its login was made for another address"
    issuer = settings.issuer.rstrip("/")
    if issuer and grant.issuer.rstrip("/") != issuer:
        return "its login was made at another authorization server than oauth.issuer"
    if grant.expires_at is not None and not grant.refresh and now >= grant.expires_at:
        return "its login has expired"
    return ""


def stored_names(home: Path) -> list[str]:
    """Return the names of all servers with a file."""
    try:
        names = sorted(path.name for path in (home / FOLDER).iterdir())
    except OSError:
        return []
    return [name[:-5] for name in names if name.endswith(".json") and not name.startswith(".")]


class GrantFile:
    """The file with the login to one server.

    It also notices the changes of other processes.
    """

    log = make_logger()

    def __init__(self, home: Path, name: str) -> None:
        self.path = home / FOLDER / f"{name}.json"
        self.lock_path = home / FOLDER / f".{name}.lock"
        self._mark: _Mark | None = None
        self._grant: Grant | None = None

    @property
    def has_changed(self) -> bool:
        """Whether the file is another one than was last read or written."""
        return self._current_mark() != self._mark

    def read(self) -> Grant | None:
        """Return the login, ``None`` if there is none; a file without a valid one is reported."""
        mark = self._current_mark()
        if mark != self._mark:
            self._mark = mark
            self._grant = None if mark is None else self._parse()
        return self._grant

    def write(self, grant: Grant) -> None:
        """Replace the login; the caller holds the lock.

        :raises OSError: if that is not possible.
        """
        remove_leftovers_of(self.path)
        write_private(self.path, msgspec.json.encode(grant, enc_hook=_reveal))
        self._mark, self._grant = self._current_mark(), grant

    def remove(self) -> None:
        """Remove the login; the caller holds the lock.

        :raises OSError: if that is not possible.
        """
        remove_leftovers_of(self.path)
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
            sync_directory(self.path.parent)
        self._mark = self._grant = None

    def _parse(self) -> Grant | None:
        try:
            if self.path.stat().st_size > _LARGEST:
                raise ValueError("it is too large")
            grant: Grant = _DECODER.decode(self.path.read_bytes())
            if grant.version != VERSION:
                raise ValueError("it has another version")
        except FileNotFoundError:
            return None
        except OSError as error:
            self.log.error("{path} is ignored: {e}", path=str(self.path), e=error.strerror)
            return None
        except (ValueError, RecursionError):
            # The error could quote a token.
            self.log.error("{path} is ignored: it holds no valid login", path=str(self.path))
            return None
        return grant

    def _current_mark(self) -> _Mark | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _reveal(value: object) -> object:
    """Return the text of a secret, for ``msgspec``: these files hold secrets."""
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(type(value).__name__)


def _hide(kind: type, value: Any) -> Any:
    """Return a text as a secret, for ``msgspec``."""
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError(kind.__name__)


_DECODER: Final = msgspec.json.Decoder(Grant, dec_hook=_hide)
