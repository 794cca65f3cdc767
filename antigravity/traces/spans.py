"""The spans of one exchange, made from its record: one for the request, one for each attempt.

They hold no content: no text of requests and responses, and no messages of errors, which can quote
them.  Attributes that begin with ``gen_ai`` are those of the semantic conventions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from antigravity.ir.genai_names import operation_name, provider_name
from antigravity.ir.record import AttemptRecord, ExchangeRecord
from antigravity.ir.usage import Usage

Attributes = dict[str, str | bool | int | float]

#: Longer names are cut, in characters.
_NAME_LIMIT = 200


class SpanData(Struct, frozen=True):
    """One span.  Times are in nanoseconds since the epoch; ids are hexadecimal digits.

    ``parent_id`` is empty for a request without a client's span.  ``error`` is the kind of the
    error, empty if there was none.
    """

    name: str
    kind: Literal["server", "client"]
    span_id: str
    parent_id: str
    started: int
    ended: int
    attributes: Attributes
    error: str = ""


def spans_of(record: ExchangeRecord) -> Iterator[SpanData]:
    """Yield the spans of a finished exchange that was traced, the request's first."""
    trace = record.trace
    assert trace is not None
    duration = record.duration or 0.0
    operation = operation_name(record.operation)
    error = _kind(record.error)
    yield SpanData(
        _name(operation, record.model),
        "server",
        trace.span_id,
        trace.parent_id,
        _nanoseconds(record.started),
        _nanoseconds(record.started + duration),
        _request_attributes(record, operation, error),
        # A client that goes away is no error of the gateway.
        "" if record.outcome == "cancelled" else error,
    )
    for number, attempt in enumerate(record.attempts, 1):
        ended = duration if attempt.ended is None else attempt.ended
        error = _kind(attempt.error)
        yield SpanData(
            _name(operation, attempt.model),
            "client",
            attempt.span_id,
            trace.span_id,
            _nanoseconds(record.started + attempt.started),
            _nanoseconds(record.started + ended),
            _attempt_attributes(attempt, number, operation, error),
            error,
        )


def _request_attributes(record: ExchangeRecord, operation: str, error: str) -> Attributes:
    times = record.times
    found: Attributes = {
        "gen_ai.operation.name": operation,
        "gen_ai.request.model": _text(record.model),
        "gen_ai.request.stream": record.stream,
        "antigravity.request.id": record.id,
        "antigravity.protocol": record.protocol,
        "antigravity.outcome": record.outcome,
        "antigravity.attempts": len(record.attempts),
        "antigravity.overhead": times.overhead,
        "antigravity.queue": times.queue,
        "antigravity.warnings": len(record.warnings),
    }
    if record.attempts:
        found["gen_ai.provider.name"] = provider_name(record.attempts[-1].protocol)
        found["gen_ai.response.model"] = _text(record.mapped_model)
    if record.first_byte is not None:
        found["gen_ai.response.time_to_first_chunk"] = record.first_byte
    if record.status is not None:
        found["http.response.status_code"] = record.status
    if error:
        found["error.type"] = error
    for name, value in (
        ("gen_ai.conversation.id", record.session),
        ("user_agent.original", record.client),
        ("antigravity.intercepted", record.intercepted),
        ("antigravity.compressed", record.compressed),
    ):
        if value:
            found[name] = _text(value)
    if record.usage is not None:
        found.update(_usage_attributes(record.usage))
    return found


def _usage_attributes(usage: Usage) -> Attributes:
    found: Attributes = {
        "gen_ai.usage.input_tokens": usage.input_total,
        "gen_ai.usage.output_tokens": usage.output,
    }
    for name, count in (
        ("cache_read.input_tokens", usage.cached),
        ("cache_write.input_tokens", usage.cache_write),
        ("reasoning.output_tokens", usage.reasoning),
        ("image.input_tokens", usage.image_input),
        ("image.output_tokens", usage.image_output),
        ("audio.input_tokens", usage.audio_input),
        ("audio.output_tokens", usage.audio_output),
    ):
        if count:
            found[f"gen_ai.usage.{name}"] = count
    return found


def _attempt_attributes(
    attempt: AttemptRecord, number: int, operation: str, error: str
) -> Attributes:
    found: Attributes = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": provider_name(attempt.protocol),
        "gen_ai.request.model": _text(attempt.model),
        "antigravity.upstream": attempt.upstream,
        "antigravity.account": attempt.credential,
        "antigravity.attempt": number,
        "antigravity.protocol": attempt.protocol,
        "antigravity.passed_through": attempt.passed_through,
    }
    if attempt.status is not None:
        found["http.response.status_code"] = attempt.status
    if error:
        found["error.type"] = error
    return found


def _name(operation: str, model: str) -> str:
    return _text(f"{operation} {model}".rstrip())


def _kind(error: str | None) -> str:
    """Return the kind of ``KIND: TEXT``."""
    return "" if error is None else _text(error.partition(":")[0])


def _text(value: str) -> str:
    """Return text that a client may have chosen, cut, and without lone surrogates."""
    return value[:_NAME_LIMIT].encode("utf-8", "replace").decode()


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1_000_000) * 1_000  # a float of today has no more than microseconds
