"""Encodes replies to calls about a stored interaction: pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw

from antigravity.ir.call import Call, HttpReply
from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.protocols.gemini_interactions.conversation import StoredInteraction, read
from antigravity.protocols.gemini_interactions.schema import JsonObject
from antigravity.protocols.gemini_interactions.server_stream import DONE
from antigravity.protocols.json_body import bad_field
from antigravity.protocols.replies import json_reply
from antigravity.sse import encode_event

_TRUE: Final = ("true", "1")
#: The prefix of the ids of events.
_EVENT: Final = "e"


def encode(call: Call, stored: bytes) -> HttpReply:
    """Return the reply to a call about a stored interaction.

    :raises InvalidRequestError: if the call requires an interaction that still runs.
    """
    match call.route.tag:
        case "delete":
            return json_reply({})
        case "cancel":
            raise InvalidRequestError(
                "Only background interactions that still run can be cancelled; this one is not.",
                param="id",
                code="interaction_not_cancellable",
            )
    found = read(stored)
    if _is_true(call, "stream"):
        events = b"".join(_replay(call, found))
        return HttpReply(200, events, content_type="text/event-stream")
    if _is_true(call, "include_input"):
        fields = msgspec.json.decode(found.interaction, type=dict[str, Raw])
        return json_reply({**fields, "input": found.input})
    return HttpReply(200, bytes(found.interaction))


def not_found(call: Call) -> NotFoundError:
    """Return the error for an interaction that is not stored."""
    return NotFoundError(
        f"Interaction {call.arguments['id']!r} not found: it was not stored, or has expired.",
        param="id",
        code="interaction_not_found",
    )


def _is_true(call: Call, name: str) -> bool:
    return call.query.get(name, "").lower() in _TRUE


def _replay(call: Call, stored: StoredInteraction) -> Iterator[bytes]:
    """Yield the events of a stored interaction, those after ``last_event_id`` if it is given.

    Their ids are numbers, the same in every replay.
    """
    start = 0
    after = call.query.get("last_event_id")
    if after:
        number = after.removeprefix(_EVENT)
        if not (number.isascii() and number.isdecimal() and len(number) <= 9):
            raise bad_field("last_event_id", "is not the id of an event of this interaction")
        start = int(number) + 1
    for place, event in enumerate(_events(stored)):
        if place >= start:
            data = msgspec.json.encode({**event, "event_id": f"{_EVENT}{place}"})
            yield encode_event(event["event_type"].encode(), data)
    yield DONE


def _events(stored: StoredInteraction) -> Iterator[JsonObject]:
    """Yield the events of an interaction: each content of a step is one delta."""
    whole: JsonObject = msgspec.json.decode(stored.interaction)
    steps = whole.pop("steps", [])
    begun = {name: whole[name] for name in ("id", "object", "model", "created") if name in whole}
    yield {
        "event_type": "interaction.created",
        "interaction": {**begun, "status": "in_progress"},
    }
    for index, step in enumerate(steps):
        start, deltas = _split(step)
        yield {"event_type": "step.start", "index": index, "step": start}
        for delta in deltas:
            yield {"event_type": "step.delta", "index": index, "delta": delta}
        yield {"event_type": "step.stop", "index": index}
    yield {"event_type": "interaction.completed", "interaction": whole}


def _split(step: JsonObject) -> tuple[JsonObject, list[JsonObject]]:
    """Return how a step begins, and its deltas."""
    match step.get("type"):
        case "model_output":
            return {"type": "model_output"}, list(_contents(step.get("content") or ()))
        case "thought":
            deltas: list[JsonObject] = [
                {"type": "thought_summary", "content": each} for each in step.get("summary") or ()
            ]
            if "signature" in step:
                deltas.append({"type": "thought_signature", "signature": step["signature"]})
            return {"type": "thought"}, deltas
        case "function_call":
            text = msgspec.json.encode(step["arguments"]).decode()
            return {**step, "arguments": {}}, [{"type": "arguments_delta", "arguments": text}]
        case _:
            return step, []


def _contents(contents: Any) -> Iterator[JsonObject]:
    for content in contents:
        if content.get("type") != "text":
            yield content
            continue
        if content["text"]:
            yield {"type": "text", "text": content["text"]}
        if content.get("annotations"):
            yield {"type": "text_annotation_delta", "annotations": content["annotations"]}
