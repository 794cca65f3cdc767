"""What a configuration may name although only plugins know it."""

from __future__ import annotations

from msgspec import Struct


class Known(Struct, frozen=True):
    """Names that plugins, the built-in ones too, have registered."""

    upstream_kinds: tuple[str, ...] = ()
    selection_policies: tuple[str, ...] = ()
