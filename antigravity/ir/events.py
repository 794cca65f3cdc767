"""What an upstream says while it answers, in order.

A choice is a flat sequence: text, thinking and tool calls follow each other, and a change
of kind closes what was open.  Tool calls are told apart by ``call``, their ordinal within
the response; their deltas may interleave.  Every stream that ends well ends with
:class:`Finish` for each choice; :class:`UsageUpdate` may come at any time, the last one counts.
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
    "content_filter",  #  a filter cut the answer off
    "refusal",  #  the model declined
    "pause",  #  a hosted tool runs long: send the turn back to go on
]


class ResponseStart(Struct, frozen=True, gc=False):
    """The answer begins; ``id`` and ``model`` are the upstream's, empty where it gave none."""

    id: str = ""
    model: str = ""


class TextDelta(Struct, frozen=True, gc=False):
    """More visible text."""

    text: str
    choice: int = 0


class TextSignature(Struct, frozen=True):
    """A thought signature that sat on the text before it (Gemini)."""

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
    """More text in which the model declines to answer."""

    text: str
    choice: int = 0


class ToolCallStart(Struct, frozen=True):
    """A tool call begins.  ``id`` is never empty: decoders make one where the wire has none."""

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
    """An image or sound in the answer."""

    mime_type: str
    source: MediaSource
    signature: Signature | None = None
    transcript: str | None = None
    choice: int = 0


class WebSearchEvent(Struct, frozen=True):
    """A hosted web search that was run; its results where the upstream gave them."""

    search: WebSearch
    choice: int = 0


class CitationEvent(Struct, frozen=True):
    """A source for text that was already sent."""

    citation: Citation
    choice: int = 0


class LogprobsDelta(Struct, frozen=True):
    """Log probabilities of the tokens just sent, as OpenAI writes ``logprobs.content``."""

    content: list[dict[str, Any]]
    choice: int = 0


class UsageUpdate(Struct, frozen=True):
    """Token counts so far; replaces the counts before it."""

    usage: Usage


class Finish(Struct, frozen=True, gc=False):
    """A choice is complete.  ``native`` is the upstream's own word for the reason."""

    reason: FinishReason
    stop_sequence: str | None = None
    native: str | None = None
    choice: int = 0


class StreamFailure(Struct, frozen=True):
    """The answer broke off; nothing follows."""

    error: GatewayError


#: An event that belongs to one choice.
ChoiceEvent = (
    TextDelta
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
    | Finish
)
Event = ResponseStart | ChoiceEvent | UsageUpdate | StreamFailure

#: Events that show that the upstream has really begun to answer.
MEANINGFUL = (
    TextDelta,
    ThinkingDelta,
    RedactedThinking,
    RefusalDelta,
    ToolCallStart,
    MediaOutput,
    WebSearchEvent,
)
