"""Encode a script as images; pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from antigravity.simulator.encoders.events import Context, Event
from antigravity.simulator.errors import ApiError, openai_error
from antigravity.simulator.image_models import draw_image
from antigravity.simulator.script import Script


def encode_response(script: Script, context: Context) -> dict[str, Any]:
    """Return OpenAI's response.

    :raises ApiError: if the script ends with a filter.
    """
    if script.finish == "filter":
        raise _filtered()
    images = [{"b64_json": draw_image(context.view, index)} for index in range(script.choices)]
    return {
        "created": context.created,
        "data": images if script.image else [],
        **_looks(context),
        "usage": _usage(script, context),
    }


def encode_events(script: Script, context: Context) -> Iterator[Event]:
    """Yield OpenAI's events: the requested number of partial images, then the final one."""
    if script.finish == "filter":
        yield from encode_error(_filtered(), 0)
        return
    body = context.view.body
    kind = "image_edit" if context.view.attachments else "image_generation"
    common = {"created_at": context.created, **_looks(context)}
    for index in range(int(body.get("partial_images") or 0)):
        name = f"{kind}.partial_image"
        value = {
            "type": name,
            "b64_json": draw_image(context.view, -1 - index),
            "partial_image_index": index,
            **common,
        }
        yield Event(value, name, True)
    for index in range(script.choices if script.image else 0):
        name = f"{kind}.completed"
        value = {
            "type": name,
            "b64_json": draw_image(context.view, index),
            **common,
            "usage": _usage(script, context),
        }
        yield Event(value, name, True)


def encode_error(error: ApiError, _: int) -> list[Event]:
    """Return the events of an error inside a stream."""
    return [Event({"type": "error", **openai_error(error).body}, "error")]


def encode_predictions(script: Script, context: Context) -> dict[str, Any]:
    """Return the body of ``predict``: each image, or the reason for its absence."""
    if script.finish == "filter":
        return {"predictions": [{"raiFilteredReason": "Filtered: this may not be drawn."}]}
    return {
        "predictions": [
            {"mimeType": _written(context), "bytesBase64Encoded": draw_image(context.view, index)}
            for index in range(script.choices if script.image else 0)
        ]
    }


def _filtered() -> ApiError:
    message = "Your request was rejected by the safety system."
    return ApiError(400, message, code="moderation_blocked")


def _written(context: Context) -> str:
    options = (context.view.body.get("parameters") or {}).get("outputOptions") or {}
    return str(options.get("mimeType") or "image/png")


def _looks(context: Context) -> dict[str, Any]:
    body = context.view.body
    width, height = context.view.image_size
    return {
        "background": body.get("background") or "opaque",
        "output_format": body.get("output_format") or "png",
        "quality": body.get("quality") or "high",
        "size": f"{width}x{height}",
    }


def _usage(script: Script, context: Context) -> dict[str, Any]:
    seen = context.view.image_tokens()
    prompt, response = script.usage.prompt, script.usage.response * script.choices
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"image_tokens": seen, "text_tokens": prompt - seen},
        "output_tokens": response,
        "output_tokens_details": {"image_tokens": response, "text_tokens": 0},
        "total_tokens": prompt + response,
    }
