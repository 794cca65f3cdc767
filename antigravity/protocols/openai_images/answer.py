"""What whole answers and streams say alike."""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.call import ReplyContext
from antigravity.ir.errors import EmptyAnswerError, GatewayError, InvalidRequestError
from antigravity.ir.events import FinishReason
from antigravity.ir.media import InlineData, UrlSource
from antigravity.ir.parts import Media
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_images.pictures import has_alpha, size_of
from antigravity.protocols.openai_images.reading import asked
from antigravity.protocols.openai_images.schema import quality_of, response_format_of

#: Characters of what a model said instead of drawing.
_SAID: Final = 300


def image_fields(image: Media, context: ReplyContext) -> dict[str, Any] | None:
    """Return one image as the client wants it, ``None`` for what cannot be given to it.

    An address that only the upstream knows is passed on whatever was wanted.
    """
    source = image.source
    if isinstance(source, UrlSource):
        return {"url": source.url}
    if not isinstance(source, InlineData):
        return None
    if response_format_of(asked(context.call).body) == "url" and context.publish is not None:
        return {"url": context.publish(image.mime_type, source.data)}
    return {"b64_json": source.data}


def looks(image: Media, context: ReplyContext) -> dict[str, Any]:
    """Return what an image is like, never ``auto``: the image itself says it where it is here."""
    body = asked(context.call).body
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
    """Return counts of tokens; what is no image in them counts as text."""
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


def no_image(reasons: set[FinishReason], said: str) -> GatewayError:
    """Return the error for an answer without an image."""
    words = said.strip()
    if len(words) > _SAID:
        words = words[:_SAID] + "…"
    more = f" It said: {words}" if words else ""
    if reasons & {"content_filter", "refusal"}:
        return InvalidRequestError(
            f"The model, or a filter of its provider, refused to draw this.{more}",
            param="prompt",
            code="moderation_blocked",
        )
    if "length" in reasons:
        return InvalidRequestError(f"The model's output limit left no room for an image.{more}")
    return EmptyAnswerError(f"The model answered without an image; try again.{more}")
