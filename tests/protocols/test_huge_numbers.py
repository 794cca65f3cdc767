"""Numbers of thousands of digits are refused or left out wherever digits are read."""

from __future__ import annotations

import json

import pytest

from antigravity.ir.call import Call, Route
from antigravity.ir.errors import InvalidRequestError, RateLimitedError
from antigravity.mcp.client.event_reader import _Decoder
from antigravity.protocols.anthropic.server_reply import encode_models
from antigravity.protocols.gemini.json_schema.refs import References
from antigravity.protocols.gemini_schemas import from_gemini
from antigravity.protocols.imagen.server import _ratio
from antigravity.protocols.openai_errors import decode_error
from antigravity.protocols.openai_responses.stored import _limit

HUGE = "9" * 5000


def test_an_errors_code_may_have_any_length() -> None:
    body = json.dumps({"error": {"message": "m", "code": HUGE}}).encode()
    assert isinstance(decode_error(429, {}, body), RateLimitedError)


def test_a_limit_in_a_query_may_have_any_length() -> None:
    route = Route("GET", "/v1/responses/{id}/input_items", "stored")
    with pytest.raises(InvalidRequestError):
        _limit(Call(route, {}, {"limit": HUGE}, {}, b""))
    route = Route("GET", "/v1/models", "list_models")
    with pytest.raises(InvalidRequestError):
        encode_models((), Call(route, {}, {"limit": HUGE}, {}, b""))


def test_a_ratio_of_any_length_is_refused() -> None:
    for text in (f"{HUGE}:1", f"1:{HUGE}"):
        with pytest.raises(InvalidRequestError):
            _ratio(text)


def test_schemas_may_hold_any_digits() -> None:
    assert from_gemini({"type": "STRING", "minLength": HUGE})["minLength"] == HUGE
    assert References({"items": [{}]}).resolve(f"#/items/{HUGE}", ()) is None


def test_huge_sse_retry_field_is_ignored() -> None:
    decoder = _Decoder()
    list(decoder.feed(f"retry: {HUGE}\ndata: x\n\n".encode()))
    assert decoder.retry is None
