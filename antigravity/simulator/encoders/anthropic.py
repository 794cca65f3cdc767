"""Encode a script as an Anthropic message; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from antigravity.simulator import signatures
from antigravity.simulator.encoders.chunks import split_by_citation, split_in_half
from antigravity.simulator.encoders.events import Context, Event
from antigravity.simulator.errors import ApiError, anthropic_error
from antigravity.simulator.script import Citation, Script
from antigravity.simulator.script_builder import SOURCES
from antigravity.simulator.view import compact

_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool": "tool_use",
    "stop_sequence": "stop_sequence",
    "filter": "refusal",
}


def encode_response(script: Script, context: Context) -> dict[str, Any]:
    """Return the whole message."""
    content: list[dict[str, Any]] = []
    for block, _ in _blocks(script, context):
        content.append(block)
    return {
        **_envelope(context),
        "content": content,
        "stop_reason": _reason(script),
        "stop_sequence": script.stop_sequence,
        "usage": _usage(script),
    }


def encode_events(script: Script, context: Context) -> Iterator[Event]:
    """Yield the events of the stream."""
    start = {**_envelope(context), "content": [], "stop_reason": None, "stop_sequence": None}
    start["usage"] = {**_usage(script), "output_tokens": 1}
    start["usage"].pop("server_tool_use", None)
    yield _event("message_start", message=start)
    for index, (block, deltas) in enumerate(_blocks(script, context)):
        yield _event("content_block_start", index=index, content_block=_opening(block))
        if index == 0:
            yield _event("ping")
        for delta, content in deltas:
            yield _event("content_block_delta", content=content, index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    delta = {"stop_reason": _reason(script), "stop_sequence": script.stop_sequence}
    yield _event("message_delta", delta=delta, usage=_usage(script))
    yield _event("message_stop")


def encode_error(error: ApiError, _: int) -> list[Event]:
    """Return the events of an error inside a stream."""
    return [Event(anthropic_error(error).body, "error")]


def _event(kind: str, content: bool = False, **fields: Any) -> Event:
    return Event({"type": kind, **fields}, kind, content)


def _envelope(context: Context) -> dict[str, Any]:
    envelope: dict[str, Any] = {
        "id": context.id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": context.view.model,
    }
    if context.view.transformations:
        envelope["input_transformations"] = list(context.view.transformations)
    return envelope


def _reason(script: Script) -> str:
    return _REASONS.get(script.finish, script.spelled or script.finish)


def _usage(script: Script) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "input_tokens": script.usage.prompt,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": script.usage.response + script.usage.thinking,
        "service_tier": "standard",
    }
    if script.usage.thinking:
        usage["output_tokens_details"] = {"thinking_tokens": script.usage.thinking}
    if script.citations:
        usage["server_tool_use"] = {"web_search_requests": 1, "web_fetch_requests": 0}
    return usage


_Deltas = list[tuple[dict[str, Any], bool]]


def _blocks(script: Script, context: Context) -> Iterator[tuple[dict[str, Any], _Deltas]]:
    """Yield each complete block, and its deltas."""
    if script.thinking:
        yield _thinking(script, context)
    if script.citations:
        yield from _search(context)
    for pieces, citation in split_by_citation(script):
        text = "".join(pieces)
        block: dict[str, Any] = {"type": "text", "text": text}
        deltas: _Deltas = [({"type": "text_delta", "text": piece}, True) for piece in pieces]
        if citation is not None:
            place = _location(citation, text)
            block["citations"] = [place]
            deltas.append(({"type": "citations_delta", "citation": place}, False))
        yield block, deltas
    if script.image:
        note = "(This protocol has no images in responses.)"
        yield (
            {"type": "text", "text": note},
            [({"type": "text_delta", "text": note}, True)],
        )
    for call in script.calls:
        block = {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
        yield block, _input(call.arguments)


def _input(arguments: dict[str, Any]) -> _Deltas:
    pieces = ["", *(split_in_half(compact(arguments)) if arguments else ["{}"])]
    return [
        ({"type": "input_json_delta", "partial_json": piece}, index == 1)
        for index, piece in enumerate(pieces)
    ]


def _thinking(script: Script, context: Context) -> tuple[dict[str, Any], _Deltas]:
    shown = script.thinking if context.view.show_thinking else ""
    signature = signatures.sign("claude", script.thinking, context.view.bound)
    deltas: _Deltas = [
        ({"type": "thinking_delta", "thinking": piece}, True) for piece in split_in_half(shown)
    ]
    deltas.append(({"type": "signature_delta", "signature": signature}, False))
    return {"type": "thinking", "thinking": shown, "signature": signature}, deltas


def _search(context: Context) -> Iterator[tuple[dict[str, Any], _Deltas]]:
    id_ = context.id("srvtoolu_")
    query = {"query": "simulated search"}
    yield (
        {"type": "server_tool_use", "id": id_, "name": "web_search", "input": query},
        _input(query),
    )
    results = [
        {
            "type": "web_search_result",
            "url": url,
            "title": title,
            "encrypted_content": signatures.sign("claude-web", url),
            "page_age": "January 1, 2026",
        }
        for url, title in SOURCES
    ]
    yield {"type": "web_search_tool_result", "tool_use_id": id_, "content": results}, []


def _location(citation: Citation, text: str) -> dict[str, Any]:
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title,
        "encrypted_index": signatures.sign("claude-web", citation.url),
        "cited_text": text[:150],
    }


def _opening(block: dict[str, Any]) -> dict[str, Any]:
    """Return a block as its start event shows it."""
    empty: dict[str, dict[str, Any]] = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"input": {}},
        "server_tool_use": {"input": {}},
    }
    opening = {**block, **empty.get(block["type"], {})}
    if "citations" in opening:
        opening["citations"] = []
    return opening
