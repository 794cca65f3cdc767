"""Call functions of a plugin, and report what they raise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Struct

from antigravity.ir.errors import GatewayError
from antigravity.plugins import describe_error

Problems = Iterator[str]

#: Invalid bodies and events: malformed, and JSON of every type.
INVALID_BODIES: Final = (b"{garbage", b"", b"[]", b"null", b"1", b'"text"', b"{}", b"\xff\xfe")


class UnexpectedError(Struct, frozen=True):
    """An exception that should not have been raised."""

    what: str

    def __str__(self) -> str:
        return f"raises {self.what}"


def attempt(call: Callable[..., Any], *arguments: object) -> Any:
    """Return the result of a call; of exceptions, a ``GatewayError`` or ``UnexpectedError``."""
    try:
        return call(*arguments)
    except GatewayError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a plugin can raise anything
        return UnexpectedError(describe_error(error))


def format_body(text: bytes) -> str:
    """Return an invalid body as messages show it."""
    return repr(text)[1:] if text else "empty"
