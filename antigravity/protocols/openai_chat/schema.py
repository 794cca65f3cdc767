"""The JSON types of chat completions: requests of clients and chunks of upstreams.

Requests are checked by these types; :data:`ALLOWED` has the allowed values for error messages.
Chunks are typed loosely, because compatible servers differ.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

#: The protocol's name.
NAME: Final = "openai_chat"

# Requests


class TextPart(Struct, tag="text"):
    """Text; clients of Claude models add ``cache_control``."""

    text: str
    cache_control: Any = None


class RefusalPart(Struct, tag="refusal"):
    """Text of a refusal."""

    refusal: str


class MediaUrl(Struct):
    """An http or ``data:`` URL."""

    url: str
    detail: str | None = None


class ImagePart(Struct, tag="image_url"):
    """An image."""

    image_url: MediaUrl | str
    cache_control: Any = None


class VideoPart(Struct, tag="video_url"):
    """A video, which many compatible servers accept, but not OpenAI."""

    video_url: MediaUrl | str
    cache_control: Any = None


class InputAudio(Struct):
    """Base64 audio in a named format."""

    data: str
    format: str


class AudioPart(Struct, tag="input_audio"):
    """Audio."""

    input_audio: InputAudio
    cache_control: Any = None


class FileData(Struct):
    """A document, inline or with its file id at OpenAI."""

    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(Struct, tag="file"):
    """A document."""

    file: FileData
    cache_control: Any = None


ContentPart = TextPart | RefusalPart | ImagePart | VideoPart | AudioPart | FilePart
Content = str | list[ContentPart]


class FunctionCall(Struct):
    """A call of a function; some clients send the arguments as an object."""

    name: str
    arguments: str | dict[str, Any] | None = None


class CustomCall(Struct):
    """A call of a tool with free text as its input."""

    name: str
    input: str = ""


class ToolCallItem(Struct):
    """One of an assistant's tool calls."""

    id: str
    type: Literal["function", "custom"] = "function"
    function: FunctionCall | None = None
    custom: CustomCall | None = None
    extra_content: Any = None


class SystemMessage(Struct, tag_field="role", tag="system"):
    """Instructions."""

    content: Content
    name: str | None = None


class DeveloperMessage(Struct, tag_field="role", tag="developer"):
    """Instructions in the newer role."""

    content: Content
    name: str | None = None


class UserMessage(Struct, tag_field="role", tag="user"):
    """A message of the user."""

    content: Content
    name: str | None = None


class AudioReference(Struct):
    """An earlier response in audio."""

    id: str


class AssistantMessage(Struct, tag_field="role", tag="assistant"):
    """A message of the model."""

    content: Content | None = None
    name: str | None = None
    refusal: str | None = None
    audio: AudioReference | None = None
    tool_calls: list[ToolCallItem] | None = None
    function_call: FunctionCall | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None


class ToolMessage(Struct, tag_field="role", tag="tool"):
    """The result of a tool call."""

    tool_call_id: str
    content: Content | None = None
    name: str | None = None


class FunctionMessage(Struct, tag_field="role", tag="function"):
    """The result of a legacy ``function_call``."""

    name: str
    content: Content | None = None


WireMessage = (
    SystemMessage
    | DeveloperMessage
    | UserMessage
    | AssistantMessage
    | ToolMessage
    | FunctionMessage
)


class FunctionDefinition(Struct):
    """A function that the client runs."""

    name: Annotated[str, Meta(min_length=1)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    input_schema: dict[str, Any] | None = None  # Anthropic's name of the parameters


class CustomDefinition(Struct):
    """A tool with free text as its input."""

    name: Annotated[str, Meta(min_length=1)]
    description: str | None = None
    format: dict[str, Any] | None = None


class NamedFunction(Struct):
    """The function to call, in the legacy ``function_call``."""

    name: str


class JsonSchemaFormat(Struct):
    """The schema of the response."""

    name: str = "response"
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseFormatItem(Struct):
    """``response_format``."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaFormat | None = None


class StreamOptions(Struct):
    """``stream_options``."""

    include_usage: bool | None = None


Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Positive = Annotated[int, Meta(ge=1)]


class ChatRequest(Struct):
    """The body of a call; fields that are not here become extensions."""

    model: Annotated[str, Meta(min_length=1)]
    messages: Annotated[list[WireMessage], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    functions: list[FunctionDefinition] | None = None
    function_call: Literal["none", "auto"] | NamedFunction | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormatItem | None = None
    stop: str | list[str] | None = None
    max_tokens: Positive | None = None
    max_completion_tokens: Positive | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    seed: int | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: int | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    reasoning_effort: Effort | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    image_config: dict[str, Any] | None = None
    web_search_options: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    user: str | None = None
    safety_identifier: str | None = None


class ScalarField(Struct, frozen=True):
    """A field of the body that ``Sampling`` has under the same name.

    ``usual``: targets without known quirks accept it.  ``randomness``: models that accept no
    sampling parameters refuse it.
    """

    name: str
    usual: bool = True
    randomness: bool = True


#: The scalar fields of ``ChatRequest`` that both sides copy to and from ``Sampling``.
SAMPLING_FIELDS: Final = (
    ScalarField("temperature"),
    ScalarField("top_p"),
    ScalarField("presence_penalty"),
    ScalarField("frequency_penalty"),
    ScalarField("top_k", usual=False),
    ScalarField("seed", randomness=False),
)

_TOOL_TYPES: Final = ("function", "custom", "web_search")

#: The allowed values of fields, by path.
ALLOWED: Final = (
    (
        re.compile(r"messages\[\d+\]\.role"),
        ("developer", "system", "user", "assistant", "tool", "function"),
    ),
    (
        re.compile(r"messages\[\d+\]\.content\[\d+\]\.type"),
        ("text", "image_url", "input_audio", "file", "refusal", "video_url"),
    ),
    (re.compile(r"messages\[\d+\]\.tool_calls\[\d+\]\.type"), ("function", "custom")),
    (re.compile(r"tools\[\d+\]\.type"), _TOOL_TYPES),
    (re.compile(r"response_format\.type"), ("text", "json_object", "json_schema")),
    (
        re.compile(r"reasoning_effort"),
        ("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    ),
    (re.compile(r"function_call"), ("none", "auto", '{"name": "..."}')),
)

# Chunks


class ChunkToolCall(Struct, gc=False):
    """A piece of a tool call."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: dict[str, Any] | None = None
    custom: dict[str, Any] | None = None
    extra_content: Any = None


class ChunkDelta(Struct, gc=False):
    """The delta of one choice."""

    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    refusal: str | None = None
    tool_calls: list[ChunkToolCall] | None = None
    function_call: dict[str, Any] | None = None
    images: Any = None
    audio: Any = None
    annotations: Any = None
    extra_content: Any = None


class ChunkChoice(Struct, gc=False):
    """One choice in a chunk; a few servers send ``message`` instead of ``delta``.

    Legacy completions have ``text`` instead.
    """

    index: int | None = None
    delta: ChunkDelta | None = None
    message: ChunkDelta | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: Any = None


class Chunk(Struct, gc=False):
    """One event of a streamed response, or a whole response."""

    id: str | None = None
    model: str | None = None
    kind: Any = field(name="object", default=None)
    choices: list[ChunkChoice] | None = None
    usage: Any = None
    error: Any = None
    message: Any = None
    code: Any = None
