"""Decodes the response of an upstream, streamed or whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from zope.interface import implementer

from antigravity.interfaces.protocols import IStreamDecoder
from antigravity.ir.errors import GatewayError, UpstreamError, incomplete_response_error
from antigravity.ir.events import Event, Finish, ResponseStart, StreamFailure, UsageUpdate
from antigravity.protocols import lenient
from antigravity.protocols.embedded_errors import error_in_event
from antigravity.protocols.gemini_interactions.client_output import OutputDecoder
from antigravity.protocols.gemini_interactions.client_reply import (
    FAILURES,
    FINISHES,
    DecodeError,
    decode_usage,
    failure_of,
    finish_of,
)
from antigravity.protocols.gemini_interactions.schema import MALFORMED, JsonObject
from antigravity.sse import ServerSentEvent

#: The statuses of interactions in the background that have not ended.
_UNFINISHED: Final = ("in_progress", "queued", "idle")


class _WireEvent(Struct, frozen=True):
    """An event, or a whole interaction; members are checked when they are used."""

    event_type: Any = None
    id: Any = None
    object: Any = None
    index: Any = None
    step: Any = None
    delta: Any = None
    interaction: Any = None
    interaction_id: Any = None
    status: Any = None
    usage: Any = None
    steps: Any = None


@implementer(IStreamDecoder)
class InteractionDecoder:
    """Decoder of one interaction.

    :param own: whether the client speaks the protocol, too.
    """

    def __init__(self, decode_error: DecodeError, *, own: bool = True) -> None:
        self._decode_error = decode_error
        self._events: list[Event] = []
        self._output = OutputDecoder(self._add, own=own)
        self._steps = 0  # that have begun
        self._status = ""  # the last one
        self._started = False
        self._ended = False

    def decode(self, event: ServerSentEvent) -> Sequence[Event]:
        """Return the events in ``event``; for malformed data a ``StreamFailure``."""
        data = event.data.strip()
        if self._ended or not data or data.startswith(b"[DONE]"):
            return ()
        try:
            wire = lenient.decode(data, _WireEvent)
        except MALFORMED:
            reported = error_in_event(event.event, data, self._decode_error)
            malformed = "The upstream sent an event that is not a JSON object."
            self._fail(reported or UpstreamError(malformed, code="bad_answer"))
            return self._take()
        kind = wire.event_type if isinstance(wire.event_type, str) else event.event
        if kind in _EVENTS:
            _EVENTS[kind](self, wire)
        elif _is_whole(wire):
            self._whole(lenient.decode(data, dict[str, Any]))
        else:
            reported = error_in_event("error" if kind == "error" else "", data, self._decode_error)
            if reported is not None:
                self._fail(reported)
        return self._take()

    def close(self) -> Sequence[Event]:
        """Return the events for the end of the body.

        The response is complete without its last event if its status is, and all steps have ended.
        """
        if not self._ended:
            if self._status in FINISHES and not self._output.open:
                self._finish({"status": self._status})
            else:
                self._fail(incomplete_response_error())
        return self._take()

    def _take(self) -> Sequence[Event]:
        events, self._events = self._events, []
        return events

    def _add(self, event: Event) -> None:
        self._start({})
        self._events.append(event)

    def _start(self, interaction: JsonObject) -> None:
        if not self._started:
            self._started = True
            names = (interaction.get("id"), interaction.get("model") or interaction.get("agent"))
            found = [name if isinstance(name, str) else "" for name in names]
            self._events.append(ResponseStart(*found))

    def _fail(self, error: GatewayError) -> None:
        self._ended = True
        self._add(StreamFailure(error))

    def _created(self, wire: _WireEvent) -> None:
        self._start(_object(wire.interaction))

    def _status_update(self, wire: _WireEvent) -> None:
        self._status = wire.status if isinstance(wire.status, str) else ""
        self._usage(wire.usage)

    def _step_start(self, wire: _WireEvent) -> None:
        self._steps += 1
        self._output.start(_index(wire), _object(wire.step))

    def _step_delta(self, wire: _WireEvent) -> None:
        self._output.delta(_index(wire), _object(wire.delta))

    def _step_stop(self, wire: _WireEvent) -> None:
        self._output.stop(_index(wire))

    def _completed(self, wire: _WireEvent) -> None:
        interaction = _object(wire.interaction)
        self._start(interaction)
        steps = interaction.get("steps")
        if not self._steps and isinstance(steps, list):
            self._output.whole(steps)
        self._finish(interaction)

    def _whole(self, interaction: JsonObject) -> None:
        """Decode a whole interaction; one in the background may not have ended yet."""
        self._start(interaction)
        steps = interaction.get("steps")
        self._output.whole(steps if isinstance(steps, list) else [])
        self._finish(interaction)

    def _usage(self, wire: Any) -> None:
        usage = decode_usage(wire)
        if usage is not None:
            self._add(UsageUpdate(usage))

    def _finish(self, interaction: JsonObject) -> None:
        status = str(interaction.get("status") or self._status or "completed")
        if status in FAILURES:
            self._usage(interaction.get("usage"))
            self._fail(failure_of(interaction, self._decode_error))
            return
        if status not in FINISHES:
            self._fail(UpstreamError("The upstream sent an interaction that has not ended."))
            return
        self._output.finish()
        self._usage(interaction.get("usage"))
        reason = finish_of(status, interaction.get("errors"))
        if reason == "stop" and self._output.called:
            reason = "tool_calls"
        self._add(Finish(reason, native=status))
        self._ended = True


_EVENTS = {
    "interaction.created": InteractionDecoder._created,
    "interaction.status_update": InteractionDecoder._status_update,
    "interaction.completed": InteractionDecoder._completed,
    "step.start": InteractionDecoder._step_start,
    "step.delta": InteractionDecoder._step_delta,
    "step.stop": InteractionDecoder._step_stop,
}


def _index(wire: _WireEvent) -> int:
    return wire.index if isinstance(wire.index, int) else 0


def _object(value: Any) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _is_whole(wire: _WireEvent) -> bool:
    """Return whether an object is a whole interaction instead of an event."""
    if wire.event_type is not None or wire.status not in (*FINISHES, *FAILURES, *_UNFINISHED):
        return False
    return wire.steps is not None or wire.object == "interaction" or isinstance(wire.id, str)
