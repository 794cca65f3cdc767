"""What each layer of compression does to a history: pure, and the same in every turn.

A plan says up to which message of the *client's* history each layer reaches.  As long as the
plan stays, a longer history begins with the same messages as the shorter one before it, so
that the upstream's prefix cache goes on serving them.
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

#: The layers, in the order in which they are tried, as clients and operators read them.
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
    """Up to which message each layer reaches; 0 is not at all.

    Results of tools before ``results`` are shortened, those before ``rounds`` are replaced by
    a note.  Thinking before ``thinking`` is left out.  What stands between the head and
    ``fork`` is replaced by ``summary``, or left out if that is empty.
    """

    results: int = 0
    rounds: int = 0
    thinking: int = 0
    fork: int = 0
    summary: str = ""

    @property
    def covers(self) -> int:
        """How many messages the plan says something about."""
        return max(self.results, self.rounds, self.thinking, self.fork)


NO_COMPRESSION: Final = CompressionPlan()


class Applied(Struct, frozen=True):
    """A history after a plan, and the layers that have changed it."""

    messages: tuple[Message, ...]
    layers: tuple[str, ...]


def apply(messages: Sequence[Message], plan: CompressionPlan, *, keep_signatures: bool) -> Applied:
    """Return the history as the plan wants it.

    The head, the last turn of the user and what follows it always come back as they are.
    ``keep_signatures`` keeps the signatures of thinking that is left out, for models that
    demand them.
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
    """Return one message behind the fork as the plan wants it; note the layers in ``found``."""
    if index < plan.thinking:
        before, message = message, _unthought(message, keep_signatures=keep_signatures)
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
    """Return what stands in the place of the history before a fork."""
    return Message("user", (Text(_SUMMARY.format(summary) if summary else _TRIMMED),))


def _unthought(message: Message, *, keep_signatures: bool) -> Message:
    if not any(isinstance(part, Thinking) for part in message.parts):
        return message
    parts: list[Part] = []
    for part in message.parts:
        if not isinstance(part, Thinking):
            parts.append(part)
        elif keep_signatures and part.signature is not None:
            # Claude signs what it has thought: its signature means nothing without the text.
            claude = part.signature.family == "claude"
            parts.append(part if claude or not part.text else replace(part, text=""))
    if len(parts) == len(message.parts) and all(
        new is old for new, old in zip(parts, message.parts, strict=True)
    ):
        return message
    return replace(message, parts=tuple(parts))
