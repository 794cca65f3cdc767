"""Names in a configuration that only plugins define."""

from __future__ import annotations

from msgspec import Struct


class KnownNames(Struct, frozen=True):
    """The names that plugins, built-in ones included, have registered."""

    upstream_kinds: tuple[str, ...] = ()
    selection_policies: tuple[str, ...] = ()
