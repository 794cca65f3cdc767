"""Watches an interaction that is passed through, at the lowest cost."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct
from zope.interface import implementer

from antigravity.interfaces.protocols import IResponseIdTap, ITextIgnoringTap
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.usage import Usage
from antigravity.protocols import lenient
from antigravity.protocols.embedded_errors import error_in_event
from antigravity.protocols.gemini_interactions.client_reply import (
    FAILURES,
    DecodeError,
    decode_usage,
    failure_of,
)
from antigravity.protocols.gemini_interactions.schema import MALFORMED, JsonObject
from antigravity.sse import ServerSentEvent

_TYPE: Final = re.compile(rb'"event_type"\s*:\s*"([a-z_.]+)"')
#: The beginning of a step whose content follows.
_EMPTY: Final = re.compile(
    rb'"step"\s*:\s*\{\s*"type"\s*:\s*"(?:model_output|thought|user_input)"'
    rb'\s*(?:,\s*"(?:content|summary)"\s*:\s*\[\s*\]\s*)?\}'
)
_DELTA: Final = "step.delta"
#: The names of events that need no look at their data.
_KINDS: Final = frozenset(
    (
        "interaction.created",
        "interaction.status_update",
        "interaction.completed",
        "step.start",
        "step.delta",
        "step.stop",
        "error",
    )
)


class _Named(Struct, frozen=True):
    id: str | None = None


class _Event(Struct, frozen=True):
    event_type: Any = None
    interaction: Any = None


def _kind_of(event: ServerSentEvent) -> str:
    """Return the type of an event, by its name or by the member of its data."""
    if event.event in _KINDS:
        return event.event
    found = _TYPE.findall(event.data)
    if len(found) == 1:
        return str(found[0], "ascii")
    try:  # members of the same name can be in arguments
        kind = lenient.decode(event.data, _Event).event_type
    except MALFORMED:
        return event.event
    return kind if isinstance(kind, str) else event.event


@implementer(IResponseIdTap, ITextIgnoringTap)
class InteractionTap:
    """Tap on one interaction; it decodes only the events that begin or end the stream."""

    def __init__(self, decode_error: DecodeError) -> None:
        self.usage: Usage | None = None
        self.finished = False
        self.meaningful = False
        self.failure: GatewayError | None = None
        self._decode_error = decode_error
        self._on_response_id: Callable[[str], None] | None = None

    def on_response_id(self, callback: Callable[[str], None]) -> None:
        """Call ``callback`` with the id as soon as it is known."""
        self._on_response_id = callback

    def watch_body(self, body: bytes) -> None:
        """Observe a whole interaction."""
        if self._on_response_id is not None:
            try:
                self._report_id(lenient.decode(body, _Named).id)
            except MALFORMED:
                return  # the client gets the malformed body

    def watch_deltas(self, name: str, payloads: Sequence[bytes], events: bytes) -> bool:
        """Observe deltas; return false for other events."""
        if name != _DELTA:
            return False
        for each in payloads:
            if b'"delta"' not in each:
                return False
        self.meaningful = True
        return True

    def ignores_text(self) -> bool:
        """Return whether further texts leave the tap as it is."""
        return True

    def watch(self, event: ServerSentEvent) -> None:
        """Observe one event."""
        data = event.data
        if data.startswith(b"[DONE]"):
            return
        kind = _kind_of(event)
        match kind:
            case "step.delta":
                self.meaningful = True
            case "step.start":
                self.meaningful = self.meaningful or not _EMPTY.search(data)
            case "interaction.created":
                self._report_id(self._interaction(data).get("id"))
            case "interaction.completed":
                self._end(self._interaction(data))
            case "interaction.status_update" | "step.stop":
                pass
            case _:
                name = "error" if kind == "error" else ""
                error = error_in_event(name, data, self._decode_error)
                self.failure = self.failure or error

    def _interaction(self, data: bytes) -> JsonObject:
        try:
            found = lenient.decode(data, _Event).interaction
        except MALFORMED:
            self.failure = UpstreamError("The upstream sent an event that is not JSON.")
            return {}
        return found if isinstance(found, dict) else {}

    def _report_id(self, identity: object) -> None:
        if isinstance(identity, str) and identity and self._on_response_id is not None:
            callback, self._on_response_id = self._on_response_id, None
            callback(identity)

    def _end(self, interaction: JsonObject) -> None:
        self._report_id(interaction.get("id"))
        self.usage = decode_usage(interaction.get("usage"))
        self.finished = True
        status = interaction.get("status")
        if status in FAILURES:
            self.failure = failure_of(interaction, self._decode_error)
        elif status != "completed":
            self.meaningful = True  # such an end has a meaning even without content
