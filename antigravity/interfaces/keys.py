"""Keys of clients: their rules, how they are changed, and how requests are checked against them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

#: What a key can be restricted to: conversations of any protocol, vectors, images, speech, tools
#: over MCP, and routes of plugins.
Endpoint = Literal["chat", "embeddings", "images", "audio", "mcp", "plugins"]
#: What happens to models without a known price if the key has a budget.
Unpriced = Literal["refuse", "allow"]

Text = Annotated[str, Meta(max_length=200)]
Label = Annotated[str, Meta(min_length=1, max_length=100)]
Texts = Annotated[list[Text], Meta(max_length=100)]
Endpoints = Annotated[list[Endpoint], Meta(max_length=10)]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)] | None


class KeyRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a key may do; an empty list and ``None`` restrict nothing.

    ``models`` are patterns such as ``claude-*`` for the names that clients ask for.  ``budgets``
    are amounts in US dollars such as ``5.00/day``, for a ``day``, ``week``, ``month`` or in
    ``total``.  ``expires`` is a time in ISO 8601, or how long from now, such as ``30d``; empty for
    never.  ``addresses`` are networks such as ``10.0.0.0/8``; ``max_addresses`` is from how many
    addresses the key may be used within a day.  ``times`` are when it may be used, such as
    ``mon-fri 08:00-18:00``.  ``time_zone`` is that of times and budgets, empty for the gateway's.
    """

    models: Texts = []
    upstreams: Texts = []
    endpoints: Endpoints = []
    requests_per_minute: Count = None
    tokens_per_minute: Count = None
    parallel_requests: Count = None
    budgets: Texts = []
    unpriced: Unpriced = "refuse"
    expires: Text = ""
    addresses: Texts = []
    max_addresses: Annotated[int, Meta(ge=1, le=1000)] | None = None
    times: Texts = []
    time_zone: Text = ""


class NewKey(KeyRules, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of ``POST /admin/keys``."""

    label: Label


class KeyChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of ``PATCH /admin/keys/KEY``: the rules to change, as in :class:`KeyRules`."""

    label: Label | UnsetType = UNSET
    models: Texts | UnsetType = UNSET
    upstreams: Texts | UnsetType = UNSET
    endpoints: Endpoints | UnsetType = UNSET
    requests_per_minute: Count | UnsetType = UNSET
    tokens_per_minute: Count | UnsetType = UNSET
    parallel_requests: Count | UnsetType = UNSET
    budgets: Texts | UnsetType = UNSET
    unpriced: Unpriced | UnsetType = UNSET
    expires: Text | UnsetType = UNSET
    addresses: Texts | UnsetType = UNSET
    max_addresses: Annotated[int, Meta(ge=1, le=1000)] | UnsetType | None = UNSET
    times: Texts | UnsetType = UNSET
    time_zone: Text | UnsetType = UNSET


class RotateRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """For how long the old secret of a rotated key stays valid, such as ``24h``."""

    grace: Text = "24h"


class ClientKeyView(KeyRules, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key without its secret.

    ``hint`` is how the secret begins.  ``created`` is in ISO 8601, like ``previous_until``, until
    when the secret before the last rotation is valid; it is empty if there is none.
    """

    id: str
    label: str
    hint: str
    enabled: bool
    state: Literal["valid", "disabled", "expired"]
    created: str
    previous_until: str = ""


class CreatedKey(Struct, frozen=True, kw_only=True):
    """A new key, or a key with a new secret; ``key`` is the secret, which is shown this once."""

    id: str
    key: str
    label: str
    expires: str = ""

    def __repr__(self) -> str:
        return f"<CreatedKey {self.id}>"


class KeyRemoved(Struct, frozen=True):
    """The id of a key that was removed."""

    removed: str


class IKeyControl(Interface):
    """Shows and changes the keys of clients.

    ``key`` is an id, the beginning of an id, or a label.  Changes fail with a ``NotFoundError`` if
    there is no such key, with an ``InvalidRequestError`` for a wrong value, and with a
    ``ConflictError`` if the file of the keys is damaged.
    """

    def views() -> list[ClientKeyView]:
        """Return all keys, oldest first."""

    def problem() -> str:
        """Return why the keys cannot be used, empty if they can."""

    def add(new: NewKey) -> Deferred[CreatedKey]:
        """Make a key."""

    def change(key: str, change: KeyChange) -> Deferred[ClientKeyView]:
        """Change the rules of a key."""

    def switch(key: str, enabled: bool) -> Deferred[ClientKeyView]:
        """Enable or disable a key."""

    def rotate(key: str, grace: str) -> Deferred[CreatedKey]:
        """Replace the secret of a key; the old one stays valid for ``grace``."""

    def remove(key: str) -> Deferred[KeyRemoved]:
        """Remove a key."""


class IKeyRing(Interface):
    """The keys in force, as admission asks for them."""

    is_used = Attribute("Whether there are keys, or may be: their file is damaged.  :type: bool")

    def authenticate(secret: str, address: str) -> str | None:
        """Return the id of a key, ``None`` if there is no key with this secret.

        :raises AuthenticationError: if the key is disabled or has expired, or the keys cannot be
            read.
        :raises PermissionDeniedError: if it must not be used now, or from this address.
        :raises UnavailableError: if the keys were never read, because their store is out of reach.
        """

    def is_secret(text: str) -> bool:
        """Return whether a text has the form of a key's secret."""

    def check_endpoint(principal: str, endpoint: Endpoint) -> None:
        """Check that a principal, if it is a key, may use an endpoint.

        :raises PermissionDeniedError: if it may not.
        """
