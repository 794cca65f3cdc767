"""Checks of Gemini's contents: parts, function turns and signatures; pure."""

from __future__ import annotations

import re
from typing import Any, Final

from antigravity.simulator import signatures
from antigravity.simulator.errors import refuse
from antigravity.simulator.validation.gemini_models import is_claude, is_gemini_3

#: Values that clients send in place of a lost signature.
SENTINELS: Final = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
_FUNCTION: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
_DATA: Final = (
    "text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode",
    "codeExecutionResult", "toolCall", "toolResponse",
)  # fmt: skip


def check_contents(model: str, body: dict[str, Any]) -> None:
    """Refuse wrong contents, of requests to generate or to count tokens.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    contents = body.get("contents")
    if not contents:
        refuse("* GenerateContentRequest.contents: contents is not specified\n")
    for index, content in enumerate(contents):
        if content.get("role") not in ("user", "model", None, ""):
            refuse("Please use a valid role: user, model.")
        parts = content.get("parts")
        if not parts:
            refuse(
                f"* GenerateContentRequest.contents[{index}].parts: contents.parts must not be "
                "empty.\n"
            )
        for position, part in enumerate(parts):
            _check_part(f"contents[{index}].parts[{position}]", part, content.get("role"), model)
    system = body.get("systemInstruction")
    if system is not None and not system.get("parts"):
        refuse(
            "* GenerateContentRequest.system_instruction.parts: contents.parts must not be empty.\n"
        )
    _check_function_turns(contents)
    if is_gemini_3(model):
        _check_signatures_of_steps(contents)


def _check_part(place: str, part: dict[str, Any], role: Any, model: str) -> None:
    found = [name for name in _DATA if name in part]
    if len(found) > 1:
        refuse(
            f"Invalid value at '{place}' (oneof), oneof field 'data' is already set. Cannot set "
            f"'{found[1]}'"
        )
    if not found and "thoughtSignature" not in part:
        refuse(
            f"* GenerateContentRequest.{place}.data: required oneof field 'data' must have one "
            "initialized field\n"
        )
    for name in ("inlineData", "fileData"):
        if name in part and not part[name].get("mimeType") and name == "inlineData":
            refuse(f"* GenerateContentRequest.{place}.inline_data.mime_type: must be set\n")
    call = part.get("functionCall")
    if call is not None:
        check_function_name(f"{place}.function_call.name", call.get("name"))
        if not isinstance(call.get("args", {}), dict):
            refuse(
                f"Invalid value at '{place}.function_call.args' (type.googleapis.com/"
                "google.protobuf.Struct)"
            )
    result = part.get("functionResponse")
    if result is not None:
        check_function_name(f"{place}.function_response.name", result.get("name"))
        if not isinstance(result.get("response"), dict):
            refuse(
                f"Invalid value at '{place}.function_response.response' "
                "(type.googleapis.com/google.protobuf.Struct)"
            )
    if is_claude(model):
        _check_claude_part(place, part)
    elif "thoughtSignature" in part:
        _check_signature(part)
    if role == "model" and result is not None:
        refuse("Please ensure that function response parts have the role user.")
    if role != "model" and call is not None:
        refuse("Please ensure that function call parts have the role model.")


def check_function_name(place: str, name: Any) -> None:
    """Refuse an invalid function name.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    if not name:
        refuse(f"* GenerateContentRequest.{place}: Name cannot be empty.\n")
    if not _FUNCTION.fullmatch(name):
        refuse(
            f"* GenerateContentRequest.{place}: [FIELD_INVALID] Invalid function name. Must start "
            "with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores "
            "(_), dots (.), colons (:), or dashes (-), with a maximum length of 64.\n"
        )


def _check_signature(part: dict[str, Any]) -> None:
    signature = part["thoughtSignature"]
    if signature in SENTINELS:
        return
    found = signatures.parse_signature(signature)
    if found is None:
        refuse("Corrupted thought signature.")
    # What stands on a text is not bound to it: the pieces of a stream may have been joined.
    call = part.get("functionCall")
    content = None if call is None else signatures.digest([call["name"], call.get("args") or {}])
    if found.kind != "gemini" or content not in (None, found.digest):
        refuse("Thought signature is not valid.")


def _check_claude_part(place: str, part: dict[str, Any]) -> None:
    """Refuse parts that Claude models behind the endpoint refuse."""
    signature = part.get("thoughtSignature")
    if part.get("thought"):
        if not signature:
            refuse(f"{place}.thinking.signature: Field required")
        if not signatures.is_genuine(signature, "claude", part.get("text", "")):
            refuse(f"{place}: Invalid `signature` in `thinking` block")
    for name in ("functionCall", "functionResponse"):
        if name in part and not part[name].get("id"):
            kind = "tool_use.id" if name == "functionCall" else "tool_result.tool_use_id"
            refuse(f"{place}.{kind}: Field required")


def _parts(content: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [part[name] for part in content["parts"] if name in part]


def _join_model_turns(contents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the contents with adjacent turns of the model merged.

    Official clients send each chunk of a stream back as a content of its own.
    """
    joined: list[dict[str, Any]] = []
    for content in contents:
        if joined and joined[-1].get("role") == content.get("role") == "model":
            parts = [*joined[-1]["parts"], *content["parts"]]
            joined[-1] = {"role": "model", "parts": parts}
        else:
            joined.append(content)
    return joined


def _check_function_turns(contents: list[dict[str, Any]]) -> None:
    pending: list[dict[str, Any]] = []
    before: str | None = None
    for content in _join_model_turns(contents):
        calls, results = _parts(content, "functionCall"), _parts(content, "functionResponse")
        if results and not pending:
            refuse(
                "Please ensure that function response turn comes immediately after a function "
                "call turn."
            )
        if len(results) != len(pending):
            refuse(
                "Please ensure that the number of function response parts is equal to the number "
                "of function call parts of the function call turn."
            )
        names = sorted(call["name"] for call in pending)
        if sorted(result["name"] for result in results) != names:
            refuse(
                "Please ensure that the names of the function response parts are those of the "
                f"function call turn: {', '.join(names)}."
            )
        ids = {call.get("id") for call in pending}
        if any(result.get("id") not in ids for result in results if result.get("id")) and any(ids):
            refuse("Please ensure that function response ids are those of the function calls.")
        if calls and before is None:
            refuse(
                "Please ensure that function call turn comes immediately after a user turn or "
                "after a function response turn."
            )
        pending, before = calls, content.get("role") or "user"


def _check_signatures_of_steps(contents: list[dict[str, Any]]) -> None:
    """Refuse steps of the current turn whose first call has no signature."""
    start = 0
    for index, content in enumerate(contents):
        if content.get("role") != "model" and not _parts(content, "functionResponse"):
            start = index
    position = 0
    for content in _join_model_turns(contents[start:]):
        first = True
        for part in content["parts"]:
            position += 1
            if "functionCall" not in part:
                continue
            if first and not part.get("thoughtSignature"):
                refuse(
                    "Function call is missing a thought_signature in functionCall parts. This is "
                    "required for tools to work correctly, and missing thought_signature may lead "
                    "to degraded model performance. Additional data, function call "
                    f"`default_api:{part['functionCall']['name']}` , position {position}. Please "
                    "refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more "
                    "details."
                )
            first = False
