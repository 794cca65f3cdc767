"""Show settings without secrets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct, structs

from antigravity.config.paths import KeyPath
from antigravity.config.secret import Secret
from antigravity.redaction.credentials import SECRET_NAME
from antigravity.redaction.shapes import redact_shapes, secret_arguments

#: Tables whose meaning only upstreams and plugins know; any value may be secret.
_FOREIGN = frozenset({"headers", "options", "plugins"})


def masked(value: Any, *, hide: bool = False) -> Any:
    """Return ``value`` as plain data with every secret masked.

    :param hide: mask all text in it.
    """
    match value:
        case Secret():
            return value.masked()
        case Struct():
            return {name: masked_field(name, item) for name, item in structs.asdict(value).items()}
        case dict():
            return {key: masked(item, hide=hide) for key, item in value.items()}
        case list() | tuple():
            return [masked(item, hide=hide) for item in value]
        case str():
            return Secret(value).masked() if hide else without_secrets(value)
        case bool() | int() | float():
            return value
        case _:
            return str(value)


def masked_field(name: str, value: Any) -> Any:
    """Return the value of one setting, masked."""
    if name == "headers":
        return masked(value, hide=True)
    if name == "args":
        return [
            masked(each, hide=hide)
            for each, hide in zip(value, secret_arguments(value), strict=True)
        ]
    return foreign(value) if name in _FOREIGN else masked(value)


def foreign(value: Any) -> Any:
    """Return a foreign table with values masked whose names indicate a secret."""
    if isinstance(value, dict):
        return {
            key: masked(item, hide=True) if SECRET_NAME.search(str(key)) else foreign(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [foreign(item) for item in value]
    return masked(value)


def without_password(text: str) -> str:
    """Return an address without user and password; other text is unchanged.

    All before the last ``@`` may belong to the password: people forget to write ``/`` as ``%2F``.
    """
    scheme, separator, rest = text.partition("://")
    _, at, place = rest.rpartition("@")
    return f"{scheme}{separator}…{at}{place}" if at else text


def without_secrets(text: str) -> str:
    """Return text without passwords of addresses, and without what looks like a credential."""
    return redact_shapes(without_password(text))


def flatten(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield path and value of each setting in plain data; empty tables are values."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from flatten(item, (*path, key))
    else:
        yield path, value
