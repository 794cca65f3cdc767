"""What upstreams say in place of an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.ir.capabilities import Model
from antigravity.ir.errors import (
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
from antigravity.ir.usage import Usage
from tests.protocols.openai_responses.builders import CLIENT


def error(status: int, headers: dict[str, str] | None = None, **fields: Any) -> GatewayError:
    body = json.dumps({"error": {"message": "m", **fields}}).encode()
    return CLIENT.decode_error(status, headers or {}, body)


@pytest.mark.parametrize(
    ("status", "fields", "kind"),
    [
        (400, {"type": "invalid_request_error"}, InvalidRequestError),
        (400, {"code": "context_length_exceeded"}, ContextLengthError),
        (400, {"message": "This model's maximum context length is 8192"}, ContextLengthError),
        (401, {"code": "invalid_api_key"}, UpstreamCredentialError),
        (402, {}, QuotaExhaustedError),
        (403, {"code": "unsupported_country"}, UpstreamCredentialError),
        (404, {"code": "model_not_found", "type": "invalid_request_error"}, NotFoundError),
        (404, {"type": "invalid_request_error"}, NotFoundError),
        (408, {}, DeadlineError),
        (413, {"type": "invalid_request_error"}, RequestTooLargeError),
        (422, {}, InvalidRequestError),
        (429, {"code": "rate_limit_exceeded"}, RateLimitedError),
        (429, {"type": "insufficient_quota"}, QuotaExhaustedError),
        (429, {"code": "insufficient_quota"}, QuotaExhaustedError),
        (429, {"type": "invalid_request_error"}, RateLimitedError),
        (500, {"type": "server_error"}, UpstreamError),
        (502, {}, UpstreamError),
        (503, {}, OverloadedError),
        (504, {}, DeadlineError),
        (529, {}, OverloadedError),
    ],
)
def test_error_class_follows_from_status_and_body(
    status: int, fields: dict[str, Any], kind: type[GatewayError]
) -> None:
    found = error(status, **fields)
    assert type(found) is kind
    assert found.upstream_status == status


def test_error_message_is_unchanged_except_for_credential_errors() -> None:
    found = error(400, message="no such field", param="input[0]", code="unknown_parameter")
    assert (found.message, found.param, found.code) == (
        "no such field",
        "input[0]",
        "unknown_parameter",
    )
    assert "sk-" not in error(401, message="Incorrect API key provided: sk-ab***").message


@pytest.mark.parametrize(
    "body",
    [
        b"<html>bad gateway</html>",
        b"",
        b"[]",
        b"3",
        b'{"error": null}',
        b'{"error": 3}',
        b"\xff",
    ],
)
def test_error_bodies_without_message_have_default_message(body: bytes) -> None:
    found = CLIENT.decode_error(502, {}, body)
    assert type(found) is UpstreamError
    assert "502" in found.message


@pytest.mark.parametrize(
    "body",
    [b'{"error": "m"}', b'{"detail": "m"}', b'{"message": "m"}', b'[{"error": {"message": "m"}}]'],
)
def test_other_error_shapes_are_decoded(body: bytes) -> None:
    assert CLIENT.decode_error(400, {}, body).message == "m"


@pytest.mark.parametrize(
    ("headers", "message", "delay"),
    [
        ({"retry-after": "7"}, "m", 7.0),
        ({"retry-after": "7", "retry-after-ms": "1500"}, "m", 1.5),
        (
            {
                "retry-after": "Sat, 21 Nov 2026 10:00:30 GMT",
                "date": "Sat, 21 Nov 2026 10:00:00 GMT",
            },
            "m",
            30.0,
        ),
        ({"retry-after": "soon"}, "m", None),
        ({"x-ratelimit-reset-requests": "120ms"}, "m", 0.12),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}, "m", 360.0),
        (
            {
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "6m0s",
                "x-ratelimit-remaining-tokens": "100",
            },
            "m",
            1.0,
        ),
        ({}, "Please try again in 20s. Visit", 20.0),
        ({}, "Please try again in 1h2m3.5s.", 3723.5),
        ({}, "m", None),
    ],
)
def test_retry_delay_is_decoded(headers: dict[str, str], message: str, delay: float | None) -> None:
    found = error(429, headers, message=message)
    assert found.retry_after == (None if delay is None else pytest.approx(delay))


def test_a_date_without_a_clock_is_measured_by_ours() -> None:
    found = error(429, {"retry-after": "Sat, 21 Nov 2020 10:00:30 GMT"})
    assert found.retry_after == 0.0


def test_usage_counts_and_models() -> None:
    body = b'{"usage": {"input_tokens": 3, "output_tokens": 4, "input_tokens_details": null}}'
    assert CLIENT.decode_usage(body) == Usage(3, output=4)
    assert CLIENT.decode_usage(b"{}") is None
    assert CLIENT.decode_usage(b"<") is None
    assert CLIENT.decode_count(b'{"object": "response.input_tokens", "input_tokens": 5}') == 5
    listed = b'{"data": [{"id": "m", "created": 7, "owned_by": "o", "context_window": 9}, {}]}'
    assert list(CLIENT.decode_models(listed)) == [
        Model("m", owned_by="o", created=7, input_token_limit=9)
    ]
    for method in (CLIENT.decode_count, CLIENT.decode_models):
        for nothing in (b"{}", b"<html>"):
            with pytest.raises(UpstreamError):
                method(nothing)
