"""The script of a response, built from a view and its directives."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from antigravity.simulator import signatures
from antigravity.simulator.encoders import gemini as gemini_encoder
from antigravity.simulator.encoders.chunks import split_by_citation
from antigravity.simulator.encoders.events import Context
from antigravity.simulator.errors import ApiError, ConnectionFault
from antigravity.simulator.schema_instance import build_instance
from antigravity.simulator.script import Script
from antigravity.simulator.script_builder import build_script
from antigravity.simulator.stream import plan_stream
from antigravity.simulator.view import Attachment, Tool, Turn, View

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}


def view(text: str, *more: Turn, **fields: Any) -> View:
    """Return a view of one user text and what follows."""
    return View(
        "m", (Turn("system", ("be kind",)), Turn("user", (text,)), *more), {"b": 1}, **fields
    )


def script(seen: View) -> Script:
    """Return the script for a view."""
    numbers = itertools.count()
    return build_script(seen, lambda: f"id{next(numbers)}")


def test_echo_contains_last_user_text_and_attachments() -> None:
    turn = Turn(
        "user", ("<system-reminder>x</system-reminder>", "two"), (Attachment("image/png", 70),)
    )
    seen = view("one", Turn("assistant", ("hi",)), turn)
    assert script(seen).text == "two\n[image image/png 70 bytes]"


def test_tool_results_are_echoed_without_their_directives() -> None:
    seen = view("[[tool f {}]]", Turn("assistant"), Turn("user", (), (), ("[[say no]]", "b")))
    assert script(seen).text == "Result: [[say no]]\nResult: b"
    assert script(seen).calls == ()


def test_then_applies_after_tool_results() -> None:
    text = '[[tool f {"n": 1}]] [[then]] [[tool g {}]]'
    round_ = (Turn("assistant"), Turn("user", (), (), ("r",)))
    assert [call.name for call in script(view(text)).calls] == ["f"]
    assert [call.name for call in script(view(text, *round_)).calls] == ["g"]
    assert script(view(text, *round_, *round_)).text == "Result: r"


def test_parallel_calls_have_different_ids() -> None:
    text = "[[tool f {}]][[tool f {}]]"
    assert [call.id for call in script(view(text)).calls] == ["id0", "id1"]
    assert len(script(view(text, parallel=False)).calls) == 1
    assert script(view(text, choice="none")).calls == ()


def test_forced_call_has_the_smallest_arguments() -> None:
    tools = (Tool("search"), Tool("f", SCHEMA), Tool("g", {}))
    (call,) = script(view("go", tools=tools, choice="any")).calls
    assert (call.name, call.arguments) == ("f", {"q": "text"})
    (call,) = script(view("go", tools=tools, choice="any", allowed=("g",))).calls
    assert call.name == "g"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("[[system]]", "be kind"),
        ("[[tools]]", '["ns.f"]'),
        ("[[request]]", '{"b": 1}'),
        ('[[json {"a": 1}]]', '{"a": 1}'),
        ("[[say a]] x [[say b]]", "a\nb"),
        ("[[chunks 2]]", "chunk 1   chunk 2   "),
        ("", "OK"),
    ],
)
def test_directive_determines_the_text(text: str, answer: str) -> None:
    assert script(view(text, tools=(Tool("f", {}, namespace="ns"),))).text == answer


def test_text_fits_the_response_schema() -> None:
    assert json.loads(script(view("x", schema=SCHEMA)).text) == {"q": "text"}
    assert json.loads(script(view("x", json_mode=True)).text) == {"text": "x"}


def test_chunks_and_tokens_have_the_requested_number() -> None:
    made = script(view("[[say abcdefghij]][[chunks 5]]"))
    assert made.chunks == ("ab", "cd", "ef", "gh", "ij")
    assert script(view("[[tokens 7]]")).usage.response == 7


def test_first_stop_sequence_ends_the_text() -> None:
    made = script(view("[[say one two three]]", stops=("three", "two")))
    assert (made.text, made.finish, made.stop_sequence) == ("one ", "stop_sequence", "two")


def test_token_limit_counts_thinking_first() -> None:
    made = script(view("[[think 12345678]][[say abcdefgh]]", max_tokens=3))
    assert (made.thinking, made.text, made.finish) == ("12345678", "abcd", "length")
    made = script(view("[[think 12345678]]", max_tokens=1))
    assert (made.thinking, made.text, made.finish) == ("1234", "", "length")
    made = script(view('[[tool f {"a": "long enough"}]]', max_tokens=2))
    assert (made.calls, made.finish) == ((), "length")


def test_thinking_is_returned_only_if_requested() -> None:
    assert script(view("x")).thinking == ""
    assert script(view("x", thinking=True)).thinking == "Thinking about: x"


def test_errors_are_counted_by_conversation() -> None:
    counts: dict[tuple[str, str], int] = {}

    def count_failure(conversation: str, source: str) -> int:
        key = (conversation, source)
        counts[key] = counts.get(key, 0) + 1
        return counts[key] - 1

    text = "[[error 429 retry=2s times=1]] hi"
    with pytest.raises(ApiError) as caught:
        build_script(view(text), str, count_failure)
    assert (caught.value.status, caught.value.retry) == (429, 2.0)
    assert build_script(view(text), str, count_failure).text == "hi"
    other = View("m", (Turn("user", ("first",)), Turn("assistant"), Turn("user", (text,))), {})
    with pytest.raises(ApiError):
        build_script(other, str, count_failure)


def test_citations_cover_the_text_with_byte_offsets_for_google() -> None:
    seen = view("[[cite]]")
    made = script(seen)
    groups = split_by_citation(made)
    assert "".join("".join(pieces) for pieces, _ in groups) == made.text
    assert [citation for _, citation in groups] == list(made.citations)
    (candidate,) = gemini_encoder.encode_response(made, Context(seen, 1, 0))["candidates"]
    supports = candidate["groundingMetadata"]["groundingSupports"]
    raw = made.text.encode()
    for support in supports:
        segment = support["segment"]
        assert raw[segment.get("startIndex", 0) : segment["endIndex"]].decode() == segment["text"]
    assert supports[1]["segment"]["startIndex"] != made.citations[1].start


def test_signature_is_genuine_only_for_its_content() -> None:
    signature = signatures.sign("claude", "thought")
    assert signatures.is_genuine(signature, "claude", "thought")
    assert not signatures.is_genuine(signature, "claude", "other")
    assert not signatures.is_genuine(signature, "gemini", "thought")
    assert signatures.parse_signature(signature[:-4] + "AAAA") is None
    assert signatures.parse_signature("not base64!") is None
    assert signatures.digest({"a": 1, "b": 2.0}) == signatures.digest({"b": 2, "a": 1.0})


STEPS = ((b"open", False), (b"1", True), (b"x", False), (b"2", True), (b"end", False))


@pytest.mark.parametrize(
    ("after", "kept"),
    [(0, [b"open"]), (1, [b"open", b"1"]), (2, [b"open", b"1", b"x", b"2"])],
)
def test_fault_occurs_right_after_its_chunk(after: int, kept: list[bytes]) -> None:
    made = plan_stream(STEPS, ConnectionFault("cut", after))
    assert [data for data, _ in made.steps] == kept
    assert made.end == "cut"
    assert (
        plan_stream(STEPS, ConnectionFault("cut", 9)).steps
        == plan_stream(STEPS, ConnectionFault("cut", 2)).steps
    )


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "STRING", "enum": ["b", "a"]}, "b"),
        ({"const": 3}, 3),
        ({"type": ["null", "integer"], "minimum": 4}, 4),
        ({"type": "array", "items": {"type": "number"}, "minItems": 2}, [0, 0]),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, False),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"type": "null"}}}, None),
        ({"allOf": [SCHEMA, {"required": ["n"], "properties": {"n": {"type": "integer"}}}]},
         {"q": "text", "n": 0}),
        ({"type": "string", "minLength": 6}, "textxx"),
    ],
)  # fmt: skip
def test_instance_is_the_smallest_of_its_schema(schema: dict[str, Any], value: Any) -> None:
    assert build_instance(schema | ({} if "allOf" not in schema else {"type": "object"})) == value


def test_recursive_schema_has_an_instance() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    assert "next" in build_instance(node)
