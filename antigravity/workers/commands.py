"""What the main process and its workers ask of each other, over Twisted's AMP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct, field
from twisted.protocols import amp

from antigravity.interfaces.administration import RunningRequest
from antigravity.interfaces.payloads import RawBody, RawMessage, RawPayloads
from antigravity.interfaces.spending import SpendClaim, Spending, SpendReply
from antigravity.interfaces.state import StateError
from antigravity.interfaces.status import PoolStatus
from antigravity.ir.record import ExchangeRecord
from antigravity.ledger.payload_queue import MEMORY_LIMIT
from antigravity.state.local import Long


class SentBody(RawBody):
    """A body as it arrives."""

    head: Sequence[bytes] = ()


class SentMessage(RawMessage):
    """A message as it arrives."""

    body: SentBody = field(default_factory=SentBody)


class SentPayloads(RawPayloads):
    """Payloads as they arrive."""

    messages: list[SentMessage]  # type: ignore[assignment]


class Batch(Struct, frozen=True):
    """What a worker has recorded since the last batch.

    ``refusals`` counts requests that were refused before they were admitted, by their kind.
    ``payloads`` are what was kept of bodies, ``lost`` counts records for which there was no room.
    """

    records: Sequence[ExchangeRecord] = ()
    refusals: dict[str, int] = field(default_factory=dict)
    payloads: Sequence[SentPayloads] = ()
    lost: int = 0


class Report(Struct, frozen=True, kw_only=True):
    """What a worker does now.

    ``active`` counts its running requests, ``sessions`` what became of bindings, ``signatures``
    how often thinking was found.
    """

    active: int
    running: list[RunningRequest]
    pool: PoolStatus
    sessions: dict[str, int]
    signatures: dict[str, int]
    wrong_keys: int
    lost: int = 0


class Listening(Struct, frozen=True):
    """A socket that a worker inherits: its Twisted endpoint, and the number of its descriptor."""

    endpoint: str
    descriptor: int


class _LongBody(Long):
    """A body as long as all that a worker may keep, and what is around it."""

    pieces = (MEMORY_LIMIT + 8 * 1024 * 1024) // 0xFFFF


_LONG: Final = _LongBody()  # type: ignore[no-untyped-call]


class Call(amp.Command):
    """Call a method of the other process; ``body`` is in MessagePack, as is the result."""

    arguments = [(b"method", amp.String()), (b"body", _LONG)]  # noqa: RUF012
    response = [(b"body", _LONG)]  # noqa: RUF012
    errors = {StateError: b"STATE"}  # noqa: RUF012


class Signature(Struct, frozen=True):
    """The types of a method: of its arguments, and of its result."""

    arguments: Any
    result: Any = None


#: What workers ask of the main process.
OF_MAIN: Final = {
    "started": Signature(tuple[()]),
    "failed": Signature(tuple[str]),
    "keep": Signature(tuple[Batch]),
    "reserve": Signature(tuple[str, list[SpendClaim]], SpendReply),
    "settle": Signature(tuple[str, int]),
    "renew": Signature(tuple[list[str]]),
    "look": Signature(tuple[list[tuple[str, str]]], list[Spending]),
}
#: What the main process asks of workers.
OF_WORKER: Final = {
    "report": Signature(tuple[()], Report),
    "cancel": Signature(tuple[str], bool),
    "unlock": Signature(tuple[str, str], int),
    "fix_account": Signature(tuple[str | None]),
    "clear_bindings": Signature(tuple[()]),
    "load_keys": Signature(tuple[()]),
    "reload": Signature(tuple[()]),
    "end": Signature(tuple[float, bool]),
}
_METHODS: Final = {**OF_MAIN, **OF_WORKER}
_ARGUMENTS: Final = {
    name: msgspec.msgpack.Decoder(types.arguments) for name, types in _METHODS.items()
}
_RESULTS: Final = {name: msgspec.msgpack.Decoder(types.result) for name, types in _METHODS.items()}

encode = msgspec.msgpack.encode


def decode_arguments(method: str, body: bytes) -> tuple[Any, ...]:
    """Return the arguments of a method."""
    arguments: tuple[Any, ...] = _ARGUMENTS[method].decode(body)
    return arguments


def decode_result(method: str, body: bytes) -> Any:
    """Return the result of a method."""
    return _RESULTS[method].decode(body)
