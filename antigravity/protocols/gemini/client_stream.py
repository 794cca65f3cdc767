"""Decodes the chunks of a ``streamGenerateContent`` response to events.

Finish events are held back until the stream is over: some models repeat the reason in every chunk,
or send more content after it.  The last reason counts, and any other before ``STOP``.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from zope.interface import implementer

from antigravity.interfaces.protocols import IStreamDecoder
from antigravity.ir.errors import GatewayError, UpstreamError, incomplete_response_error
from antigravity.ir.events import (
    CitationEvent,
    Event,
    Finish,
    FinishReason,
    LogprobsDelta,
    MediaOutput,
    RefusalDelta,
    ResponseStart,
    StreamFailure,
    TextDelta,
    TextSignature,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageUpdate,
    WebSearchEvent,
)
from antigravity.ir.media import FileReference, InlineData
from antigravity.ir.request import Request
from antigravity.ir.signature import Signature
from antigravity.ir.tools import FunctionTool
from antigravity.ir.usage import Usage
from antigravity.protocols.embedded_errors import error_in, error_in_event
from antigravity.protocols.gemini import (
    client_schema,
    finish_reasons,
    grounding,
    logprobs,
    token_counts,
)
from antigravity.protocols.gemini.client_errors import decode_error, error_of_status
from antigravity.protocols.gemini.json_schema.repair import Repair
from antigravity.protocols.gemini_base64 import to_standard
from antigravity.protocols.gemini_code import code_block
from antigravity.protocols.gemini_signatures import FAMILY
from antigravity.sse import ServerSentEvent


class _Choice:
    """The state of one candidate.

    :ivar finish: the reason for its end, if one was sent.
    :ivar blocked: whether this is the reason for which the prompt was blocked.
    """

    __slots__ = ("blocked", "called", "citations", "finish", "grounding", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.called = False
        self.finish: str | None = None
        self.blocked = False
        self.grounding: grounding.GroundingMetadata | None = None
        self.citations: grounding.CitationMetadata | None = None


@implementer(IStreamDecoder)
class GeminiStreamDecoder:
    """Decodes one streamed response; ``family`` is that of the model's signatures."""

    def __init__(self, request: Request, family: str = FAMILY) -> None:
        self._family = family
        self._schemas = {
            tool.name: tool.parameters
            for tool in request.tools
            if isinstance(tool, FunctionTool) and tool.parameters
        }
        self._repairs: dict[str, Repair] = {}
        self._choices: dict[int, _Choice] = {}
        self._ids: set[str] = set()
        self._calls = 0
        self._searches = 0
        self._counts: token_counts.UsageMetadata | None = None
        self._counted: tuple[token_counts.UsageMetadata, int] | None = None
        self._usage: Usage | None = None
        self._started = False
        self._over = False

    def decode(self, event: ServerSentEvent) -> Sequence[Event]:
        """Return the events of a chunk; for malformed data a ``StreamFailure``."""
        data = event.data.strip()
        if self._over or not data or data == b"[DONE]":
            return ()
        try:
            if data.startswith(b"["):
                chunks = client_schema.decode_responses(data)
            else:
                chunks = [client_schema.decode_response(data)]
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            reported = error_in_event(event.event, data, decode_error)
            malformed = f"The upstream sent a malformed response: {error}."
            return self._fail(reported or UpstreamError(malformed, code="bad_answer"))
        events: list[Event] = []
        for chunk in chunks:
            if chunk.error is None and not chunk.candidates and not self._over:
                reported = error_in_event(event.event, data, decode_error)
                if reported is not None:
                    return [*events, *self._fail(reported)]
            if not self._over:
                self._chunk(chunk, events)
        return events

    def close(self) -> Sequence[Event]:
        """Return the ends of all candidates, or a ``StreamFailure`` if one has no reason."""
        if self._over:
            return ()
        if not self._choices or not all(choice.finish for choice in self._choices.values()):
            return self._fail(incomplete_response_error())
        self._over = True
        events: list[Event] = []
        for index, choice in self._choices.items():
            self._end(choice, index, events)
        self._count(events)
        return events

    def _chunk(self, chunk: client_schema.GenerateResponse, events: list[Event]) -> None:
        """Add the events of a chunk to ``events``."""
        if not self._started:
            self._started = True
            events.append(ResponseStart(chunk.response_id or "", chunk.model_version or ""))
        if chunk.error is not None:
            body = msgspec.json.encode({"error": chunk.error})
            error = error_in(body, decode_error) or error_of_status(chunk.error)
            events += self._fail(error)
            return
        failure: UpstreamError | None = None
        for candidate in chunk.candidates or ():
            failure = failure or self._candidate(candidate, events)
        feedback = chunk.prompt_feedback
        if feedback is not None and feedback.block_reason and not self._choices:
            reason = feedback.block_reason
            choice = self._choices[0] = _Choice()
            choice.finish, choice.blocked = reason, True
            message = feedback.block_reason_message
            events.append(RefusalDelta(message or f"The provider blocked the prompt ({reason})."))
        if chunk.usage_metadata is not None:
            self._counts = chunk.usage_metadata
            self._count(events)
        if failure is not None:
            events += self._fail(failure)

    def _count(self, events: list[Event]) -> None:
        """Add the usage to ``events`` if it has changed."""
        if self._counts is None or (self._counts, self._searches) == self._counted:
            return
        self._counted = (self._counts, self._searches)
        usage = token_counts.from_wire(self._counts, self._searches)
        if usage != self._usage:
            self._usage = usage
            events.append(UsageUpdate(usage))

    def _candidate(
        self, candidate: client_schema.Candidate, events: list[Event]
    ) -> UpstreamError | None:
        """Add the events of a candidate to ``events``; return the failure that it ends with."""
        index = candidate.index or 0
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        if candidate.content is not None:
            for part in candidate.content.parts or ():
                self._part(part, choice, index, events)
        if candidate.logprobs_result is not None:
            content = logprobs.from_wire(candidate.logprobs_result)
            if content:
                events.append(LogprobsDelta(content, index))
        if candidate.grounding_metadata is not None:
            choice.grounding = candidate.grounding_metadata
        if candidate.citation_metadata is not None:
            choice.citations = candidate.citation_metadata
        native = candidate.finish_reason
        if not native or native == "FINISH_REASON_UNSPECIFIED":
            return None
        if choice.finish is None or native != "STOP":
            choice.finish = native
        return finish_reasons.failure_of(native, candidate.finish_message)

    def _end(self, choice: _Choice, index: int, events: list[Event]) -> None:
        """Add the end of a candidate to ``events``."""
        assert choice.finish is not None
        reason: FinishReason = "content_filter"
        if not choice.blocked:
            reason = finish_reasons.from_wire(choice.finish, called=choice.called)
        events += self._sources(choice, index)
        events.append(Finish(reason, native=choice.finish, choice=index))

    def _part(
        self, part: client_schema.Part, choice: _Choice, index: int, events: list[Event]
    ) -> None:
        """Add the events of a part to ``events``."""
        text, value = part.text, part.thought_signature
        if part.function_call is not None:
            events += self._call(part.function_call, value, choice, index)
            return
        if part.thought:
            if text:
                events.append(ThinkingDelta(text, index))
            if value:
                events.append(ThinkingSignature(Signature(value, self._family), index))
            return
        signature = Signature(value, self._family) if value else None
        if part.inline_data is not None:
            mime_type = part.inline_data.mime_type or "application/octet-stream"
            data = to_standard(part.inline_data.data)
            if data:
                media = MediaOutput(mime_type, InlineData(data), signature, choice=index)
                events.append(media)
            return
        if part.file_data is not None:
            mime_type = part.file_data.mime_type or "application/octet-stream"
            source = FileReference(part.file_data.file_uri, "google")
            events.append(MediaOutput(mime_type, source, signature, choice=index))
            return
        shown = text or _code_as_markdown(part)
        if shown:
            choice.text.append(shown)
            events.append(TextDelta(shown, index))
        if signature is not None:
            events.append(TextSignature(signature, index))

    def _call(
        self, call: client_schema.FunctionCall, signature: str | None, choice: _Choice, index: int
    ) -> Iterator[Event]:
        """Yield a whole call: Gemini never sends one in pieces."""
        choice.called = True
        number, self._calls = self._calls, self._calls + 1
        identity = call.id or ""
        while not identity or identity in self._ids:
            identity = f"call_{secrets.token_hex(12)}"
        self._ids.add(identity)
        signed = Signature(signature, self._family) if signature else None
        yield ToolCallStart(number, identity, call.name, signature=signed, choice=index)
        yield ToolCallDelta(number, self._arguments(call), index)
        yield ToolCallEnd(number, index)

    def _arguments(self, call: client_schema.FunctionCall) -> str:
        """Return the arguments as JSON text, with the types that their schema declares."""
        raw = bytes(call.args)
        if not raw or raw == b"null":
            return "{}"
        text = msgspec.json.format(raw, indent=-1).decode()
        repair = self._repair_of(call.name)
        if repair is None or '"' not in text:
            return text
        value: Any = msgspec.json.decode(raw)
        if not isinstance(value, dict):
            return text
        repaired = repair.arguments(value)
        return text if repaired == value else msgspec.json.encode(repaired).decode()

    def _repair_of(self, name: str) -> Repair | None:
        if name in self._schemas and name not in self._repairs:
            self._repairs[name] = Repair(self._schemas[name])
        return self._repairs.get(name)

    def _sources(self, choice: _Choice, index: int) -> Iterator[Event]:
        """Yield the search and the citations of a candidate; offsets need the whole text."""
        text = "".join(choice.text)
        if choice.grounding is not None:
            search = grounding.search_of(choice.grounding, f"search_{secrets.token_hex(12)}")
            if search is not None:
                self._searches += max(1, len(search.queries))
                yield WebSearchEvent(search, index)
            for citation in grounding.citations_of(choice.grounding, text):
                yield CitationEvent(citation, index)
        if choice.citations is not None:
            for citation in grounding.recitations_of(choice.citations, text):
                yield CitationEvent(citation, index)

    def _fail(self, error: GatewayError) -> list[Event]:
        self._over = True
        start = [] if self._started else [ResponseStart()]
        self._started = True
        return [*start, StreamFailure(error)]


def _code_as_markdown(part: client_schema.Part) -> str:
    """Return code that Google ran, or its output, as Markdown for other protocols."""
    if part.executable_code is not None and part.executable_code.code:
        return code_block(part.executable_code.code, part.executable_code.language or "")
    if part.code_execution_result is not None:
        return code_block(part.code_execution_result.output or "")
    return ""
