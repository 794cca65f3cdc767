"""A request for an answer, in no protocol's words."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from antigravity.ir.audio import SpeechOptions
from antigravity.ir.images import ImageOptions
from antigravity.ir.parts import Part, Text
from antigravity.ir.tools import JsonObject, Tool, ToolChoice

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Message(Struct, frozen=True, gc=False):
    """One turn.

    Tool calls stand in ``assistant`` messages, tool results in ``user`` messages.  A
    ``system`` message here is one that came *after* the conversation had begun; the
    leading ones are in :attr:`Request.system`.  Adjacent messages may have the same role.
    """

    role: Literal["system", "user", "assistant"]
    parts: tuple[Part, ...]
    name: str | None = None


class ThinkingConfig(Struct, frozen=True):
    """How much the model should think.

    ``mode`` is ``off``, ``on`` (with an optional ``budget`` in tokens or an ``effort``),
    ``adaptive`` (the model decides, ``effort`` as a hint), or ``default`` (the client did
    not say how much).  ``include`` says whether the client wants to see the thoughts;
    ``None`` means that it did not say.  ``summary`` is OpenAI's wish for a summary.
    """

    mode: Literal["default", "off", "on", "adaptive"] = "default"
    budget: int | None = None
    effort: Effort | None = None
    include: bool | None = None
    summary: str | None = None


class ResponseFormat(Struct, frozen=True):
    """The form that the answer must have: ``json`` is any object, ``schema`` one that fits."""

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
    """Everything that a client asked for.

    ``extensions`` holds the fields that the representation has no name for, as the protocol
    named ``protocol`` wrote them; only that protocol's encoder may look at them.
    ``prompt_cache_key``, ``service_tier`` and ``verbosity`` are OpenAI's.  ``modalities``
    are the wanted output kinds (``text``, ``image``, ``audio``).  ``image`` is what an image
    should be like, in nobody's words; ``image_config`` says the same in Gemini's.  ``speech``
    says how what the user wrote is to be spoken.
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
