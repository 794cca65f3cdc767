"""Watches a native pass-through of a Responses stream."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from zope.interface import implementer

from antigravity.interfaces.protocols import (
    IClosingTap,
    INumberedTap,
    IResponseIdTap,
    ITextIgnoringTap,
)
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.usage import Usage
from antigravity.protocols import lenient
from antigravity.protocols.embedded_errors import error_in_event
from antigravity.protocols.openai_responses.client_reply import (
    decode_error,
    decode_usage,
    make_error,
)
from antigravity.protocols.openai_responses.schema import MALFORMED, JsonObject
from antigravity.sse import ServerSentEvent, encode_event

#: Types of items that a response can end with.
_ENDING: Final = re.compile(
    rb'"type"\s*:\s*"(?:message|function_call|custom_tool_call|image_generation_call)"'
)
_TYPE: Final = re.compile(rb'"type"\s*:\s*"([a-z_.]+)"')
_BEGINS: Final = frozenset(("response.created", "response.queued", "response.in_progress"))
_ENDS: Final = frozenset(("response.completed", "response.incomplete"))
_FAILURES: Final = frozenset(("response.failed", "response.cancelled", "error"))


class _Number(Struct, frozen=True):
    sequence_number: int


class _Response(Struct, frozen=True):
    id: str | None = None
    usage: object = None


class _Terminal(Struct, frozen=True):
    response: _Response = _Response()


class _Failed(Struct, frozen=True):
    response: JsonObject | None = None
    error: object = None
    code: object = None
    message: object = None
    param: object = None


class _Item(Struct, frozen=True):
    item: msgspec.Raw = msgspec.Raw(b"null")


class _Created(Struct, frozen=True):
    response: JsonObject = {}


#: The most items that are held for the last event of a stream without one, in bytes.
_MAX_HELD: Final = 4 * 1024 * 1024


_NUMBER: Final = b'"sequence_number"'


@implementer(IResponseIdTap, IClosingTap, ITextIgnoringTap, INumberedTap)
class ResponsesTap:
    """Tap on one response; it decodes only the events that begin or end the stream."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self._before: Usage | None = None  # of responses that were steered
        self.finished = False
        self.meaningful = False
        self.failure: GatewayError | None = None
        self._on_response_id: Callable[[str], None] | None = None
        self._created = b""
        self._open = 0  # items that have begun and not ended
        self._items: list[bytes] | None = []  # the events of those that have ended
        self._held = 0
        self._last = b""  # the last event with a number

    @property
    def last_number(self) -> int | None:
        """The number of the last event, ``None`` if there was none."""
        try:
            numbered: _Number = lenient.decode(self._last, _Number)
        except MALFORMED:
            return None
        return numbered.sequence_number

    def on_response_id(self, callback: Callable[[str], None]) -> None:
        """Call ``callback`` with the id as soon as it is known."""
        self._on_response_id = callback

    def watch_body(self, body: bytes) -> None:
        """Observe a whole response."""
        if self._on_response_id is not None:
            try:
                self._report_id(lenient.decode(body, _Response))
            except MALFORMED:
                return  # the client gets the malformed body

    def watch_deltas(self, name: str, payloads: Sequence[bytes], events: bytes) -> bool:
        """Observe deltas; return false for other events."""
        if not name.endswith(".delta"):
            return False
        for each in payloads:
            if each.find(b'"delta"') < 0:
                return False
        self.meaningful = True
        if payloads and payloads[-1].find(_NUMBER) >= 0:
            self._last = payloads[-1]
        return True

    def ignores_text(self) -> bool:
        """Return whether further texts leave the tap as it is."""
        return True

    def watch(self, event: ServerSentEvent) -> None:
        """Observe one event."""
        name = event.event
        if _NUMBER in event.data:
            self._last = event.data
        if not name:
            found = _TYPE.search(event.data)
            name = found[1].decode() if found else ""
        if name.endswith(".delta"):
            self.meaningful = True
        elif name == "response.output_item.added":
            self._open += 1
        elif name == "response.output_item.done":
            self.meaningful = True
            self._keep(event.data)
        elif name in _BEGINS:
            if self.finished and name == "response.created":
                self._continue()
            self._created = self._created or event.data
            self._begin(event.data)
        elif name in _ENDS:
            self._end(event.data)
        elif name in _FAILURES:
            self._fail(name, event.data)
        elif not name.startswith("response."):
            self.failure = self.failure or error_in_event(name, event.data, decode_error)

    def close(self) -> bytes | None:
        """Return the last event if it is all that is missing, ``None`` if more is."""
        if self.finished:
            return b""
        if self._open > 0 or not self._items or not self._created:
            return None
        try:
            response = lenient.decode(self._created, _Created).response
            items = [lenient.decode(data, _Item).item for data in self._items]
        except MALFORMED:
            return None
        if not _ENDING.search(bytes(items[-1])):
            return None
        self.finished = True
        response = {**response, "status": "completed", "output": items}
        event: JsonObject = {"type": "response.completed", "response": response}
        if (last := self.last_number) is not None:
            event["sequence_number"] = last + 1
        return encode_event(b"response.completed", msgspec.json.encode(event))

    def _keep(self, data: bytes) -> None:
        self._open -= 1
        self._held += len(data)
        if self._held > _MAX_HELD:
            self._items = None
        elif self._items is not None:
            self._items.append(data)

    def _continue(self) -> None:
        """Begin another response: the one before was steered."""
        self.finished = False
        self._before, self.usage = self.usage, None
        self._created, self._items, self._held, self._open = b"", [], 0, 0

    def _begin(self, data: bytes) -> None:
        if self._on_response_id is not None:
            try:
                self._report_id(lenient.decode(data, _Terminal).response)
            except MALFORMED:
                return  # the last event has the id too

    def _report_id(self, response: _Response) -> None:
        callback, self._on_response_id = self._on_response_id, None
        if callback is not None and response.id:
            callback(response.id)

    def _end(self, data: bytes) -> None:
        try:
            response = lenient.decode(data, _Terminal).response
        except MALFORMED:
            self.failure = UpstreamError("The upstream sent an event that is not JSON.")
            return
        self._report_id(response)
        self.usage = decode_usage(response.usage)
        if self._before is not None:
            self.usage = self._before if self.usage is None else self._before + self.usage
        self.finished = True
        # An incomplete response is meaningful without content too.
        self.meaningful = self.meaningful or b'"response.incomplete"' in data

    def _fail(self, name: str, data: bytes) -> None:
        self.finished = True
        if name == "error":
            self.failure = error_in_event(name, data, decode_error)
            return
        try:
            failed = lenient.decode(data, _Failed)
        except MALFORMED:
            self.failure = UpstreamError("The upstream sent an error that is not JSON.")
            return
        self.failure = failure_of(failed.response, failed.error, msgspec.structs.asdict(failed))


def failure_of(response: object, error: object, event: JsonObject) -> GatewayError:
    """Return the error in a failed response, or in an ``error`` event of either shape."""
    if isinstance(response, dict):
        error = response.get("error") or error
    if isinstance(error, str):
        error = {"message": error}
    return make_error(None, error if isinstance(error, dict) else event)
