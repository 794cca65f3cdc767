"""Decodes responses of OpenAI's image and audio endpoints that are not in the requested form.

Responses are passed through if possible; this is for a whole object in place of a stream, and
for a stream in place of a whole object.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import IStreamDecoder
from antigravity.ir.errors import GatewayError, UpstreamError, incomplete_response_error
from antigravity.ir.events import (
    Event,
    Finish,
    MediaOutput,
    ResponseStart,
    StreamFailure,
    TextDelta,
    UsageUpdate,
)
from antigravity.ir.media import InlineData, MediaSource, UrlSource
from antigravity.ir.usage import Usage
from antigravity.protocols.embedded_errors import DecodeError, error_in_event
from antigravity.sse import ServerSentEvent

_MALFORMED: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def count(usage: Any, name: str) -> int:
    """Return a count in a ``usage``, 0 if it is missing."""
    value = usage.get(name) if isinstance(usage, dict) else None
    return int(value) if isinstance(value, int | float) and value > 0 else 0


@implementer(IStreamDecoder)
class NativeOnlyDecoder:
    """Decodes images and transcripts, whole or in events."""

    def __init__(self, decode_error: DecodeError) -> None:
        self._decode_error = decode_error
        self._started = False
        self._images = 0
        self._has_text = False
        self._ended = False
        self._failed = False

    def decode(self, event: ServerSentEvent) -> Sequence[Event]:
        """Return the events for ``event``."""
        if self._failed or event.data.strip() in (b"", b"[DONE]"):
            return ()
        error = error_in_event(event.event, event.data, self._decode_error)
        if error is not None:
            return self._fail(error)
        try:
            wire = msgspec.json.decode(event.data, type=dict[str, Any])
        except _MALFORMED:
            return self._fail(
                UpstreamError("The upstream sent an event that is not a JSON object.")
            )
        events = list(self._read(str(wire.get("type") or event.event), wire))
        if events and not self._started:
            self._started = True
            events.insert(0, ResponseStart())
        return events

    def close(self) -> Sequence[Event]:
        """Return the events for the end of the body."""
        if self._ended or self._failed:
            return ()
        return self._fail(incomplete_response_error())

    def _fail(self, error: GatewayError) -> Sequence[Event]:
        self._failed = True
        return (StreamFailure(error),)

    def _read(self, kind: str, wire: dict[str, Any]) -> Iterator[Event]:
        if isinstance(wire.get("data"), list):
            images = [each for each in wire["data"] if isinstance(each, dict)]
            for each in images:
                yield from self._image({**wire, **each})
            if not images:
                yield from self._end(wire)
        elif kind.endswith(".completed"):
            yield from self._image(wire)
        elif kind == "transcript.text.delta":
            yield from self._text(wire.get("delta"))
        elif kind == "transcript.text.done" or isinstance(wire.get("text"), str):
            if not self._has_text:
                yield from self._text(wire.get("text"))
            yield from self._end(wire)

    def _image(self, wire: dict[str, Any]) -> Iterator[Event]:
        """Yield the events of one image, which is a choice of its own."""
        index, self._images = self._images, self._images + 1
        form = wire.get("output_format")
        mime_type = f"image/{form}" if form and isinstance(form, str) else "image/png"
        data, url = wire.get("b64_json"), wire.get("url")
        source: MediaSource | None = None
        if isinstance(data, str) and data:
            source = InlineData(data)
        elif isinstance(url, str) and url:
            source = UrlSource(url)
        if source is not None:
            yield MediaOutput(mime_type, source, choice=index)
        yield from self._end(wire, index)

    def _text(self, text: object) -> Iterator[Event]:
        if isinstance(text, str) and text:
            self._has_text = True
            yield TextDelta(text)

    def _end(self, wire: dict[str, Any], index: int = 0) -> Iterator[Event]:
        self._ended = True
        usage = wire.get("usage")
        if isinstance(usage, dict):
            read, written = usage.get("input_tokens_details"), usage.get("output_tokens_details")
            yield UsageUpdate(
                Usage(
                    input_total=count(usage, "input_tokens"),
                    output=count(usage, "output_tokens"),
                    image_input=count(read, "image_tokens"),
                    image_output=count(written, "image_tokens"),
                )
            )
        yield Finish("stop", choice=index)
