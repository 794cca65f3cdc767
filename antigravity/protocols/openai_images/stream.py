"""Writes streams: each image is one event, once it is drawn."""

from __future__ import annotations

from typing import Any

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import IPartialFailures, IStreamEncoder
from antigravity.ir.call import ReplyContext
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import (
    Event,
    Finish,
    FinishReason,
    MediaOutput,
    RefusalDelta,
    StreamFailure,
    TextDelta,
    UsageUpdate,
)
from antigravity.ir.media import InlineData, kind_of
from antigravity.ir.parts import Media
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_images.answer import (
    image_fields,
    looks,
    no_image,
    usage_fields,
)
from antigravity.protocols.openai_shapes import error_object
from antigravity.sse import KEEPALIVE_COMMENT, encode_event


@implementer(IStreamEncoder, IPartialFailures)
class ImagesStreamEncoder:
    """Writes the events of one reply; ``kind`` is ``image_generation`` or ``image_edit``.

    An image's event holds the usage, which upstreams tell last; so an image waits for the
    usage after its end, for the next image or for the end of all.  Usages are told as they
    grow, so that those of all events add up.
    """

    content_type = "text/event-stream"

    def __init__(self, context: ReplyContext, kind: str) -> None:
        self._context = context
        self._kind = kind
        self._waiting: Media | None = None
        self._usage = Usage()
        self._told = Usage()
        self._drawn = 0
        self._finished = False
        self._reasons: set[FinishReason] = set()
        self._said: list[str] = []
        self._over = False

    def encode(self, event: Event) -> bytes:
        """Return the bytes that ``event`` adds to the stream."""
        if self._over:
            return b""
        match event:
            case MediaOutput() if kind_of(event.mime_type) == "image":
                before = self._flush()
                self._waiting = Media("image", event.source, event.mime_type)
                self._finished = False
                return before
            case UsageUpdate():
                self._usage = event.usage
                return self._flush() if self._finished else b""
            case TextDelta() | RefusalDelta():
                self._said.append(event.text)
            case Finish():
                self._finished = True
                self._reasons.add(event.reason)
            case StreamFailure():
                return self._flush() + self._fail(event.error)
        return b""

    def keepalive(self) -> bytes:
        """Return a comment."""
        return b"" if self._over else KEEPALIVE_COMMENT

    def end(self) -> bytes:
        """Return the last image, or an error if there was none."""
        if self._over:
            return b""
        out = self._flush()
        if not self._drawn:
            return self._fail(no_image(self._reasons, "".join(self._said)))
        self._over = True
        return out

    def failed(self, error: GatewayError) -> bytes:
        """Return an event of our own: one that is named ``error`` ends the stream for clients."""
        if self._over:
            return b""
        name = f"{self._kind}.failed"
        event = {"type": name, "failure": error_object(error)}
        return self._flush() + encode_event(name.encode(), msgspec.json.encode(event))

    def _flush(self) -> bytes:
        image, self._waiting = self._waiting, None
        if image is None:
            return b""
        fields = image_fields(image, self._context)
        if fields is None:
            return b""
        self._drawn += 1
        if isinstance(image.source, InlineData):
            fields = {"b64_json": image.source.data, **fields}
        name = f"{self._kind}.completed"
        event: dict[str, Any] = {
            "type": name,
            **fields,
            "created_at": self._context.created,
            **looks(image, self._context),
            "usage": usage_fields(self._new_usage()),
        }
        return encode_event(name.encode(), msgspec.json.encode(event))

    def _new_usage(self) -> Usage:
        """Return what has been counted since the last event."""
        now, before = self._usage, self._told
        self._told = now
        names = Usage.__struct_fields__
        return Usage(**{name: max(0, getattr(now, name) - getattr(before, name)) for name in names})

    def _fail(self, error: GatewayError) -> bytes:
        self._over = True
        body = {"type": "error", "error": error_object(error)}
        return encode_event(b"error", msgspec.json.encode(body))
