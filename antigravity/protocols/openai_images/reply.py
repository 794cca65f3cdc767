"""Encodes whole responses with images."""

from __future__ import annotations

from typing import Any

from antigravity.ir.call import HttpReply, ReplyContext
from antigravity.ir.parts import Media
from antigravity.ir.response import Response
from antigravity.protocols.openai_images.fields import (
    image_fields,
    image_properties,
    missing_image,
    usage_fields,
)
from antigravity.protocols.openai_shapes import error_object
from antigravity.protocols.replies import json_reply

#: The header with the number of images that failed.
FAILED = "X-Images-Failed"


def encode_response(response: Response, context: ReplyContext) -> HttpReply:
    """Return the images, and the errors of those that failed.

    :raises GatewayError: if there is no image at all.
    """
    images = [
        part
        for choice in response.choices
        for part in choice.parts
        if isinstance(part, Media) and part.kind == "image"
    ]
    shown = [(image, fields) for image in images if (fields := image_fields(image, context))]
    if not shown:
        choices = response.choices
        text = " ".join(choice.refusal or choice.text for choice in choices)
        raise missing_image({choice.finish for choice in choices}, text)
    body: dict[str, Any] = {
        "created": context.created,
        "data": [fields for _, fields in shown],
        **image_properties(shown[0][0], context),
    }
    if response.usage.total:
        body["usage"] = usage_fields(response.usage)
    if not response.failures:
        return json_reply(body)
    body["failures"] = [error_object(error) for error in response.failures]
    failed = f"{len(response.failures)} of {len(response.failures) + len(shown)}"
    return json_reply(body, ((FAILED, failed),))
