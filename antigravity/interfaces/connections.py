"""The clients on the gateway's machine and what connects them: the JSON of the operator's API."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from twisted.internet.defer import Deferred
from zope.interface import Interface

#: The most characters of a diff.
LONGEST_DIFF: Final = 256 * 1024

Action = Literal["connect", "disconnect"]
_Model = Annotated[str, Meta(max_length=512)]


class ConnectionState(Struct, frozen=True, kw_only=True):
    """Whether a client is on this machine, and where its configuration points.

    ``state`` is ``connected`` if it was connected here, ``changed`` if somebody has changed
    settings of that since, ``elsewhere`` if its file has another address, and ``unreadable`` if a
    file cannot be read, as ``problem`` says.  ``way`` says how it is connected: by ``files``,
    which the gateway can change, by ``variables`` of the shell in which it starts, or by ``hand``
    in its own window.  ``address`` is where it points, without credentials.
    """

    client: str
    title: str
    installed: bool
    state: Literal["connected", "changed", "elsewhere", "not connected", "by hand", "unreadable"]
    way: Literal["files", "variables", "hand"]
    address: str = ""
    problem: str = ""


class ConnectionReport(Struct, frozen=True, kw_only=True):
    """All clients; ``problem`` says why the gateway changes none of their files, if so."""

    connections: list[ConnectionState]
    problem: str = ""


class PreviewRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to preview; ``model`` is the one that the client shall use, empty: as it chooses."""

    action: Action = "connect"
    model: _Model = ""


class ConnectionPreview(Struct, frozen=True, kw_only=True):
    """What would change in the files of a client.

    ``diff`` is unified, with masked secrets; ``is_cut`` says that it is only the beginning.
    ``files`` are those that change.  ``warnings`` say what does not work as one may expect, and
    ``kept`` names settings that somebody has changed, so that they stay.  ``token`` allows exactly
    this change: it depends on what is in the files, and on what is written.
    """

    client: str
    action: Action
    changes: bool
    files: list[str]
    diff: str
    token: str
    model: str = ""
    is_cut: bool = False
    warnings: list[str] = []
    kept: list[str] = []


class ApplyRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The token of a preview, and the model that it was made with."""

    token: Annotated[str, Meta(max_length=128)]
    model: _Model = ""


class ConnectionChanged(Struct, frozen=True, kw_only=True):
    """The state of a client after a change; ``files`` were written, ``notes`` are for its user."""

    connection: ConnectionState
    files: list[str]
    notes: list[str] = []


class IConnections(Interface):
    """Connects clients of the user whose gateway it is, and undoes it.

    Each method returns a Deferred.  It fails with a ``NotFoundError`` for an unknown client, with a
    ``ConflictError`` that says why files are not changed, and with an ``OverloadedError`` if other
    changes take too long.
    """

    def report() -> Deferred[ConnectionReport]:
        """Return a Deferred with the state of all clients."""

    def preview(client: str, request: PreviewRequest) -> Deferred[ConnectionPreview]:
        """Return a Deferred with what would change; nothing is written."""

    def apply(client: str, action: Action, request: ApplyRequest) -> Deferred[ConnectionChanged]:
        """Write what was previewed, and return a Deferred that fires when it is written.

        It fails with a ``ConflictError`` if a file or a value has changed since the preview.
        """
