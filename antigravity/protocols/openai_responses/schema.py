"""The JSON types of Responses requests, and errors that name the field at fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from antigravity.ir.errors import InvalidRequestError
from antigravity.protocols.json_body import bad_field, convert

#: The protocol's name, the same on both sides.
NAME: Final = "openai_responses"

#: The exceptions of a JSON decoder for bytes that are not JSON of the expected type.
MALFORMED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

JsonObject = dict[str, Any]
Positive = Annotated[int, Meta(ge=1)]

_T = TypeVar("_T")


class ReasoningField(Struct, frozen=True):
    """``reasoning``."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class FormatField(Struct, frozen=True):
    """``text.format``."""

    type: str = "text"
    name: str | None = None
    description: str | None = None
    schema: JsonObject | None = None
    strict: bool | None = None


class TextField(Struct, frozen=True):
    """``text``."""

    format: FormatField | None = None
    verbosity: str | None = None


class RequestBody(Struct, frozen=True):
    """The fields of the body that the representation has a field for."""

    model: str
    input: str | list[JsonObject] | None = None
    instructions: str | list[JsonObject] | None = None
    stream: bool | None = None
    tools: list[JsonObject] | None = None
    tool_choice: str | JsonObject | None = None
    parallel_tool_calls: bool | None = None
    reasoning: ReasoningField | None = None
    text: TextField | None = None
    include: list[str] | None = None
    max_output_tokens: Positive | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    metadata: JsonObject | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    conversation: str | JsonObject | None = None
    prompt: JsonObject | None = None


class FunctionDeclaration(Struct, frozen=True):
    """A tool of the type ``function``."""

    name: str
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class CustomDeclaration(Struct, frozen=True):
    """A tool of the type ``custom``."""

    name: str
    description: str | None = None
    format: JsonObject | None = None


class NamespaceDeclaration(Struct, frozen=True):
    """A tool of the type ``namespace``: functions and custom tools under one name."""

    name: str
    tools: list[JsonObject]
    description: str | None = None


class SearchFilters(Struct, frozen=True):
    """``filters`` of a web search tool."""

    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None


class SearchDeclaration(Struct, frozen=True):
    """A tool of the type ``web_search`` or one of its variants."""

    filters: SearchFilters | None = None
    user_location: JsonObject | None = None


class AllowedTools(Struct, frozen=True):
    """A ``tool_choice`` of the type ``allowed_tools``."""

    tools: list[JsonObject]
    mode: str = "auto"


class MessageItem(Struct, frozen=True):
    """An input item of the type ``message``, or one without a type."""

    role: str
    content: str | list[JsonObject] | None = None
    phase: str | None = None


class CallItem(Struct, frozen=True):
    """An input item of the type ``function_call`` or ``custom_tool_call``."""

    name: str
    call_id: str | None = None
    id: str | None = None
    arguments: str | JsonObject | None = None
    input: str | None = None
    namespace: str | None = None


class OutputItem(Struct, frozen=True):
    """An input item of the type ``function_call_output`` or ``custom_tool_call_output``."""

    call_id: str
    output: str | list[JsonObject] | None = None


class ReasoningPart(Struct, frozen=True):
    """One text of a reasoning item."""

    text: str = ""


class ReasoningItem(Struct, frozen=True):
    """An input item of the type ``reasoning``."""

    summary: list[ReasoningPart] | None = None
    content: list[ReasoningPart] | None = None
    encrypted_content: str | None = None


class SearchSource(Struct, frozen=True):
    """A page in the results of a web search."""

    url: str | None = None


class SearchAction(Struct, frozen=True):
    """``action`` of a web search call."""

    type: str = "search"
    query: str | None = None
    queries: list[str] | None = None
    url: str | None = None
    sources: list[SearchSource] | None = None


class SearchItem(Struct, frozen=True):
    """An item of the type ``web_search_call``."""

    id: str | None = None
    status: str | None = None
    action: SearchAction | None = None


class ImageItem(Struct, frozen=True):
    """An item of the type ``image_generation_call``."""

    result: str | None = None
    output_format: str | None = None


class ImagePart(Struct, frozen=True):
    """A content part of the type ``input_image``."""

    image_url: str | JsonObject | None = None
    file_id: str | None = None
    detail: str | None = None


class FilePart(Struct, frozen=True):
    """A content part of the type ``input_file``."""

    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None


class AudioData(Struct, frozen=True):
    """``input_audio`` of a content part of that type."""

    data: str
    format: str = "wav"


class AudioPart(Struct, frozen=True):
    """A content part of the type ``input_audio``."""

    input_audio: AudioData


class Annotation(Struct, frozen=True):
    """An annotation of a text; the representation has only ``url_citation``."""

    type: str = ""
    url: str = ""
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class TextPart(Struct, frozen=True):
    """A content part with text, of any type."""

    text: str
    annotations: list[Annotation] | None = None


class RefusalPart(Struct, frozen=True):
    """A content part of the type ``refusal``."""

    refusal: str


def read(value: Any, kind: type[_T], path: str = "") -> _T:
    """Return the JSON value at ``path`` of the body as ``kind``.

    :raises InvalidRequestError: naming the field at fault.
    """
    result: _T = convert(value, kind, path)
    return result


def required(path: str, *others: str) -> InvalidRequestError:
    """Return the error for a missing field; ``others`` are accepted instead."""
    instead = f" (or {', '.join(f'`{other}`' for other in others)})" if others else ""
    return bad_field(path, f"is required{instead}")


def refuse(path: str, value: object, allowed: Sequence[str]) -> InvalidRequestError:
    """Return the error for a value that is not one of ``allowed``."""
    if value is None:
        return bad_field(path, "is required", allowed)
    return bad_field(path, f"is invalid: found {str(value)[:80]!r}", allowed)


def without_nulls(fields: JsonObject) -> JsonObject:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}
