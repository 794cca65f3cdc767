"""The schema of OpenAI's Responses API.

Source: https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

from antigravity.simulator.validation.chat_schema import (
    ALLOWED_TOOLS,
    EFFORT,
    FUNCTION,
    IDENTIFIER,
    JSON_SCHEMA,
    NAME,
    OBJECT,
    PROBABILITY,
    TEMPERATURE,
)
from antigravity.simulator.validation.schema import array, choice, optional, struct, tagged


def _with_others(union: Any, kind: Any, names: str, default: str | None = None) -> Any:
    listed = names.split()
    return tagged(union, others="|".join(listed), kind=kind, listed=listed, default=default)


_HOSTED: Final = """apply_patch code_interpreter computer computer_use_preview file_search
    image_generation local_shell mcp programmatic_tool_calling shell tool_search web_search
    web_search_2025_08_26 web_search_preview web_search_preview_2025_03_11"""
_HOSTED_TOOL: Final = struct({"type": str, "name": str | None})
_CUSTOM: Final = {"name": NAME, "description": str | None}


def _tools(*more: Any) -> Any:
    """Return the type of a list of tools: functions, custom and hosted tools, and more."""
    union = struct(_CUSTOM, tag="custom") | struct(FUNCTION, tag="function")
    for each in more:
        union |= each
    return array(_with_others(union, _HOSTED_TOOL, _HOSTED))


_TOOLS: Final = _tools(struct({**_CUSTOM, "tools": _tools()}, tag="namespace"))
_INPUT_PART: Final = (
    struct({"text": str}, tag="input_text")
    | struct(
        {
            **optional(str, "file_id detail"),
            "image_url": Annotated[str, Meta(title="image URL")] | None,
        },
        tag="input_image",
    )
    | struct(
        {
            **optional(str, "file_id file_data file_url filename"),
        },
        tag="input_file",
    )
    | struct({"input_audio": struct({"data": str, "format": str})}, tag="input_audio")
)
_PART: Final = (
    _INPUT_PART | struct({"text": str}, tag="output_text") | struct({"refusal": str}, tag="refusal")
)
_CALL_ID: Final = Annotated[str, Meta(max_length=64)]
_ITEM: Final = {
    **optional(str, "id name role status encrypted_content"),
    "call_id": _CALL_ID | None,
}
_CALL: Final = {**_ITEM, "call_id": _CALL_ID, "name": NAME}
_OUTPUT: Final = {**_ITEM, "call_id": _CALL_ID, "output": str | array(_INPUT_PART)}
_OTHER_ITEMS: Final = """apply_patch_call apply_patch_call_output code_interpreter_call compaction
    compaction_trigger computer_call computer_call_output configuration_update file_search_call
    image_generation_call
    item_reference local_shell_call local_shell_call_output mcp_approval_request
    mcp_approval_response mcp_call mcp_list_tools program program_output shell_call
    shell_call_output tool_search_call tool_search_output web_search_call"""
_ROLE: Final = choice("assistant system developer user")
_ANY_ITEM: Final = _with_others(
    struct({**_ITEM, "tools": _TOOLS | None}, tag="additional_tools")
    | struct({**_CALL, "input": str}, tag="custom_tool_call")
    | struct(_OUTPUT, tag="custom_tool_call_output")
    | struct({**_CALL, "arguments": str}, tag="function_call")
    | struct(_OUTPUT, tag="function_call_output")
    | struct({**_ITEM, "role": _ROLE, "content": str | array(_PART)}, tag="message")
    | struct({**_ITEM, "summary": list}, tag="reasoning"),
    struct({**_ITEM, "type": str}),
    _OTHER_ITEMS,
    default="message",
)
_CHOICE: Final = _with_others(
    struct({"name": str}, tag="function") | struct({"name": str}, tag="custom") | ALLOWED_TOOLS,
    _HOSTED_TOOL,
    _HOSTED,
)
_FORMAT: Final = (
    struct({}, tag="json_object")
    | struct({**JSON_SCHEMA, "schema": OBJECT}, tag="json_schema")
    | struct({}, tag="text")
)
_INCLUDE: Final = choice(
    """file_search_call.results web_search_call.results web_search_call.action.sources
    message.input_image.image_url computer_call_output.output.image_url
    code_interpreter_call.outputs reasoning.encrypted_content message.output_text.logprobs"""
)
RESPONSE: Final = struct(
    {
        **optional(bool, "background parallel_tool_calls store stream"),
        **optional(str, "instructions model previous_response_id truncation"),
        **optional(int, "max_tool_calls top_logprobs"),
        "metadata": OBJECT | None,
        **optional(IDENTIFIER, "prompt_cache_key safety_identifier user"),
        "conversation": str | struct({"id": str}) | None,
        "include": array(_INCLUDE) | None,
        "input": str | array(_ANY_ITEM) | None,
        "max_output_tokens": Annotated[int, Meta(ge=16)] | None,
        "reasoning": struct(
            {"effort": EFFORT | None, "summary": str | None, "generate_summary": str | None}
        )
        | None,
        "stream_options": struct({"include_obfuscation": bool | None}) | None,
        "temperature": TEMPERATURE,
        "text": struct({"format": _FORMAT | None, "verbosity": str | None}) | None,
        "tool_choice": choice("none auto required") | _CHOICE | None,
        "tools": _TOOLS | None,
        "top_p": PROBABILITY,
        **optional(
            Any,
            """access_programs client_metadata context_management image moderation prompt
            prompt_cache_options prompt_cache_retention service_tier""",
        ),
    },
    closed=True,
)
