"""The encoders and renderers of each protocol; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from antigravity.simulator.encoders import (
    anthropic,
    audio,
    chat,
    gemini,
    images,
    interactions,
    responses,
)
from antigravity.simulator.encoders.events import (
    Context,
    ErrorEncoder,
    Event,
    EventEncoder,
    Framing,
    google_sse,
    json_array,
    sse,
)
from antigravity.simulator.errors import (
    ApiError,
    HttpResponse,
    anthropic_error,
    google_error,
    interactions_error,
    openai_error,
)
from antigravity.simulator.script import Script


@dataclass(frozen=True)
class WireFormat:
    """The encoders, framing and error renderer of a protocol."""

    name: str
    call_prefix: str
    encode_response: Callable[[Script, Context], dict[str, Any] | bytes]
    encode_events: EventEncoder
    encode_error: ErrorEncoder
    render_error: Callable[[ApiError], HttpResponse]
    framing: Framing = sse
    stream_type: str = "text/event-stream; charset=utf-8"
    whole_type: str = "application/json"


ANTHROPIC: Final = WireFormat(
    "anthropic",
    "toolu_",
    anthropic.encode_response,
    anthropic.encode_events,
    anthropic.encode_error,
    anthropic_error,
)
CHAT: Final = WireFormat(
    "chat",
    "call_",
    chat.encode_response,
    chat.encode_events,
    chat.encode_error,
    openai_error,
)
COMPLETIONS: Final = WireFormat(
    "completions",
    "call_",
    chat.encode_completion,
    chat.encode_completion_events,
    chat.encode_error,
    openai_error,
)
RESPONSES: Final = WireFormat(
    "responses",
    "call_",
    responses.encode_response,
    responses.encode_events,
    responses.encode_error,
    openai_error,
)
GEMINI: Final = WireFormat(
    "gemini",
    "",
    gemini.encode_response,
    gemini.encode_events,
    gemini.encode_error,
    google_error,
    google_sse,
    "text/event-stream",
)
GEMINI_ARRAY: Final = replace(GEMINI, framing=json_array, stream_type="application/json")
INTERACTIONS: Final = WireFormat(
    "interactions",
    "call_",
    interactions.encode_response,
    interactions.encode_events,
    interactions.encode_error,
    interactions_error,
    stream_type="text/event-stream",
)
CODE_ASSIST: Final = replace(
    GEMINI,
    name="codeassist",
    encode_response=lambda script, context: gemini.wrap_for_code_assist(
        gemini.encode_response(script, context)
    ),
    encode_events=lambda script, context: (
        Event(gemini.wrap_for_code_assist(event.value), event.name, event.content)
        for event in gemini.encode_events(script, context)
    ),
)
CODE_ASSIST_ARRAY: Final = replace(CODE_ASSIST, framing=json_array, stream_type="application/json")
IMAGES: Final = WireFormat(
    "images", "", images.encode_response, images.encode_events, images.encode_error, openai_error
)
PREDICT: Final = replace(
    IMAGES,
    name="predict",
    encode_response=images.encode_predictions,
    render_error=google_error,
)
TRANSCRIPT: Final = WireFormat(
    "transcript",
    "",
    audio.encode_transcript,
    audio.encode_transcript_events,
    audio.encode_error,
    openai_error,
)
SPEECH_EVENTS: Final = replace(TRANSCRIPT, name="speech", encode_events=audio.encode_speech_events)
#: An audio stream cannot report an error.
SPEECH_BYTES: Final = replace(
    SPEECH_EVENTS,
    encode_events=audio.encode_speech,
    framing=audio.frame_bytes,
    encode_error=lambda *_: [],
)
