"""What the OpenAI Responses API refuses of the items of its input; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from antigravity.simulator import signing
from antigravity.simulator.faults import ApiError
from antigravity.simulator.strict.chat_messages import check_file, check_image
from antigravity.simulator.strict.openai_schema import (
    check_name,
    missing,
    one_of,
)
from antigravity.simulator.strict.refusal import refuse, words

#: What an item's id begins with.
_PREFIX: Final = {
    "message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc",
    "web_search_call": "ws", "image_generation_call": "ig",
}  # fmt: skip
_OUTPUTS: Final = {
    "function_call_output": "function_call",
    "custom_tool_call_output": "custom_tool_call",
    "local_shell_call_output": "local_shell_call",
    "shell_call_output": "shell_call",
    "apply_patch_call_output": "apply_patch_call",
    "computer_call_output": "computer_call",
    "tool_search_output": "tool_search_call",
}
_ITEMS: Final = tuple(
    sorted(
        words(
            """message reasoning function_call custom_tool_call web_search_call
            image_generation_call file_search_call computer_call local_shell_call shell_call
            apply_patch_call code_interpreter_call tool_search_call mcp_list_tools mcp_call
            mcp_approval_request mcp_approval_response item_reference additional_tools compaction
            compaction_trigger program program_output"""
        )
        | set(_OUTPUTS)
    )
)
_IN_PARTS: Final = ("input_text", "input_image", "input_file", "input_audio")
_OUT_PARTS: Final = ("output_text", "refusal")


def check_item(
    index: int, item: Any, known_item: Callable[[str], bool], body: dict[str, Any]
) -> None:
    """Refuse a wrong item.

    :raises ApiError: as the service words it.
    """
    place = f"input[{index}]"
    if not isinstance(item, dict):
        refuse(f"Invalid type for '{place}': expected an object.", place, "invalid_type")
    kind = item.get("type") or ("message" if "role" in item else None)
    if kind is None:
        missing(f"{place}.type")
    one_of(kind, _ITEMS, place)
    id_ = item.get("id")
    prefix = _PREFIX.get(kind)
    if isinstance(id_, str) and prefix and not id_.startswith(prefix):
        refuse(
            f"Invalid '{place}.id': '{id_}'. Expected an ID that begins with '{prefix}'.",
            f"{place}.id",
            "invalid_value",
        )
    call_id = item.get("call_id")
    if isinstance(call_id, str) and len(call_id) > 64:
        refuse(
            f"Invalid '{place}.call_id': string too long. Expected a string with maximum length "
            f"64, but got a string with length {len(call_id)} instead.",
            f"{place}.call_id",
            "string_above_max_length",
        )
    match kind:
        case "message":
            _message(place, item)
        case "function_call" | "custom_tool_call":
            text = "arguments" if kind == "function_call" else "input"
            if not isinstance(call_id, str):
                missing(f"{place}.call_id")
            check_name(item.get("name"), f"{place}.name")
            if not isinstance(item.get(text), str):
                missing(f"{place}.{text}")
        case "function_call_output" | "custom_tool_call_output":
            _output(place, item)
        case "reasoning":
            _reasoning(place, item, known_item, body)
        case "item_reference":
            if not known_item(str(id_)):
                raise ApiError(404, f"Item with id '{id_}' not found.", param="input")


def _message(place: str, item: dict[str, Any]) -> None:
    role = item.get("role")
    one_of(role, ("assistant", "system", "developer", "user"), f"{place}.role")
    content = item.get("content")
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        missing(f"{place}.content")
    allowed = _OUT_PARTS if role == "assistant" else _IN_PARTS
    for position, part in enumerate(content):
        _part(f"{place}.content[{position}]", part, allowed)


def _part(where: str, part: Any, allowed: tuple[str, ...]) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    one_of(kind, allowed, where)
    if kind in ("input_text", "output_text"):
        if not isinstance(part.get("text"), str):
            missing(f"{where}.text")
    elif kind == "input_image":
        if not part.get("file_id"):
            url = part.get("image_url")
            if isinstance(url, dict):
                refuse(
                    f"Invalid type for '{where}.image_url': expected an image URL, but got an "
                    "object instead.",
                    f"{where}.image_url",
                    "invalid_type",
                )
            check_image({"url": url}, where)
    elif kind == "input_file" and not part.get("file_url"):
        check_file(part, where)


def _output(place: str, item: dict[str, Any]) -> None:
    if not isinstance(item.get("call_id"), str):
        missing(f"{place}.call_id")
    output = item.get("output")
    if isinstance(output, str):
        return
    if not isinstance(output, list):
        missing(f"{place}.output")
    for position, part in enumerate(output):
        _part(f"{place}.output[{position}]", part, _IN_PARTS)


def _reasoning(
    place: str, item: dict[str, Any], known_item: Callable[[str], bool], body: dict[str, Any]
) -> None:
    if not isinstance(item.get("summary"), list):
        missing(f"{place}.summary")
    encrypted = item.get("encrypted_content")
    if encrypted is None:
        if not known_item(str(item.get("id"))):
            kept = (
                ""
                if body.get("store") is not False
                else (
                    " Items are not persisted when `store` is set to false. Try again with `store` "
                    "set to true, or remove this item from your input."
                )
            )
            raise ApiError(404, f"Item with id '{item.get('id')}' not found.{kept}", param="input")
        return
    found = signing.inspect(str(encrypted).removeprefix("gAAAA"))
    if not str(encrypted).startswith("gAAAA") or found is None or found.kind != "openai":
        refuse(
            f"The encrypted content {str(encrypted)[:5]}...{str(encrypted)[-4:]} could not be "
            "verified. Reason: Encrypted content could not be decrypted or parsed.",
            None,
            "invalid_encrypted_content",
        )


def check_pairing(items: list[dict[str, Any]]) -> None:
    """Refuse tool calls without outputs, and outputs without calls.

    :raises ApiError: as the service words it.
    """
    calls: dict[tuple[str, Any], bool] = {}
    for item in items:
        kind = item.get("type")
        if kind in _OUTPUTS.values():
            calls[(str(kind), item.get("call_id"))] = False
        elif kind in _OUTPUTS:
            key = (_OUTPUTS[kind], item.get("call_id"))
            if key not in calls:
                name = _OUTPUTS[kind].replace("_", " ").replace("function call", "tool call")
                refuse(
                    f"No {name} found for {kind.replace('_', ' ')} with call_id "
                    f"{item.get('call_id')}.".replace("No custom tool call", "No tool call"),
                    "input",
                )
            calls[key] = True
    for (kind, call_id), answered in calls.items():
        if not answered:
            refuse(f"No tool output found for {kind.replace('_', ' ')} {call_id}.", "input")


def check_reasoning(items: list[Any]) -> None:
    """Refuse reasoning that nothing follows which came of it.

    :raises ApiError: as the service words it.
    """
    for item, after in zip(items, [*items[1:], None], strict=True):
        if not isinstance(item, dict) or item.get("type") != "reasoning":
            continue
        kind = after.get("type", "message") if isinstance(after, dict) else None
        asked = kind == "message" and isinstance(after, dict) and after.get("role") != "assistant"
        if kind is None or kind in _OUTPUTS or asked:
            refuse(
                f"Item '{item.get('id')}' of type 'reasoning' was provided without its required "
                "following item.",
                "input",
            )
