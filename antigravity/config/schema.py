"""The types of all settings, for loading, validation and documentation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from msgspec import NODEFAULT, inspect

from antigravity.config.paths import KeyPath
from antigravity.config.settings import Settings


@cache
def settings_type() -> inspect.StructType:
    """Return the type of all settings."""
    found = inspect.type_info(Settings)
    assert isinstance(found, inspect.StructType)
    return found


def plain(kind: inspect.Type) -> tuple[inspect.Type, str]:
    """Return a type without its metadata, and its unit, which may be empty.

    The unit is ``bytes`` or ``seconds``, and of text its form: ``key``, ``header`` or ``text``.
    """
    if isinstance(kind, inspect.Metadata):
        return kind.type, str((kind.extra or {}).get("unit", ""))
    return kind, ""


def type_at(path: KeyPath) -> inspect.Type | None:
    """Return the type of the setting at ``path``, or ``None``."""
    here: inspect.Type = settings_type()
    for part in path:
        inner, _ = plain(here)
        if isinstance(inner, inspect.StructType):
            found = [field.type for field in inner.fields if field.name == part]
            if not found:
                return None
            here = found[0]
        elif isinstance(inner, inspect.DictType):
            here = inner.value_type
        elif isinstance(inner, inspect.AnyType):
            return inner
        else:
            return None
    return here


def default_of(field: inspect.Field) -> Any:
    """Return a field's default."""
    return field.default if field.default_factory is NODEFAULT else field.default_factory()


def known_keys() -> Iterator[KeyPath]:
    """Yield the path of every setting; ``*`` stands for a name of the user's choice."""
    yield from _keys(settings_type(), ())


def _keys(kind: inspect.StructType, path: KeyPath) -> Iterator[KeyPath]:
    for field in kind.fields:
        inner, _ = plain(field.type)
        here = (*path, field.name)
        if isinstance(inner, inspect.DictType) and isinstance(inner.value_type, inspect.StructType):
            inner, here = inner.value_type, (*here, "*")
        if isinstance(inner, inspect.StructType):
            yield from _keys(inner, here)
        else:
            yield here
