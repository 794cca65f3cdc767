"""Encode a script as an interaction, with all events of its steps; pure."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from antigravity.simulator import signatures
from antigravity.simulator.encoders.chunks import split_in_half
from antigravity.simulator.encoders.events import Context, Event
from antigravity.simulator.errors import ApiError, interactions_error
from antigravity.simulator.image_models import draw_image
from antigravity.simulator.script import Script
from antigravity.simulator.speech import SAMPLE_RATE
from antigravity.simulator.validation.gemini_models import AGENTS, is_gemini_3
from antigravity.simulator.view import compact

_STATUSES: Final = {"length": "incomplete", "filter": "incomplete", "tool": "requires_action"}

#: A step, and how it arrives: its beginning, and the deltas with their content flag.
_Arrival = tuple[dict[str, Any], dict[str, Any], list[tuple[dict[str, Any], bool]]]


def encode_steps(script: Script, context: Context) -> list[dict[str, Any]]:
    """Return the steps of the response."""
    return [step for step, _, _ in _arrivals(script, context)]


def encode_response(script: Script, context: Context) -> dict[str, Any]:
    """Return the whole interaction."""
    previous = context.view.body.get("previous_interaction_id")
    echo = {"previous_interaction_id": previous} if previous else {}
    return {**_ended(script, context), **echo, "steps": encode_steps(script, context)}


def encode_events(script: Script, context: Context) -> Iterator[Event]:
    """Yield the events of the stream, each with an id."""
    for number, event in enumerate(_lifecycle(script, context)):
        value = {**event.value, "event_id": f"evt_{number}"}
        yield Event(value, value["event_type"], event.content)
    yield Event("[DONE]", "done")


def encode_error(error: ApiError, number: int) -> list[Event]:
    """Return the events of an error inside a stream."""
    body = interactions_error(error).body
    inner = body.get("error") if isinstance(body, dict) else None
    value = {"event_type": "error", "error": inner or {"message": error.message}}
    return [Event({**value, "event_id": f"evt_{number}"}, "error")]


def _lifecycle(script: Script, context: Context) -> Iterator[Event]:
    begun = {**_head(context), "status": "in_progress"}
    yield Event({"event_type": "interaction.created", "interaction": begun})
    status = {"interaction_id": begun["id"], "status": "in_progress"}
    yield Event({"event_type": "interaction.status_update", **status})
    for index, (_, start, deltas) in enumerate(_arrivals(script, context)):
        yield Event({"event_type": "step.start", "index": index, "step": start})
        for delta, content in deltas:
            value = {"event_type": "step.delta", "index": index, "delta": delta}
            yield Event(value, content=content)
        yield Event({"event_type": "step.stop", "index": index})
    yield Event({"event_type": "interaction.completed", "interaction": _ended(script, context)})


def _head(context: Context) -> dict[str, Any]:
    name = context.view.model
    return {
        "id": context.id("v1_"),
        "object": "interaction",
        "agent" if name in AGENTS else "model": name,
        "created": datetime.fromtimestamp(context.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _ended(script: Script, context: Context) -> dict[str, Any]:
    """Return the interaction at its end, without its steps."""
    usage = script.usage
    status = _STATUSES.get(script.finish, "completed")
    if script.spelled.lower() in ("failed", "cancelled", "budget_exceeded"):
        status = script.spelled.lower()
    view = context.view
    texts = usage.prompt - view.image_tokens() - view.audio_tokens()
    inputs = {"text": texts, "image": view.image_tokens(), "audio": view.audio_tokens()}
    made = "image" if script.image else "audio" if script.audio else "text"
    ended = {
        **_head(context),
        "status": status,
        "usage": {
            "total_input_tokens": usage.prompt,
            "input_tokens_by_modality": _modalities(inputs),
            "total_cached_tokens": 0,
            "total_output_tokens": usage.response,
            "output_tokens_by_modality": _modalities({made: usage.response}),
            "total_thought_tokens": usage.thinking,
            "total_tool_use_tokens": 0,
            "total_tokens": usage.prompt + usage.response + usage.thinking,
        },
    }
    if script.citations:
        ended["usage"]["grounding_tool_count"] = [{"type": "google_search", "count": 1}]
    if script.finish == "filter":
        ended["errors"] = [{"code": "safety", "message": "The output was blocked."}]
    return ended


def _modalities(counts: dict[str, int]) -> list[dict[str, Any]]:
    return [{"modality": name, "tokens": count} for name, count in counts.items() if count]


def _arrivals(script: Script, context: Context) -> Iterator[_Arrival]:
    signature = _signature(script, context)
    if script.thinking or signature:
        yield _thought(script.thinking, signature)
    if script.citations:
        identity = context.id("search_")
        arguments = {"queries": ["simulated search"]}
        search = {"type": "google_search_call", "id": identity, "arguments": arguments}
        pages = [{"url": each.url, "title": each.title} for each in script.citations]
        piece = {"type": "google_search_call", "arguments": arguments}
        yield search, {**search, "arguments": {}}, [(piece, False)]
        found = {"type": "google_search_result", "call_id": identity, "result": pages}
        yield found, found, []
    if script.chunks or script.image or script.audio:
        yield _output(script, context)
    for call in script.calls:
        head = {"type": "function_call", "id": call.id, "name": call.name}
        pieces = split_in_half(compact(call.arguments))
        deltas = [
            ({"type": "arguments_delta", "arguments": piece}, number == 0)
            for number, piece in enumerate(pieces)
        ]
        yield {**head, "arguments": call.arguments}, {**head, "arguments": {}}, deltas


def _signature(script: Script, context: Context) -> str:
    """Return the signature of the thought: that of the first call, if there is one."""
    model = context.view.model
    if script.calls:
        call = script.calls[0]
        signs = is_gemini_3(model) or bool(script.thinking)
        return signatures.sign("gemini", [call.name, call.arguments]) if signs else ""
    return signatures.sign("gemini", script.text) if script.thinking else ""


def _thought(text: str, signature: str) -> _Arrival:
    step: dict[str, Any] = {"type": "thought"}
    deltas: list[tuple[dict[str, Any], bool]] = []
    if text:
        step["summary"] = [{"type": "text", "text": text}]
        for piece in split_in_half(text):
            content = {"type": "text", "text": piece}
            deltas.append(({"type": "thought_summary", "content": content}, True))
    if signature:
        step["signature"] = signature
        deltas.append(({"type": "thought_signature", "signature": signature}, False))
    return step, {"type": "thought"}, deltas


def _output(script: Script, context: Context) -> _Arrival:
    contents: list[dict[str, Any]] = []
    deltas: list[tuple[dict[str, Any], bool]] = []
    if script.chunks:
        text: dict[str, Any] = {"type": "text", "text": script.text}
        deltas += [({"type": "text", "text": chunk}, True) for chunk in script.chunks]
        if script.citations:
            text["annotations"] = _annotations(script)
            noted = {"type": "text_annotation_delta", "annotations": text["annotations"]}
            deltas.append((noted, False))
        contents.append(text)
    if script.image:
        data = draw_image(context.view)
        contents.append({"type": "image", "mime_type": "image/png", "data": data})
        deltas.append((contents[-1], True))
    if script.audio:
        form = {"type": "audio", "mime_type": "audio/l16", "sample_rate": SAMPLE_RATE}
        whole = base64.b64encode(b"".join(script.audio)).decode("ascii")
        contents.append({**form, "data": whole})
        for piece in script.audio:
            deltas.append(({**form, "data": base64.b64encode(piece).decode("ascii")}, True))
    return {"type": "model_output", "content": contents}, {"type": "model_output"}, deltas


def _annotations(script: Script) -> list[dict[str, Any]]:
    """Return the citations; their offsets count bytes."""
    return [
        {
            "type": "url_citation",
            "url": each.url,
            "title": each.title,
            "start_index": len(script.text[: each.start].encode()),
            "end_index": len(script.text[: each.stop].encode()),
        }
        for each in script.citations
    ]
