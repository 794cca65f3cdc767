"""What OpenAI refuses of the messages of a chat; pure."""

from __future__ import annotations

from typing import Any, Final

from antigravity.simulator.strict.encoded import data_url, is_base64
from antigravity.simulator.strict.openai_schema import (
    check_name,
    missing,
    one_of,
)
from antigravity.simulator.strict.refusal import refuse, words

_MESSAGE: Final = words(
    """annotations audio content function_call images name reasoning reasoning_content refusal
    role tool_call_id tool_calls"""
)
_ROLES: Final = ("system", "assistant", "user", "function", "tool", "developer")
_PARTS: Final = ("text", "image_url", "input_audio", "refusal", "audio", "file")


def check_message(index: int, message: Any, lenient: bool) -> None:
    """Refuse a wrong message.

    :raises ApiError: as the service words it.
    """
    place = f"messages[{index}]"
    if not isinstance(message, dict):
        refuse(f"Invalid type for '{place}': expected an object.", place, "invalid_type")
    role = message.get("role")
    if role is None:
        missing(f"{place}.role")
    one_of(role, _ROLES, f"{place}.role")
    for name in message:
        if name not in _MESSAGE and not lenient:
            refuse(f"Unknown parameter: '{place}.{name}'.", f"{place}.{name}", "unknown_parameter")
    calls = message.get("tool_calls")
    if calls is not None:
        _calls(place, calls, role)
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        refuse(
            "Missing parameter 'tool_call_id': messages with role 'tool' must have a "
            "'tool_call_id'.",
            f"messages.[{index}].tool_call_id",
        )
    content = message.get("content")
    if content is None:
        if role == "assistant" and (calls or message.get("refusal") or message.get("audio")):
            return
        refuse(
            "Invalid value for 'content': expected a string, got null.",
            f"messages.[{index}].content",
        )
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        refuse(
            f"Invalid type for '{place}.content': expected one of a string or array of objects.",
            f"{place}.content",
            "invalid_type",
        )
    if not content:
        refuse(
            f"Invalid '{place}.content': empty array. Expected an array with minimum length 1, "
            "but got an empty array instead.",
            f"{place}.content",
            "empty_array",
        )
    for position, part in enumerate(content):
        _part(f"{place}.content[{position}]", part, role, place, lenient)


def _part(place: str, part: Any, role: str, message: str, lenient: bool) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    one_of(kind, (*_PARTS, "video_url") if lenient else _PARTS, f"{place}.type")
    if kind == "text":
        if not isinstance(part.get("text"), str):
            missing(f"{place}.text")
        return
    if kind == "image_url":
        if role != "user":
            refuse(
                f"Invalid '{message}'. Image URLs are only allowed for messages with role 'user', "
                f"but this message with role '{role}' contains an image URL.",
                message,
                "invalid_value",
            )
        check_image(part.get("image_url"), f"{place}.image_url")
    elif kind == "input_audio":
        audio = part.get("input_audio")
        if not isinstance(audio, dict) or not is_base64(audio.get("data")):
            refuse(
                f"Invalid '{place}.input_audio.data'. Expected base64-encoded audio.",
                f"{place}.input_audio.data",
                "invalid_value",
            )
        one_of(audio.get("format"), ("wav", "mp3"), f"{place}.input_audio.format")
    elif kind == "file":
        check_file(part.get("file"), f"{place}.file")


def check_image(image: Any, place: str) -> None:
    """Refuse an image that is neither a URL nor base64.

    :raises ApiError: as the service words it.
    """
    url = image.get("url") if isinstance(image, dict) else None
    if not isinstance(url, str):
        missing(f"{place}.url")
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


def check_file(file: Any, place: str) -> None:
    """Refuse a file without an id or data.

    :raises ApiError: as the service words it.
    """
    if not isinstance(file, dict) or not (file.get("file_id") or file.get("file_data")):
        missing(f"{place}.file_id")
    if file.get("file_data"):
        data = data_url(str(file["file_data"]))
        if data is None or not is_base64(data[1]):
            refuse(
                f"Invalid '{place}.file_data'. Expected a base64-encoded data URL with a MIME "
                "type (e.g. 'data:application/pdf;base64,…').",
                f"{place}.file_data",
                "invalid_value",
            )


def _calls(place: str, calls: Any, role: str) -> None:
    param = f"{place}.tool_calls"
    if role != "assistant":
        refuse(f"Unknown parameter: '{param}'.", param, "unknown_parameter")
    if not isinstance(calls, list) or not calls:
        refuse(
            f"Invalid '{param}': empty array. Expected an array with minimum length 1, but got an "
            "empty array instead.",
            param,
            "empty_array",
        )
    for position, call in enumerate(calls):
        where = f"{param}[{position}]"
        kind = call.get("type") if isinstance(call, dict) else None
        if kind is None:
            missing(f"{where}.type")
        one_of(kind, ("function", "custom"), f"{where}.type")
        if not isinstance(call.get("id"), str):
            missing(f"{where}.id")
        if len(call["id"]) > 40:
            refuse(
                f"Invalid '{where}.id': string too long. Expected a string with maximum length "
                f"40, but got a string with length {len(call['id'])} instead.",
                f"{where}.id",
                "string_above_max_length",
            )
        inner = call.get(kind)
        if not isinstance(inner, dict):
            missing(f"{where}.{kind}")
        check_name(inner.get("name"), f"{where}.{kind}.name")
        text = "arguments" if kind == "function" else "input"
        if not isinstance(inner.get(text), str):
            missing(f"{where}.{kind}.{text}")


def check_pairing(messages: list[dict[str, Any]]) -> None:
    """Refuse tool calls without answers, and answers without calls.

    :raises ApiError: as the service words it.
    """
    open_ids: list[str] = []
    answered: set[str] = set()
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
            answered.add(message["tool_call_id"])
            continue
        _closed(open_ids, answered, index)
        open_ids = [call["id"] for call in message.get("tool_calls") or ()]
        answered = set()
    _closed(open_ids, answered, len(messages))


def _closed(open_ids: list[str], answered: set[str], index: int) -> None:
    absent = [id_ for id_ in open_ids if id_ not in answered]
    if absent:
        refuse(
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
            f"{', '.join(absent)}",
            f"messages.[{index}].role",
        )
