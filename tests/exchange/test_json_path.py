"""Paths of values in JSON bodies, for the ``param`` of errors."""

from __future__ import annotations

import json

import pytest

from antigravity.exchange.json_path import find_path, set_error_path
from antigravity.ir.errors import UnreadablePartError


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
def test_path_of_first_value_is_found(body: object, value: str, path: str) -> None:
    assert find_path(json.dumps(body).encode(), value) == path


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_invalid_json_has_no_paths(body: bytes) -> None:
    assert find_path(body, "x") == ""


def test_error_gets_path_only_if_value_is_found() -> None:
    error = UnreadablePartError("no", value="file-1", param="messages", code="unsupported_file")
    set_error_path(error, b"{}")
    assert error.param == "messages"
    set_error_path(error, b'{"input": ["file-1"]}')
    assert error.param == "input[0]"
