"""Compaction as the Responses API makes it: by endpoint, by trigger, and by threshold; pure."""

from __future__ import annotations

from typing import Any, Final

from antigravity.simulator import signatures
from antigravity.simulator.encoders.events import Context
from antigravity.simulator.errors import refuse
from antigravity.simulator.script import Script
from antigravity.simulator.view import View, name_set

TRIGGER: Final = "compaction_trigger"
#: The fields of ``POST /v1/responses/compact``; the second line is what Codex sends besides.
_FIELDS: Final = name_set(
    """model input instructions previous_response_id prompt_cache_key prompt_cache_options
    prompt_cache_retention service_tier image
    tools parallel_tool_calls reasoning text"""
)


def check_fields(body: dict[str, Any]) -> None:
    """Refuse fields that the endpoint does not have.

    :raises ApiError: naming the field.
    """
    for name, value in body.items():
        if name not in _FIELDS and value is not None:
            refuse(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


def check_triggers(items: list[dict[str, Any]]) -> bool:
    """Return whether the input ends with a trigger.

    :raises ApiError: if there is one at another place.
    """
    places = [place for place, item in enumerate(items) if item.get("type") == TRIGGER]
    if places and places != [len(items) - 1]:
        refuse("The 'compaction_trigger' item must be the final input item.", f"input[{places[0]}]")
    return bool(places)


def refuse_forms(body: dict[str, Any], items: list[dict[str, Any]]) -> None:
    """Refuse compaction as a compatible service does that does not have it.

    :raises ApiError: naming the field.
    """
    for place, item in enumerate(items):
        if item.get("type") == TRIGGER:
            refuse(f"Invalid value: '{TRIGGER}'.", f"input[{place}]", "invalid_value")
    if body.get("context_management"):
        name = "context_management"
        refuse(f"Unknown parameter: '{name}'.", name, "unknown_parameter")


def check_summary(item: dict[str, Any]) -> None:
    """Refuse a compaction that the service did not make.

    :raises ApiError: with the service's message.
    """
    encrypted = str(item.get("encrypted_content") or "")
    found = signatures.parse_signature(encrypted.removeprefix("gAAAA"))
    if not encrypted.startswith("gAAAA") or found is None or found.kind != "openai":
        refuse(
            f"The encrypted content {encrypted[:5]}...{encrypted[-4:]} could not be "
            "verified. Reason: Encrypted content could not be decrypted or parsed.",
            None,
            "invalid_encrypted_content",
        )


def exceeds_threshold(body: dict[str, Any], view: View) -> bool:
    """Return whether ``context_management`` wants the input compacted."""
    for entry in body.get("context_management") or ():
        if entry.get("type") != "compaction":
            refuse("Invalid value: 'type'.", "context_management[0].type", "invalid_value")
        threshold = entry.get("compact_threshold")
        if threshold is not None and view.count_tokens() > threshold:
            return True
    return False


def encode_item(script: Script, context: Context) -> dict[str, Any]:
    """Return the item of a compaction."""
    return {
        "id": context.id("cmp_"),
        "type": "compaction",
        "encrypted_content": "gAAAA" + signatures.sign("openai", script.text),
    }


def encode_endpoint(
    items: list[dict[str, Any]], usage: dict[str, Any], script: Script, context: Context
) -> dict[str, Any]:
    """Return the response of the endpoint: the messages of users, then the compaction."""
    users = [
        {
            "id": f"msg_{place}",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_text", "text": item["content"]}]
            if isinstance(item["content"], str)
            else item["content"],
        }
        for place, item in enumerate(items)
        if item.get("role") == "user"
    ]
    return {
        "id": context.id("resp_"),
        "object": "response.compaction",
        "created_at": context.created,
        "output": [*users, encode_item(script, context)],
        "usage": usage,
    }
