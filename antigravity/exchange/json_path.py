"""Finds the path of a value in a JSON body."""

from __future__ import annotations

from typing import Any

import msgspec

from antigravity.ir.errors import UnreadablePartError


def find_path(body: bytes, value: str) -> str:
    """Return the path of the first string in a JSON body that ends with ``value``.

    It ends with it rather than equals it, as data URLs do.  Empty if there is none.
    """
    try:
        waiting: list[tuple[str, Any]] = [("", msgspec.json.decode(body))]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, str):
            if node.endswith(value):
                return path
        elif isinstance(node, dict):
            inner = [(f"{path}.{name}" if path else name, each) for name, each in node.items()]
            waiting += reversed(inner)
        elif isinstance(node, list):
            waiting += reversed([(f"{path}[{place}]", each) for place, each in enumerate(node)])
    return ""


def set_error_path(error: UnreadablePartError, body: bytes) -> None:
    """Set the ``param`` of an error to the path of its value in the client's request."""
    if error.value:
        error.param = find_path(body, error.value) or error.param
