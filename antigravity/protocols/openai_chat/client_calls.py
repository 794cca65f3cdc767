"""Assembles streamed tool calls from their pieces.

OpenAI sends ``index`` with each piece, ``id`` and name with the first.  Other servers omit the
index (Google), give every call the index 0, repeat the name with each piece, omit the id, or send
arguments as an object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

from antigravity.ir.events import Event, ToolCallDelta, ToolCallEnd, ToolCallStart
from antigravity.ir.signature import Signature
from antigravity.protocols.openai_chat.extra_content import read_signature
from antigravity.protocols.openai_chat.schema import ChunkToolCall


class _Piece:
    """One delta in a uniform shape."""

    __slots__ = ("arguments", "id", "index", "kind", "name", "signature")

    def __init__(self, wire: ChunkToolCall) -> None:
        inner = wire.custom if wire.custom is not None else wire.function or {}
        self.kind: Literal["function", "custom"] = (
            "custom" if wire.custom is not None or wire.type == "custom" else "function"
        )
        self.index = wire.index
        self.id = wire.id or ""
        name = inner.get("name")
        self.name = name if isinstance(name, str) else ""
        self.arguments = _text(inner.get("input" if wire.custom is not None else "arguments"))
        self.signature: Signature | None = read_signature(wire.extra_content)


def _text(arguments: Any) -> str:
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()


class _Call:
    """Tool call so far; its events start when its name is known."""

    __slots__ = (
        "arguments",
        "given",
        "id",
        "index",
        "kind",
        "name",
        "number",
        "open",
        "signature",
    )

    def __init__(self, piece: _Piece) -> None:
        self.index = piece.index
        self.id = piece.id
        self.given = ""  # an id from the gateway, for a call without a unique one
        self.name = ""
        self.kind = piece.kind
        self.signature = piece.signature
        self.number: int | None = None  # of the event, once it has started
        self.open = True
        self.arguments: list[str] = []

    def complete(self) -> bool:
        """Return whether the arguments are a complete JSON value."""
        if self.kind == "custom":
            return False
        try:
            msgspec.json.decode("".join(self.arguments))
        except (ValueError, RecursionError):
            return False
        return True


class CallAssembler:
    """Decoder of the tool calls of one choice.

    ``number`` returns the ordinal of the next call in the response, ``make_id`` an id for it.
    """

    def __init__(
        self, choice: int, number: Callable[[], int], make_id: Callable[[int], str]
    ) -> None:
        self._choice = choice
        self._number = number
        self._make_id = make_id
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._ids: set[str] = set()

    @property
    def any(self) -> bool:
        """Whether there was any call."""
        return bool(self._calls)

    @property
    def nameless(self) -> bool:
        """Whether there is a call without a name, which cannot be run."""
        return any(call.number is None for call in self._calls)

    def whole(self) -> bool:
        """Return whether the arguments of all calls can be parsed, or are empty."""
        return not self.nameless and all(
            call.kind == "custom" or not call.arguments or call.complete() for call in self._calls
        )

    def feed(self, wire: ChunkToolCall) -> Iterator[Event]:
        """Yield the events of one delta."""
        piece = _Piece(wire)
        call = self._find(piece)
        if call is None:
            yield from self._end_complete()
            call = _Call(piece)
            self._calls.append(call)
        if piece.index is not None:
            self._by_index[piece.index] = call
        if not call.open:
            return
        call.id = call.id or piece.id
        call.signature = call.signature or piece.signature
        if piece.arguments:
            call.arguments.append(piece.arguments)
        if call.number is not None:
            if piece.arguments:
                yield ToolCallDelta(call.number, piece.arguments, self._choice)
        elif piece.name:
            call.name = piece.name
            yield from self._start(call)

    def end(self) -> Iterator[Event]:
        """Yield the ends of all calls that are still open."""
        for call in self._calls:
            yield from self._end(call)

    def _find(self, piece: _Piece) -> _Call | None:
        """Return the call that a piece continues, or ``None`` if it begins one."""
        if piece.index is not None:
            known = self._by_index.get(piece.index)
        elif piece.id:
            return next((call for call in self._calls if call.id == piece.id), None)
        else:
            known = self._calls[-1] if self._calls else None
        if known is None or self._begins_another(piece, known):
            return None
        return known

    def _begins_another(self, piece: _Piece, known: _Call) -> bool:
        """Return whether a piece with the index of ``known`` is a new call nevertheless."""
        if not piece.name or not known.name:
            return False
        if piece.id and known.id and piece.id != known.id:
            return True
        if piece.name != known.name:
            return True
        same_id = bool(piece.id) and piece.id == known.id
        return not same_id and bool(piece.arguments) and known.complete()

    def _start(self, call: _Call) -> Iterator[Event]:
        call.number = self._number()
        if not call.id or call.id in self._ids:  # results refer to it
            call.given = self._make_id(call.number)
        self._ids.add(call.given or call.id)
        yield ToolCallStart(
            call.number,
            call.given or call.id,
            call.name,
            call.kind,
            signature=call.signature,
            choice=self._choice,
        )
        if call.arguments:
            yield ToolCallDelta(call.number, "".join(call.arguments), self._choice)

    def _end_complete(self) -> Iterator[Event]:
        """End calls with complete arguments, so that encoders need not hold the next call."""
        for call in self._calls:
            if call.open and call.number is not None and call.complete():
                yield from self._end(call)

    def _end(self, call: _Call) -> Iterator[Event]:
        if call.open and call.number is not None:
            yield ToolCallEnd(call.number, self._choice)
        call.open = False
