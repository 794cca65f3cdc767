"""Requests for images at Code Assist, which rejects some fields in them."""

from __future__ import annotations

import re
from typing import Final

from msgspec.structs import replace

from antigravity.ir.capabilities import Capabilities
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request, ResponseFormat
from antigravity.protocols.losses import Losses

#: Fields that it rejects; inside text the quotes are escaped.
_REFUSED: Final = re.compile(
    rb'(?<!\\)"(?:tools|system_?[iI]nstruction|response_?[mM]ime_?[tT]ype|'
    rb'response_?[mM]odalities)"\s*:'
)


def outputs_images(capabilities: Capabilities) -> bool:
    """Return whether a model has image output."""
    return "image" in capabilities.outputs


def can_pass_through(body: bytes) -> bool:
    """Return whether a request for images has none of the rejected fields."""
    return _REFUSED.search(body) is None


def fit_image_request(request: Request, losses: Losses) -> Request:
    """Return the request without what Code Assist rejects in requests for images."""
    if request.system:
        losses.add(
            "system", "moved before the first turn: Code Assist does not accept it for images"
        )
        texts = tuple(Text(part.text) for part in request.system)
        messages = (Message("user", texts), *request.messages)
        request = replace(request, system=(), messages=messages)
    if request.response_format.kind != "text":
        losses.add("response_format", "dropped: an image has no format")
        request = replace(request, response_format=ResponseFormat())
    return replace(request, modalities=())
