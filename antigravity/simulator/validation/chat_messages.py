"""Checks of the messages of a chat completion; pure."""

from __future__ import annotations

from typing import Any

from antigravity.simulator.errors import refuse
from antigravity.simulator.validation.data_urls import data_url, is_base64
from antigravity.simulator.validation.openai_errors import refuse_missing


def check_message(index: int, message: dict[str, Any]) -> None:
    """Refuse a message that fits the schema but not its role.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    place = f"messages[{index}]"
    role = message["role"]
    if "tool_calls" in message and role != "assistant":
        param = f"{place}.tool_calls"
        refuse(f"Unknown parameter: '{param}'.", param, "unknown_parameter")
    if role == "tool" and "tool_call_id" not in message:
        refuse(
            "Missing parameter 'tool_call_id': messages with role 'tool' must have a "
            "'tool_call_id'.",
            f"messages.[{index}].tool_call_id",
        )
    if "content" not in message:
        if role == "assistant" and any(map(message.get, ("tool_calls", "refusal", "audio"))):
            return
        refuse(
            "Invalid value for 'content': expected a string, got null.",
            f"messages.[{index}].content",
        )
    if isinstance(message["content"], str):
        return
    for position, part in enumerate(message["content"]):
        _check_part(f"{place}.content[{position}]", part, role, place)


def _check_part(place: str, part: dict[str, Any], role: str, message: str) -> None:
    match part["type"]:
        case "image_url":
            if role != "user":
                refuse(
                    f"Invalid '{message}'. Image URLs are only allowed for messages with role "
                    f"'user', but this message with role '{role}' contains an image URL.",
                    message,
                    "invalid_value",
                )
            check_image(part["image_url"]["url"], f"{place}.image_url")
        case "input_audio" if not is_base64(part["input_audio"]["data"]):
            refuse(
                f"Invalid '{place}.input_audio.data'. Expected base64-encoded audio.",
                f"{place}.input_audio.data",
                "invalid_value",
            )
        case "file":
            check_file(part["file"], f"{place}.file")


def check_image(url: str, place: str) -> None:
    """Refuse an image that is neither a URL nor base64.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    data = data_url(url)
    if data is None:
        if not url.startswith(("http://", "https://")):
            refuse(
                f"Invalid '{place}.url'. Expected a valid URL, but got a value with an invalid "
                "format.",
                f"{place}.url",
                "invalid_value",
            )
    elif not data[0].startswith(("image/", "video/")) or not is_base64(data[1]):
        refuse("Invalid base64 image_url.", place, "invalid_base64")


def check_file(file: dict[str, Any], place: str) -> None:
    """Refuse a file without an id or data.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    if not file.get("file_id") and not file.get("file_data"):
        refuse_missing(f"{place}.file_id")
    if file.get("file_data"):
        data = data_url(file["file_data"])
        if data is None or not is_base64(data[1]):
            refuse(
                f"Invalid '{place}.file_data'. Expected a base64-encoded data URL with a MIME "
                "type (e.g. 'data:application/pdf;base64,…').",
                f"{place}.file_data",
                "invalid_value",
            )


def check_pairing(messages: list[dict[str, Any]]) -> None:
    """Refuse tool calls without results, and results without calls.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    open_ids: list[str] = []
    result_ids: set[str] = set()
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if not open_ids:
                refuse(
                    "Invalid parameter: messages with role 'tool' must be a response to a "
                    "preceeding message with 'tool_calls'.",
                    f"messages.[{index}].role",
                )
            if message["tool_call_id"] not in open_ids:
                refuse(
                    f"Invalid parameter: 'tool_call_id' of '{message['tool_call_id']}' not found "
                    "in 'tool_calls' of previous message.",
                    f"messages.[{index}].tool_call_id",
                )
            result_ids.add(message["tool_call_id"])
            continue
        _check_results(open_ids, result_ids, index)
        open_ids = [call["id"] for call in message.get("tool_calls") or ()]
        result_ids = set()
    _check_results(open_ids, result_ids, len(messages))


def _check_results(open_ids: list[str], result_ids: set[str], index: int) -> None:
    absent = [id_ for id_ in open_ids if id_ not in result_ids]
    if absent:
        refuse(
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
            f"{', '.join(absent)}",
            f"messages.[{index}].role",
        )
