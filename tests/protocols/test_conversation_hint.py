"""The key of a conversation is read from raw members, and is that of the decoded request."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from antigravity.ir.errors import InvalidRequestError
from antigravity.protocols.conversation_hint import conversation_key
from antigravity.protocols.member_scan import members
from tests.support.conversation_keys import session_from_request
from tests.support.protocols import SERVERS, call_of, decode

ID = "0123abcd-aaaa-bbbb-cccc-0123456789ab"
#: For each protocol: a body with a first text, and the turns that follow it.
BODIES: dict[str, tuple[dict[str, Any], str, list[Any]]] = {
    "openai_chat": (
        {"model": "m", "messages": [{"role": "system", "content": "Be brief."}]},
        "messages",
        [{"role": "assistant", "content": "Yes."}, {"role": "user", "content": "More."}],
    ),
    "anthropic": (
        {"model": "m", "max_tokens": 5, "system": "Be brief.", "messages": []},
        "messages",
        [{"role": "assistant", "content": "Yes."}, {"role": "user", "content": "More."}],
    ),
    "openai_responses": (
        {"model": "m", "instructions": "Be brief.", "input": []},
        "input",
        [
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "1"},
        ],
    ),
    "gemini": (
        {"systemInstruction": {"parts": [{"text": "Be brief."}]}, "contents": []},
        "contents",
        [
            {"role": "model", "parts": [{"text": "Yes."}]},
            {"role": "user", "parts": [{"text": "More."}]},
        ],
    ),
}
NAMES = sorted(BODIES)
CONVERSATIONS = [*NAMES, "openai_completions"]


def user_turn(protocol: str, *texts: str) -> dict[str, Any]:
    if protocol == "gemini":
        return {"role": "user", "parts": [{"text": text} for text in texts]}
    kind = "input_text" if protocol == "openai_responses" else "text"
    return {"role": "user", "content": [{"type": kind, "text": text} for text in texts]}


def body_of(protocol: str, *texts: str, turns: int = 0, **fields: Any) -> dict[str, Any]:
    body, name, later = copy.deepcopy(BODIES[protocol])
    body[name] += [user_turn(protocol, *texts), *later[:turns]]
    return body | fields


def hint_of(protocol: str, body: object) -> str | None:
    conversation_hint = SERVERS[protocol].traits.conversation_hint
    found: str | None = conversation_hint(call_of(protocol, body))
    return found


def test_every_protocol_of_conversations_has_one() -> None:
    for server in SERVERS.values():
        assert server.traits.is_conversation
        assert server.traits.conversation_hint is not None


@pytest.mark.parametrize("protocol", NAMES)
def test_key_is_that_of_the_decoded_request(protocol: str) -> None:
    for body in (body_of(protocol, "Fix it."), body_of(protocol, "Fix", "it.", turns=2)):
        assert hint_of(protocol, body) == session_from_request(decode(protocol, body))


@pytest.mark.parametrize(
    "path",
    sorted(Path(__file__).parent.glob("*/*record*.jsonl")),
    ids=lambda path: path.parent.name,
)
def test_key_of_a_recorded_request_is_that_of_the_decoded_one(path: Path) -> None:
    protocol = path.parent.name
    for line in path.read_text("utf-8").splitlines():
        body = json.loads(line)["body"]
        try:
            request = decode(protocol, body)
        except InvalidRequestError:  # a shortened recording
            continue
        assert hint_of(protocol, body) == session_from_request(request)


@pytest.mark.parametrize("protocol", NAMES)
def test_key_stays_the_same_while_the_history_grows(protocol: str) -> None:
    keys = {hint_of(protocol, body_of(protocol, "Fix it.", turns=turns)) for turns in range(3)}
    assert len(keys) == 1
    assert keys != {hint_of(protocol, body_of(protocol, "Fix that."))}


@pytest.mark.parametrize("protocol", NAMES)
@given(first=st.text(min_size=1), second=st.text(min_size=1))
def test_keys_differ_where_the_first_texts_do(protocol: str, first: str, second: str) -> None:
    one, two = (hint_of(protocol, body_of(protocol, text)) for text in (first, second))
    if first.strip() and second.strip():
        assert (one == two) == (first.strip() == second.strip())


@pytest.mark.parametrize("protocol", NAMES)
def test_reminders_before_the_text_do_not_count(protocol: str) -> None:
    reminder = "<system-reminder>Today is Friday.</system-reminder>"
    assert hint_of(protocol, body_of(protocol, reminder, "Fix it.")) == hint_of(
        protocol, body_of(protocol, "Fix it.")
    )


@pytest.mark.parametrize(
    ("protocol", "fields"),
    [
        ("anthropic", {"metadata": {"user_id": json.dumps({"session_id": ID})}}),
        ("anthropic", {"metadata": {"user_id": f"user_abc_account__session_{ID}"}}),
        ("openai_chat", {"user": f"user_abc_account__session_{ID}"}),
        ("openai_chat", {"safety_identifier": f"user_abc_account__session_{ID}"}),
        ("openai_chat", {"prompt_cache_key": ID}),
        ("openai_chat", {"metadata": {"thread_id": ID}}),
        ("openai_chat", {"session_id": ID}),
        ("openai_responses", {"client_metadata": {"session_id": ID, "turn_id": "t"}}),
        ("openai_responses", {"prompt_cache_key": ID}),
        ("gemini", {"sessionId": ID}),
    ],
)
def test_client_ids_precede_text_keys(protocol: str, fields: dict[str, Any]) -> None:
    body = body_of(protocol, "Fix it.", **fields)
    assert hint_of(protocol, body) == session_from_request(decode(protocol, body)) == f"named:{ID}"


@pytest.mark.parametrize(
    ("protocol", "fields"),
    [
        ("anthropic", {"metadata": {"user_id": "somebody"}}),
        ("openai_chat", {"user": "somebody"}),
        ("openai_chat", {"safety_identifier": "somebody"}),
        ("openai_responses", {"user": "somebody"}),
    ],
)
def test_users_with_the_same_text_have_other_keys(protocol: str, fields: dict[str, Any]) -> None:
    body = body_of(protocol, "Fix it.", **fields)
    found = hint_of(protocol, body)
    assert found == session_from_request(decode(protocol, body))
    assert found != hint_of(protocol, body_of(protocol, "Fix it."))


@pytest.mark.parametrize(
    ("protocol", "one", "two"),
    [
        ("openai_responses", {"input": "Fix it."}, body_of("openai_responses", "Fix it.")),
        ("gemini", {"contents": "Fix it."}, body_of("gemini", "Fix it.")),
        ("gemini", {"contents": {"parts": "Fix it."}}, body_of("gemini", "Fix it.")),
        ("gemini", {"contents": ["Fix it."]}, body_of("gemini", "Fix it.")),
        (
            "gemini",
            {"generateContentRequest": body_of("gemini", "Fix it.")},
            body_of("gemini", "Fix it."),
        ),
        ("openai_completions", {"prompt": "Fix it."}, {"prompt": ["Fix it.", "And that."]}),
        (
            "anthropic",
            {"messages": [{"role": "user", "content": "Fix it."}]},
            body_of("anthropic", "Fix it."),
        ),
    ],
)
def test_short_forms_have_the_same_key(protocol: str, one: Any, two: Any) -> None:
    assert hint_of(protocol, {"model": "m", **one}) == hint_of(protocol, two)


def test_turns_without_text_are_looked_past() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A"}}
    plain = {"role": "user", "content": [image]}
    cached = {"role": "user", "content": [{**image, "cache_control": {"type": "ephemeral"}}]}
    other = {"role": "user", "content": [{**image, "source": {"type": "url", "url": "u"}}]}

    def of(*turns: Any) -> str | None:
        return hint_of("anthropic", {"model": "m", "messages": turns})

    assert of(plain) != of(other)
    assert of(plain, user_turn("anthropic", "Look.")) == of(user_turn("anthropic", "Look."))
    assert of(cached).__class__ is str
    marked = {"role": "user", "content": [{**image, "cache_control": {"type": "other"}}]}
    assert of(cached) == of(marked)


@pytest.mark.parametrize("turns", [None, 1, {}, [1], [[]], [{"role": 1}], [{"role": "user"}], "x"])
@pytest.mark.parametrize("protocol", CONVERSATIONS)
def test_malformed_turns_raise_nothing(protocol: str, turns: Any) -> None:
    for name in ("messages", "input", "contents", "prompt"):
        hint_of(protocol, {"model": "m", name: turns, "metadata": 1, "user": []})


def test_deep_nesting_raises_nothing() -> None:
    deep = b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    found = members(deep)
    assert conversation_key(found, found.get("messages")) is None


def test_members_are_scanned_once() -> None:
    call = call_of("openai_chat", body_of("openai_chat", "Fix it."))
    SERVERS["openai_chat"].peek(call)
    scanned = dict(call.memo)
    SERVERS["openai_chat"].traits.conversation_hint(call)
    assert call.memo == scanned
    assert SERVERS["openai_chat"].traits.conversation_hint(replace(call, memo={})) is not None
