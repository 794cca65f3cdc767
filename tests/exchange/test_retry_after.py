"""Retry-After of upstreams: passed on if it is valid, and limited."""

from __future__ import annotations

import json

import pytest

from antigravity.exchange.attempts.upstream_call import Refused
from antigravity.exchange.response_headers import passed_headers
from antigravity.ir.delays import is_retry_after
from antigravity.ir.errors import RateLimitedError
from antigravity.protocols.openai_errors import decode_error

SANE = ["0", "7", "86400", " 12 ", "Sat, 21 Nov 2020 10:00:30 GMT"]
ABSURD = [
    "1e300", "nan", "inf", "-5", "9" * 40, "99999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "",
    "soon", "1.5.2", "Fri, 31 Dec 99999 23:59:59 GMT", "٣",
]  # fmt: skip
DAY = 86400.0


@pytest.mark.parametrize("value", SANE)
def test_valid_retry_after_is_passed_on(value: str) -> None:
    assert is_retry_after(value)
    assert ("retry-after", value) in passed_headers({"retry-after": value})


@pytest.mark.parametrize("value", ABSURD)
def test_invalid_retry_after_is_dropped(value: str) -> None:
    assert not is_retry_after(value)
    assert passed_headers({"retry-after": value, "x-ratelimit-limit": "5"}) == (
        ("x-ratelimit-limit", "5"),
    )


@pytest.mark.parametrize("value", ABSURD)
def test_delay_of_passed_refusal_is_limited(value: str) -> None:
    body = json.dumps({"error": {"message": "slow down"}}).encode()
    error = decode_error(429, {"retry-after": value}, body)
    error.upstream_status = 429
    reply = Refused(error, body, "application/json").as_reply(31 * DAY)
    assert reply is not None
    for name, text in reply.headers:
        if name == "Retry-After":
            assert 0 <= int(text) <= 31 * DAY + 1


def test_delay_is_cut_to_limit() -> None:
    error = RateLimitedError("m", retry_after=1e300)
    error.limit_delay(3600.0)
    assert error.retry_after == 3600.0
    error = RateLimitedError("m")
    error.limit_delay(3600.0)
    assert error.retry_after is None
