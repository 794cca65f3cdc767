"""Call what a plugin has written, and say what went wrong, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Struct

from antigravity.ir.errors import GatewayError
from antigravity.plugins import describe_error

Faults = Iterator[str]

#: Bodies and events that nobody expects: broken, and JSON of every shape.
ODD_TEXTS: Final = (b"{garbage", b"", b"[]", b"null", b"1", b'"text"', b"{}", b"\xff\xfe")


class Raised(Struct, frozen=True):
    """Something that was raised and should not have been."""

    what: str

    def __str__(self) -> str:
        return f"raises {self.what}"


def attempt(call: Callable[..., Any], *arguments: object) -> Any:
    """Return the result, or what was raised: a ``GatewayError``, or anything else as ``Raised``."""
    try:
        return call(*arguments)
    except GatewayError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        return Raised(describe_error(error))


def shown(text: bytes) -> str:
    """Return an odd text as a message shows it."""
    return repr(text)[1:] if text else "empty"
