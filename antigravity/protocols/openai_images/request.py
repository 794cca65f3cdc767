"""Decodes a call as one user message: the images to edit, then the prompt."""

from __future__ import annotations

from typing import Final

from antigravity.ir.call import Call
from antigravity.ir.parts import Part, Text
from antigravity.ir.request import Message, Request, Sampling
from antigravity.protocols.json_body import bad_field
from antigravity.protocols.openai_images.call_parser import images_to_edit, parse_call
from antigravity.protocols.openai_images.schema import (
    EDITS,
    GENERATIONS,
    options_of,
    response_format_of,
)

#: Other protocols have no field for a mask; it is sent as an image with this explanation.
_MASK_NOTE: Final = (
    "The second picture is a mask for the first one and of the same size. Change the first "
    "picture only where the mask is fully transparent, and leave all the rest as it is."
)


def decode(call: Call, model: str, *, edit: bool) -> Request:
    """Return the request in a call.

    :raises InvalidRequestError: naming the field at fault.
    """
    parsed = parse_call(call)
    body = parsed.body
    if not body.prompt.strip():
        raise bad_field("prompt", "is required")
    response_format_of(body)
    parts: list[Part] = []
    if edit:
        images, mask = images_to_edit(call)
        parts += images
        if mask is not None:
            parts[1:1] = [mask]
            parts.append(Text(_MASK_NOTE))
    parts.append(Text(body.prompt))
    return Request(
        model=model,
        messages=(Message("user", tuple(parts)),),
        protocol=EDITS if edit else GENERATIONS,
        stream=bool(body.stream),
        modalities=("image",),
        sampling=Sampling(n=body.n or 1),
        image=options_of(body),
        user=body.user,
        extensions=parsed.unknown,
    )
