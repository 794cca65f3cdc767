"""What errors of many providers say about limits, and when they end."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.errors import (
    GatewayError,
    QuotaExhaustedError,
    RateLimitedError,
    UpstreamCredentialError,
    UpstreamError,
)
from antigravity.protocols import rate_limits
from antigravity.protocols.anthropic import errors as anthropic_errors
from antigravity.protocols.embedded_errors import error_in
from antigravity.protocols.gemini import client_errors as gemini_errors
from antigravity.protocols.json_events import upstream_error
from antigravity.protocols.openai_errors import decode_error as openai_error
from antigravity.protocols.openai_responses import client_reply
from antigravity.protocols.rate_limits import Limit, parse_table, read_limit
from antigravity.protocols.reset_times import LONGEST, next_midnight, seconds_until, zone_of

#: Sunday, 11:00 in California, 19:00 in London, 03:00 on Monday in Beijing.
NOW = datetime(2026, 11, 29, 19, 0, tzinfo=UTC).timestamp()
DATE = {"date": "Sun, 29 Nov 2026 19:00:00 GMT"}
HOUR, DAY = 3600.0, 86400.0
#: Where the platform has no data of time zones, California's is taken for UTC-8 all year.
MIDNIGHT_IN_CALIFORNIA = 13 * HOUR
NO_MONEY = "You exceeded your current quota, please check your plan and billing details."


def google(*quotas: str, retry: str = "36s") -> dict[str, Any]:
    details: list[Any] = [
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaMetric": "requests", "quotaId": quota} for quota in quotas],
        },
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retry},
    ]
    message = f"{NO_MONEY} Please retry in {retry}."
    return {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}


PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
PER_MINUTE = "GenerateContentInputTokensPerModelPerMinute-FreeTier"

#: Members of the error object, its kind, and the seconds until the limit ends.
IN_BODIES: list[tuple[dict[str, Any], str, float | None]] = [
    ({"type": "usage_limit_reached", "resets_in_seconds": 602705}, "quota", 602705),
    ({"type": "usage_limit_reached", "resets_at": NOW + 602705}, "quota", 602705),
    ({"type": "usage_limit_reached", "resets_at": int(NOW + 60) * 1000}, "quota", 60),
    ({"error_type": "usage_limit_reached", "resets_at": "2026-11-29T20:00:00Z"}, "quota", HOUR),
    (
        {
            "message": "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000",
            "code": 429,
            "metadata": {
                "headers": {
                    "X-RateLimit-Remaining": "0",
                    "X-RateLimit-Reset": str(int(NOW + 5 * HOUR) * 1000),
                }
            },
        },
        "quota",
        5 * HOUR,
    ),
    (
        {
            "code": "1308",
            "message": "Usage limit reached for 5 hour. "
            "Your limit will reset at 2026-11-30 05:38:28",
        },
        "quota",
        9508,
    ),
    (
        {"code": "1310", "message": "Weekly Limit Exhausted; resets at 2026-11-30T00:00:00Z"},
        "quota",
        5 * HOUR,
    ),
    ({"code": 1316, "message": "Limit. Resets at 2026-11-30 04:00:00"}, "quota", HOUR),
    (
        {
            "code": "1308",
            "message": "已达到 5\n小时的使用上限。您的限额将在 2026-11-30 07:41:44 重置。",
        },
        "quota",
        16904,
    ),
    ({"message": "Slow down: retry in 1 hour 5 minutes."}, "", 3900),
    ({"message": "Please try again in 7m12.5s. Need more?"}, "", 432.5),
    ({"message": "Please retry after 26 seconds. To increase your limit, ask."}, "", 26),
    ({"message": "reached organization max RPM: 3, please try again after 1 seconds"}, "", 1),
    ({"message": "Rate-limited. Please wait 587 hours 33 minutes before it"}, "", 2115180),
    ({"message": "Please try again in 58 hours."}, "", 208800),
    ({"message": "Too many requests; retry after 30."}, "", 30),
    ({"message": "try again in an hour"}, "", HOUR),
    ({"message": "Try again in 1 day, 2 hours and 3 minutes"}, "", 93780),
    ({"message": "Please try again in 3 days 4 hours 12 minutes."}, "", 274320),
    ({"message": "请在 26 秒后重试"}, "", 26),
    ({"message": "Individual quota reached. Resets in 9h22m20s."}, "quota", 33740),
    ({"message": "Your quota will reset after 161h39m41s."}, "quota", 581981),
    ({"message": "retry in PT1H5M"}, "", 3900),
    (
        {"message": "5-hour usage limit reached (0/0 used), resets at 2026-11-29T20:00:00Z (2056)"},
        "quota",
        HOUR,
    ),
    ({"message": f"Claude AI usage limit reached|{int(NOW) + 500}"}, "quota", 500),
    ({"message": "limit resets at: 2026-11-29T23:00:00+0100"}, "", 3 * HOUR),
    ({"message": "Access resets at 10:57 PM GMT-3."}, "", 25020),
    ({"message": "Resets at 10:00 UTC."}, "", 15 * HOUR),
    ({"message": "Try again at Nov 30th, 2026 3:07 PM."}, "", 72420),
    ({"message": "retry at Mon, 30 Nov 2026 19:00:00 GMT"}, "", DAY),
    ({"message": "slow down", "retry_after": 12}, "", 12),
    ({"message": "slow down", "retryAfterMs": 1500}, "", 1.5),
    ({"message": 'Error from provider: {"error":{"details":[{"retryDelay":"26s"}]}}'}, "", 26),
    ({"metadata": {"raw": '{"error": {"type": "x", "resets_in_seconds": 90}}'}}, "", 90),
    (google(PER_MINUTE), "", 36),
    (google(PER_DAY), "quota", MIDNIGHT_IN_CALIFORNIA),
    (google(PER_MINUTE, PER_DAY), "quota", MIDNIGHT_IN_CALIFORNIA),
    (
        {
            "message": "Quota exceeded for quota metric 'Requests' and limit 'Gemini Requests "
            "per day per user' of service 'cloudcode-pa.googleapis.com' for consumer 'x'.",
        },
        "",
        MIDNIGHT_IN_CALIFORNIA,
    ),
    (
        {
            "message": "Your quota will reset after 1h.",
            "details": [
                {
                    "reason": "QUOTA_EXHAUSTED",
                    "metadata": {"quotaResetDelay": "161h39m41.3s"},
                },
                {"retryDelay": "5s"},
            ],
        },
        "quota",
        581981.3,
    ),
    ({"details": [{"metadata": {"quotaResetTimeStamp": "2026-11-29T21:03:14Z"}}]}, "", 7394),
    ({"message": "Your quota resets on 2026-12-01."}, "", 29 * HOUR),
    ({"message": "Your quota resets December 1, 2026"}, "", 29 * HOUR),
    ({"message": "Your limit resets daily at midnight UTC."}, "", 5 * HOUR),
    ({"message": "Your limit resets at midnight Pacific time."}, "", MIDNIGHT_IN_CALIFORNIA),
    ({"message": "The limit will be lifted at 2026-11-30T08:00:00+08:00"}, "", 5 * HOUR),
    ({"message": "Next request allowed in 42 s"}, "", 42),
    ({"message": "retry_after=45"}, "", 45),
    ({"message": "Too fast (Retry-After: 30)"}, "", 30),
    ({"message": "請於 2 分鐘後重試"}, "", 120),
    ({"message": "Your quota resets on Dec 1, 2026 at 12:30 AM UTC."}, "", 29.5 * HOUR),
    ({"message": "Rate limit of 150 exceeded. Please wait 41234 seconds before it."}, "", 41234),
    (
        {"message": "Reached your limits. You will regain access on 2026-12-01 at 00:00 UTC."},
        "",
        29 * HOUR,
    ),
    ({"message": "Limit. The next reset time is 2026-11-29 21:00:00 UTC."}, "", 2 * HOUR),
    ({"message": "You've hit your limit: resets Dec 3, 5pm (UTC)"}, "", 94 * HOUR),
    ({"message": "You've hit your limit: resets Jan 2 at 10:30 PM UTC"}, "", 819.5 * HOUR),
    ({"message": "Please try again in half an hour."}, "", 1800),
    ({"message": "Please try again in 1,234 seconds."}, "", 1234),
    ({"message": "Too many requests; retry after 1,234."}, "", None),
    ({"message": "Tokens refill in 60 seconds."}, "", 60),
    ({"message": "Rate limit exceeded; sleep for 60 seconds"}, "", 60),
    ({"message": "All accounts are cooling down.", "reset_seconds": 495669}, "", 495669),
    ({"message": "slow down", "resetMs": 60000}, "", 60),
    (
        {"metadata": {"headers": {"X-RateLimit-Reset": [str(int(NOW + 30) * 1000)]}}},
        "",
        30,
    ),
    ({"message": "Server is limiting requests (not your usage limit)"}, "", None),
    ({"message": "Your newly created team doesn't have any credits yet."}, "billing", None),
    ({"message": "A trial key is limited to 1000 API calls / month."}, "quota", None),
    ({"message": "Too many tokens per day, please wait before trying again."}, "quota", None),
    ({"code": "insufficient_quota", "message": "Allocated quota exceeded, please"}, "", None),
    ({"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded"}, "", None),
    ({"message": "Rate limit reached on tokens per min (TPM): Limit 30000."}, "", None),
    ({"message": "Too many requests, please try again later."}, "", None),
    ({"message": "The engine is overloaded, please try again later", "code": "x"}, "", None),
    ({"message": "Daily limit exceeded"}, "quota", None),
    ({"code": "insufficient_quota", "message": NO_MONEY}, "billing", None),
    ({"message": NO_MONEY}, "billing", None),
    ({"message": "Your credit balance is too low to access the API"}, "billing", None),
    ({"code": "1113", "message": "Insufficient balance or no resource package."}, "billing", None),
    ({"code": "1113", "message": "您的账户已欠费"}, "billing", None),
    ({"type": "exceeded_current_quota_error", "message": "recharge"}, "billing", None),
    ({"message": "Your account x <k> is suspended due to insufficient balance"}, "billing", None),
    ({"code": "Arrearage", "message": "Access denied"}, "billing", None),
    ({"message": "Your team has used all available credits."}, "billing", None),
    ({"message": "Your team has reached its monthly spending limit."}, "billing", None),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "kind", "expected"), IN_BODIES)
def test_bodies_say_which_limit_and_until_when(
    fields: dict[str, Any], kind: str, expected: float | None
) -> None:
    found = read_limit(429, {}, {"error": fields}, clock=NOW)
    assert found.kind == kind
    assert found.retry_after == (None if expected is None else pytest.approx(expected))


#: How each protocol's client reads an error's object in a response.
READERS = {
    "openai": lambda status, headers, fields: openai_error(
        status, headers, json.dumps({"error": fields}).encode()
    ),
    "responses": lambda status, headers, fields: client_reply.decode_error(
        status, headers, json.dumps({"error": fields}).encode()
    ),
    "anthropic": lambda status, headers, fields: anthropic_errors.decode_error(
        status, headers, json.dumps({"type": "error", "error": _texts(fields)}).encode()
    ),
    "gemini": lambda status, headers, fields: gemini_errors.decode_error(
        status, headers, json.dumps({"error": fields}).encode()
    ),
    "listed": lambda status, headers, fields: openai_error(
        status, headers, json.dumps([{"error": fields}]).encode()
    ),
}


def _texts(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "type": str(fields.get("type", ""))}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("fields", "kind", "expected"), IN_BODIES)
def test_rate_limits_are_read_by_every_protocol(
    reader: str, fields: dict[str, Any], kind: str, expected: float | None
) -> None:
    error = READERS[reader](429, DATE, fields)
    assert isinstance(error, RateLimitedError)
    if kind:
        assert isinstance(error, QuotaExhaustedError)
    assert (error.code == "insufficient_quota") == (kind == "billing")
    assert error.retry_after == (None if expected is None else pytest.approx(expected))


def _embedded_error(fields: dict[str, Any], decode_error: Any) -> GatewayError:
    error = error_in(json.dumps({"error": fields}).encode(), decode_error)
    assert error is not None
    return error


def stream_errors(fields: dict[str, Any]) -> list[GatewayError]:
    return [
        _embedded_error(fields, openai_error),
        client_reply.make_error(None, fields),
        _embedded_error({"type": "rate_limit_error", **fields}, anthropic_errors.decode_error),
        gemini_errors.error_of_status({"status": "RESOURCE_EXHAUSTED", **fields}),
    ]


def test_rate_limits_in_stream_errors_are_read() -> None:
    for error in stream_errors({"type": "usage_limit_reached", "resets_in_seconds": 7200}):
        assert isinstance(error, QuotaExhaustedError)
        assert error.retry_after == 7200
    for error in stream_errors({"code": "insufficient_quota", "message": NO_MONEY}):
        assert isinstance(error, QuotaExhaustedError)
        assert (error.code, error.retry_after) == ("insufficient_quota", None)


IN_HEADERS: list[tuple[dict[str, str], float | None]] = [
    ({"retry-after": "7"}, 7),
    ({"retry-after": "1.5"}, 1.5),
    ({"retry-after": "0"}, 0),
    ({"retry-after": "5s"}, 5),
    ({"retry-after": "soon"}, None),
    ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
    ({"retry-after": "Sun, 29 Nov 2026 19:01:00 GMT"}, 60),
    ({"retry-after": "Sun, 29 Nov 2026 18:00:00 GMT"}, 0),
    ({"retry-after": str(int(NOW) + 90)}, 90),
    ({"retry-after": str((int(NOW) + 90) * 1000)}, 90),
    ({"x-ratelimit-reset-requests": "6m0s"}, 360),
    ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "17ms"}, 1),
    (
        {
            "x-ratelimit-reset-requests": "6m0s",
            "x-ratelimit-remaining-requests": "5",
            "x-ratelimit-reset-tokens": "17ms",
            "x-ratelimit-remaining-tokens": "0",
        },
        0.017,
    ),
    (
        {
            "x-ratelimit-reset-requests-day": "33011.5",
            "x-ratelimit-remaining-requests-day": "0",
            "x-ratelimit-reset-tokens-minute": "11.3",
            "x-ratelimit-remaining-tokens-minute": "900",
        },
        33011.5,
    ),
    (
        {
            "anthropic-ratelimit-requests-remaining": "12",
            "anthropic-ratelimit-requests-reset": "2026-11-29T23:00:00Z",
            "anthropic-ratelimit-input-tokens-remaining": "0",
            "anthropic-ratelimit-input-tokens-reset": "2026-11-29T19:00:40Z",
        },
        40,
    ),
    (
        {
            "anthropic-ratelimit-unified-status": "rejected",
            "anthropic-ratelimit-unified-reset": str(int(NOW) + 18000),
            "anthropic-ratelimit-unified-7d-status": "allowed",
            "anthropic-ratelimit-unified-7d-reset": str(int(NOW) + 500000),
        },
        18000,
    ),
    ({"anthropic-ratelimit-unified-reset": str(int(NOW) + 600)}, 600),
    (
        {
            "anthropic-ratelimit-unified-status": "allowed",
            "anthropic-ratelimit-unified-reset": str(int(NOW) + 600),
        },
        None,
    ),
    (
        {
            "x-codex-primary-used-percent": "100",
            "x-codex-primary-reset-after-seconds": "13873",
            "x-codex-secondary-used-percent": "80",
            "x-codex-secondary-reset-after-seconds": "316705",
        },
        13873,
    ),
    ({"x-ratelimit-reset-after": "4.5"}, 4.5),
    ({"ratelimitbysize-reset": "57"}, 57),
    ({"x-ratelimit-reset": str(int(NOW) + 30)}, 30),
    ({"x-ratelimit-reset": str((int(NOW) + 30) * 1000)}, 30),
    ({"x-ratelimit-reset-requests": "-1"}, None),
    ({"retry-after": "30, 45"}, 45),
    ({"ratelimit": "limit=100, remaining=0, reset=50"}, 50),
    ({"ratelimit": "limit=100, remaining=3, reset=50"}, None),
    ({"ratelimit": '"burst";r=8;t=1, "hour";r=0;t=1800, "day";r=0;t=3600'}, 3600),
    ({"ratelimit": '"default";r=10;t=50'}, None),
]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("headers", "expected"), IN_HEADERS)
def test_headers_say_until_when(
    reader: str, headers: dict[str, str], expected: float | None
) -> None:
    found = READERS[reader](429, {**DATE, **headers}, {"message": "slow down"}).retry_after
    assert found == (None if expected is None else pytest.approx(expected))
    assert upstream_error(429, {**DATE, **headers}, "slow down").retry_after == found


ABSURD = [
    "1e300", "1e-300", "nan", "inf", "-inf", "Infinity", "-5", "1e9999", "9" * 400, "9" * 5000,
    "99999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-31T23:59:59Z", "0" * 300,
    "Fri, 31 Dec 99999 23:59:59 GMT", "99999999999999999999h", "P999999999W", "1" * 29 + "h",
]  # fmt: skip


@pytest.mark.parametrize("text", ABSURD)
@pytest.mark.parametrize("reader", READERS)
def test_absurd_times_stay_finite(reader: str, text: str) -> None:
    for headers in ({"retry-after": text}, {"retry-after-ms": text}, {"x-ratelimit-reset": text}):
        found = READERS[reader](429, {**DATE, **headers}, {"message": "m"}).retry_after
        assert found is None or 0 <= found <= LONGEST
    for fields in ({"resets_in_seconds": text}, {"message": f"try again in {text}"}):
        found = READERS[reader](429, DATE, fields).retry_after
        assert found is None or 0 <= found <= LONGEST


@pytest.mark.parametrize("value", [1e300, -1e300, 10**400, -(10**400), True, None, [], {}, 1e20])
def test_absurd_numbers_stay_finite(value: Any) -> None:
    found = seconds_until(value, NOW)
    assert found is None or 0 <= found <= LONGEST


def test_an_error_holds_no_absurd_delay() -> None:
    for given_, expected in [(1e300, LONGEST), (float("inf"), LONGEST), (-3.0, 0.0), (2.5, 2.5)]:
        assert RateLimitedError("m", retry_after=given_).retry_after == expected
    assert RateLimitedError("m", retry_after=float("nan")).retry_after is None


def test_a_passing_header_does_not_make_missing_credit_pass() -> None:
    fields = {"code": "insufficient_quota", "message": NO_MONEY}
    for reader in READERS.values():
        error = reader(429, {"retry-after": "2"}, fields)
        assert (error.code, error.retry_after) == ("insufficient_quota", None)
        assert reader(429, {"retry-after": "86400"}, fields).retry_after == DAY


def test_exhausted_quota_differs_from_refused_key() -> None:
    spent = {
        "type": "access_terminated_error",
        "message": "You've reached your weekly usage limit.",
    }
    unpaid = {"code": "insufficient_user_quota", "message": "top up"}
    for name in ("openai", "responses", "anthropic"):
        assert isinstance(READERS[name](403, {}, spent), QuotaExhaustedError)
        error = READERS[name](403, {}, unpaid)
        assert isinstance(error, QuotaExhaustedError)
        assert error.code == "insufficient_quota"
        assert isinstance(READERS[name](403, {}, {"message": "no"}), UpstreamCredentialError)
    low = {"type": "invalid_request_error", "message": "Your credit balance is too low"}
    assert READERS["anthropic"](400, {}, low).code == "insufficient_quota"


def test_limits_not_reached_give_no_delay() -> None:
    headers = {"x-ratelimit-reset-requests": "6m0s", "anthropic-ratelimit-unified-reset": "9e9"}
    for reader in READERS.values():
        error = reader(500, headers, {"message": "broken"})
        assert isinstance(error, UpstreamError)
        assert error.retry_after is None


def test_midnight_is_that_of_the_zone() -> None:
    zone = zone_of("-08:00")
    assert zone is not None
    assert next_midnight(NOW, zone) == MIDNIGHT_IN_CALIFORNIA
    assert next_midnight(NOW + MIDNIGHT_IN_CALIFORNIA, zone) == DAY


def test_a_platform_without_zones_uses_the_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    real = rate_limits.zone_of
    monkeypatch.setattr(rate_limits, "zone_of", lambda n: None if "/" in n else real(n))
    found = read_limit(429, {}, {"error": google(PER_DAY)}, clock=NOW)
    assert found.retry_after == MIDNIGHT_IN_CALIFORNIA


def test_the_table_can_be_another_one() -> None:
    own = parse_table(
        """
        [[source]]
        text = '(?i)sleeps (?P<time><duration>)'
        [quota]
        codes = ["tired"]
        [billing]
        codes = []
        """
    )
    found = read_limit(
        429, {}, {"error": {"code": "TIRED", "message": "It sleeps 2 hours"}}, table=own
    )
    assert found == Limit("quota", 7200.0)


PIECES = ["again ", "in ", "1 ", "hour ", "and ", "reset ", "at ", "2026-", "12:00 ", "after ", "{"]


@given(st.text(max_size=300) | st.lists(st.sampled_from(PIECES), max_size=400).map("".join))
def test_any_text_is_read(text: str) -> None:
    found = read_limit(429, {"retry-after": text[:50]}, {"error": {"message": text}})
    assert found.retry_after is None or 0 <= found.retry_after <= LONGEST


@pytest.mark.parametrize(
    "text", ["1 " * 2000, "again " * 700, "1h" * 2000, "a " * 2000, "resets " * 500, "12:" * 1300]
)
def test_long_texts_are_read_fast(text: str) -> None:
    began = time.process_time()
    read_limit(429, {}, {"error": {"message": text}})
    assert time.process_time() - began < 2


@given(st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["error", "message", "details", "headers", "resets_at", "code", "type",
                         "retryDelay", "metadata", "quotaId", "violations", "retry_after"]),
        inner, max_size=4),
    max_leaves=20,
))  # fmt: skip
def test_any_body_is_read(body: Any) -> None:
    found = read_limit(429, {}, body)
    assert found.retry_after is None or 0 <= found.retry_after <= LONGEST
