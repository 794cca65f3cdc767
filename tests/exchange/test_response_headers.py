"""The header that names losses: bounded, content first, and the fields of errors."""

from __future__ import annotations

import json

import pytest

from antigravity.exchange.json_path import find_path, set_error_path
from antigravity.exchange.response_headers import WARNINGS_LIMIT, warnings
from antigravity.ir.capabilities import Loss
from antigravity.ir.errors import UnreadablePartError

HINT = Loss("seed", "dropped")
CONTENT = Loss("messages", "a note took its place", content=True)


def test_losses_of_content_are_named_without_debug_headers() -> None:
    assert warnings([HINT], every=False) == ()
    ((name, value),) = warnings([HINT, CONTENT], every=False)
    assert name == "X-Antigravity-Warnings"
    assert value == "messages: a note took its place"


def test_losses_of_content_come_first() -> None:
    ((_, value),) = warnings([HINT, CONTENT], every=True)
    assert value == "messages: a note took its place; seed: dropped"


def test_header_is_bounded_and_plain() -> None:
    many = [
        Loss("x" * 10_000 + f"\r\nSet-Cookie: {n}é", "d\x00\n", content=True) for n in range(999)
    ]
    ((_, value),) = warnings(many, every=False)
    assert len(value) <= WARNINGS_LIMIT
    assert value.isascii()
    assert value.isprintable()


@pytest.mark.parametrize(
    ("body", "value", "path"),
    [
        ({"a": [{"b": "x"}, {"b": "file-1"}]}, "file-1", "a[1].b"),
        ({"u": "data:audio/wav;base64,UklG"}, "UklG", "u"),
        ({"a": "file-1", "b": "file-1"}, "file-1", "a"),
        ({"a": "other"}, "file-1", ""),
        (["file-1"], "file-1", "[0]"),
    ],
)
def test_path_of_a_value_in_a_body(body: object, value: str, path: str) -> None:
    assert find_path(json.dumps(body).encode(), value) == path


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_body_that_is_no_json_has_no_paths(body: bytes) -> None:
    assert find_path(body, "x") == ""


def test_error_keeps_its_field_where_the_value_is_not_found() -> None:
    error = UnreadablePartError("no", value="file-1", param="messages", code="unsupported_file")
    set_error_path(error, b"{}")
    assert error.param == "messages"
    set_error_path(error, b'{"input": ["file-1"]}')
    assert error.param == "input[0]"
