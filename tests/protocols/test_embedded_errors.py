"""An error is told from an answer by its body alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir import errors
from antigravity.protocols.anthropic.errors import decode_error as anthropic_error
from antigravity.protocols.embedded_errors import LARGEST, error_in, error_in_event
from antigravity.protocols.gemini.client_errors import decode_error as gemini_error
from antigravity.protocols.openai_errors import decode_error as chat_error
from antigravity.protocols.openai_responses.client_reply import decode_error as responses_error

TOO_LONG = "This exceeds the context window"
NAMES = ("error", "errors", "code", "status", "message", "msg", "detail", "type", "base_resp")
READERS = [anthropic_error, gemini_error, chat_error, responses_error]

TOLD: list[tuple[Any, type[errors.GatewayError], str]] = [
    ({"error": {"message": "m", "type": "rate_limit_error"}}, errors.RateLimitedError, "m"),
    ({"error": "too many requests"}, errors.RateLimitedError, "too many requests"),
    ({"error": {"error": {"message": "m", "code": 429}}}, errors.RateLimitedError, "m"),
    ([{"error": {"code": 429, "message": "m"}}], errors.RateLimitedError, "m"),
    ({"code": "Throttling.RateQuota", "message": "m"}, errors.RateLimitedError, "m"),
    ({"code": "1302", "msg": "m", "success": False}, errors.RateLimitedError, "m"),
    ({"base_resp": {"status_code": 1002, "status_msg": "m"}}, errors.RateLimitedError, "m"),
    ({"errors": [{"message": "m", "code": 42900}]}, errors.RateLimitedError, "m"),
    ({"error": {"message": "m", "code": 401}}, errors.UpstreamCredentialError, "credential"),
    ({"code": "InvalidApiKey", "message": "m"}, errors.UpstreamCredentialError, "credential"),
    ({"detail": "Not authenticated"}, errors.UpstreamCredentialError, "credential"),
    ({"detail": "Not Found"}, errors.NotFoundError, "Not Found"),
    ({"code": 500, "msg": "404 NOT_FOUND", "success": False}, errors.NotFoundError, "404"),
    ({"error": {"message": "m", "type": "overloaded_error"}}, errors.OverloadedError, "m"),
    ({"status": 503, "title": "m"}, errors.OverloadedError, "m"),
    ({"message": "The engine is overloaded"}, errors.OverloadedError, "overloaded"),
    ({"error": {"message": "m", "code": 504}}, errors.DeadlineError, "m"),
    ({"detail": [{"msg": "m"}]}, errors.InvalidRequestError, "m"),
    ({"object": "error", "message": "m", "code": 40303}, errors.UpstreamCredentialError, "cred"),
    (
        {"object": "error", "message": "m", "type": "BadRequestError"},
        errors.InvalidRequestError,
        "m",
    ),
    ({"error": {"message": TOO_LONG, "code": 400}}, errors.ContextLengthError, "context"),
    ({"error": True, "message": "m"}, errors.UpstreamError, "m"),
    ({"status": "error", "message": "m"}, errors.UpstreamError, "m"),
    ({"success": False, "errorMessage": "m"}, errors.UpstreamError, "m"),
    ({"error": {"type": "api_error", "message": "m"}}, errors.UpstreamError, "m"),
]

NONE: list[Any] = [
    {},
    [],
    "error",
    None,
    {"error": None, "object": "response", "status": "completed", "output": []},
    {"error": {}, "choices": [{"message": {"content": "x"}}]},
    {"error": {"message": "", "code": None}, "choices": []},
    {"code": 0, "message": "success", "data": {"x": 1}},
    {"code": 200, "msg": "ok"},
    {"base_resp": {"status_code": 0, "status_msg": "success"}, "choices": None},
    {"type": "ping"},
    {"type": "message_stop"},
    {"type": "response.created", "response": {"error": None}},
    {"id": "x", "object": "chat.completion.chunk", "choices": [], "model": "m"},
    {"candidates": [{"finishReason": "STOP"}], "usageMetadata": {}},
    {"type": "message", "content": [], "stop_reason": "end_turn", "usage": {"input_tokens": 1}},
    {"choices": [{"delta": {"content": "the error: code 500, message"}}]},
    {"text": "", "usage": {"type": "duration"}},
    {"created": 1, "data": []},
]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("body", "kind", "words"), TOLD)
def test_embedded_errors_have_class_of_the_matching_status(
    reader: Any, body: Any, kind: type[errors.GatewayError], words: str
) -> None:
    error = error_in(json.dumps(body).encode(), reader)
    assert error is not None
    assert isinstance(error, kind), (type(error), vars(error))
    assert words in error.message


@pytest.mark.parametrize("body", NONE)
def test_responses_are_not_errors(body: Any) -> None:
    data = json.dumps(body).encode()
    assert error_in(data, chat_error) is None
    assert error_in_event("", data, chat_error) is None


@pytest.mark.parametrize("reader", READERS)
def test_retry_delay_is_read_from_embedded_error_message(reader: Any) -> None:
    body = {"error": {"message": "Please try again in 20s.", "type": "rate_limit_error"}}
    error = error_in(json.dumps(body).encode(), reader)
    assert error is not None
    assert error.retry_after == 20


def test_event_named_error_is_an_error() -> None:
    error = error_in_event("error", b"The server is overloaded", chat_error)
    assert isinstance(error, errors.OverloadedError)
    assert "overloaded" in error.message
    assert isinstance(error_in_event("error", b"{}", chat_error), errors.UpstreamError)


def test_large_bodies_are_not_searched_for_errors() -> None:
    body = json.dumps({"error": {"message": "x" * LARGEST}}).encode()
    assert error_in(body, chat_error) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(
                    (
                        "error",
                        "errors",
                        "code",
                        "status",
                        "message",
                        "msg",
                        "detail",
                        "type",
                        "base_resp",
                    )
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    )
)
def test_bodies_of_any_shape_do_not_raise(body: Any) -> None:
    for reader in READERS:
        error = error_in(json.dumps(body).encode(), reader)
        assert error is None or error.message


@pytest.mark.parametrize("member", [{"error": "m"}, {"errors": ["m"]}, {"error": {"message": "m"}}])
def test_error_besides_content_is_an_error(member: dict[str, Any]) -> None:
    found = error_in(json.dumps({"choices": [{}], **member}).encode(), chat_error)
    assert found is not None
    assert found.message.endswith("m")


@pytest.mark.parametrize("empty", [b"[]", b"[ ]", b"{}", b'""', b"null", b"0"])
def test_message_besides_empty_content_is_an_error(empty: bytes) -> None:
    body = b'{"choices":%b,"code":"429","message":"m"}' % empty
    assert isinstance(error_in(body, chat_error), errors.RateLimitedError)
    filled = b'{"choices":[{}],"error":null,"code":"429","message":"m"}'
    assert error_in(filled, chat_error) is None
