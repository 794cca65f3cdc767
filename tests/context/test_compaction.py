"""Summaries in the place of a conversation's beginning, and their seal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.context.compaction import (
    divide_at_end,
    divide_by_size,
    instructions_of,
    open_summaries,
    storable,
)
from antigravity.context.sealed_summary import (
    KEY_SIZE,
    LONGEST,
    PREFIX,
    Summary,
    SummaryError,
    SummarySealer,
)
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Media, Opaque, Text, Thinking, ToolCall, ToolResult
from antigravity.ir.request import Message, Request
from antigravity.ir.signature import has_seals

SEALER = SummarySealer(lambda: b"k" * KEY_SIZE)
TEXTS = st.text(max_size=200)
MESSAGES = st.builds(
    lambda role, text, call: Message(role, (Text(text), ToolCall(call, "f", text))),
    st.sampled_from(["user", "assistant"]),
    TEXTS,
    TEXTS,
)
SUMMARIES = st.builds(
    Summary,
    TEXTS,
    TEXTS,
    st.integers(0, 2**40),
    st.lists(MESSAGES, max_size=3).map(tuple),
    st.booleans(),
)


@given(SUMMARIES)
def test_sealed_summary_is_opened(summary: Summary) -> None:
    sealed = SEALER.seal(summary)
    assert SEALER.open(sealed) == summary
    assert has_seals(b'{"encrypted_content":"%b"}' % sealed.encode())
    assert SEALER.seal(summary) != sealed, "equal summaries do not look equal"


@given(SUMMARIES, st.data())
def test_changed_summary_is_refused(summary: Summary, data: st.DataObject) -> None:
    sealed = SEALER.seal(summary)
    place = data.draw(st.integers(0, len(sealed) - 1))
    character = data.draw(st.characters().filter(lambda found: found != sealed[place]))
    with pytest.raises(SummaryError):
        SEALER.open(sealed[:place] + character + sealed[place + 1 :])


@given(SUMMARIES, st.data())
def test_shortened_summary_is_refused(summary: Summary, data: st.DataObject) -> None:
    sealed = SEALER.seal(summary)
    with pytest.raises(SummaryError):
        SEALER.open(sealed[: data.draw(st.integers(0, len(sealed) - 1))])


@given(TEXTS)
def test_other_text_is_refused(text: str) -> None:
    for each in (text, PREFIX + text):
        with pytest.raises(SummaryError):
            SEALER.open(each)


def test_summary_of_other_key_is_refused() -> None:
    sealed = SummarySealer(lambda: b"o" * KEY_SIZE).seal(Summary("text"))
    with pytest.raises(SummaryError, match="another gateway"):
        SEALER.open(sealed)


def test_size_is_bounded() -> None:
    with pytest.raises(SummaryError, match="bytes"):
        SEALER.seal(Summary("a" * LONGEST))
    with pytest.raises(SummaryError):
        SEALER.open(PREFIX + "A" * 3 * LONGEST)


def test_key_is_asked_for_once() -> None:
    asked: list[int] = []
    sealer = SummarySealer(lambda: bytes(KEY_SIZE) if not asked.append(1) else b"")
    sealer.open(sealer.seal(Summary("text")))
    assert asked == [1]


def user(text: str) -> Message:
    return Message("user", (Text(text),))


def assistant(*parts: Text | Thinking | ToolCall | Opaque) -> Message:
    return Message("assistant", parts)


def compacted(summary: Summary) -> Opaque:
    wire = {"type": "compaction", "encrypted_content": SEALER.seal(summary)}
    return Opaque("openai_responses", "compaction", wire)


def request(*messages: Message, system: tuple[Text, ...] = ()) -> Request:
    return Request("m", messages, "openai_responses", system=system)


def test_newest_summary_counts_and_covers_what_is_before() -> None:
    old, new = compacted(Summary("OLD")), compacted(Summary("NEW"))
    opened = open_summaries(
        request(
            user("one"),
            assistant(Text("done"), old),
            user("two"),
            assistant(Text("done again"), new, Text("after")),
            user("three"),
        ),
        SEALER.open,
    )
    texts = [part.text for m in opened.messages for part in m.parts if isinstance(part, Text)]
    assert texts[:2] == ["one", "two"]
    assert texts[2].endswith("NEW")
    assert texts[3:] == ["after", "three"]
    assert [m.role for m in opened.messages] == ["user", "user", "user", "assistant", "user"]


def test_summary_of_everything_covers_messages_of_user() -> None:
    item = compacted(Summary("ALL", kept=(user("last"),), covers_users=True))
    opened = open_summaries(request(user("one"), assistant(item), user("two")), SEALER.open)
    texts = [part.text for m in opened.messages for part in m.parts if isinstance(part, Text)]
    assert "one" not in texts
    assert texts[1:] == ["last", "two"]


def test_kept_instructions_are_not_doubled() -> None:
    rule, other = Message("system", (Text("RULE"),)), Message("system", (Text("OTHER"),))
    item = compacted(Summary("S", kept=(rule, other)))
    opened = open_summaries(request(assistant(item), system=(Text("RULE"),)), SEALER.open)
    assert [m for m in opened.messages if m.role == "system"] == [other]


def test_instructions_are_found_once_without_repeated_ones() -> None:
    rule = Message("system", (Text("RULE"),))
    found = instructions_of(
        request(rule, user("one"), rule, system=(Text("ALWAYS"), Text("FIRST"))), "ALWAYS"
    )
    assert found == (Message("system", (Text("FIRST"),)), rule)


def test_calls_without_results_stay_at_end() -> None:
    done, waiting = ToolCall("1", "f"), ToolCall("2", "g")
    shell = Opaque("openai_responses", "shell_call", {"type": "shell_call", "call_id": "3"})
    division = divide_at_end(
        (
            user("one"),
            assistant(done, waiting, shell),
            Message("user", (ToolResult("1", (Text("r"),)),)),
        )
    )
    assert division.recent == (assistant(waiting, shell),)
    assert division.older[1] == assistant(done)
    assert len(division.older) == 3


@pytest.mark.parametrize("named", [{"call_id": "1"}, {"id": "lsh_1"}, {"id": "1"}])
def test_result_names_call_by_either_id(named: dict[str, str]) -> None:
    protocol = "openai_responses"
    call = Opaque(protocol, "local_shell_call", {"call_id": "1", "id": "lsh_1"})
    result = Opaque(protocol, "local_shell_call_output", {**named, "output": "x"})
    division = divide_at_end((user("one"), assistant(call), Message("user", (result,))))
    assert division.recent == ()
    assert len(division.older) == 3


def size(messages: object) -> int:
    return 10 * len(messages)  # type: ignore[arg-type]


def test_history_is_divided_before_last_message_of_user() -> None:
    messages = (user("one"), assistant(Text("a")), user("two"), assistant(Text("b")))
    division = divide_by_size(messages, 20, size)
    assert division == type(division)(messages[:2], messages[2:])


def test_long_loop_is_divided_between_rounds() -> None:
    rounds: list[Message] = []
    for number in range(8):
        rounds.append(assistant(ToolCall(str(number), "f")))
        rounds.append(Message("user", (ToolResult(str(number)),)))
    division = divide_by_size((user("go"), *rounds), 60, size)
    assert division.recent == (user("go"), *rounds[-6:])
    assert division.older == tuple(rounds[:-6])


def test_single_message_is_not_divided() -> None:
    assert divide_by_size((user("long"),), 1, size).older == ()


def test_stored_messages_have_no_thinking_and_media() -> None:
    image = Media("image", InlineData("AAAA"), "image/png")
    messages = (
        Message("system", (Text("rule"),)),
        Message("user", (Text("x" * 100_000), image)),
        assistant(Thinking("hm")),
        Message("user", (ToolResult("1", (Text("y" * 100_000), image)),)),
    )
    stored = storable(messages)
    assert [m.role for m in stored] == ["user", "user"]
    assert all(len(m.parts[0].text) < 40_000 for m in stored[:1])  # type: ignore[union-attr]
    assert stored[0].parts[1] == Text("[image left out of the compacted conversation]")
    assert not any(isinstance(part, Media) for m in stored for part in m.parts)


def test_gateways_with_shared_key_open_each_others_summaries() -> None:
    one, other = (SummarySealer(lambda n=n: bytes([n]) * KEY_SIZE) for n in range(2))
    before = one.seal(Summary("text"))
    one.shared_key = other.shared_key = b"s" * KEY_SIZE
    sealed = one.seal(Summary("text"))
    assert other.open(sealed).text == one.open(sealed).text == "text"
    assert one.open(before).text == "text", "its own from before"
    with pytest.raises(SummaryError):
        other.open(before)
    one.shared_key = None
    with pytest.raises(SummaryError):
        one.open(sealed)
