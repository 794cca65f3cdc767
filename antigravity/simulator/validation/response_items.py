"""Checks of the input items of the Responses API; pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from antigravity.simulator import signatures
from antigravity.simulator.compaction import check_summary
from antigravity.simulator.errors import ApiError, refuse
from antigravity.simulator.validation.chat_messages import check_file, check_image
from antigravity.simulator.validation.openai_errors import check_choice, refuse_missing

#: Prefixes of item ids.
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
_IN_PARTS: Final = ("input_text", "input_image", "input_file", "input_audio")
_OUT_PARTS: Final = ("output_text", "refusal")


def check_item(
    index: int, item: dict[str, Any], is_stored_item: Callable[[str], bool], body: dict[str, Any]
) -> None:
    """Refuse an item that fits the schema but not its role, or that is not stored.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    place = f"input[{index}]"
    kind = item.get("type", "message")
    id_, prefix = item.get("id"), _PREFIX.get(kind)
    if id_ is not None and prefix and not id_.startswith(prefix):
        refuse(
            f"Invalid '{place}.id': '{id_}'. Expected an ID that begins with '{prefix}'.",
            f"{place}.id",
            "invalid_value",
        )
    match kind:
        case "message":
            allowed = _OUT_PARTS if item["role"] == "assistant" else _IN_PARTS
            _check_content(f"{place}.content", item["content"], allowed)
        case "function_call_output" | "custom_tool_call_output":
            _check_content(f"{place}.output", item["output"], _IN_PARTS)
        case "compaction":
            check_summary(item)
        case "reasoning":
            _reasoning(item, is_stored_item, body)
        case "item_reference" if not is_stored_item(str(id_)):
            raise ApiError(404, f"Item with id '{id_}' not found.", param="input")


def _check_content(
    place: str, content: str | list[dict[str, Any]], allowed: tuple[str, ...]
) -> None:
    if isinstance(content, str):
        return
    for position, part in enumerate(content):
        where, kind = f"{place}[{position}]", part["type"]
        check_choice(kind, allowed, where)
        if kind == "input_image" and not part.get("file_id"):
            if "image_url" not in part:
                refuse_missing(f"{where}.url")
            check_image(part["image_url"], where)
        elif kind == "input_file" and not part.get("file_url"):
            check_file(part, where)


def _reasoning(
    item: dict[str, Any], is_stored_item: Callable[[str], bool], body: dict[str, Any]
) -> None:
    encrypted = item.get("encrypted_content")
    if encrypted is None:
        if not is_stored_item(str(item.get("id"))):
            hint = (
                ""
                if body.get("store") is not False
                else (
                    " Items are not persisted when `store` is set to false. Try again with `store` "
                    "set to true, or remove this item from your input."
                )
            )
            raise ApiError(404, f"Item with id '{item.get('id')}' not found.{hint}", param="input")
        return
    found = signatures.parse_signature(encrypted.removeprefix("gAAAA"))
    if not encrypted.startswith("gAAAA") or found is None or found.kind != "openai":
        refuse(
            f"The encrypted content {encrypted[:5]}...{encrypted[-4:]} could not be "
            "verified. Reason: Encrypted content could not be decrypted or parsed.",
            None,
            "invalid_encrypted_content",
        )


def check_pairing(items: list[dict[str, Any]], *, unanswered: bool = False) -> None:
    """Refuse tool calls without outputs, unless they are allowed, and outputs without calls.

    :raises ApiError: with the service's message, if anything is wrong.
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
    for (kind, call_id), has_output in calls.items():
        if not has_output and not unanswered:
            refuse(f"No tool output found for {kind.replace('_', ' ')} {call_id}.", "input")


def check_reasoning(items: list[dict[str, Any]]) -> None:
    """Refuse reasoning without its following item.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    for item, after in zip(items, [*items[1:], None], strict=True):
        if item.get("type") != "reasoning":
            continue
        kind = after.get("type", "message") if after else None
        is_input = after and kind == "message" and after["role"] != "assistant"
        if kind is None or kind in _OUTPUTS or is_input:
            refuse(
                f"Item '{item.get('id')}' of type 'reasoning' was provided without its required "
                "following item.",
                "input",
            )
