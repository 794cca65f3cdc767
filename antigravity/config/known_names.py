"""Names in a configuration that only plugins define."""

from __future__ import annotations

from msgspec import Struct


class KnownNames(Struct, frozen=True):
    """The names that plugins, built-in ones included, have registered.

    ``state_schemes`` are the schemes of ``state.url``, ``key_schemes`` those of ``keys.url``;
    ``None`` if they are not known.
    """

    upstream_kinds: tuple[str, ...] = ()
    selection_policies: tuple[str, ...] = ()
    state_schemes: tuple[str, ...] | None = None
    key_schemes: tuple[str, ...] | None = None
