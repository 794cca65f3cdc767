"""A request to a vision model."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from twisted.internet.defer import Deferred

from antigravity.ir.parts import Media


class VisionRequest(Struct, frozen=True):
    """Images or a video with a ``prompt`` and system ``instructions``."""

    instructions: str
    prompt: str
    media: tuple[Media, ...]


#: A function that sends a request for the client's principal; its Deferred fires with the model's
#: text, or fails with a ``GatewayError`` or a ``ToolError``.
AskVisionModel = Callable[[VisionRequest, str], Deferred[str]]
