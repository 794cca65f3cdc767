"""The schema of Anthropic's Messages API.

Source: https://docs.claude.com/en/api/messages
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

from antigravity.simulator.validation.schema import array, choice, optional, struct, tagged

_OBJECT = dict[str, Any]
_UNIT: Final = Annotated[float, Meta(ge=0, le=1)]
_CACHED: Final = {"cache_control": struct({"type": str | None, "ttl": str | None}) | None}
_CITED: Final = {**_CACHED, "citations": _OBJECT | list[_OBJECT] | None}
_LINKED: Final = struct({"url": str}, tag="url", closed=True) | struct(
    {"file_id": str}, tag="file", closed=True
)
_IMAGE_TYPE: Final = choice("image/jpeg image/png image/gif image/webp")
_IMAGE_SOURCE: Final = (
    struct({"media_type": _IMAGE_TYPE, "data": str}, tag="base64", closed=True) | _LINKED
)
_DOCUMENT_SOURCE: Final = (
    struct({"media_type": choice("application/pdf"), "data": str}, tag="base64", closed=True)
    | _LINKED
    | struct({"media_type": str | None, "data": str}, tag="text", closed=True)
    | struct({"content": str | list[_OBJECT]}, tag="content", closed=True)
)
_TEXT: Final = struct({"text": str, **_CITED}, tag="text", closed=True)
_IMAGE: Final = struct(
    {"source": _IMAGE_SOURCE, **_CACHED, "transformations": Any}, tag="image", closed=True
)
_DOCUMENT: Final = struct(
    {"source": _DOCUMENT_SOURCE, "context": str | None, "title": str | None, **_CITED},
    tag="document",
    closed=True,
)
_SEARCH_RESULT: Final = struct(
    {"source": str, "title": str, "content": array(_TEXT), **_CITED},
    tag="search_result",
    closed=True,
)
_TOOL_REFERENCE: Final = struct({"tool_name": str, **_CACHED}, tag="tool_reference", closed=True)
_RESULT_BLOCK: Final = _DOCUMENT | _IMAGE | _SEARCH_RESULT | _TEXT | _TOOL_REFERENCE
_TOOL_USE: Final = struct(
    {
        "id": Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]+$")],
        "name": Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,200}$")],
        "input": _OBJECT,
        "caller": Any,
        **_CACHED,
    },
    tag="tool_use",
    closed=True,
)
_TOOL_RESULT: Final = struct(
    {
        "tool_use_id": str,
        "content": str | array(_RESULT_BLOCK) | None,
        "is_error": bool | None,
        **_CACHED,
    },
    tag="tool_result",
    closed=True,
)
_BLOCK: Final = tagged(
    _TEXT
    | _IMAGE
    | _DOCUMENT
    | _TOOL_USE
    | _TOOL_RESULT
    | struct({"thinking": str, "signature": str | None}, tag="thinking", closed=True)
    | struct({"data": str | None}, tag="redacted_thinking", closed=True)
    | _SEARCH_RESULT
    | _TOOL_REFERENCE,
    # Blocks of the service's own tools are accepted as they are.
    others=r"server_tool_use|mcp_tool_use|mcp_tool_result|mcp_tool_listing|container_upload|"
    r"compaction|fallback|tool_addition|tool_removal|.+_tool_result",
    kind=struct(
        {
            **_CACHED,
            **optional(str, "id name tool_use_id"),
            "input": _OBJECT | None,
            "is_error": bool | None,
        }
    ),
)
_MESSAGE: Final = struct(
    {"role": str, "content": str | array(_BLOCK), "output_config": Any}, closed=True
)
_TOOL: Final = tagged(
    struct(
        {
            "name": Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,128}$")],
            "input_schema": _OBJECT,
            "description": str | None,
            "strict": bool | None,
            **_CACHED,
            **optional(Any, "allowed_callers defer_loading eager_input_streaming input_examples"),
        },
        tag="custom",
        closed=True,
    ),
    others=r"mcp_toolset|(web_search|web_fetch|bash|text_editor|computer|code_execution|memory|"
    r"tool_search_tool_\w+?|computer_toolset|browser_toolset|advisor)_\d{8}",
    kind=struct({"name": str | None, "description": str | None, **_CACHED}),
    listed=(
        "web_search_20250305", "web_fetch_20250910", "bash_20250124", "text_editor_20250728",
        "code_execution_20250825", "memory_20250818",
    ),
    default="custom",
)  # fmt: skip
_PARALLEL: Final = {"disable_parallel_tool_use": bool | None}
_CHOICE: Final = (
    struct(_PARALLEL, tag="any")
    | struct(_PARALLEL, tag="auto")
    | struct(_PARALLEL, tag="none")
    | struct({**_PARALLEL, "name": str}, tag="tool")
)
_MODE: Final = {"display": str | None, "block_binding": _OBJECT | None, "budget_tokens": int | None}
_THINKING: Final = (
    struct(_MODE, tag="adaptive")
    | struct(_MODE, tag="between_tools")
    | struct(_MODE, tag="disabled")
    | struct({**_MODE, "budget_tokens": Annotated[int, Meta(ge=1024)]}, tag="enabled")
)
_FORMAT: Final = struct({"schema": _OBJECT}, tag="json_schema")
_EFFORT: Final = choice("low medium high xhigh max")
_INPUT: Final = {
    "model": str,
    "messages": array(_MESSAGE),
    "output_config": struct(
        {"effort": _EFFORT | None, "format": _FORMAT | None, "task_budget": _OBJECT | None}
    )
    | None,
    "output_format": _FORMAT | None,
    "service_tier": str | None,
    "system": str | array(_TEXT) | None,
    "thinking": _THINKING | None,
    "tool_choice": _CHOICE | None,
    "tools": array(_TOOL) | None,
    "top_k": int | None,
    "top_p": _UNIT | None,
    **_CACHED,
    **optional(
        Any,
        """betas billing_policy compaction container context_management diagnostics
        fallback_credit_token fallbacks inference_geo mcp_servers safeguards speed thread
        user_profile_id workspace_id""",
    ),
}
#: A request to count tokens: what a model would read.
COUNT: Final = struct(_INPUT, closed=True)
MESSAGE: Final = struct(
    {
        **_INPUT,
        "max_tokens": Annotated[int, Meta(ge=1)],
        "metadata": struct({"user_id": Annotated[str, Meta(max_length=256)] | None}) | None,
        "stop_sequences": list[str] | None,
        "stream": bool | None,
        "temperature": _UNIT | None,
    },
    closed=True,
)
