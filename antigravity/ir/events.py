"""The events of a response, in order.

A choice is a flat sequence of text, thinking and tool calls; a change of kind closes what was
open.  ``call`` identifies a tool call by its number within the response; the deltas of several
calls can interleave.  A complete stream has a :class:`Finish` for each choice.
:class:`UsageUpdate` can come at any time; the last one counts.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from antigravity.ir.errors import GatewayError
from antigravity.ir.media import MediaSource
from antigravity.ir.parts import Citation, WebSearch
from antigravity.ir.signature import Signature
from antigravity.ir.usage import Usage

FinishReason = Literal[
    "stop",  #  the model was done
    "length",  #  the output limit was reached
    "stop_sequence",  #  a stop sequence was produced
    "tool_calls",  #  the client has to run tools
    "content_filter",  #  a filter cut the response off
    "refusal",  #  the model refused to respond
    "pause",  #  a hosted tool takes long: send the message back to continue
]


class ResponseStart(Struct, frozen=True, gc=False):
    """The response begins; ``id`` and ``model`` are the upstream's, or empty."""

    id: str = ""
    model: str = ""


class TextDelta(Struct, frozen=True, gc=False):
    """More visible text."""

    text: str
    choice: int = 0


class TextPhase(Struct, frozen=True, gc=False):
    """A message begins, whose text is a ``commentary`` or the ``final_answer`` (OpenAI)."""

    phase: str
    choice: int = 0


class TextSignature(Struct, frozen=True):
    """The thought signature of the text before it (Gemini)."""

    signature: Signature
    choice: int = 0


class ThinkingDelta(Struct, frozen=True, gc=False):
    """More reasoning text."""

    text: str
    choice: int = 0


class ThinkingSignature(Struct, frozen=True):
    """The signature of the thinking before it; ends that block."""

    signature: Signature
    choice: int = 0


class RedactedThinking(Struct, frozen=True, gc=False):
    """A whole block of encrypted reasoning."""

    data: str
    choice: int = 0
    family: str = "claude"


class RefusalDelta(Struct, frozen=True, gc=False):
    """More text of a refusal."""

    text: str
    choice: int = 0


class ToolCallStart(Struct, frozen=True):
    """A tool call begins.  ``id`` is never empty: decoders create one if the protocol has none."""

    call: int
    id: str
    name: str
    kind: Literal["function", "custom"] = "function"
    namespace: str | None = None
    signature: Signature | None = None
    choice: int = 0


class ToolCallDelta(Struct, frozen=True, gc=False):
    """More of the raw text of a call's arguments."""

    call: int
    arguments: str
    choice: int = 0


class ToolCallEnd(Struct, frozen=True, gc=False):
    """The arguments of a call are complete."""

    call: int
    choice: int = 0


class MediaOutput(Struct, frozen=True):
    """An image or audio in the response."""

    mime_type: str
    source: MediaSource
    signature: Signature | None = None
    transcript: str | None = None
    choice: int = 0


class WebSearchEvent(Struct, frozen=True):
    """A hosted web search, with its results if the upstream reports them."""

    search: WebSearch
    choice: int = 0


class CitationEvent(Struct, frozen=True):
    """A source for text that was already sent."""

    citation: Citation
    choice: int = 0


class OpaqueOutput(Struct, frozen=True):
    """An output item that only one protocol has, as its JSON object; other protocols skip it.

    ``complete`` is false for an item that only begins; the whole item follows.
    """

    protocol: str
    kind: str
    wire: dict[str, Any]
    complete: bool = True
    choice: int = 0


class LogprobsDelta(Struct, frozen=True):
    """Log probabilities of the last tokens, in the format of OpenAI's ``logprobs.content``."""

    content: list[dict[str, Any]]
    choice: int = 0


class UsageUpdate(Struct, frozen=True):
    """Token counts so far; they replace earlier counts."""

    usage: Usage


class Finish(Struct, frozen=True, gc=False):
    """A choice is complete.  ``native`` is the reason as the upstream names it."""

    reason: FinishReason
    stop_sequence: str | None = None
    native: str | None = None
    choice: int = 0


class StreamFailure(Struct, frozen=True):
    """The response failed; nothing follows."""

    error: GatewayError


#: An event that belongs to one choice.
ChoiceEvent = (
    TextDelta
    | TextPhase
    | TextSignature
    | ThinkingDelta
    | ThinkingSignature
    | RedactedThinking
    | RefusalDelta
    | ToolCallStart
    | ToolCallDelta
    | ToolCallEnd
    | MediaOutput
    | WebSearchEvent
    | CitationEvent
    | LogprobsDelta
    | OpaqueOutput
    | Finish
)
Event = ResponseStart | ChoiceEvent | UsageUpdate | StreamFailure

#: Events with content: they show that the response has begun.
MEANINGFUL = (
    TextDelta,
    ThinkingDelta,
    RedactedThinking,
    RefusalDelta,
    ToolCallStart,
    MediaOutput,
    WebSearchEvent,
    OpaqueOutput,
)
