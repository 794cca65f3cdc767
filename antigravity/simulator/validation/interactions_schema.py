"""The schema of requests for interactions.

Sources: https://ai.google.dev/api/interactions-api (revision 2026-05-20), and the types of
google-genai.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

from antigravity.simulator.validation.schema import array, choice, optional, struct

OBJECT = dict[str, Any]
_RATIO: Final = choice("1:1 2:3 3:2 3:4 4:3 4:5 5:4 9:16 16:9 21:9 1:8 8:1 1:4 4:1")
_SIZE: Final = choice("512 1K 2K 4K")
_RESOLUTION: Final = choice("low medium high ultra_high")


def _closed(fields: dict[str, Any], tag: str | None = None) -> Any:
    """Return the type of an object without further members."""
    return struct(fields, tag=tag, closed=True)


_MEDIUM: Final = {**optional(str, "data mime_type uri"), "processing": str | OBJECT | None}
_SIZED: Final = {**_MEDIUM, "resolution": _RESOLUTION | None}
TEXT: Final = _closed({"text": str, "annotations": array(OBJECT) | None}, "text")
_MEDIA: Final = (
    _closed({**_MEDIUM, **optional(int, "channels sample_rate")}, "audio")
    | _closed(_SIZED, "document")
    | _closed(_SIZED, "image")
    | _closed(_SIZED, "video")
)
CONTENT: Final = TEXT | _MEDIA
_RESULT: Final = str | OBJECT | array(CONTENT)
_CALL: Final = {"id": str, "signature": str | None}
_ANSWER: Final = {"call_id": str, **optional(str, "name signature"), "is_error": bool | None}
_QUERIES: Final = _closed({"queries": list[str] | None})
_URLS: Final = _closed({"urls": list[str] | None})
_CODE: Final = _closed({"code": str | None, "language": str | None})
STEP: Final = (
    _closed({"content": array(CONTENT)}, "user_input")
    | _closed({"content": array(CONTENT) | None, "error": OBJECT | None}, "model_output")
    | _closed({"signature": str | None, "summary": array(CONTENT) | None}, "thought")
    | _closed({**_CALL, "name": str, "arguments": OBJECT}, "function_call")
    | _closed({**_ANSWER, "result": _RESULT}, "function_result")
    | _closed({**_CALL, "arguments": _CODE}, "code_execution_call")
    | _closed({**_ANSWER, "result": str}, "code_execution_result")
    | _closed({**_CALL, "arguments": _URLS}, "url_context_call")
    | _closed({**_ANSWER, "result": list[OBJECT]}, "url_context_result")
    | _closed({**_CALL, "arguments": _QUERIES, "search_type": str | None}, "google_search_call")
    | _closed({**_ANSWER, "result": list[OBJECT]}, "google_search_result")
    | _closed(_CALL, "file_search_call")
    | _closed({**_ANSWER, "result": list[OBJECT] | None}, "file_search_result")
    | _closed({**_CALL, "arguments": _QUERIES | None}, "google_maps_call")
    | _closed({**_ANSWER, "result": list[OBJECT]}, "google_maps_result")
    | _closed(
        {**_CALL, "name": str, "server_name": str, "arguments": OBJECT}, "mcp_server_tool_call"
    )
    | _closed({**_ANSWER, "server_name": str | None, "result": _RESULT}, "mcp_server_tool_result")
    | _closed({**_CALL, "arguments": _QUERIES, "retrieval_type": str | None}, "retrieval_call")
    | _closed(_ANSWER, "retrieval_result")
    | _closed(_CALL, "processing_call")
    | _closed(_ANSWER, "processing_result")
    | _closed({**_CALL, "arguments": OBJECT | None}, "tool_search_call")
    | _closed({**_ANSWER, "result": Any}, "tool_search_result")
)
#: What a list of input can have: content, or steps.
_ELEMENT: Final = CONTENT | STEP
_TOOL: Final = (
    _closed(
        {
            **optional(str, "name description short_description"),
            "parameters": OBJECT | None,
            "defer_loading": bool | None,
        },
        "function",
    )
    | _closed({"search_types": list[str] | None}, "google_search")
    | _closed({}, "url_context")
    | _closed({}, "code_execution")
    | _closed(
        {
            "file_search_store_names": list[str] | None,
            "metadata_filter": str | None,
            "top_k": int | None,
        },
        "file_search",
    )
    | _closed(
        {"enable_widget": bool | None, **optional(float, "latitude longitude")}, "google_maps"
    )
    | _closed(
        {
            "environment": str | None,
            "enable_prompt_injection_detection": bool | None,
            **optional(list[str], "excluded_predefined_functions disabled_safety_policies"),
        },
        "computer_use",
    )
    | _closed(
        {
            **optional(str, "name url"),
            "headers": OBJECT | None,
            "allowed_tools": list[OBJECT] | None,
            "defer_loading": bool | None,
        },
        "mcp_server",
    )
    | _closed(
        {
            "retrieval_types": list[str] | None,
            **optional(
                OBJECT,
                """exa_ai_search_config parallel_ai_search_config rag_store_config
                vertex_ai_search_config""",
            ),
        },
        "retrieval",
    )
    | _closed({}, "tool_search")
)
_MODE: Final = choice("auto any none validated")
_SPEAKER: Final = _closed(optional(str, "voice language speaker"))
_CONFIG: Final = _closed(
    {
        "temperature": Annotated[float, Meta(ge=0, le=2)] | None,
        "top_p": Annotated[float, Meta(ge=0, le=1)] | None,
        "seed": int | None,
        "stop_sequences": array(str, max_length=5) | None,
        "max_output_tokens": Annotated[int, Meta(ge=1, le=65536)] | None,
        "thinking_level": choice("minimal low medium high xhigh") | None,
        "thinking_summaries": choice("auto none") | None,
        "tool_choice": _MODE
        | _closed({"allowed_tools": _closed({"mode": _MODE | None, "tools": list[str] | None})})
        | None,
        "image_config": _closed({"aspect_ratio": _RATIO | None, "image_size": _SIZE | None}) | None,
        "speech_config": array(_SPEAKER) | None,
        **optional(OBJECT, "transcription_config video_config"),
    }
)
_FORMAT: Final = (
    _closed({"mime_type": str | None, "schema": OBJECT | None}, "text")
    | _closed(
        {
            **optional(str, "delivery mime_type"),
            "aspect_ratio": _RATIO | None,
            "image_size": _SIZE | None,
        },
        "image",
    )
    | _closed(
        {**optional(str, "delivery mime_type"), **optional(int, "bit_rate sample_rate")}, "audio"
    )
    | _closed(optional(str, "delivery mime_type aspect_ratio duration"), "video")
)
INTERACTION: Final = _closed(
    {
        **optional(
            str,
            """model agent cached_content continuation_token previous_interaction_id
            response_mime_type system_instruction""",
        ),
        **optional(bool, "background store stream"),
        "input": str | array(_ELEMENT, min_length=1) | _ELEMENT | None,
        "tools": array(_TOOL) | None,
        "generation_config": _CONFIG | None,
        "agent_config": OBJECT | None,
        "environment": str | OBJECT | None,
        "response_format": array(_FORMAT) | _FORMAT | None,
        "response_modalities": array(choice("text image audio video document")) | None,
        "labels": dict[str, str] | None,
        "safety_settings": list[OBJECT] | None,
        "service_tier": choice("flex standard priority deferred") | None,
        "webhook_config": OBJECT | None,
    }
)
