"""Thinking in ``<think>`` tags at the beginning of a text is thinking, however it is cut."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.events import Event, Finish, TextDelta, ThinkingDelta, ToolCallStart
from antigravity.ir.request import Request
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT
from antigravity.protocols.openai_chat.think_tags import ThinkTagSplitter
from antigravity.sse import ServerSentEvent

REQUEST = Request("m", (), "anthropic")
TAGGED = Target("m", Capabilities(), frozenset({"think_tags"}))
CALL = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}

#: Words that are likely to be taken for a tag by mistake.
WORDS = st.sampled_from(["<think>", "</think>", "<", "</", "th", "ink>", "a", "b", " ", "\n"])


def split(pieces: Iterable[str]) -> tuple[str, str]:
    """Return the thinking and the text in the pieces of a response."""
    splitter = ThinkTagSplitter()
    found = [each for piece in pieces for each in splitter.feed(piece)] + splitter.end()
    assert all(text for _, text in found)
    assert [kind for kind, _ in found] == sorted((kind for kind, _ in found), reverse=True)
    thinking, text = (
        "".join(text for kind, text in found if kind is each) for each in (True, False)
    )
    return thinking, text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>hm</think>so", ("hm", "so")),
        ("\n <think>\nhm\n\nthen</think>\n\nso\n", ("hm\n\nthen", "so\n")),
        ("<think>\n\n</think>\n\nso", ("", "so")),
        ("<think>hm", ("hm", "")),
        ("<think>hm</thi", ("hm</thi", "")),
        ("<think>hm</think>", ("hm", "")),
        ("<think>a<think>b</think>c</think>", ("a<think>b", "c</think>")),
        ("so <think>hm</think>", ("", "so <think>hm</think>")),
        ("hm</think>so", ("", "hm</think>so")),
        ("  <thin", ("", "  <thin")),
        ("<thinking>hm", ("", "<thinking>hm")),
        (" " * 100 + "<think>hm", ("", " " * 100 + "<think>hm")),
    ],
)
def test_first_block_is_thinking(text: str, expected: tuple[str, str]) -> None:
    assert split([text]) == expected
    assert split(text) == expected


@given(st.lists(WORDS, max_size=20), st.data())
def test_cuts_make_no_difference(words: list[str], data: st.DataObject) -> None:
    text = "<think>" * data.draw(st.integers(0, 1)) + "".join(words)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert split(pieces) == split([text])


@given(st.text("<>/think a\n", max_size=40), st.text("<>/think a\n", max_size=40))
def test_nothing_else_is_changed(thinking: str, text: str) -> None:
    if "</think>" not in f"{thinking}</think"[:-1]:
        whole = f"<think>{thinking}</think>{text}"
        inside, _, behind = whole.removeprefix("<think>").partition("</think>")
        assert split([whole]) == (inside.strip(), behind.lstrip())


def test_white_space_in_thinking_is_not_held_without_end() -> None:
    splitter = ThinkTagSplitter()
    splitter.feed("<think>a")
    found = [piece for _ in range(1000) for piece in splitter.feed(" ")]
    assert len("".join(text for _, text in found)) > 900


def decode(*deltas: dict[str, Any], target: Target = TAGGED, done: bool = True) -> Sequence[Event]:
    decoder = OPENAI_CHAT_CLIENT.decoder(REQUEST, target)
    chunks: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": each}]} for each in deltas]
    if done:
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events = [ServerSentEvent("", json.dumps(chunk).encode()) for chunk in chunks]
    found = [event for each in events for event in decoder.decode(each)]
    return [*found, *decoder.close()][1:]


def texts(*values: str) -> list[dict[str, Any]]:
    return [{"content": value} for value in values]


def test_thinking_of_a_stream_is_thinking() -> None:
    found = decode(*texts("<th", "ink>\nh", "m</thi", "nk>\n", "\nso"))
    assert found == [
        ThinkingDelta("h"),
        ThinkingDelta("m"),
        TextDelta("so"),
        Finish("stop", native="stop"),
    ]


def test_whole_response_is_split() -> None:
    decoder = OPENAI_CHAT_CLIENT.decoder(REQUEST, TAGGED)
    message = {"role": "assistant", "content": "<think>hm</think>\n\nso"}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    found = [*decoder.decode(ServerSentEvent("", json.dumps(body).encode())), *decoder.close()]
    assert found[1:3] == [ThinkingDelta("hm"), TextDelta("so")]


def test_call_ends_what_is_held() -> None:
    found = decode(*texts("<think>hm </"), {"tool_calls": [CALL]})
    assert found[:2] == [ThinkingDelta("hm"), ThinkingDelta(" </")]
    assert isinstance(found[2], ToolCallStart)
    assert decode(*texts(" <th"), {"tool_calls": [CALL]})[0] == TextDelta(" <th")


def test_text_of_a_server_with_a_parser_is_text() -> None:
    found = decode({"reasoning_content": "hm"}, *texts("<think>a</think>"))
    assert found[:2] == [ThinkingDelta("hm"), TextDelta("<think>a</think>")]


def test_text_stays_text_without_the_quirk() -> None:
    found = decode(*texts("<think>hm</think>so"), target=Target("m"))
    assert found[0] == TextDelta("<think>hm</think>so")


def test_rest_of_a_short_response_is_sent() -> None:
    assert decode(*texts("<thin"))[0] == TextDelta("<thin")
