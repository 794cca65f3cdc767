"""One value per protocol: how its answers, streams and errors look; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from antigravity.simulator.encoders import anthropic, chat, gemini, responses
from antigravity.simulator.encoders.events import (
    Context,
    ErrorRenderer,
    Event,
    Framing,
    Renderer,
    google_sse,
    json_array,
    sse,
)
from antigravity.simulator.errors import (
    Answer,
    ApiError,
    anthropic_error,
    google_error,
    openai_error,
)
from antigravity.simulator.script import Script


@dataclass(frozen=True)
class Dialect:
    """How a protocol writes."""

    name: str
    call_prefix: str
    reply: Callable[[Script, Context], dict[str, Any] | bytes]
    events: Renderer
    error_events: ErrorRenderer
    error: Callable[[ApiError], Answer]
    framing: Framing = sse
    stream_type: str = "text/event-stream; charset=utf-8"
    whole_type: str = "application/json"


ANTHROPIC: Final = Dialect(
    "anthropic", "toolu_", anthropic.reply, anthropic.events, anthropic.error_events,
    anthropic_error,
)  # fmt: skip
CHAT: Final = Dialect(
    "chat", "call_", chat.reply, chat.events, chat.error_events, openai_error
)  # fmt: skip
COMPLETIONS: Final = Dialect(
    "completions", "call_", chat.completion_reply, chat.completion_events, chat.error_events,
    openai_error,
)  # fmt: skip
RESPONSES: Final = Dialect(
    "responses", "call_", responses.reply, responses.events, responses.error_events, openai_error
)  # fmt: skip
GEMINI: Final = Dialect(
    "gemini", "", gemini.reply, gemini.events, gemini.error_events, google_error, google_sse,
    "text/event-stream",
)  # fmt: skip
GEMINI_ARRAY: Final = replace(GEMINI, framing=json_array, stream_type="application/json")
CODE_ASSIST: Final = replace(
    GEMINI,
    name="codeassist",
    reply=lambda script, context: gemini.enveloped(gemini.reply(script, context)),
    events=lambda script, context: (
        Event(gemini.enveloped(event.value), event.name, event.content)
        for event in gemini.events(script, context)
    ),
)
CODE_ASSIST_ARRAY: Final = replace(CODE_ASSIST, framing=json_array, stream_type="application/json")
