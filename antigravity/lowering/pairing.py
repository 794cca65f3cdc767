"""Pairs tool calls and results: each call has one result, directly after it, in the same order.

Upstreams refuse a history in which that does not hold; clients produce such histories when
a turn is interrupted, when results are reordered, or when old turns are cut off.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from antigravity.ir.capabilities import Loss
from antigravity.ir.parts import Part, Text, ToolCall, ToolResult
from antigravity.ir.request import Message, Request

#: The result of a call that was interrupted.
INTERRUPTED: Final = "The tool call was interrupted; there is no result."


def pair_tools(request: Request) -> tuple[Request, tuple[Loss, ...]]:
    """Return the request with paired tool calls and results, and the losses.

    Of a request that is in order already, only tool names are added to results that lack them.
    """
    if not any(isinstance(p, ToolCall | ToolResult) for m in request.messages for p in m.parts):
        return request, ()
    pairing = _Pairing()
    for message in request.messages:
        pairing.add(message)
    pairing.settle()
    return replace(request, messages=tuple(pairing.messages)), tuple(pairing.losses)


class _Pairing:
    """The state while a history is read; ``waiting`` are the last calls without a result."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.losses: list[Loss] = []
        self.seen: set[str] = set()
        self.numbers: dict[str, int] = {}
        self.waiting: list[ToolCall] = []
        #: The names of the tools of these calls, by call id.
        self.names: dict[str, str] = {}
        #: The ids of the calls without a result, by their original ids.
        self.open: dict[str, deque[str]] = {}
        self.results: dict[str, ToolResult] = {}
        self.after: list[Message] = []

    def add(self, message: Message) -> None:
        if message.role == "assistant":
            # The calls of one turn can be in several adjacent assistant messages.
            if self.results or self.after:
                self.settle()
            self.assistant(message)
        elif any(isinstance(part, ToolResult) for part in message.parts):
            self.user(message)
        elif self.waiting or self.after:
            self.after.append(message)
        else:
            self.messages.append(message)

    def assistant(self, message: Message) -> None:
        parts: list[Part] = []
        for part in message.parts:
            if isinstance(part, ToolCall):
                part = self.unique(part)
                self.waiting.append(part)
            parts.append(part)
        self.messages.append(replace(message, parts=tuple(parts)))

    def unique(self, call: ToolCall) -> ToolCall:
        """Return the call with an id that no earlier call has."""
        identity = call.id or "call"
        number = self.numbers.get(call.id, 1)
        while identity in self.seen:
            number += 1
            identity = f"{call.id or 'call'}_{number}"
        self.numbers[call.id] = number
        self.seen.add(identity)
        self.names[identity] = call.name
        self.open.setdefault(call.id, deque()).append(identity)
        return call if identity == call.id else replace(call, id=identity)

    def user(self, message: Message) -> None:
        others: list[Part] = []
        for part in message.parts:
            if not isinstance(part, ToolResult):
                others.append(part)
                continue
            open_calls = self.open.get(part.call_id)
            identity = open_calls.popleft() if open_calls else None
            if identity is None:
                others.extend(_inert(part))
                self.losses.append(
                    Loss(
                        "messages",
                        f"the result of the unknown call {part.call_id} was sent as text",
                    )
                )
            else:
                self.results[identity] = replace(part, call_id=identity, name=self.names[identity])
        if others:
            self.after.append(replace(message, parts=tuple(others)))

    def settle(self) -> None:
        """End the turn: add results in the order of their calls, then the other messages."""
        if self.waiting:
            results = [self.results.get(call.id) or self.missing(call) for call in self.waiting]
            self.messages.append(Message("user", tuple(results)))
        self.messages.extend(self.after)
        self.waiting, self.results, self.after = [], {}, []
        self.names, self.open = {}, {}

    def missing(self, call: ToolCall) -> ToolResult:
        self.losses.append(
            Loss("messages", f"the call {call.id} had no result; a placeholder was added")
        )
        return ToolResult(call.id, (Text(INTERRUPTED),), True, call.name, call.kind)


def _inert(result: ToolResult) -> Iterable[Part]:
    """Return the content of a result without a call as plain parts."""
    yield Text("[A tool answered, but its call is not part of this conversation any more:]")
    yield from _parts(result.parts)


def _parts(parts: Sequence[Part]) -> Iterable[Part]:
    return (part for part in parts if not isinstance(part, Text) or part.text)
