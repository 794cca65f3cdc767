"""Compaction: a summary in the place of the beginning of a conversation.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from antigravity.context.sealed_summary import PREFIX, Summary
from antigravity.context.tool_output import cut
from antigravity.ir.parts import Media, Opaque, Part, Text, Thinking, ToolCall, ToolResult
from antigravity.ir.request import Message, Request

#: The type of the item with a summary in the Responses API.
ITEM: Final = "compaction"
#: The longest text and result of a tool in what a summary keeps of the last turns.
_TEXT: Final = 32_000
_RESULT: Final = 16_000

_INTRODUCTION: Final = (
    "The conversation before this point was replaced by a summary, which an assistant wrote:"
)

Open = Callable[[str], Summary]


class Division(Struct, frozen=True):
    """A conversation in two parts: ``older`` becomes a summary, and ``recent`` stays."""

    older: tuple[Message, ...]
    recent: tuple[Message, ...]


# -- on return ----------------------------------------------------------------------------------


def sealed_text(part: Part) -> str:
    """Return the sealed summary in a part, empty if there is none."""
    if not isinstance(part, Opaque) or part.kind != ITEM:
        return ""
    text = part.wire.get("encrypted_content")
    return text if isinstance(text, str) and text.startswith(PREFIX) else ""


def open_summaries(request: Request, open_sealed: Open) -> Request:
    """Return a request with its newest sealed summary as a message of the user.

    What the summary covers is left out: all messages before it but for instructions, and for
    those of users unless it covers them, too.

    :param open_sealed: returns the summary in a text; it is called for each one.
    """
    before: list[Message] = []
    found: Summary | None = None
    after: list[Message] = []
    for message in request.messages:
        rest: list[Part] = []
        for part in message.parts:
            text = sealed_text(part)
            if not text:
                rest.append(part)
                continue
            found = open_sealed(text)
            if rest:
                after.append(replace(message, parts=tuple(rest)))
            before, after, rest = before + after, [], []
        if rest or not message.parts:
            after.append(replace(message, parts=tuple(rest)))
    if found is None:
        return request
    left = tuple(_left_before(before, users=not found.covers_users))
    present = [message.parts for message in (*left, *after) if message.role == "system"]
    kept = [message for message in found.kept if message.role == "system"]
    instructions = [message for message in kept if _is_new(message, present, request)]
    recent = [message for message in found.kept if message.role != "system"]
    messages = (*left, *instructions, summary_message(found.text), *recent, *after)
    return replace(request, messages=messages)


def summary_message(text: str) -> Message:
    """Return the message that stands for the beginning of a conversation."""
    return Message("user", (Text(f"{_INTRODUCTION}\n\n{text}"),))


def _is_new(message: Message, present: Sequence[tuple[Part, ...]], request: Request) -> bool:
    """Return whether the client has not sent instructions again."""
    own = all(part in request.system for part in message.parts)
    return message.parts not in present and not own


def _left_before(messages: Sequence[Message], *, users: bool) -> Iterator[Message]:
    for message in messages:
        if message.role == "system":
            yield message
        elif users and message.role == "user":
            said = tuple(part for part in message.parts if isinstance(part, Text | Media))
            if said:
                yield replace(message, parts=said)


# -- to compact ---------------------------------------------------------------------------------


def divide_at_end(messages: Sequence[Message]) -> Division:
    """Divide a conversation at its end: only calls of tools without results stay."""
    answered = set(_answered(messages))
    waiting: list[Part] = []
    older: list[Message] = []
    for message in messages:
        rest: list[Part] = []
        for part in message.parts:
            names = _call_names(part) if message.role == "assistant" else ()
            (waiting if names and answered.isdisjoint(names) else rest).append(part)
        if rest:
            older.append(replace(message, parts=tuple(rest)))
    recent = (Message("assistant", tuple(waiting)),) if waiting else ()
    return Division(tuple(older), recent)


def divide_by_size(
    messages: Sequence[Message], limit: int, measure: Callable[[Sequence[Message]], int]
) -> Division:
    """Divide a conversation before the user's last message.

    If what follows it exceeds ``limit`` tokens, only the last responses stay with it.
    """
    last = max(filter(lambda place: _is_said(messages[place]), range(len(messages))), default=0)
    if measure(messages[last:]) <= limit:
        return Division(tuple(messages[:last]), tuple(messages[last:]))
    starts = [
        place for place in range(last + 1, len(messages)) if messages[place].role == "assistant"
    ]
    fork = next((place for place in starts if measure(messages[place:]) <= limit), None)
    if fork is None:
        fork = starts[-1] if starts else last
    if fork == last:
        return Division(tuple(messages[:last]), tuple(messages[last:]))
    older = (*messages[:last], *messages[last + 1 : fork])
    return Division(older, (messages[last], *messages[fork:]))


def instructions_of(request: Request, repeated: str) -> tuple[Message, ...]:
    """Return the instructions in a conversation, each once.

    :param repeated: what the client sends with each request, and what is not part of it.
    """
    found: list[Message] = []
    leading = (Message("system", (text,)) for text in request.system if text.text != repeated)
    for message in (*leading, *(m for m in request.messages if m.role == "system")):
        if message not in found:
            found.append(message)
    return tuple(found)


def storable(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return messages as a summary keeps them: no instructions, thinking, media and long texts."""
    said = (message for message in messages if message.role != "system")
    made = (replace(message, parts=tuple(_storable_parts(message.parts))) for message in said)
    return tuple(message for message in made if message.parts)


def _storable_parts(parts: Sequence[Part]) -> Iterator[Part]:
    for part in parts:
        match part:
            case Thinking():
                continue
            case Text():
                yield Text(cut(part.text, _TEXT))
            case Media():
                yield Text(f"[{part.kind} left out of the compacted conversation]")
            case ToolResult():
                inner = "\n".join(
                    each.text if isinstance(each, Text) else f"[{each.kind} left out]"
                    for each in part.parts
                )
                yield replace(part, parts=(Text(cut(inner, _RESULT)),) if inner else ())
            case _:
                yield part


def _is_said(message: Message) -> bool:
    return message.role == "user" and any(isinstance(p, Text | Media) for p in message.parts)


def _call_names(part: Part) -> tuple[str, ...]:
    """Return the ids by which a result can name a call of a tool that the client runs."""
    if isinstance(part, ToolCall):
        return (part.id,)
    if isinstance(part, Opaque) and part.kind.endswith("_call"):
        return _names(part.wire) if isinstance(part.wire.get("call_id"), str) else ()
    return ()


def _names(wire: dict[str, Any]) -> tuple[str, ...]:
    """Return the ids of an item; the output of a local shell may have the id of its call's."""
    return tuple(each for each in (wire.get("call_id"), wire.get("id")) if isinstance(each, str))


def _answered(messages: Sequence[Message]) -> Iterator[str]:
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolResult):
                yield part.call_id
            elif isinstance(part, Opaque) and part.kind.endswith("_output"):
                yield from _names(part.wire)
