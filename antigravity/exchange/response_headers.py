"""Response headers that tell a client how its request was served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from antigravity.ir.capabilities import Loss
from antigravity.ir.delays import is_retry_after
from antigravity.ir.record import ExchangeRecord
from antigravity.redaction.credentials import CREDENTIALS

Headers = tuple[tuple[str, str], ...]

_PASSED: Final = ("anthropic-ratelimit-", "x-ratelimit-")
#: Headers in which upstreams name their own request; each response has the gateway's own ids.
_REQUEST_IDS: Final = ("request-id", "x-request-id", "x-goog-request-id")
#: Other headers that mean something to a client of the same protocol.
_ALSO_PASSED: Final = frozenset({"openai-processing-ms", "x-should-retry"})
RETRY_AFTER: Final = "retry-after"
#: The header with the id that the bodies of Anthropic's errors name.
REQUEST_ID: Final = "Request-Id"
UPSTREAM_REQUEST_ID: Final = "X-Upstream-Request-Id"
ACCOUNT: Final = "X-Account-Email"
MAPPED_MODEL: Final = "X-Mapped-Model"
COMPRESSED: Final = "X-Context-Compressed"
COUNT_SOURCE: Final = "X-Token-Count-Source"
OVERHEAD: Final = "X-Antigravity-Overhead-Ms"
WARMUP_HEADER: Final = "X-Warmup-Intercepted"
BACKGROUND_HEADER: Final = "X-Background-Task"
#: What a record says of an intercepted request, before a colon.
WARMUP: Final = "warmup"
BACKGROUND: Final = "background"
#: What it says of a request that the operator has sent again.
REPLAY: Final = "replay"
#: What it says of a request without output that only prepared the next one.
PREWARM: Final = f"{WARMUP}:prewarm"
_REQUEST_ID_LIMIT: Final = 200
#: Longer lists of warnings are cut: proxies refuse large headers.
WARNINGS_LIMIT: Final = 2000
#: Clients choose the names of some fields.
_FIELD_LIMIT: Final = 80
_DETAIL_LIMIT: Final = 200
_MOST: Final = 100


def passed_headers(headers: Mapping[str, str]) -> Headers:
    """Return the upstream's headers that mean something to a client of the same protocol."""
    passed = tuple(
        (name, CREDENTIALS.redact(value))
        for name, value in headers.items()
        if name.startswith(_PASSED)
        or name in _ALSO_PASSED
        or (name == RETRY_AFTER and is_retry_after(value))
    )
    if headers.get("request-id"):
        passed += ((REQUEST_ID, CREDENTIALS.redact(headers["request-id"])[:_REQUEST_ID_LIMIT]),)
    return passed + upstream_request_id(headers)


def refused_headers(headers: Mapping[str, str]) -> Headers:
    """Return the same for a refusal, without its delay, which the gateway limits."""
    return tuple(pair for pair in passed_headers(headers) if pair[0] != RETRY_AFTER)


def upstream_request_id(headers: Mapping[str, str]) -> Headers:
    """Return the header with the upstream's own request id, as its support asks for it."""
    for name in _REQUEST_IDS:
        value = headers.get(name)
        if value:
            return ((UPSTREAM_REQUEST_ID, CREDENTIALS.redact(value)[:_REQUEST_ID_LIMIT]),)
    return ()


def service_headers(record: ExchangeRecord, *, every: bool) -> Headers:
    """Return the headers that say how a request was served; ``every`` is as for warnings.

    A translated response has its warnings already.
    """
    headers = _interception_headers(record) if record.intercepted is not None else ()
    model = record.mapped_model
    if model:
        plain = model if model.isascii() else model.encode("ascii", "replace").decode()
        headers += ((MAPPED_MODEL, plain),)
    if record.compressed is not None:
        headers += ((COMPRESSED, record.compressed),)
    if record.warnings and record.attempts and record.attempts[-1].passed_through:
        headers += warnings(record.warnings, every=every)
    return headers


def account_header(label: str) -> Headers:
    """Return the header with the label of the account that serves, if it can be in one."""
    return ((ACCOUNT, label),) if label and label.isprintable() and label.isascii() else ()


def overhead_header(record: ExchangeRecord) -> Headers:
    """Return the header with the time that the gateway has added so far, in milliseconds."""
    return ((OVERHEAD, f"{record.times.overhead * 1000:.2f}"),)


def _interception_headers(record: ExchangeRecord) -> Headers:
    what, _, detail = (record.intercepted or "").partition(":")
    if what == WARMUP:
        return ((WARMUP_HEADER, "true"),)
    if what == BACKGROUND:
        plain = "".join(c if " " <= c <= "~" else "?" for c in detail)
        return ((BACKGROUND_HEADER, plain),)
    return ()


def warnings(losses: Sequence[Loss], *, every: bool = True) -> Headers:
    """Return the header that names what could not be carried.

    Losses of content come first and are always named; settings and hints only with ``every``.
    """
    reported = [loss for loss in losses if loss.content]
    if every:
        reported += [loss for loss in losses if not loss.content]
    if not reported:
        return ()
    text = "; ".join(
        f"{loss.field[:_FIELD_LIMIT]}: {loss.detail[:_DETAIL_LIMIT]}" for loss in reported[:_MOST]
    )
    plain = "".join(each if " " <= each <= "~" else "?" for each in text[:WARNINGS_LIMIT])
    return (("X-Antigravity-Warnings", plain),)
