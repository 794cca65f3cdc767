"""Errors of upstreams become the right kind, with the right delay, and tell no secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir import errors
from antigravity.protocols.openai_errors import decode_error


def openai(**fields: Any) -> bytes:
    return json.dumps({"error": {"message": "m", **fields}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, openai(), errors.InvalidRequestError),
        (400, openai(code="context_length_exceeded"), errors.ContextLengthError),
        (
            400,
            openai(message="This model's maximum context length is 8"),
            errors.ContextLengthError,
        ),
        (
            400,
            openai(code=400, details=[{"reason": "API_KEY_INVALID"}]),
            errors.UpstreamCredentialError,
        ),
        (401, openai(code="invalid_api_key"), errors.UpstreamCredentialError),
        (402, openai(), errors.QuotaExhaustedError),
        (403, b"Forbidden", errors.UpstreamCredentialError),
        (404, openai(), errors.NotFoundError),
        (408, b"", errors.DeadlineError),
        (413, b"", errors.RequestTooLargeError),
        (422, b'{"detail": [{"loc": ["body"], "msg": "bad"}]}', errors.InvalidRequestError),
        (429, openai(), errors.RateLimitedError),
        (429, openai(type="insufficient_quota"), errors.QuotaExhaustedError),
        (429, openai(code="insufficient_quota"), errors.QuotaExhaustedError),
        (500, b"", errors.UpstreamError),
        (502, b"<html>Bad gateway</html>", errors.UpstreamError),
        (503, openai(), errors.OverloadedError),
        (504, b"", errors.DeadlineError),
        (529, b"", errors.OverloadedError),
    ],
)
def test_error_class_follows_from_status_and_body(
    status: int, body: bytes, kind: type[errors.GatewayError]
) -> None:
    error = decode_error(status, {}, body)
    assert type(error) is kind
    assert error.upstream_status == status
    assert error.message
    assert "<html" not in error.message


def test_error_message_is_decoded() -> None:
    error = decode_error(400, {}, openai(param="n", code="bad_n"))
    assert (error.message, error.param, error.code) == ("m", "n", "bad_n")
    assert decode_error(500, {}, b"plain words").message == "plain words"
    assert decode_error(500, {}, b'{"error": "words"}').message == "words"
    assert decode_error(500, {}, b'{"message": "words"}').message == "words"
    assert (
        decode_error(500, {}, b'[{"error": {"code": 500, "message": "words"}}]').message == "words"
    )
    assert "bad" in decode_error(422, {}, b'{"detail": [{"msg": "bad"}]}').message
    assert len(decode_error(500, {}, b"x" * 10_000).message) < 600


def test_a_refused_credential_is_not_repeated() -> None:
    error = decode_error(401, {}, openai(message="Incorrect API key provided: sk-abc***xyz"))
    assert "sk-" not in error.message


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        (
            {
                "retry-after": "Sat, 21 Nov 2026 00:01:00 GMT",
                "date": "Sat, 21 Nov 2026 00:00:30 GMT",
            },
            30,
        ),
        ({"retry-after": "Sat, 21 Nov 2020 00:01:00 GMT"}, 0),
        ({"x-ratelimit-reset-requests": "6m0s"}, 360),
        (
            {
                "x-ratelimit-reset-requests": "6m0s",
                "x-ratelimit-remaining-requests": "5",
                "x-ratelimit-reset-tokens": "120ms",
                "x-ratelimit-remaining-tokens": "0",
            },
            0.12,
        ),
        ({"x-ratelimit-reset": "1795219230000", "date": "Sat, 21 Nov 2026 00:00:00 GMT"}, 30),
        ({"x-ratelimit-reset-after": "4"}, 4),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_delays_in_headers(headers: dict[str, str], expected: float | None) -> None:
    assert decode_error(429, headers, b"").retry_after == (
        None if expected is None else pytest.approx(expected)
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"message": "Rate limit reached. Please try again in 1.5s. Visit"}, 1.5),
        ({"message": "Please try again in 6m0s."}, 360),
        ({"message": "please retry in 20 seconds"}, 20),
        ({"message": "quota will reset after 1h23m4s."}, 4984),
        ({"details": [{"@type": "x"}, {"retryDelay": "39.5s"}]}, 39.5),
        ({"details": [{"retryDelay": {"seconds": 3, "nanos": 500_000_000}}]}, 3.5),
        ({"details": [{"retryDelay": "9s"}, {"metadata": {"quotaResetDelay": "1m"}}]}, 60),
    ],
)
def test_delays_in_bodies(fields: dict[str, Any], expected: float) -> None:
    assert decode_error(429, {}, openai(**fields)).retry_after == pytest.approx(expected)


def test_limits_matter_only_where_one_was_reached() -> None:
    assert decode_error(500, {"x-ratelimit-reset-requests": "6m0s"}, b"").retry_after is None


_names = ["retry-after", "retry-after-ms", "date", "x-ratelimit-reset", "x-ratelimit-reset-tokens"]


@given(
    st.integers(400, 599),
    st.dictionaries(
        st.sampled_from(_names), st.text(max_size=12) | st.sampled_from(["1s", "9" * 30])
    ),
    st.binary(max_size=40)
    | st.sampled_from([b"[]", b"[1]", b'{"error":[]}', b'{"error":{"code":{}}}']),
)
def test_anything_is_an_error(status: int, headers: dict[str, str], body: bytes) -> None:
    error = decode_error(status, headers, body)
    assert error.message
    assert error.retry_after is None or error.retry_after >= 0
