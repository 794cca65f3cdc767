"""The JSON types of requests for interactions, and errors that name the field at fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from antigravity.ir.errors import InvalidRequestError
from antigravity.protocols.json_body import bad_field, convert

#: The protocol's name.
NAME: Final = "gemini_interactions"

#: The exceptions of a JSON decoder for bytes that are not JSON of the expected type.
MALFORMED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

JsonObject = dict[str, Any]
Positive = Annotated[int, Meta(ge=1)]

#: The types of content, in user input, model output and results of functions.
CONTENT_TYPES: Final = ("text", "image", "audio", "document", "video")

_T = TypeVar("_T")


class GenerationConfig(Struct, frozen=True):
    """``generation_config``."""

    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop_sequences: list[str] | None = None
    max_output_tokens: Positive | None = None
    thinking_level: str | None = None
    thinking_summaries: str | None = None
    tool_choice: str | JsonObject | None = None
    image_config: JsonObject | None = None
    speech_config: JsonObject | list[JsonObject] | None = None


class InteractionBody(Struct, frozen=True):
    """The fields of the body that the representation has a field for."""

    model: str = ""
    input: str | JsonObject | list[str | JsonObject] | None = None
    system_instruction: str | None = None
    stream: bool | None = None
    tools: list[JsonObject] | None = None
    generation_config: GenerationConfig | None = None
    response_format: JsonObject | list[JsonObject] | None = None
    response_mime_type: str | None = None
    response_modalities: list[str] | None = None
    labels: dict[str, str] | None = None
    service_tier: str | None = None
    store: bool | None = None
    background: bool | None = None
    previous_interaction_id: str | None = None


class Annotation(Struct, frozen=True):
    """A citation of text; ``start_index`` and ``end_index`` count bytes of its UTF-8 form."""

    type: str = ""
    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class TextContent(Struct, frozen=True):
    """A content of the type ``text``."""

    text: str = ""
    annotations: list[Annotation] | None = None


class MediaContent(Struct, frozen=True):
    """A content of any other type."""

    data: str | None = None
    uri: str | None = None
    mime_type: str | None = None
    resolution: str | None = None
    name: str | None = None


class OutputStep(Struct, frozen=True):
    """A step of the type ``user_input`` or ``model_output``."""

    content: str | JsonObject | list[str | JsonObject] | None = None


class ThoughtStep(Struct, frozen=True):
    """A step of the type ``thought``."""

    signature: str | None = None
    summary: list[JsonObject] | None = None


class CallStep(Struct, frozen=True):
    """A step of the type ``function_call``."""

    name: str
    id: str | None = None
    arguments: JsonObject | str | None = None
    signature: str | None = None


class ResultStep(Struct, frozen=True):
    """A step of the type ``function_result``."""

    call_id: str
    result: Any = None
    name: str | None = None
    is_error: bool | None = None


class SearchArguments(Struct, frozen=True):
    """``arguments`` of a search."""

    queries: list[str] | None = None


class SearchCallStep(Struct, frozen=True):
    """A step of the type ``google_search_call``."""

    id: str | None = None
    arguments: SearchArguments | None = None


class SearchResultStep(Struct, frozen=True):
    """A step of the type ``google_search_result``."""

    call_id: str | None = None
    result: list[JsonObject] | None = None
    is_error: bool | None = None


class FunctionDeclaration(Struct, frozen=True):
    """A tool of the type ``function``."""

    name: str
    description: str | None = None
    parameters: JsonObject | None = None


class AllowedTools(Struct, frozen=True):
    """``tool_choice.allowed_tools``."""

    mode: str | None = None
    tools: list[str] | None = None


def read(value: object, kind: type[_T], at: str = "") -> _T:
    """Return a decoded JSON value as ``kind``.

    :raises InvalidRequestError: naming the field at fault below ``at``.
    """
    found: _T = convert(value, kind, at)
    return found


def required(path: str) -> InvalidRequestError:
    """Return the error for a field that is missing."""
    return bad_field(path, "is required")


def refuse(path: str, value: object, allowed: Sequence[str]) -> InvalidRequestError:
    """Return the error for a value that is not one of the allowed ones."""
    if value is None:
        return bad_field(path, "is required", allowed)
    return bad_field(path, f"is invalid: found {str(value)[:80]!r}", allowed)
