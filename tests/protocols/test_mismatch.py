"""A value that does not fit its type: the place is found, and told in our own words."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Meta, Raw, Struct

from antigravity.ir.mismatch import Mismatch, find_mismatch


class Text(Struct, tag="text"):
    text: str
    weight: Annotated[float, Meta(ge=0, le=2)] | None = None


class Image(Struct, tag="image"):
    url: Annotated[str, Meta(min_length=1)]
    size: Annotated[int, Meta(ge=1)] | Literal["auto"] | None = None


class Strict(Struct, forbid_unknown_fields=True, rename="camel"):
    first_name: str = ""
    ratio: Annotated[str, Meta(pattern="^[0-9]+:[0-9]+$")] = "1:1"


class Message(Struct):
    content: str | list[Text | Image]
    role: Literal["user", "model"] = "user"
    labels: dict[str, str] | None = None
    author: Strict | None = None
    tags: Annotated[list[str], Meta(max_length=2)] | None = None
    cached: bool = False
    raw: Raw = Raw(b"null")
    anything: Any = None


KINDS: list[Any] = [
    Message,
    Text,
    Image,
    Strict,
    Text | Image,
    Text | Image | str | None,
    list[Message],
    dict[str, int],
    dict[str, Text | Image | None],
    str | list[str] | Strict | None,
    int | float | bool | None,
    Annotated[int, Meta(ge=0, lt=10)] | bool,
    Literal["a", "b"] | int | None,
]
_TEXT_FIELDS = ("text", "url", "type", "role", "firstName", "ratio")
_OTHER_FIELDS = ("content", "size", "weight", "labels", "author", "tags", "cached", "raw")
NAMES = st.sampled_from((*_TEXT_FIELDS, *_OTHER_FIELDS))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.floats(-3, 3),
    st.sampled_from(["", "text", "image", "user", "a", "auto", "true", "1", "1.5", "16:9", "null"]),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)
NOT_FOUND = "it does not have the expected form"


@given(kind=st.sampled_from(KINDS), value=JSON, strict=st.booleans())
@example(kind=Text, value={"text": "x"}, strict=True)
@example(kind=Text | Image, value={"text": "x"}, strict=True)
@example(kind=Text, value={"type": "image", "text": "x"}, strict=True)
@example(kind=list[Message], value=[{"content": [{"type": "text", "text": 1}]}], strict=True)
def test_finds_a_place_exactly_when_decoding_fails(kind: Any, value: Any, strict: bool) -> None:
    found = find_mismatch(value, kind, strict=strict)
    try:
        msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError:
        assert found.problem != NOT_FOUND
    else:
        assert found == Mismatch((), NOT_FOUND)


@pytest.mark.parametrize(
    ("kind", "value", "place", "problem"),
    [
        (str, 1, "", "expected a string, got an integer"),
        (Message, [], "", "expected an object, got an array"),
        (Message, {}, "content", "it is required"),
        (Message, {"content": 1}, "content", "expected a string or an array, got an integer"),
        (Message, {"content": [1]}, "content[0]", "expected an object, got an integer"),
        (Message, {"content": [{}]}, "content[0].type", "it is required"),
        (
            Message,
            {"content": [{"type": "sound"}]},
            "content[0].type",
            "expected one of 'image', 'text'",
        ),
        (Message, {"content": [{"type": "image", "url": ""}]}, "content[0].url", "not be empty"),
        (Message, {"content": "", "role": "bot"}, "role", "expected one of 'model', 'user'"),
        (
            Message,
            {"content": "", "labels": {"a": 1}},
            "labels.a",
            "expected a string, got an integer",
        ),
        (Message, {"content": "", "tags": ["a", "b", "c"]}, "tags", "2 items at most"),
        (Message, {"content": "", "author": {"age": 1}}, "author.age", "no such field"),
        (Message, {"content": "", "cached": "x"}, "cached", "expected a boolean, got a string"),
        (Text, {"text": "", "weight": 2.5}, "weight", "expected a number from 0 to 2"),
        (Text, {"text": "", "weight": {}}, "weight", "expected a number from 0 to 2 or null, got"),
        (Image, {"url": "u", "size": 0}, "size", "expected an integer of 1 or more"),
        (Strict, {"ratio": "wide"}, "ratio", "expected text that matches ^[0-9]+:[0-9]+$"),
    ],
)
def test_names_place_and_expectation(kind: Any, value: Any, place: str, problem: str) -> None:
    found = find_mismatch(value, kind)
    assert found.at() == place
    assert problem in found.problem
    assert found.at("$") == (f"$.{place}" if place else "$")


def test_numbers_as_text_are_right_where_they_may_be() -> None:
    assert find_mismatch("1.5", float, strict=False).problem == NOT_FOUND
    assert find_mismatch("1.5", float).problem == "expected a number, got a string"
    assert find_mismatch("x", int, strict=False).problem == "expected an integer, got a string"


def test_values_are_not_quoted_and_names_are_cut() -> None:
    found = find_mismatch({"x" * 5000: "a secret"}, dict[str, int])
    assert "secret" not in str(found)
    assert len(found.at()) <= 100
