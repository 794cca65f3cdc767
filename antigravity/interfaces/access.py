"""Who may use the gateway, and how clients are set up for it: the JSON of the admin API."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct
from twisted.internet.defer import Deferred
from zope.interface import Interface

from antigravity.interfaces.keys import ClientKeyView


class KeyView(Struct, frozen=True, kw_only=True):
    """An API key, or its absence; never the key itself.

    ``id`` is its opaque name, as in the ledger; empty for requests without a key.  ``setting`` is
    the setting that holds it; empty for one that is in none now.  ``rules`` are those of a key that
    was made with rules.  ``rights`` are ``models`` (all
    requests of clients) and ``admin`` (this API and the dashboard).  ``last_used`` is in ISO 8601.
    The numbers are those of today, ``None`` without a ledger; costs are in US dollars, ``None`` if
    no price is known.
    """

    id: str
    setting: str
    rights: list[Literal["models", "admin"]]
    rules: ClientKeyView | None = None
    last_used: str | None = None
    requests: int | None = None
    errors: int | None = None
    tokens: int | None = None
    cost: float | None = None


class KeyReport(Struct, frozen=True, kw_only=True):
    """The keys, and whether clients need one.

    ``problem`` says why numbers are missing, ``keys_problem`` why keys with rules are refused.
    """

    auth_mode: Literal["off", "strict", "all_except_health"]
    keys: list[KeyView]
    problem: str = ""
    keys_problem: str = ""


class SetupQuestion(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which client to set up (empty: all), and the address at which it reaches the gateway."""

    client: str = ""
    address: Annotated[str, Meta(max_length=256)] = ""


class SetupStep(Struct, frozen=True, kw_only=True):
    """A file to write, commands for a shell, or the fields of a dialog.

    ``macos`` and ``windows`` are the paths of ``file`` there, if they are others.
    """

    title: str
    language: Literal["json", "toml", "yaml", "sh", "powershell", "fields"]
    text: str
    file: str = ""
    macos: str = ""
    windows: str = ""


class ClientSetup(Struct, frozen=True, kw_only=True):
    """How one client is set up; ``models`` are those of the gateway that suit it."""

    name: str
    title: str
    protocol: str
    models: list[str]
    steps: list[SetupStep]
    notes: list[str]


class SetupReport(Struct, frozen=True, kw_only=True):
    """How clients are set up; in place of a key that they need there is a placeholder."""

    address: str
    needs_key: bool
    clients: list[ClientSetup]


class IAccess(Interface):
    """Shows keys, and how clients are set up."""

    def keys() -> Deferred[KeyReport]:
        """Return a Deferred with all keys, in use or seen this month."""

    def setup(question: SetupQuestion) -> Deferred[SetupReport]:
        """Return a Deferred with how clients are set up.

        It fails with a ``NotFoundError`` for a client without a guide, and with an
        ``InvalidRequestError`` for an address that is none.
        """
