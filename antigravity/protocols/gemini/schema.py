"""The fields of Gemini requests that the intermediate representation can express.

Fields are declared once, in snake case; camel case is the other spelling.  User data (function
arguments, schemas, responses) is ``Any``: nothing inside it is ever renamed or converted.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType


class Wire(Struct, rename="camel"):
    """A message on the wire; fields that are absent or ``null`` are ``UNSET``."""


class Blob(Wire):
    """A file in the request itself."""

    mime_type: str = ""
    data: str = ""
    display_name: str | UnsetType = UNSET


class FileData(Wire):
    """A reference to a file."""

    file_uri: str = ""
    mime_type: str = ""
    display_name: str | UnsetType = UNSET


class FunctionCall(Wire):
    """A function call of the model."""

    name: str = ""
    args: dict[str, Any] | str | UnsetType = UNSET
    id: str | UnsetType = UNSET


class ResponsePart(Wire):
    """Media in a function's response."""

    inline_data: Blob | UnsetType = UNSET
    file_data: FileData | UnsetType = UNSET


class FunctionResponse(Wire):
    """The result of a function call."""

    name: str = ""
    response: Any = UNSET
    id: str | UnsetType = UNSET
    parts: list[ResponsePart] | UnsetType = UNSET


class Part(Wire):
    """One part of a turn."""

    text: str | UnsetType = UNSET
    thought: bool | UnsetType = UNSET
    thought_signature: str | UnsetType = UNSET
    inline_data: Blob | UnsetType = UNSET
    file_data: FileData | UnsetType = UNSET
    function_call: FunctionCall | UnsetType = UNSET
    function_response: FunctionResponse | UnsetType = UNSET
    executable_code: dict[str, Any] | UnsetType = UNSET
    code_execution_result: dict[str, Any] | UnsetType = UNSET
    media_resolution: Any = UNSET
    video_metadata: Any = UNSET


class Content(Wire):
    """One turn."""

    role: str = ""
    parts: list[Part] = []


class FunctionDeclaration(Wire):
    """A function that the model can call."""

    name: str
    description: str = ""
    parameters: dict[str, Any] | UnsetType = UNSET
    parameters_json_schema: dict[str, Any] | UnsetType = UNSET


class Tool(Wire):
    """Functions that the client runs, or tools that Google runs."""

    function_declarations: list[FunctionDeclaration] | UnsetType = UNSET
    google_search: dict[str, Any] | UnsetType = UNSET
    google_search_retrieval: dict[str, Any] | UnsetType = UNSET
    code_execution: dict[str, Any] | UnsetType = UNSET
    url_context: dict[str, Any] | UnsetType = UNSET


class FunctionCallingConfig(Wire):
    """Which functions the model can or must call."""

    mode: str | int | UnsetType = UNSET
    allowed_function_names: list[str] | UnsetType = UNSET


class ToolConfig(Wire):
    """Settings for the use of tools."""

    function_calling_config: FunctionCallingConfig | UnsetType = UNSET


class ThinkingSettings(Wire):
    """The budget or level of thinking."""

    include_thoughts: bool | UnsetType = UNSET
    thinking_budget: int | UnsetType = UNSET
    thinking_level: str | int | UnsetType = UNSET


class GenerationConfig(Wire):
    """Sampling, limits and the format of the response."""

    temperature: float | UnsetType = UNSET
    top_p: float | UnsetType = UNSET
    top_k: float | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    candidate_count: int | UnsetType = UNSET
    max_output_tokens: int | UnsetType = UNSET
    stop_sequences: list[str] | UnsetType = UNSET
    presence_penalty: float | UnsetType = UNSET
    frequency_penalty: float | UnsetType = UNSET
    response_logprobs: bool | UnsetType = UNSET
    logprobs: int | UnsetType = UNSET
    response_mime_type: str | UnsetType = UNSET
    response_schema: dict[str, Any] | UnsetType = UNSET
    response_json_schema: dict[str, Any] | UnsetType = UNSET
    response_modalities: list[str | int] | UnsetType = UNSET
    thinking_config: ThinkingSettings | UnsetType = UNSET
    image_config: dict[str, Any] | UnsetType = UNSET
    speech_config: dict[str, Any] | UnsetType = UNSET


#: The fields of ``GenerationConfig`` that both sides copy to and from ``Sampling``.
SAMPLING_FIELDS: Final = (
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "presence_penalty",
    "frequency_penalty",
)


class GenerateRequest(Wire):
    """The body of ``generateContent``."""

    contents: list[Content] = []
    system_instruction: Content | UnsetType = UNSET
    tools: list[Tool] | UnsetType = UNSET
    tool_config: ToolConfig | UnsetType = UNSET
    generation_config: GenerationConfig | UnsetType = UNSET


class CountRequest(Wire):
    """The body of ``countTokens`` with a whole request."""

    generate_content_request: Any = UNSET
