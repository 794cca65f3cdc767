"""What people read about refused requests."""

from __future__ import annotations

import pytest

from antigravity.interfaces.refusals import describe_error_kind, describe_refusal


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("invalid_api_key", "missing or wrong API key"),
        ("PermissionDeniedError", "forbidden host or origin"),
        ("NoSuchMethodError", "wrong method"),
        ("path_not_found", "unknown path"),
        ("RequestTooLargeError", "request too large"),
        ("rate_limit_exceeded", "rate limit exceeded"),
        ("", ""),
    ],
)
def test_refusals_are_words(kind: str, text: str) -> None:
    assert describe_refusal(kind) == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("UpstreamError", "upstream failed"),
        ("RateLimitedError", "rate limited"),
        ("UpstreamCredentialError", "credential refused"),
        ("InvalidRequestError", "invalid request"),
    ],
)
def test_kinds_of_errors_are_words(kind: str, text: str) -> None:
    assert describe_error_kind(kind) == text
