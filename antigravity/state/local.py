"""The commands between processes of one machine that share state, over Twisted's AMP.

The largest value of AMP is 64 KiB, so that long ones are divided.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, Final

import msgspec
from twisted.protocols import amp

from antigravity.interfaces.state import (
    VALUE_LIMIT,
    Claim,
    Claimed,
    Settlement,
    SlotClaim,
    StateError,
)

_PIECE: Final = 0xFFFF
#: The most pieces of a value: its limit, and what is around it.
_PIECES: Final = (VALUE_LIMIT + 1024 * 1024) // _PIECE


class Long(amp.Argument):
    """Bytes of any length, in several values of a box: ``body``, then ``body-1`` and so on.

    :cvar pieces: the most of them.
    """

    pieces = _PIECES

    def toBox(self, name: bytes, strings: Any, objects: Any, proto: Any) -> None:  # noqa: N802
        """Add the pieces of a value to a box."""
        value: bytes = objects[name.decode()]
        for number, start in enumerate(range(0, max(1, len(value)), _PIECE)):
            strings[_piece(name, number)] = value[start : start + _PIECE]

    def fromBox(self, name: bytes, strings: Any, objects: Any, proto: Any) -> None:  # noqa: N802
        """Put the pieces of a value together."""
        pieces: list[bytes] = []
        while (piece := strings.pop(_piece(name, len(pieces)), None)) is not None:
            pieces.append(piece)
            if len(pieces) > self.pieces:
                raise ValueError("a value is too long")
        objects[name.decode()] = b"".join(pieces)


def _piece(name: bytes, number: int) -> bytes:
    return b"%b-%d" % (name, number) if number else name


_LONG: Final = Long()  # type: ignore[no-untyped-call]


class Call(amp.Command):
    """Call a method of the state; ``body`` is in MessagePack, as is the result."""

    arguments = [(b"method", amp.String()), (b"body", _LONG)]  # noqa: RUF012
    response = [(b"body", _LONG)]  # noqa: RUF012
    errors = {StateError: b"STATE", ValueError: b"VALUE"}  # noqa: RUF012


class Message(amp.Command):
    """Tell a client of a message."""

    arguments = [(b"channel", _LONG), (b"body", _LONG)]  # noqa: RUF012
    requiresAnswer = False  # noqa: N815


#: The methods that are called, with the types of their arguments and of their results.
METHODS: Final[dict[str, tuple[Any, Any]]] = {
    "server": (tuple[()], str),
    "get": (tuple[str], bytes | None),
    "get_many": (tuple[list[str]], list[bytes | None]),
    "put": (tuple[str, bytes, float], None),
    "replace": (tuple[str, bytes | None, bytes, float], bool),
    "delete": (tuple[str], bool),
    "claim": (tuple[list[Claim]], Claimed),
    "settle": (tuple[list[Settlement]], None),
    "renew": (tuple[list[SlotClaim]], None),
    "publish": (tuple[str, bytes], None),
    "subscribe": (tuple[str], None),
    "unsubscribe": (tuple[str], None),
}
_ARGUMENTS: Final = {name: msgspec.msgpack.Decoder(types[0]) for name, types in METHODS.items()}
_RESULTS: Final = {name: msgspec.msgpack.Decoder(types[1]) for name, types in METHODS.items()}


def decode_arguments(method: str, body: bytes) -> tuple[Any, ...]:
    """Return the arguments of a method.

    :raises ValueError: if they are invalid, or there is no such method.
    """
    if method not in _ARGUMENTS:
        raise ValueError(f"there is no method {method[:40]!r}")
    try:
        arguments: tuple[Any, ...] = _ARGUMENTS[method].decode(body)
    except msgspec.DecodeError as error:
        raise ValueError(f"wrong arguments of {method}: {error}") from None
    return arguments


def decode_result(method: str, body: bytes) -> Any:
    """Return the result of a method."""
    return _RESULTS[method].decode(body)


def encode_result(method: str, result: Any) -> bytes:
    """Return the result of a method; of many values, those that fit together."""
    if method == "get_many":
        sizes = accumulate(len(value or b"") for value in result)
        fits = [size <= VALUE_LIMIT for size in sizes]
        result = [value if fit else None for value, fit in zip(result, fits, strict=True)]
    return encode(result)


encode = msgspec.msgpack.encode
