"""Requests for pictures at Code Assist, which refuses there what it takes elsewhere."""

from __future__ import annotations

import re
from typing import Final

from msgspec.structs import replace

from antigravity.ir.capabilities import Capabilities
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request, ResponseFormat
from antigravity.protocols.losses import Losses

#: What such a request may not hold; inside of text the quotes would be escaped.
_REFUSED: Final = re.compile(
    rb'(?<!\\)"(?:tools|system_?[iI]nstruction|response_?[mM]ime_?[tT]ype|'
    rb'response_?[mM]odalities)"\s*:'
)


def draws(capabilities: Capabilities) -> bool:
    """Return whether a model draws."""
    return "image" in capabilities.outputs


def may_pass(body: bytes) -> bool:
    """Return whether a request for pictures holds nothing that is refused somewhere."""
    return _REFUSED.search(body) is None


def fit_image_request(request: Request, losses: Losses) -> Request:
    """Return the request without what Code Assist refuses when it is to draw."""
    if request.system:
        losses.add("system", "put before the first turn: the service takes none here")
        said = tuple(Text(part.text) for part in request.system)
        messages = (Message("user", said), *request.messages)
        request = replace(request, system=(), messages=messages)
    if request.response_format.kind != "text":
        losses.add("response_format", "a picture has no such form; it was dropped")
        request = replace(request, response_format=ResponseFormat())
    return replace(request, modalities=())
