"""Errors of upstreams: their kind, their delay, and no secret in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.errors import (
    ConflictError,
    ContextLengthError,
    DeadlineError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    QuotaExhaustedError,
    RateLimitedError,
    RequestTooLargeError,
    UpstreamCredentialError,
    UpstreamError,
)
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
from tests.protocols.gemini.builders import SERVER, patient

CLIENT = GEMINI_CLIENT
DATE = {"date": "Sat, 21 Nov 2026 00:00:00 GMT"}


def error_of(
    status: int,
    message: str = "m",
    name: str | None = None,
    details: Any = None,
    headers: Any = None,
    listed: bool = False,
) -> GatewayError:
    body: Any = {"error": {"code": status, "message": message, "status": name, "details": details}}
    return CLIENT.decode_error(
        status, headers or {}, json.dumps([body] if listed else body).encode()
    )


def reason(name: str) -> list[dict[str, Any]]:
    return [{"@type": "x"}, {"reason": name, "metadata": {}}]


@pytest.mark.parametrize(
    ("status", "more", "kind", "code"),
    [
        (400, {"name": "INVALID_ARGUMENT"}, InvalidRequestError, None),
        (400, {"details": reason("API_KEY_INVALID")}, UpstreamCredentialError, "api_key_invalid"),
        (400, {"name": "FAILED_PRECONDITION"}, UpstreamCredentialError, "failed_precondition"),
        (
            400,
            {"message": "The input token count (9) exceeds the maximum number of tokens allowed"},
            ContextLengthError,
            "context_length_exceeded",
        ),
        (401, {}, UpstreamCredentialError, None),
        (
            403,
            {"details": reason("VALIDATION_REQUIRED")},
            UpstreamCredentialError,
            "validation_required",
        ),
        (404, {}, NotFoundError, "model_not_found"),
        (408, {}, DeadlineError, None),
        (409, {}, ConflictError, None),
        (413, {}, RequestTooLargeError, None),
        (429, {}, RateLimitedError, "rate_limit_exceeded"),
        (429, {"details": reason("RATE_LIMIT_EXCEEDED")}, RateLimitedError, "rate_limit_exceeded"),
        (429, {"details": reason("QUOTA_EXHAUSTED")}, QuotaExhaustedError, "quota_exhausted"),
        (
            429,
            {"details": [{"violations": [{"quotaId": "RequestsPerDayPerProject"}]}]},
            QuotaExhaustedError,
            "quota_exhausted",
        ),
        (
            429,
            {"message": "Your quota will reset after 1h2m3s."},
            QuotaExhaustedError,
            "quota_exhausted",
        ),
        (429, {"name": "INVALID_ARGUMENT"}, InvalidRequestError, None),
        (
            503,
            {"details": reason("MODEL_CAPACITY_EXHAUSTED")},
            OverloadedError,
            "model_capacity_exhausted",
        ),
        (
            429,
            {"details": reason("MODEL_CAPACITY_EXHAUSTED")},
            OverloadedError,
            "model_capacity_exhausted",
        ),
        (500, {}, UpstreamError, None),
        (503, {}, OverloadedError, None),
        (504, {}, DeadlineError, None),
        (529, {}, OverloadedError, None),
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_error_class_follows_from_status_and_body(
    status: int, more: Any, kind: type[GatewayError], code: str | None, listed: bool
) -> None:
    error = error_of(status, listed=listed, **more)
    assert type(error) is kind
    assert error.code == code
    assert error.upstream_status == status


@pytest.mark.parametrize(
    "message",
    [
        "Consumer 'api_key:AIzaSyA1234567890abcdefghij' has been suspended.",
        "bad key AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "https://x/?key=SECRET123&y",
        "token ya29.SECRET-123.x",
    ],
)
def test_keys_are_never_shown(message: str) -> None:
    for status in (400, 403):
        shown = error_of(status, message).message
        assert "AIza" not in shown
        assert "SECRET" not in shown


@pytest.mark.parametrize(
    ("details", "headers", "message", "expected"),
    [
        ([{"retryDelay": "39.5s"}], {}, "", 39.5),
        ([{"retryDelay": "1h2m"}], {}, "", 3720.0),
        ([{"retryDelay": {"seconds": "3", "nanos": 500_000_000}}], {}, "", 3.5),
        ([{"retryDelay": "250ms"}], {}, "", 0.25),
        ([{"retryDelay": 7}], {}, "", 7.0),
        ([{"retryDelay": "5s"}, {"metadata": {"quotaResetDelay": "1h16m0.6s"}}], {}, "", 4560.6),
        ([{"metadata": {"quotaResetTimeStamp": "2026-11-21T00:10:00Z"}}], DATE, "", 600.0),
        ([{"metadata": {"quotaResetTimeStamp": "2026-11-20T00:10:00Z"}}], DATE, "", 0.0),
        ([], {"retry-after": "12"}, "", 12.0),
        ([], {**DATE, "retry-after": "Sat, 21 Nov 2026 00:01:00 GMT"}, "", 60.0),
        ([], {"x-ratelimit-reset-after": "4.5"}, "", 4.5),
        ([], {**DATE, "x-ratelimit-reset": "1795219230"}, "", 30.0),
        ([], {}, "Your quota will reset after 1h23m4s.", 4984.0),
        ([], {}, "Please retry in 58.217843437s.", 58.217843437),
        ([{"retryDelay": "soon"}, "x", None], {"retry-after": "later"}, "again", None),
        ([], {}, "", None),
    ],
)
def test_retry_delay_is_decoded(
    details: Any, headers: Any, message: str, expected: float | None
) -> None:
    body = json.dumps({"error": {"message": message, "details": details}}).encode()
    found = CLIENT.decode_error(429, headers, body).retry_after
    assert found == (None if expected is None else pytest.approx(expected))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.just("9s"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "details", "retryDelay", "metadata", "quotaResetDelay", "violations",
                 "quotaResetTimeStamp", "message", "status", "code", "reason", "seconds", "nanos"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)  # fmt: skip


@patient
@given(
    st.integers(400, 599),
    st.binary(max_size=20) | json_values.map(lambda v: json.dumps(v).encode()),
    st.dictionaries(
        st.sampled_from(["retry-after", "date", "x-ratelimit-reset"]), st.text(max_size=8)
    ),
)
def test_any_error_response_is_decoded(status: int, body: bytes, headers: dict[str, str]) -> None:
    error = CLIENT.decode_error(status, headers, body)
    assert error.message
    assert error.upstream_status == status
    assert error.retry_after is None or error.retry_after >= 0
    if status in (401, 403):
        assert error.status == 503


LINK = "https://accounts.google.com/signin/continue?plt=veiled"


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ([{"reason": "VALIDATION_REQUIRED", "metadata": {"validation_url": LINK}}], LINK),
        ([{"reason": "VALIDATION_REQUIRED", "metadata": 3}, {"links": [3, {"url": LINK}]}], LINK),
        ([{"metadata": {"validation_url": "javascript:alert(1)"}}, {"links": 3}], ""),
        ([{"metadata": {"validation_url": "https://a/\x1b[2J"}}], ""),
    ],
)
def test_validation_url_is_hidden_from_the_message(details: list[Any], expected: str) -> None:
    error = error_of(403, message=f"Verify your account at {LINK} to continue.", details=details)
    assert isinstance(error, UpstreamCredentialError)
    assert error.help_url == expected
    assert "veiled" not in error.message
    assert "Verify your account at … to continue." in error.message
    limited = error_of(429, details=[{"links": [{"url": LINK}]}])
    assert limited.help_url == ""


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (InvalidRequestError("m", param="$.contents[0].role"), 400, "INVALID_ARGUMENT"),
        (NotFoundError("m"), 404, "NOT_FOUND"),
        (RateLimitedError("m", retry_after=2.25), 429, "RESOURCE_EXHAUSTED"),
        (UpstreamCredentialError("m"), 503, "UNAVAILABLE"),
        (UpstreamError("m"), 502, "INTERNAL"),
        (DeadlineError("m"), 504, "DEADLINE_EXCEEDED"),
        (RequestTooLargeError("m"), 413, "INVALID_ARGUMENT"),
    ],
)
def test_errors_for_clients(error: GatewayError, status: int, name: str) -> None:
    reply = SERVER.encode_error(error, "req-1")
    shown = json.loads(reply.body)["error"]
    assert reply.status == shown["code"] == status
    assert (shown["message"], shown["status"]) == ("m", name)
    kinds = {detail["@type"].rpartition(".")[2]: detail for detail in shown["details"]}
    assert kinds["RequestInfo"]["requestId"] == "req-1"
    if error.retry_after is not None:
        assert kinds["RetryInfo"]["retryDelay"] == "2.25s"
        assert reply.headers == (("retry-after", "3"),)
    if error.param is not None:
        assert kinds["BadRequest"]["fieldViolations"][0]["field"] == "contents[0].role"
