"""The parser of directives in a prompt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.simulator.directives import (
    FORMS,
    Directives,
    has_directives,
    parse,
    parse_duration,
    parse_step,
)


def test_text_without_directives_is_kept_as_rest() -> None:
    assert parse("  hello [world] ") == Directives(rest="hello [world]")
    assert not has_directives("hello [[world]] [[say]")


def test_say_and_think_keep_their_text() -> None:
    found = parse("a [[say  x [[y]] z ]] b [[think t\nu]]")
    assert found.say == (" x [[y]] z ",)
    assert found.think == ("t\nu",)
    assert found.rest == "a b"


def test_json_directive_may_contain_brackets() -> None:
    found = parse('[[tool f {"a": [[1]], "b": "]]"}]] [[tool g]] [[json [[1], {"x": "]]"}]]]')
    assert [(tool.name, tool.arguments) for tool in found.tools] == [
        ("f", {"a": [[1]], "b": "]]"}),
        ("g", {}),
    ]
    assert parse('[[json [[1], {"x": "]]"}] ]]').json == '[[1], {"x": "]]"}]'


@pytest.mark.parametrize(
    "text",
    [
        "[[tool f {bad}]]",
        "[[chunks x]]",
        "[[unknown 1]]",
        "[[error 999]]",
        "[[json {]]",
        "[[tool f [1]]]",
    ],
)
def test_malformed_directive_is_text(text: str) -> None:
    assert parse(text) == Directives(rest=text)


def test_error_directive_parses_options() -> None:
    (error,) = parse("[[error 429 retry=1m500ms times=2 reason=QUOTA message=slow down]]").errors
    assert (error.status, error.retry, error.times) == (429, 60.5, 2)
    assert (error.reason, error.message, error.after) == ("QUOTA", "slow down", None)
    (error,) = parse('[[error 500 after=3 {"x": [1]}]]').errors
    assert (error.after, error.body) == (3, {"x": [1]})


def test_directives_parse_numbers_and_flags() -> None:
    found = parse(
        "[[chunks 3]][[delay 0.5]][[ttft 200ms]][[tokens 9]][[image]][[cite]][[finish length]]"
        "[[cut 1]][[stall 2]][[garbage]][[empty reply]][[tools]]"
    )
    assert (found.chunks, found.delay, found.ttft, found.tokens) == (3, 0.5, 0.2, 9)
    assert (found.image, found.cite, found.finish) == (True, True, "length")
    assert (found.cut, found.stall, found.garbage) == (1, 2, 0)
    assert (found.empty, found.show, found.rest) == ("reply", "tools", "")


def test_then_separates_steps() -> None:
    text = "[[tool f {}]] [[then]] [[say x [[then]] y]]"
    first, second = parse_step(text, 0), parse_step(text, 1)
    assert first is not None
    assert [tool.name for tool in first.tools] == ["f"]
    assert second is not None
    assert second.say == ("x [[then]] y",)
    assert parse_step(text, 2) is None


@pytest.mark.parametrize("text", ["", "x", "1 s", "-1s"])
def test_invalid_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@given(st.text('[]{}" tolsay1\n', max_size=40))
def test_parser_accepts_any_text(text: str) -> None:
    parse(text)
    parse_step(text, 0)


def test_form_directive_is_parsed() -> None:
    for form in FORMS:
        found = parse(f"[[form {form}]] hello")
        assert (found.form, found.rest) == (form, "hello")


def test_unknown_form_is_text() -> None:
    found = parse("[[form other]]")
    assert (found.form, found.rest) == (None, "[[form other]]")
