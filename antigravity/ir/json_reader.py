"""Decodes JSON from clients, upstreams and files: every fault raises the same error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, overload

import msgspec

T = TypeVar("T")

#: Messages of errors.
TOO_DEEP: Final = "it is nested too deeply"
NO_TEXT: Final = "it is not UTF-8 text"


def decoder(kind: type[T]) -> Callable[[bytes | str], T]:
    """Return a decoder for one type, to be reused; it works like :func:`decode`."""
    inner = msgspec.json.Decoder(kind).decode

    def decode_one(data: bytes | str) -> T:
        try:
            return inner(data)
        except RecursionError:
            raise msgspec.DecodeError(TOO_DEEP) from None
        except UnicodeError:
            raise msgspec.DecodeError(NO_TEXT) from None

    return decode_one


@overload
def decode(data: bytes | str, *, strict: bool = ...) -> Any: ...
@overload
def decode(data: bytes | str, kind: type[T], *, strict: bool = ...) -> T: ...


def decode(data: bytes | str, kind: Any = Any, *, strict: bool = True) -> Any:
    """Return the value in ``data``, as a ``kind``.  A byte order mark before it is ignored.

    :raises msgspec.DecodeError: if it is not JSON, not UTF-8, nested too deeply, or not a ``kind``.
    """
    mark = b"\xef\xbb\xbf" if isinstance(data, bytes) else "\ufeff"
    try:
        return msgspec.json.decode(data.removeprefix(mark), type=kind, strict=strict)  # type: ignore[arg-type]
    except RecursionError:
        raise msgspec.DecodeError(TOO_DEEP) from None
    except UnicodeError:
        raise msgspec.DecodeError(NO_TEXT) from None
