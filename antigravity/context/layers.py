"""The layers of compression, applied to a history.  Pure.

A plan names the message of the *client's* history up to which each layer applies.  While the plan
stays the same, the compressed history of the next turn begins with the same messages, so that the
upstream's prompt cache remains valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from antigravity.context.history import head_length, last_user
from antigravity.context.tool_output import shortened, stubbed
from antigravity.ir.parts import Part, Text, Thinking
from antigravity.ir.request import Message

#: The names of the layers in headers and records, in the order in which they are tried.
RESULTS: Final = "l0"
ROUNDS: Final = "l1"
THINKING: Final = "l2"
SUMMARY: Final = "l3"
TRIM: Final = "trim"

_TRIMMED: Final = (
    "[The older part of this conversation was left out to save room. "
    "Ask, or look again, for what is missing.]"
)
_SUMMARY: Final = (
    "<conversation-summary>\n"
    "The older part of this conversation was left out to save room. This is what it was about:\n"
    "\n{}\n</conversation-summary>"
)


class CompressionPlan(Struct, frozen=True):
    """The index of the message up to which each layer applies; 0 disables a layer.

    Tool results before ``results`` are shortened, those before ``rounds`` are replaced by a note.
    Thinking before ``thinking`` is removed.  The messages between the head and ``fork`` are
    replaced by ``summary``, or removed if that is empty.
    """

    results: int = 0
    rounds: int = 0
    thinking: int = 0
    fork: int = 0
    summary: str = ""

    @property
    def covers(self) -> int:
        """The number of messages that the plan affects."""
        return max(self.results, self.rounds, self.thinking, self.fork)


NO_COMPRESSION: Final = CompressionPlan()


class Applied(Struct, frozen=True):
    """A compressed history, and the layers that changed it."""

    messages: tuple[Message, ...]
    layers: tuple[str, ...]


def apply(messages: Sequence[Message], plan: CompressionPlan, *, keep_signatures: bool) -> Applied:
    """Return the history after a plan was applied.

    The head, the user's last turn and the messages after it do not change.  ``keep_signatures``
    keeps the signatures of removed thinking, for models that require them.
    """
    end, head = last_user(messages), head_length(messages)
    out = list(messages[:head])
    found: dict[str, None] = {}
    begin = head
    if head < plan.fork <= end:
        begin = plan.fork
        out.append(fork_message(plan.summary))
        found[SUMMARY if plan.summary else TRIM] = None
    for index in range(begin, len(messages)):
        message = messages[index]
        if index < end:
            message = changed(index, message, plan, found, keep_signatures=keep_signatures)
        if message.parts:
            out.append(message)
    return Applied(tuple(out), tuple(sorted(found)))


def changed(
    index: int,
    message: Message,
    plan: CompressionPlan,
    found: dict[str, None],
    *,
    keep_signatures: bool,
) -> Message:
    """Return one message after a plan was applied, and add the layers to ``found``."""
    if index < plan.thinking:
        before, message = message, _without_thinking(message, keep_signatures=keep_signatures)
        if message is not before:
            found[THINKING] = None
    if index < plan.rounds:
        before, message = message, stubbed(message)
        if message is not before:
            found[ROUNDS] = None
    if index < plan.results:
        before, message = message, shortened(message)
        if message is not before:
            found[RESULTS] = None
    return message


def fork_message(summary: str) -> Message:
    """Return the message that replaces the history before a fork."""
    return Message("user", (Text(_SUMMARY.format(summary) if summary else _TRIMMED),))


def _without_thinking(message: Message, *, keep_signatures: bool) -> Message:
    if not any(isinstance(part, Thinking) for part in message.parts):
        return message
    parts: list[Part] = []
    for part in message.parts:
        if not isinstance(part, Thinking):
            parts.append(part)
        elif keep_signatures and part.signature is not None:
            # The signature of Claude covers the text of the thinking, so the text must stay.
            claude = part.signature.family == "claude"
            parts.append(part if claude or not part.text else replace(part, text=""))
    if len(parts) == len(message.parts) and all(
        new is old for new, old in zip(parts, message.parts, strict=True)
    ):
        return message
    return replace(message, parts=tuple(parts))
