"""Requests of one conversation get the same key, and no other request does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.accounts.sessions import session_from_headers, session_key
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Media, Text
from antigravity.ir.request import Message, Request
from tests.support.conversation_keys import session_from_request

ID = "01a1fb42-2071-70f1-80a1-d3b138e7fe29"


def request(*texts: str, **fields: Any) -> Request:
    parts = tuple(Text(text) for text in texts or ("hello",))
    fields.setdefault("messages", (Message("user", parts),))
    return Request(model="m", protocol="p", **fields)


@pytest.mark.parametrize(
    "name", ["x-claude-code-session-id", "session_id", "session-id", "thread-id", "x-session-id"]
)
def test_headers_name_the_conversation(name: str) -> None:
    found = session_from_headers({"user-agent": "x", name: f" {ID} "})
    assert found is not None
    assert ID in found
    assert found == session_from_headers({name: ID})


def test_headers_without_session() -> None:
    assert session_from_headers({"x-session-id": " ", "x-request-id": ID}) is None


def test_most_specific_header_counts() -> None:
    headers = {"x-session-id": "second", "x-claude-code-session-id": "first"}
    assert session_from_headers(headers) == session_from_headers({"x-session-id": "first"})


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": {"user_id": json.dumps({"device_id": "d", "session_id": ID})}},
        {"metadata": {"user_id": f"user_abc_account__session_{ID}"}},
        {"user": f"user_abc_account__session_{ID}"},
        {"prompt_cache_key": ID},
        {"extensions": {"client_metadata": {"session_id": ID, "turn_id": "t"}}},
        {"extensions": {"session_id": ID}},
        {"metadata": {"thread_id": ID}},
    ],
)
def test_bodies_name_the_conversation(fields: dict[str, Any]) -> None:
    found = session_from_request(request("one", **fields))
    assert found == session_from_request(request("two", **fields)) == f"named:{ID}"


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": {"user_id": "somebody"}, "user": "somebody"},
        {"metadata": {"user_id": "{broken"}},
        {"metadata": {"user_id": '{"session_id": 5}'}},
        {"metadata": {"user_id": 5, "session_id": ""}},
        {"extensions": {"client_metadata": "text"}},
        {},
    ],
)
def test_first_text_distinguishes_conversations(fields: dict[str, Any]) -> None:
    first = session_from_request(request("one", **fields))
    assert first == session_from_request(request("one", **fields))
    assert first != session_from_request(request("two", **fields))


def test_users_with_same_first_text_are_distinguished() -> None:
    assert session_from_request(request("hi", user="a")) != session_from_request(
        request("hi", user="b")
    )


def test_only_text_of_the_user_counts() -> None:
    plain = session_from_request(request("fix it"))
    assert plain == session_from_request(
        request("<system-reminder>\nToday is Friday.\n</system-reminder>", "fix it")
    )
    assert plain == session_from_request(
        request("<system-reminder>a</system-reminder>\nfix it<system-reminder>open")
    )
    longer = (
        Message("system", (Text("be nice"),)),
        Message("user", (Text("fix it"),)),
        Message("assistant", (Text("done"),)),
        Message("user", (Text("thanks"),)),
    )
    assert plain == session_from_request(request(messages=longer))


def test_image_can_be_the_first_content() -> None:
    def of(data: str) -> str:
        picture = Media("image", InlineData(data), "image/png")
        return session_from_request(request(messages=(Message("user", (picture,)),)))

    assert of("AAAA") == of("AAAA")
    assert of("AAAA") != of("BBBB")
    assert session_from_request(request(messages=()))


@given(st.text(), st.text(), st.text(), st.text())
def test_users_never_share_a_key(one: str, two: str, first: str, second: str) -> None:
    same = session_key(one, first) == session_key(two, second)
    assert same == ((one, first) == (two, second))


@given(st.text(max_size=200))
def test_any_text_has_a_key(text: str) -> None:
    assert len(session_key("principal", session_from_request(request(text, user=text)))) == 32
