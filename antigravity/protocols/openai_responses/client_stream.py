"""Decodes the streamed response of an upstream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import IStreamDecoder
from antigravity.ir.errors import GatewayError, UpstreamError, incomplete_response_error
from antigravity.ir.events import (
    Event,
    Finish,
    FinishReason,
    ResponseStart,
    StreamFailure,
    UsageUpdate,
)
from antigravity.protocols.embedded_errors import error_in_event
from antigravity.protocols.openai_responses.client_output import OutputDecoder
from antigravity.protocols.openai_responses.client_reply import decode_error, decode_usage
from antigravity.protocols.openai_responses.client_tap import failure_of
from antigravity.protocols.openai_responses.schema import MALFORMED, JsonObject
from antigravity.protocols.openai_responses.wire_event import WireEvent
from antigravity.sse import ServerSentEvent

_INCOMPLETE: Final[dict[str, FinishReason]] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}


@implementer(IStreamDecoder)
class ResponsesDecoder:
    """Decoder of one response."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._output = OutputDecoder(self._add)
        self._started = False
        self._ended = False

    def decode(self, event: ServerSentEvent) -> Sequence[Event]:
        """Return the events in ``event``."""
        if self._ended or event.data == b"[DONE]":
            return ()
        try:
            wire = msgspec.json.decode(event.data, type=WireEvent)
        except MALFORMED:
            reported = error_in_event(event.event, event.data, decode_error)
            malformed = UpstreamError("The upstream sent an event that is not a JSON object.")
            self._fail(reported or malformed)
            return self._take()
        if wire.output is not None and wire.type is None and wire.response is None:
            wire = msgspec.structs.replace(wire, response=msgspec.json.decode(event.data))
            self._whole(wire)
            return self._take()
        name = wire.type if isinstance(wire.type, str) and wire.type else event.event
        if not name.startswith("response."):
            reported = error_in_event(event.event, event.data, decode_error)
            if reported is not None:
                self._fail(reported)
                return self._take()
        self._event(name, wire)
        return self._take()

    def close(self) -> Sequence[Event]:
        """Return the events at the end of the body.

        A response whose items are all done is complete, even without its last event.
        """
        if not self._ended:
            if self._output.complete:
                self._finish("response.completed", {})
            else:
                self._fail(incomplete_response_error())
        return self._take()

    def _whole(self, wire: WireEvent) -> None:
        """Decode a whole response, which some servers send instead of a stream."""
        status = wire.response.get("status")
        if status in ("queued", "in_progress"):
            self._fail(UpstreamError("The upstream sent a response that is not complete."))
        elif status in ("failed", "cancelled"):
            self._fail(failure_of(wire.response, wire.error, {}))
        else:
            kind = "incomplete" if status == "incomplete" else "completed"
            self._event(f"response.{kind}", wire)

    def _take(self) -> Sequence[Event]:
        events, self._events = self._events, []
        return events

    def _add(self, event: Event) -> None:
        self._start("", "")
        self._events.append(event)

    def _start(self, response_id: object, model: object) -> None:
        if not self._started:
            self._started = True
            self._events.append(
                ResponseStart(
                    response_id if isinstance(response_id, str) else "",
                    model if isinstance(model, str) else "",
                )
            )

    def _fail(self, error: GatewayError) -> None:
        self._ended = True
        self._add(StreamFailure(error))

    def _event(self, kind: str, wire: WireEvent) -> None:
        response: JsonObject = wire.response if isinstance(wire.response, dict) else {}
        match kind:
            case "response.created" | "response.queued" | "response.in_progress":
                self._start(response.get("id"), response.get("model"))
            case "response.completed" | "response.incomplete":
                self._start(response.get("id"), response.get("model"))
                self._finish(kind, response)
            case "response.failed" | "response.cancelled" | "error":
                self._fail(failure_of(wire.response, wire.error, msgspec.structs.asdict(wire)))
            case _:
                self._output.event(kind, wire)

    def _finish(self, kind: str, response: JsonObject) -> None:
        status = response.get("status")
        if status == "failed" or (response.get("error") and status != "completed"):
            self._fail(failure_of(response, None, {}))
            return
        self._output.finish(response.get("output"))
        usage = decode_usage(response.get("usage"))
        if usage is not None:
            self._add(UsageUpdate(usage))
        reason: FinishReason
        native = "completed"
        if kind == "response.incomplete" or status == "incomplete":
            details = response.get("incomplete_details")
            found = details.get("reason") if isinstance(details, dict) else None
            native = found if isinstance(found, str) else "incomplete"
            reason = _INCOMPLETE.get(native, "length")
        elif self._output.calls:
            reason = "tool_calls"
        else:
            reason = "refusal" if self._output.refused else "stop"
        self._add(Finish(reason, native=native))
        self._ended = True
