"""Events that repeat an earlier one with another text."""

from __future__ import annotations

import pytest

from antigravity.exchange.streams.bounds import ITEM_LIMIT
from antigravity.exchange.streams.repeated_delta import RepeatedDelta, repeated_delta


def event(text: str, end: str = "\n", **more: str) -> bytes:
    others = "".join(f',"{name}":"{value}"' for name, value in more.items())
    data = f'{{"choices":[{{"delta":{{"content":"{text}"{others}}},"finish_reason":null}}]}}'
    return f"data: {data}{end}{end}".encode()


def repeated(end: str = "\n") -> RepeatedDelta:
    found = repeated_delta(event("Hi", end))
    assert found is not None
    return found


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "texts", [("",), ("Hi",), ("one", "two", ""), ("Bär", "한", "😀"), (":{,}",)]
)
def test_other_texts_match(texts: tuple[str, ...], end: str) -> None:
    assert repeated(end).matches("".join(event(text, end).decode() for text in texts).encode())


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "text",
    [
        '\\"',
        "\\n",
        "\\ud83d",
        'x"},"error":{"message":"',
        "a\nb",
        "a\rb",
        "\n\ndata: {}\n\n",
        "error",
        "errors",
    ],
)
def test_texts_that_need_a_look_do_not_match(text: str, end: str) -> None:
    assert not repeated(end).matches(event(text, end))
    assert not repeated(end).matches(event("a", end) + event(text, end) + event("b", end))


def test_text_that_is_no_utf_8_does_not_match() -> None:
    for odd in (b"\xff", b"\xed\xa0\xbd", "é".encode()[:1]):
        assert not repeated().matches(event("@").replace(b"@", odd))


def test_other_members_do_not_match() -> None:
    assert not repeated().matches(event("Hi", role="assistant"))
    assert not repeated().matches(event("Hi").replace(b"null", b'"stop"'))
    assert not repeated().matches(event("Hi") + event("Hi", role="assistant") + event("Hi"))
    assert not repeated().matches(event("Hi") + b": a comment\n\n" + event("Hi"))


def test_parts_of_an_event_do_not_match() -> None:
    whole = event("Hi")
    for place in range(1, len(whole)):
        assert not repeated().matches(whole[:place])
        assert not repeated().matches(whole[place:])


def test_very_large_text_does_not_match() -> None:
    assert not repeated().matches(event("x" * ITEM_LIMIT))


@pytest.mark.parametrize(
    "other",
    [
        b'data: {"choices":[]}\n\n',
        event("\\n"),
        b'data: {"content":"a":1}\n\n',
        b'data: {"finish_reason":"stop"}\n\n',
    ],
)
def test_events_without_a_text_repeat_nothing(other: bytes) -> None:
    assert repeated_delta(other) is None
