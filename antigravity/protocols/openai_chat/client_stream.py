"""Decodes a streamed response: server-sent events to events of the representation.

Finish events are held back until the stream is over, because some servers send a finish reason
before the last content, or several reasons.  A stream is complete with ``[DONE]``, with a reason
for each choice, or with a last chunk that is the only one with usage, or has only usage.  A
response can also be one whole object.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence

from zope.interface import implementer

from antigravity.interfaces.protocols import IStreamDecoder
from antigravity.ir.errors import (
    GatewayError,
    UpstreamError,
    empty_response_error,
    incomplete_response_error,
)
from antigravity.ir.events import Event, ResponseStart, StreamFailure, UsageUpdate
from antigravity.ir.request import Request
from antigravity.ir.usage import Usage
from antigravity.protocols.embedded_errors import error_in_event
from antigravity.protocols.lenient import LenientDecoder
from antigravity.protocols.openai_chat.audio_formats import audio_type
from antigravity.protocols.openai_chat.client_choice import ChoiceDecoder
from antigravity.protocols.openai_chat.client_usage import read_usage
from antigravity.protocols.openai_chat.schema import Chunk
from antigravity.protocols.openai_chat.think_tags import ThinkTagSplitter
from antigravity.protocols.openai_errors import decode_error
from antigravity.sse import ServerSentEvent

_CHUNK: LenientDecoder[Chunk] = LenientDecoder(Chunk)


@implementer(IStreamDecoder)
class ChatStreamDecoder:
    """Decoder of one response; ``think_tags`` says that its text can begin with thinking."""

    def __init__(self, request: Request, *, think_tags: bool = False) -> None:
        audio = (request.audio_config or {}).get("format")
        self._audio_type = audio_type(audio if isinstance(audio, str) else "pcm16")
        self._think_tags = think_tags
        self._single = request.sampling.n == 1
        self._choices: dict[int, ChoiceDecoder] = {}
        self._calls = 0
        self._started = False
        self._over = False
        self._complete = False  # only a finish reason is missing
        self._counts = 0  # chunks with usage
        self._usage: Usage | None = None
        self._seed = ""

    def decode(self, event: ServerSentEvent) -> Sequence[Event]:
        """Return the events in ``event``."""
        data = event.data.strip()
        if self._over or not data:
            return ()
        if data.startswith(b"[DONE]"):
            return self._finished(done=True)
        try:
            chunk = _CHUNK.decode(data)
        except (ValueError, RecursionError):
            reported = error_in_event(event.event, data, decode_error)
            return self._failed(reported or UpstreamError("The upstream sent a malformed chunk."))
        if chunk.error or event.event == "error" or not chunk.choices:
            reported = error_in_event(event.event, data, decode_error)
            if reported is not None:
                return self._failed(reported)
        events: list[Event] = []
        self._chunk(chunk, events)
        return events

    def close(self) -> Sequence[Event]:
        """Return the events at the end of the body."""
        return () if self._over else self._finished(done=self._complete)

    def _chunk(self, chunk: Chunk, events: list[Event]) -> None:
        """Add the events of a chunk to ``events``."""
        # Azure sends a first chunk that has only the results of its filters.
        if not self._started and (chunk.choices or chunk.id):
            events += self._start(chunk.id or "", chunk.model or "")
        for place, wire in enumerate(chunk.choices or ()):
            # Some servers put text and calls into separate choices, although one was requested.
            index = 0 if self._single else place if wire.index is None else wire.index
            choice = self._choices.get(index)
            if choice is None:
                tags = ThinkTagSplitter() if self._think_tags else None
                choice = self._choices[index] = ChoiceDecoder(
                    index, self._audio_type, self._next_call, self._make_id, tags
                )
            self._complete = wire.message is not None  # a whole response
            choice.decode(wire, events)
        if chunk.usage is not None:
            usage = read_usage(chunk.usage)
            if usage is not None:
                # The last chunk has no choices, or is the only one with usage.
                self._counts += 1
                self._complete = self._complete or not chunk.choices or self._counts == 1
            if usage is not None and usage != self._usage:
                self._usage = usage
                events += self._start("", "")
                events.append(UsageUpdate(usage))

    def _start(self, response_id: str, model: str) -> Iterator[Event]:
        if not self._started:
            self._started = True
            self._seed = response_id
            yield ResponseStart(response_id, model)

    def _next_call(self) -> int:
        self._calls += 1
        return self._calls - 1

    def _make_id(self, number: int) -> str:
        """Return an id for a call without one: the same for the same response."""
        self._seed = self._seed or secrets.token_hex(12)
        name = f"{self._seed}.{number}".encode()
        return f"call_{hashlib.sha256(name).hexdigest()[:24]}"

    def _finished(self, *, done: bool) -> Sequence[Event]:
        """Return the last events of all choices, or a failure if the response is incomplete."""
        choices = self._choices.values()
        if not any(choice.finish or choice.meaningful for choice in choices):
            return self._failed(empty_response_error() if done else incomplete_response_error())
        for choice in choices:
            if choice.broken or not (choice.finish or (done and choice.whole())):
                return self._failed(incomplete_response_error())
        self._over = True
        return [event for choice in choices for event in choice.end()]

    def _failed(self, error: GatewayError) -> Sequence[Event]:
        self._over = True
        return [*self._start("", ""), StreamFailure(error)]
