"""Checks of the steps of interactions: their order, the ids of calls, and signatures; pure."""

from __future__ import annotations

from typing import Any, Final

from antigravity.simulator import signatures
from antigravity.simulator.errors import refuse
from antigravity.simulator.validation.gemini_contents import SENTINELS, check_function_name
from antigravity.simulator.validation.gemini_models import is_gemini_3, version

CONTENT: Final = ("text", "image", "audio", "document", "video")
#: Steps that are the client's, not the model's.
_CLIENTS: Final = ("user_input", "function_result")


def steps_of(given: Any) -> list[dict[str, Any]]:
    """Return an input as steps.

    :raises ApiError: if it mixes steps with content.
    """
    if isinstance(given, str):
        given = [{"type": "text", "text": given}]
    listed = given if isinstance(given, list) else [given]
    contents = [each for each in listed if each["type"] in CONTENT]
    if not contents:
        return listed
    if len(contents) < len(listed):
        refuse("input must be a list of content or a list of steps, not both.", "input")
    return [{"type": "user_input", "content": contents}]


def check_steps(model: str, steps: list[dict[str, Any]]) -> None:
    """Refuse steps in a wrong order, calls without results and results without calls.

    :raises ApiError: with the service's message, if anything is wrong.
    """
    if not steps or steps[0]["type"] != "user_input":
        refuse("The first step must be a user_input.", "input")
    last = steps[-1]["type"]
    if last == "function_call" or (last not in _CLIENTS and (3, 5) <= version(model) < (99, 0)):
        refuse("The last step must be a user_input or a function_result.", "input")
    open_calls: dict[str, str] = {}
    known: set[str] = set()
    for index, step in enumerate(steps):
        place = f"input[{index}]"
        kind = step["type"]
        if kind.endswith("_call"):
            if step["id"] in known or not step["id"]:
                refuse(f"{place}.id must be unique.", place)
            known.add(step["id"])
        elif kind.endswith("_result") and step["call_id"] not in known:
            refuse(f"No call found for {place}.call_id {step['call_id']}.", place)
        match kind:
            case "function_call":
                check_function_name(f"{place}.name", step["name"])
                open_calls[step["id"]] = step["name"]
            case "function_result":
                name = open_calls.pop(step["call_id"], None)
                if name is None:
                    refuse(f"The call {step['call_id']} has a result already.", place)
                if step.get("name") not in (None, name):
                    refuse(f"{place}.name must be {name}, the name of its call.", place)
            case "user_input" | "model_output" | "thought" if open_calls and (
                steps[index - 1]["type"] == "function_result" or kind == "user_input"
            ):
                missing = ", ".join(open_calls)
                refuse(f"function_result steps are missing for the calls {missing}.", place)
        _check_contents(place, step)
    if open_calls:
        refuse(f"function_result steps are missing for the calls {', '.join(open_calls)}.", "input")
    _check_signatures(model, steps)


def _check_contents(place: str, step: dict[str, Any]) -> None:
    contents = step.get("content") or []
    if step["type"] == "user_input" and not contents:
        refuse(f"{place}.content must not be empty.", place)
    result = step.get("result")
    if step["type"] == "function_result" and isinstance(result, list):
        contents = result
    for number, content in enumerate(contents):
        where = f"{place}.content[{number}]"
        if content["type"] == "text":
            continue
        if bool(content.get("data")) is bool(content.get("uri")):
            refuse(f"{where} must have either data or uri.", where)
        if content.get("data") and not content.get("mime_type"):
            refuse(f"{where}.mime_type is required.", where)


def _check_signatures(model: str, steps: list[dict[str, Any]]) -> None:
    """Refuse forged signatures, and calls of the current turn without one."""
    begin = max(index for index, step in enumerate(steps) if step["type"] == "user_input")
    signed: list[str] = []
    called = False
    for index, step in enumerate(steps):
        kind = step["type"]
        if kind in _CLIENTS:
            signed, called = [], False
        elif kind == "thought" and step.get("signature"):
            signed.append(step["signature"])
            _check_genuine(step["signature"])
        elif kind == "function_call" and not called:
            called = True
            if step.get("signature"):
                signed.append(step["signature"])
                _check_genuine(step["signature"])
            if is_gemini_3(model) and index > begin and not any(_fits(s, step) for s in signed):
                refuse(
                    f"The function call {step['name']} at input[{index}] is missing its thought "
                    "signature: send the thought step before it back.",
                    f"input[{index}]",
                )


def _check_genuine(signature: str) -> None:
    found = signatures.parse_signature(signature)
    if signature not in SENTINELS and (found is None or found.kind != "gemini"):
        refuse("Thought signature is not valid.", "input")


def _fits(signature: str, call: dict[str, Any]) -> bool:
    """Return whether a signature is that of a call."""
    if signature in SENTINELS:
        return True
    return signatures.is_genuine(signature, "gemini", [call["name"], call["arguments"]])
