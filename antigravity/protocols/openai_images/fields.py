"""Fields of both streams and whole responses."""

from __future__ import annotations

from typing import Any

from antigravity.ir.call import ReplyContext
from antigravity.ir.errors import EmptyResponseError, GatewayError, InvalidRequestError
from antigravity.ir.events import FinishReason
from antigravity.ir.media import InlineData, UrlSource
from antigravity.ir.parts import Media
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_images.call_parser import parse_call
from antigravity.protocols.openai_images.image_size import has_alpha, size_of
from antigravity.protocols.openai_images.schema import quality_of, response_format_of
from antigravity.protocols.openai_shapes import model_text


def image_fields(image: Media, context: ReplyContext) -> dict[str, Any] | None:
    """Return one image in the requested format, ``None`` if it cannot be sent.

    An upstream's URL is passed on in either case.
    """
    source = image.source
    if isinstance(source, UrlSource):
        return {"url": source.url}
    if not isinstance(source, InlineData):
        return None
    if response_format_of(parse_call(context.call).body) == "url" and context.publish is not None:
        return {"url": context.publish(image.mime_type, source.data)}
    return {"b64_json": source.data}


def image_properties(image: Media, context: ReplyContext) -> dict[str, Any]:
    """Return the properties of an image, never ``auto``; those of inline data are read from it."""
    body = parse_call(context.call).body
    source = image.source
    if isinstance(source, InlineData):
        size, transparent = size_of(source.data), has_alpha(source.data)
    else:
        size, transparent = None, body.background == "transparent"
    return {
        "background": "transparent" if transparent else "opaque",
        "output_format": image.mime_type.partition("/")[2] or "png",
        "quality": quality_of(body, size),
        "size": f"{size[0]}x{size[1]}" if size else body.size or "auto",
    }


def usage_fields(usage: Usage) -> dict[str, Any]:
    """Return token counts; everything but images counts as text."""
    return {
        "input_tokens": usage.input_total,
        "input_tokens_details": {
            "image_tokens": usage.image_input,
            "text_tokens": usage.input_total - usage.image_input,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {
            "image_tokens": usage.image_output,
            "text_tokens": usage.output - usage.image_output,
        },
        "total_tokens": usage.total,
    }


def missing_image(reasons: set[FinishReason], text: str) -> GatewayError:
    """Return the error for a response without an image; ``text`` is what the model wrote."""
    more = model_text(text)
    if reasons & {"content_filter", "refusal"}:
        return InvalidRequestError(
            f"The model, or a filter of its provider, refused to generate the image.{more}",
            param="prompt",
            code="moderation_blocked",
        )
    if "length" in reasons:
        return InvalidRequestError(f"The model reached its output limit before the image.{more}")
    return EmptyResponseError(f"The model returned no image; try again.{more}")
