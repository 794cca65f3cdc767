"""Encode a script as an OpenAI response, with all events of its items; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from antigravity.simulator import signatures
from antigravity.simulator.compaction import encode_item
from antigravity.simulator.encoders.chunks import split_in_half
from antigravity.simulator.encoders.client_tools import CALLS, encode_typed_call, is_typed
from antigravity.simulator.encoders.events import Context, Event
from antigravity.simulator.encoders.logprobs import build_logprobs
from antigravity.simulator.encoders.png import PNG_BASE64
from antigravity.simulator.errors import ApiError, openai_error
from antigravity.simulator.script import Call, Script
from antigravity.simulator.script_builder import SOURCES
from antigravity.simulator.view import compact

_INCOMPLETE: Final = {"length": "max_output_tokens", "filter": "content_filter"}


def encode_output(script: Script, context: Context) -> list[dict[str, Any]]:
    """Return the items of the response."""
    items: list[dict[str, Any]] = []
    if script.silent:
        return items
    if script.compaction:
        items.append(encode_item(script, context))
    if script.compaction == "only":
        return items
    if script.thinking:
        items.append(_reasoning(script, context))
    if script.citations:
        items.append(
            {
                "id": context.id("ws_"),
                "type": "web_search_call",
                "status": "completed",
                "action": _action(context),
            }
        )
    if script.image:
        items.append(
            {
                "id": context.id("ig_"),
                "type": "image_generation_call",
                "status": "completed",
                "result": PNG_BASE64,
                "output_format": "png",
            }
        )
    if script.chunks or (not items and not script.calls):
        part = {
            "type": "output_text",
            "text": script.text,
            "annotations": _annotations(script),
            "logprobs": _logprobs(script.text, context),
        }
        items.append(
            {
                "id": context.id("msg_"),
                "type": "message",
                "role": "assistant",
                "status": "incomplete" if script.finish in _INCOMPLETE else "completed",
                "content": [part],
            }
        )
    items += [_call(call, context, index) for index, call in enumerate(script.calls)]
    return items


def encode_response(script: Script, context: Context) -> dict[str, Any]:
    """Return the whole response."""
    return _response(script, context, done=True)


def encode_events(script: Script, context: Context) -> Iterator[Event]:
    """Yield the events of the stream, numbered."""
    for number, (kind, content, fields) in enumerate(_lifecycle(script, context)):
        value = {"type": kind, "sequence_number": number, **fields}
        yield Event(value, kind, content)


def encode_error(error: ApiError, number: int) -> list[Event]:
    """Return the events of an error inside a stream."""
    inner = openai_error(error).body
    detail = inner.get("error") if isinstance(inner, dict) else None
    detail = detail if isinstance(detail, dict) else {}
    value = {
        "type": "error",
        "sequence_number": number,
        "code": detail.get("code") or detail.get("type") or "server_error",
        "message": detail.get("message") or error.message,
        "param": detail.get("param"),
    }
    return [Event(value, "error")]


_Stage = tuple[str, bool, dict[str, Any]]


def _lifecycle(script: Script, context: Context) -> Iterator[_Stage]:
    opening = {"response": _response(script, context, done=False)}
    yield "response.created", False, opening
    yield "response.in_progress", False, opening
    for index, item in enumerate(encode_output(script, context)):
        place = {"item_id": item["id"], "output_index": index}
        yield "response.output_item.added", False, {"output_index": index, "item": _started(item)}
        match item["type"]:
            case "compaction":
                yield "response.compaction.compacting", True, place
            case "reasoning":
                yield from _reasoning_stages(item, place)
            case "message":
                yield from _message_stages(script, item, place, context)
            case "function_call":
                for number, piece in enumerate(split_in_half(item["arguments"])):
                    fields = {**place, "delta": piece}
                    yield "response.function_call_arguments.delta", number == 0, fields
                fields = {**place, "arguments": item["arguments"], "name": item["name"]}
                yield "response.function_call_arguments.done", False, fields
            case "custom_tool_call":
                for number, piece in enumerate(split_in_half(item["input"])):
                    fields = {**place, "delta": piece}
                    yield "response.custom_tool_call_input.delta", number == 0, fields
                fields = {**place, "input": item["input"]}
                yield "response.custom_tool_call_input.done", False, fields
            case "web_search_call":
                for stage in ("in_progress", "searching", "completed"):
                    yield f"response.web_search_call.{stage}", False, place
            case "image_generation_call":
                for stage in ("in_progress", "generating", "completed"):
                    kind = f"response.image_generation_call.{stage}"
                    yield kind, stage == "generating", place
        yield "response.output_item.done", False, {"output_index": index, "item": item}
    final = _response(script, context, done=True)
    yield f"response.{final['status']}", False, {"response": final}


def _reasoning_stages(item: dict[str, Any], place: dict[str, Any]) -> Iterator[_Stage]:
    for number, part in enumerate(item["summary"]):
        here = {**place, "summary_index": number}
        empty = {**part, "text": ""}
        yield "response.reasoning_summary_part.added", False, {**here, "part": empty}
        for piece in split_in_half(part["text"]):
            yield "response.reasoning_summary_text.delta", True, {**here, "delta": piece}
        yield "response.reasoning_summary_text.done", False, {**here, "text": part["text"]}
        yield "response.reasoning_summary_part.done", False, {**here, "part": part}


def _message_stages(
    script: Script, item: dict[str, Any], place: dict[str, Any], context: Context
) -> Iterator[_Stage]:
    here = {**place, "content_index": 0}
    part = item["content"][0]
    opening = {**part, "text": "", "annotations": [], "logprobs": []}
    yield "response.content_part.added", False, {**here, "part": opening}
    for chunk in script.chunks:
        fields = {**here, "delta": chunk, "logprobs": _logprobs(chunk, context)}
        yield "response.output_text.delta", True, fields
    for number, note in enumerate(part["annotations"]):
        fields = {**here, "annotation_index": number, "annotation": note}
        yield "response.output_text.annotation.added", False, fields
    fields = {**here, "text": part["text"], "logprobs": part["logprobs"]}
    yield "response.output_text.done", False, fields
    yield "response.content_part.done", False, {**here, "part": part}


def _action(context: Context) -> dict[str, Any]:
    """Return a search action, with its sources only if the request includes them."""
    action: dict[str, Any] = {"type": "search", "query": "simulated search"}
    if "web_search_call.action.sources" in (context.view.body.get("include") or ()):
        action["sources"] = [{"type": "url", "url": url} for url, _ in SOURCES]
    return action


def _logprobs(text: str, context: Context) -> list[dict[str, Any]]:
    count = context.view.logprobs
    return [] if count is None else build_logprobs(text, count)


def _started(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item as its first event shows it."""
    empty: dict[str, dict[str, Any]] = {
        "compaction": {},
        "reasoning": {"summary": []},
        "message": {"content": [], "status": "in_progress"},
        "function_call": {"arguments": "", "status": "in_progress"},
        "custom_tool_call": {"input": ""},
        "web_search_call": {"status": "in_progress"},
        "image_generation_call": {"status": "in_progress", "result": None},
        **{key: {"status": "in_progress"} for key in CALLS},
    }
    begun = {**item, **empty[item["type"]]}
    if "encrypted_content" in begun:
        begun["encrypted_content"] = ""
    return begun


