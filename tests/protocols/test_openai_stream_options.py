"""The gateway asks for the usage of streams on behalf of clients that do not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from antigravity.protocols.openai_stream_options import REQUESTED_USAGE
from tests.support.protocols import call_of

USER = [{"role": "user", "content": 'Say "stream_options": {}'}]
ASKING = ({"include_usage": True}, {"include_usage": True, "include_obfuscation": False})
NOT_ASKING = (
    None,
    {},
    {"include_usage": False},
    {"include_usage": None},
    {"include_obfuscation": False},
    {"include_usage": False, "include_obfuscation": True},
)


def can_request(**members: Any) -> bool:
    return REQUESTED_USAGE.can_request(call_of("openai_chat", {"model": "m", **members}))


def request(body: bytes) -> bytes:
    return REQUESTED_USAGE.request(replace(call_of("openai_chat", {}), body=body), body)


def test_only_clients_that_do_not_ask_are_asked_for() -> None:
    assert can_request(messages=USER)
    assert all(can_request(stream_options=each) for each in NOT_ASKING)
    assert not any(can_request(stream_options=each) for each in ASKING)


@pytest.mark.parametrize("invalid", ["yes", 1, [], True])
def test_invalid_field_is_left_to_the_upstream(invalid: object) -> None:
    assert not can_request(stream_options=invalid)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Draw a body in which the field is missing, or is anywhere in it."""
    members = [("model", "m"), ("messages", USER), ("stream", True), ("stream_options ", 1)]
    if draw(st.booleans()):
        members.append(("stream_options", draw(st.sampled_from(NOT_ASKING))))
    space = draw(st.sampled_from(("", " ", "\n  ")))
    pairs = [
        f"{space}{json.dumps(name)}:{space}{json.dumps(value)}{space}"
        for name, value in draw(st.permutations(members))
    ]
    return f"{space}{{{','.join(pairs)}}}{space}".encode()


@given(bodies())
def test_body_asks_and_is_otherwise_the_same(body: bytes) -> None:
    before, after = json.loads(body), json.loads(request(body))
    options = before.pop("stream_options", None) or {}
    assert after.pop("stream_options") == {**options, "include_usage": True}
    assert after == before


def test_nothing_else_of_the_text_changes() -> None:
    body = b'{ "model": "m", "top_p": 0.10, "stream_options": {"include_obfuscation":false} }'
    assert request(body) == (
        b'{ "model": "m", "top_p": 0.10, '
        b'"stream_options": {"include_obfuscation":false,"include_usage":true} }'
    )
    assert request(b' {"top_p": 0.10}') == (
        b'{"stream_options":{"include_usage":true},"top_p": 0.10}'
    )


def test_last_of_several_fields_counts() -> None:
    body = b'{"stream_options":{"include_usage":false},"stream_options":null,"model":"m"}'
    asked = json.loads(request(body))
    assert asked == {"stream_options": {"include_usage": True}, "model": "m"}
