"""Encodes streamed images: each complete image is one event."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import IPartialFailures
from antigravity.ir.call import ReplyContext
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import (
    Finish,
    FinishReason,
    MediaOutput,
    RefusalDelta,
    TextDelta,
)
from antigravity.ir.media import InlineData, kind_of
from antigravity.ir.parts import Media
from antigravity.ir.usage import Usage
from antigravity.protocols.event_sequencer import EventOrder, OrderedEvent
from antigravity.protocols.openai_images.fields import (
    image_fields,
    image_properties,
    missing_image,
    usage_fields,
)
from antigravity.protocols.openai_shapes import error_event, error_object
from antigravity.protocols.stream_encoder import StreamEncoder
from antigravity.sse import encode_event

_ORDER: Final = EventOrder(choices=None, parallel_calls=True, every_finish=False)


@implementer(IPartialFailures)
class ImagesStreamEncoder(StreamEncoder):
    """Encodes the events of one response; ``kind`` is ``image_generation`` or ``image_edit``.

    An image's event contains the usage, which upstreams report last; so an image waits for the
    usage after its finish, for the next image or for the end.  Each event reports how much the
    usage has grown, so that the sum is correct.
    """

    def __init__(self, context: ReplyContext, kind: str) -> None:
        super().__init__(_ORDER)
        self._context = context
        self._kind = kind
        self._waiting: Media | None = None
        self._reported = Usage()
        self._images = 0
        self._finished = False
        self._reasons: set[FinishReason] = set()
        self._text: list[str] = []

    def write(self, event: OrderedEvent) -> bytes:
        """Return the event of the previous image, if ``event`` is an image."""
        match event:
            case MediaOutput() if kind_of(event.mime_type) == "image":
                before = self._flush()
                self._waiting = Media("image", event.source, event.mime_type)
                self._finished = False
                return before
            case TextDelta() | RefusalDelta():
                self._text.append(event.text)
            case Finish():
                self._finished = True
                self._reasons.add(event.reason)
        return b""

    def write_usage(self) -> bytes:
        """Return the event of the image that waits for its usage."""
        return self._flush() if self._finished else b""

    def complete(self) -> bytes:
        """Return the event of the last image, or an error if there was none."""
        last = self._flush()
        return (
            last if self._images else self.fail(missing_image(self._reasons, "".join(self._text)))
        )

    def fail(self, error: GatewayError) -> bytes:
        """Return the event of the last image, and an error."""
        return self._flush() + error_event(error)

    def failed(self, error: GatewayError) -> bytes:
        """Return the gateway's own event: for clients an ``error`` event would end the stream."""
        if self.sequencer.over:
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
        self._images += 1
        if isinstance(image.source, InlineData):
            fields = {"b64_json": image.source.data, **fields}
        name = f"{self._kind}.completed"
        event: dict[str, Any] = {
            "type": name,
            **fields,
            "created_at": self._context.created,
            **image_properties(image, self._context),
            "usage": usage_fields(self._new_usage()),
        }
        return encode_event(name.encode(), msgspec.json.encode(event))

    def _new_usage(self) -> Usage:
        """Return how much the usage has grown since the last event."""
        now, before = self.usage, self._reported
        self._reported = now
        names = Usage.__struct_fields__
        return Usage(**{name: max(0, getattr(now, name) - getattr(before, name)) for name in names})
