"""Turns are found in the bodies of all protocols, and nothing in a body can break the page."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.dashboard.conversation import Part, Turn, read_turns
from antigravity.dashboard.payload_view import PayloadView
from antigravity.dashboard.renderer import render
from antigravity.interfaces.payloads import (
    NamedValue,
    PayloadMessage,
    ReplayRoute,
    RequestPayloads,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("messages", "role", "content", "parts", "type", "text", "tool_calls"),
                    *("function", "arguments", "name", "input", "output", "choices", "message"),
                    *("delta", "index", "candidates", "response", "request", "content_block"),
                    *("functionCall", "functionResponse", "thought", "system", "summary"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


def events(*values: Any) -> str:
    return "".join(f"data: {json.dumps(each)}\n\n" for each in values) + "data: [DONE]\n\n"


def said(body: Any) -> list[tuple[str, list[tuple[str, str, str]]]]:
    text = body if isinstance(body, str) else json.dumps(body)
    return [
        (turn.role, [(part.kind, part.title, part.text) for part in turn.parts])
        for turn in read_turns(text)
    ]


CALL = ("call", "look", '{\n  "at": 1\n}')
ARGUMENTS = '{"at": 1}'


def test_chat_completions() -> None:
    request = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "Hm",
                "tool_calls": [{"function": {"name": "look", "arguments": ARGUMENTS}}],
            },
            {"role": "tool", "content": "seen"},
        ]
    }
    assert said(request) == [
        ("system", [("text", "", "Be brief.")]),
        ("user", [("text", "", "Hi")]),
        ("assistant", [("thinking", "", "Hm"), CALL]),
        ("tool", [("result", "", "seen")]),
    ]
    response = {"choices": [{"message": {"role": "assistant", "content": "Yes"}}]}
    assert said(response) == [("assistant", [("text", "", "Yes")])]
    stream = events(
        {"choices": [{"delta": {"content": "Y"}}]},
        {"choices": [{"delta": {"content": "es"}}]},
        {
            "choices": [
                {
                    "delta": {
                        "tool_calls": [
                            {"index": 0, "function": {"name": "look", "arguments": '{"at"'}}
                        ]
                    }
                }
            ]
        },
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]}}]},
    )
    assert said(stream) == [("assistant", [("text", "", "Yes"), CALL])]


def test_anthropic() -> None:
    request = {
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {"role": "user", "content": "Hi"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm", "signature": "x"},
                    {"type": "tool_use", "name": "look", "input": {"at": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "content": [{"type": "text", "text": "seen"}]},
                    {"type": "image", "source": {"data": "[image/png, 3 bytes]"}},
                ],
            },
        ],
    }
    system, user, assistant, result = said(request)
    assert system == ("system", [("text", "", "Be brief.")])
    assert user == ("user", [("text", "", "Hi")])
    assert assistant == ("assistant", [("thinking", "", "Hm"), CALL])
    assert result[1][0] == ("result", "", "seen")
    assert result[1][1][0] == "media"
    response = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Y"}]}
    assert said(response) == [("assistant", [("text", "", "Y")])]
    stream = events(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking"}},
        {"type": "content_block_delta", "index": 0, "delta": {"thinking": "Hm"}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"text": "Yes"}},
        {
            "type": "content_block_start",
            "index": 2,
            "content_block": {"type": "tool_use", "name": "look", "input": {}},
        },
        {"type": "content_block_delta", "index": 2, "delta": {"partial_json": ARGUMENTS}},
    )
    assert said(stream) == [("assistant", [("thinking", "", "Hm"), ("text", "", "Yes"), CALL])]


def test_responses() -> None:
    items = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}]},
        {"type": "function_call", "name": "look", "arguments": ARGUMENTS},
        {"type": "function_call_output", "output": "seen"},
    ]
    expected = [
        ("system", [("text", "", "Be brief.")]),
        ("user", [("text", "", "Hi")]),
        ("assistant", [("thinking", "", "Hm")]),
        ("assistant", [CALL]),
        ("tool", [("result", "", "seen")]),
    ]
    assert said({"instructions": "Be brief.", "input": items}) == expected
    assert said({"input": "Hi"}) == [("user", [("text", "", "Hi")])]
    assert said({"output": items}) == expected[1:]
    whole = {"type": "response.completed", "response": {"output": items}}
    assert said(events({"type": "response.output_text.delta", "delta": "x"}, whole)) == expected[1:]
    partial = {"type": "response.output_text.delta", "output_index": 0, "delta": "Y"}
    assert said(events(partial, partial)) == [("assistant", [("text", "", "YY")])]


def test_gemini() -> None:
    contents = [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {"at": 1}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"a": 1}}}]},
    ]
    request = {"systemInstruction": {"parts": [{"text": "Be brief."}]}, "contents": contents}
    expected = [
        ("system", [("text", "", "Be brief.")]),
        ("user", [("text", "", "Hi")]),
        ("assistant", [CALL]),
        ("user", [("result", "look", '{\n  "a": 1\n}')]),
    ]
    assert said(request) == expected
    assert said({"project": "p", "request": request}) == expected
    piece = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Y"}]}}]}
    whole = [("assistant", [("text", "", "YY")])]
    assert said(events(piece, piece)) == whole
    assert said(events({"response": piece}, {"response": piece})) == whole
    assert said([piece, piece]) == whole


@pytest.mark.parametrize(
    "body", ["", "no JSON", "[]", "null", '"text"', "{}", '{"a": 1}', "data: "]
)
def test_what_is_no_conversation_has_no_turns(body: str) -> None:
    assert read_turns(body) == []


@given(VALUES)
def test_no_body_breaks_it(value: Any) -> None:
    for text in (json.dumps(value), events(value), events({"type": "content_block_delta"}, value)):
        for turn in read_turns(text):
            assert isinstance(turn, Turn)
            for part in turn.parts:
                assert isinstance(part, Part)
                assert isinstance(part.text, str)
                assert isinstance(part.title, str)


def message(direction: Any, body: str, **changes: Any) -> PayloadMessage:
    fields = {
        "direction": direction,
        "attempt": None,
        "method": "POST",
        "url": "http://other.example/v1/chat/completions?beta=true",
        "status": None,
        "headers": [NamedValue("content-type", "application/json"), NamedValue("x-it's", "a b")],
        "body": body,
        "size": len(body),
        "cut": 0,
        "media": 0,
        "dropped": False,
        **changes,
    }
    return PayloadMessage(**fields)


def view(*messages: PayloadMessage, no_replay: str = "") -> PayloadView:
    route = ReplayRoute("openai_chat", "POST", "/v1/chat/completions")
    return PayloadView(RequestPayloads("req_1", list(messages), route, no_replay), "http://g:1")


def test_difference_is_that_of_last_attempt() -> None:
    found = view(
        message("from_client", '{"model":"a","x":1}'),
        message("to_upstream", '{"model":"wrong"}', attempt=0),
        message("to_upstream", '{"model":"b","x":1}', attempt=1),
    ).diff
    assert [(line.sign, line.text.strip()) for line in found if line.sign in "+-"] == [
        ("-", '"model": "a",'),
        ("+", '"model": "b",'),
    ]
    assert view(message("from_client", "{}")).diff == []


def test_long_difference_is_cut() -> None:
    many = json.dumps(list(range(1000)))
    found = view(message("from_client", "[]"), message("to_upstream", many)).diff
    assert len(found) == 201
    assert found[-1].text == "…"


def test_curl_is_quoted_and_has_no_key() -> None:
    body = json.dumps({"text": "it's $(rm -rf /) `x` \\ \" \n"})
    headers = [
        NamedValue("host", "x"),
        NamedValue("anthropic-beta", "a'b"),
        NamedValue("x-token", "[redacted]"),
    ]
    words = shlex.split(view(message("from_client", body, headers=headers)).curl)
    assert words == [
        *("curl", "-X", "POST", "http://g:1/v1/chat/completions?beta=true"),
        *("-H", "anthropic-beta: a'b", "-H", "Authorization: Bearer YOUR_API_KEY"),
        *("--data-raw", body),
    ]
    assert view(message("from_client", body), no_replay="cut").curl == ""


def test_page_is_small_whatever_the_bodies() -> None:
    turn = {"role": "user", "content": "x" * 100_000}
    body = json.dumps({"messages": [turn] * 100})
    shown = view(message("from_client", body), message("to_upstream", body))
    (asked,) = shown.conversation
    assert (len(asked.turns), asked.hidden_turns) == (12, 88)
    assert sum(len(part.text) for each in asked.turns for part in each.parts) < 30_000
    assert asked.is_shortened
    assert len(asked.pretty) < 20_000
    assert not shown.is_curl_whole


SCRIPT = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


def test_everything_is_escaped() -> None:
    call = {"function": {"name": SCRIPT, "arguments": SCRIPT}}
    body = json.dumps({"messages": [{"role": SCRIPT, "content": SCRIPT, "tool_calls": [call]}]})
    headers = [NamedValue(SCRIPT, SCRIPT)]
    shown = view(
        message("from_client", body, url=SCRIPT, method=SCRIPT, headers=headers),
        message("to_upstream", body.replace("alert", "other"), headers=headers),
        message("to_client", SCRIPT),
    )

    class Named:
        model = id = csrf = SCRIPT

    for no_replay in ("", SCRIPT):
        shown.payloads = RequestPayloads(
            "req_1", shown.payloads.messages, shown.payloads.route, no_replay
        )
        page = render(
            "payloads.html",
            {
                "payloads": shown,
                "kept": "all",
                "replay": "/x",
                "session": Named,
                "request": Named,
            },
        )
        assert "<script" not in page
        assert "<img" not in page
        assert "&lt;script&gt;" in page
