"""Watches a stream of Responses events that is passed through."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct
from zope.interface import implementer

from antigravity.interfaces.answers import INamingTap
from antigravity.ir.errors import GatewayError, UpstreamError
from antigravity.ir.usage import Usage
from antigravity.protocols.openai_responses.client_reply import decode_usage, make_error
from antigravity.protocols.openai_responses.schema import MALFORMED, JsonObject
from antigravity.sse import ServerSentEvent

_TYPE: Final = re.compile(rb'"type"\s*:\s*"([a-z_.]+)"')
_BEGINS: Final = frozenset(("response.created", "response.queued", "response.in_progress"))
_ENDS: Final = frozenset(("response.completed", "response.incomplete"))
_FAILURES: Final = frozenset(("response.failed", "response.cancelled", "error"))


class _Answer(Struct, frozen=True):
    id: str | None = None
    usage: object = None


class _Terminal(Struct, frozen=True):
    response: _Answer = _Answer()


class _Failed(Struct, frozen=True):
    response: JsonObject | None = None
    error: object = None
    code: object = None
    message: object = None
    param: object = None


@implementer(INamingTap)
class ResponsesTap:
    """Knows an event by its name, and reads only those that end a stream."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.finished = False
        self.meaningful = False
        self.failure: GatewayError | None = None
        self._tell: Callable[[str], None] | None = None

    def name(self, tell: Callable[[str], None]) -> None:
        """Tell the id, as soon as it is known, from now on."""
        self._tell = tell

    def whole(self, body: bytes) -> None:
        """Look at a whole answer."""
        if self._tell is not None:
            try:
                self._named(msgspec.json.decode(body, type=_Answer))
            except MALFORMED:
                return  # who gets it will see

    def watch(self, event: ServerSentEvent) -> None:
        """Look at one event."""
        name = event.event
        if not name:
            found = _TYPE.search(event.data)
            name = found[1].decode() if found else ""
        if name.endswith(".delta") or name == "response.output_item.done":
            self.meaningful = True
        elif name in _BEGINS:
            self._begin(event.data)
        elif name in _ENDS:
            self._end(event.data)
        elif name in _FAILURES:
            self._fail(event.data)

    def _begin(self, data: bytes) -> None:
        if self._tell is not None:
            try:
                self._named(msgspec.json.decode(data, type=_Terminal).response)
            except MALFORMED:
                return  # it will be told at the end

    def _named(self, answer: _Answer) -> None:
        tell, self._tell = self._tell, None
        if tell is not None and answer.id:
            tell(answer.id)

    def _end(self, data: bytes) -> None:
        try:
            answer = msgspec.json.decode(data, type=_Terminal).response
        except MALFORMED:
            self.failure = UpstreamError("The upstream sent an event that is no JSON.")
            return
        self._named(answer)
        self.usage = decode_usage(answer.usage)
        self.finished = True

    def _fail(self, data: bytes) -> None:
        self.finished = True
        try:
            failed = msgspec.json.decode(data, type=_Failed)
        except MALFORMED:
            self.failure = UpstreamError("The upstream sent an error that is no JSON.")
            return
        self.failure = failure_of(failed.response, failed.error, msgspec.structs.asdict(failed))


def failure_of(response: object, error: object, event: JsonObject) -> GatewayError:
    """Return the error in a failed response, or in an ``error`` event of either shape."""
    if isinstance(response, dict):
        error = response.get("error") or error
    if isinstance(error, str):
        error = {"message": error}
    return make_error(None, error if isinstance(error, dict) else event)
