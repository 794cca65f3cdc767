"""What a model is to look at, and who asks it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from twisted.internet.defer import Deferred

from antigravity.ir.parts import Media


class VisionRequest(Struct, frozen=True):
    """Images or a video, what is wanted (``prompt``), and the model's role (``instructions``)."""

    instructions: str
    prompt: str
    media: tuple[Media, ...]


#: Returns a Deferred of what the model says; the text is the name of the client's key.  It fails
#: with a ``GatewayError`` or a ``ToolError``.
AskVisionModel = Callable[[VisionRequest, str], Deferred[str]]
