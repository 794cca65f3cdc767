"""Collects thinking from responses, and restores it in histories that have lost it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from antigravity.ir.events import (
    Event,
    RedactedThinking,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallStart,
)
from antigravity.ir.parts import Opaque, Part, Thinking, ToolCall
from antigravity.ir.request import Message, Request
from antigravity.ir.signature import Signature
from antigravity.signatures.store import StoredThinking

#: The events that :class:`SignatureCollector` reads.
COLLECTED_EVENTS: Final = frozenset(
    (ThinkingDelta, ThinkingSignature, RedactedThinking, ToolCallStart)
)

#: The limit of characters of unsigned reasoning for one call.
_MAX_CHARACTERS: Final = 1024 * 1024


class SignatureCollector:
    """Collects the thinking before each tool call of one response.

    Thinking belongs to the first call after it.

    :param store: called with the call id and its thinking.
    :param unsigned: whether thinking without a signature is collected, too, for models that need
        their reasoning back but do not sign it.
    """

    def __init__(
        self, store: Callable[[str, StoredThinking], None], *, unsigned: bool = False
    ) -> None:
        self._store = store
        self._unsigned = unsigned
        self._text: list[str] = []
        self._size = 0
        self._thinking: list[Thinking] = []

    def feed(self, event: Event) -> None:
        """Process one event."""
        kind = type(event)
        if kind not in COLLECTED_EVENTS or event.choice != 0:  # type: ignore[union-attr]
            return
        if kind is ThinkingDelta:
            text: str = event.text  # type: ignore[union-attr]
            self._size += len(text)
            if self._size <= _MAX_CHARACTERS:
                self._text.append(text)
        elif isinstance(event, ThinkingSignature):
            self._thinking.append(Thinking("".join(self._text), event.signature))
            self._text.clear()
        elif isinstance(event, RedactedThinking):
            self._thinking.append(
                Thinking(signature=Signature("", event.family), redacted=event.data)
            )
        elif isinstance(event, ToolCallStart):
            if self._unsigned and self._text and self._size <= _MAX_CHARACTERS:
                self._thinking.append(Thinking("".join(self._text)))
            if event.signature is not None or self._thinking:
                self._store(event.id, StoredThinking(event.signature, tuple(self._thinking)))
            self._thinking.clear()
            self._text.clear()
            self._size = 0


def call_ids(request: Request) -> tuple[str, ...]:
    """Return the ids of the tool calls that :func:`recover` looks up.

    Calls that only one protocol has count, too: they may become calls of functions.
    """
    return tuple(
        call_id
        for message in request.messages
        if message.role == "assistant"
        for part in message.parts
        if (call_id := _call_id(part))
    )


def lost_call_ids(request: Request) -> tuple[str, ...]:
    """Return the ids of the tool calls that have lost what was before them, or never had it."""
    found: list[str] = []
    for message in request.messages:
        if message.role != "assistant":
            continue
        lost: list[str] = []
        for part in message.parts:
            if isinstance(part, Thinking):
                break
            if isinstance(part, ToolCall) and part.signature is None and part.id:
                lost.append(part.id)
        else:
            found += lost
    return tuple(found)


def _call_id(part: Part) -> str:
    if isinstance(part, ToolCall):
        return part.id
    call_id = part.wire.get("call_id") if isinstance(part, Opaque) else None
    return call_id if isinstance(call_id, str) else ""


def recover(
    request: Request,
    recall: Callable[[str], StoredThinking | None],
    family: str,
    *,
    reasoning: bool = False,
) -> Request:
    """Return the request with the thinking that its client dropped.

    Only signatures of ``family`` are restored, since no model accepts those of another family.
    ``reasoning`` says that the target needs the text of the reasoning, whatever its signature.
    """
    messages = tuple(
        _recover_message(message, recall, family, reasoning=reasoning)
        for message in request.messages
    )
    if all(new is old for new, old in zip(messages, request.messages, strict=True)):
        return request
    return replace(request, messages=messages)


def has_reasoning(stored: StoredThinking | None) -> bool:
    """Return whether stored thinking contains readable reasoning."""
    return stored is not None and any(thinking.text for thinking in stored.thinking)


def _recover_message(
    message: Message,
    recall: Callable[[str], StoredThinking | None],
    family: str,
    *,
    reasoning: bool,
) -> Message:
    if message.role != "assistant":
        return message
    if not any(isinstance(part, ToolCall) for part in message.parts):
        return message
    has_thinking = any(
        isinstance(part, Thinking) and (part.text if reasoning else part.signature is not None)
        for part in message.parts
    )
    thinking: list[Thinking] = []
    parts: list[Part] = []
    changed = False
    for part in message.parts:
        stored = recall(part.id) if isinstance(part, ToolCall) else None
        if isinstance(part, ToolCall) and stored is not None:
            if not has_thinking:
                thinking += [
                    each
                    for each in stored.thinking
                    if _is_usable(each, family, reasoning=reasoning)
                ]
            own = stored.signature
            if part.signature is None and own is not None and own.family == family:
                part = replace(part, signature=own)
                changed = True
        parts.append(part)
    if not changed and not thinking:
        return message
    # A turn with thinking must begin with it, or the upstream refuses the request.
    return replace(message, parts=(*thinking, *parts))


def _is_usable(thinking: Thinking, family: str, *, reasoning: bool) -> bool:
    if thinking.signature is not None and thinking.signature.family == family:
        return True
    return reasoning and bool(thinking.text)