def _reasoning(script: Script, context: Context) -> dict[str, Any]:
    shown = context.view.show_thinking or not context.view.thinking
    item: dict[str, Any] = {
        "id": context.id("rs_"),
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": script.thinking}] if shown else [],
    }
    if "reasoning.encrypted_content" in (context.view.body.get("include") or ()):
        item["encrypted_content"] = "gAAAA" + signatures.sign("openai", script.thinking)
    return item


def _call(call: Call, context: Context, index: int) -> dict[str, Any]:
    if is_typed(call, context):
        return encode_typed_call(call, context, index)
    if call.custom:
        item = {
            "id": context.id("ctc_", index),
            "type": "custom_tool_call",
            "call_id": call.id,
            "name": call.name,
            "input": call.text,
        }
    else:
        item = {
            "id": context.id("fc_", index),
            "type": "function_call",
            "status": "completed",
            "call_id": call.id,
            "name": call.name,
            "arguments": compact(call.arguments),
        }
    if call.namespace:
        item["namespace"] = call.namespace
    return item


def _annotations(script: Script) -> list[dict[str, Any]]:
    return [
        {
            "type": "url_citation",
            "start_index": item.start,
            "end_index": item.stop,
            "url": item.url,
            "title": item.title,
        }
        for item in script.citations
    ]


def _response(script: Script, context: Context, done: bool) -> dict[str, Any]:
    body = context.view.body
    status = "in_progress"
    if done:
        status = "incomplete" if script.finish in _INCOMPLETE else "completed"
        status = "failed" if script.finish == "failed" else status
    reason = _INCOMPLETE.get(script.finish)
    text = body.get("text") or {}
    return {
        "id": context.id("resp_"),
        "object": "response",
        "created_at": context.created,
        "completed_at": context.created if status == "completed" else None,
        "status": status,
        "background": False,
        "error": {"code": "server_error", "message": "Simulated failure."}
        if status == "failed"
        else None,
        "frequency_penalty": 0.0,
        "incomplete_details": {"reason": reason} if done and reason else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": None,
        "metadata": body.get("metadata") or {},
        "model": body["model"],
        "output": encode_output(script, context) if done else [],
        "parallel_tool_calls": context.view.parallel,
        "presence_penalty": 0.0,
        "previous_response_id": body.get("previous_response_id"),
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {"effort": None, "summary": None, **(body.get("reasoning") or {})},
        "safety_identifier": None,
        "service_tier": "default",
        "store": body.get("store") is not False,
        "temperature": body.get("temperature", 1.0),
        "text": {"verbosity": "medium", **text, "format": _format(text.get("format"))},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": [_tool(tool) for tool in body.get("tools") or ()],
        "top_logprobs": 0,
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": encode_usage(script) if done and status != "failed" else None,
        "user": None,
    }


def _format(given: dict[str, Any] | None) -> dict[str, Any]:
    """Return a text format as the service repeats it."""
    if given is None:
        return {"type": "text"}
    defaults = {"description": None, "strict": False} if given["type"] == "json_schema" else {}
    return {**defaults, **given}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a tool as the service repeats it: a function with the defaults of its fields."""
    if tool["type"] != "function":
        return tool
    return {"description": None, "parameters": None, "strict": True, **tool}


def encode_usage(script: Script) -> dict[str, Any]:
    """Return the usage of a response."""
    response = script.usage.response + script.usage.thinking
    return {
        "input_tokens": script.usage.prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": response,
        "output_tokens_details": {"reasoning_tokens": script.usage.thinking},
        "total_tokens": script.usage.prompt + response,
    }
