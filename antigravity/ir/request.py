"""A request in the intermediate representation."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from antigravity.ir.audio import SpeechOptions
from antigravity.ir.images import ImageOptions
from antigravity.ir.parts import Part, Text
from antigravity.ir.tools import JsonObject, Tool, ToolChoice

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Message(Struct, frozen=True, gc=False):
    """One message of a conversation.

    Tool calls are in ``assistant`` messages, tool results in ``user`` messages.  A ``system``
    message here comes *after* the first other message; the leading ones are in
    :attr:`Request.system`.  Adjacent messages can have the same role.
    """

    role: Literal["system", "user", "assistant"]
    parts: tuple[Part, ...]
    name: str | None = None


class ThinkingConfig(Struct, frozen=True):
    """How much the model should think.

    ``mode`` is ``off``, ``on`` (with an optional ``budget`` in tokens or an ``effort``),
    ``adaptive`` (the model decides, ``effort`` is a hint), or ``default`` (the client did not set
    it).  ``include`` says whether the client wants to see the thoughts, ``None`` if it did not set
    that.  ``summary`` is OpenAI's setting for a summary of the thoughts.
    """

    mode: Literal["default", "off", "on", "adaptive"] = "default"
    budget: int | None = None
    effort: Effort | None = None
    include: bool | None = None
    summary: str | None = None


class ResponseFormat(Struct, frozen=True):
    """The format of the response: ``json`` is any object, ``schema`` an object of a schema."""

    kind: Literal["text", "json", "schema"] = "text"
    name: str = "response"
    description: str | None = None
    schema: JsonObject | None = None
    strict: bool | None = None


class Sampling(Struct, frozen=True):
    """Sampling parameters; ``None`` means that the client did not send one."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    n: int = 1


class Request(Struct, frozen=True):
    """A client's request.

    ``extensions`` contains fields without a counterpart here, in the format of the protocol named
    ``protocol``; only that protocol's encoder may use them.  ``prompt_cache_key``,
    ``service_tier`` and ``verbosity`` are OpenAI's.  ``modalities`` are the requested kinds of
    output (``text``, ``image``, ``audio``).  ``image`` describes the requested image independently
    of a protocol, ``image_config`` in Gemini's format.  ``speech`` describes how to speak the
    user's text.
    """

    model: str
    messages: tuple[Message, ...]
    protocol: str
    system: tuple[Text, ...] = ()
    stream: bool = False
    include_usage: bool = True
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    max_output_tokens: int | None = None
    thinking: ThinkingConfig = ThinkingConfig()
    response_format: ResponseFormat = ResponseFormat()
    modalities: tuple[str, ...] = ()
    image: ImageOptions | None = None
    image_config: JsonObject | None = None
    audio_config: JsonObject | None = None
    speech: SpeechOptions | None = None
    metadata: dict[str, Any] = {}
    user: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    verbosity: str | None = None
    extensions: dict[str, Any] = {}
