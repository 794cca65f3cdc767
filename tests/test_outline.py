"""Outlines of JSON texts: the same structure, shorter strings, and every byte comes back."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.outline import SHORTEST, outline_of
from antigravity.protocols.request_limits import count_values

IMAGE = base64.b64encode(bytes(range(256)) * 512).decode()
PROSE = "Words without end " * 8000


def token(size: int) -> bytes:
    """Return what stands for random bytes."""
    return b"\x01" * size


def body_with(*texts: str) -> bytes:
    parts = [{"type": "image", "data": text} for text in texts]
    return json.dumps({"model": "m", "parts": parts, "n": 1}, ensure_ascii=False).encode()


def skeleton(value: Any) -> Any:
    """Return a value whose texts are only names of types."""
    if isinstance(value, dict):
        return {name: skeleton(each) for name, each in value.items()}
    return [skeleton(each) for each in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize("text", [IMAGE, f"data:image/png;base64,{IMAGE}", PROSE, IMAGE * 8])
def test_outline_has_structure_and_few_bytes(text: str) -> None:
    body = body_with(text, "short", text)
    outline = outline_of(body)
    assert outline is not None
    assert len(outline.text) < 4096
    assert skeleton(json.loads(outline.text)) == skeleton(json.loads(body))
    assert count_values(outline.text, 1000) == count_values(body, 1000)
    begin = json.loads(outline.text)["parts"][0]["data"]
    assert text.startswith(begin[:512])
    assert text.endswith(begin[-512:])


def test_changed_outline_is_restored_with_every_byte() -> None:
    body = body_with(IMAGE, "short", PROSE)
    outline = outline_of(body)
    assert outline is not None
    changed = outline.text.replace(b'"model": "m"', b'"model": "other"')
    expected = body.replace(b'"model": "m"', b'"model": "other"')
    assert b"".join(outline.restore(changed)) == expected


def test_strings_can_move_and_vanish() -> None:
    body = body_with(IMAGE, PROSE)
    outline = outline_of(body)
    assert outline is not None
    value = json.loads(outline.text)
    value["parts"] = [value["parts"][1]]
    restored = b"".join(outline.restore(json.dumps(value).encode()))
    assert json.loads(restored)["parts"] == [{"type": "image", "data": PROSE}]


@pytest.mark.parametrize(
    "text",
    [
        IMAGE[:1000],
        "line\n" * 50_000,
        'a quote " ahead, and more ' * 8000,
        json.dumps({"arguments": list(range(30_000))}),
        "\ud55c\uae00" * 30_000,
    ],
    ids=["short", "escapes", "quotes", "json", "korean"],
)
def test_other_strings_stay_as_they_are(text: str) -> None:
    assert outline_of(body_with(text)) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"input":[%b]}' % b",".join([b"1"] * SHORTEST),
        b'{"input":%b}' % (b"[" * SHORTEST * 2),
        b'{"input":"%b' % (b"x" * SHORTEST * 2),
        b'["%b"]' % (b"x" * SHORTEST * 2),
        b'--b\r\n{"x":"%b"}' % (b"x" * SHORTEST * 2),
        b"{%b" % (b"\xff" * SHORTEST * 2),
    ],
    ids=["empty", "object", "numbers", "nested", "unended", "array", "form", "binary"],
)
def test_other_bodies_have_no_outline(body: bytes) -> None:
    assert outline_of(body) is None


def test_structure_after_a_long_string_stays() -> None:
    body = b'{"a":"%b","b":[%b],"c":"%b"}' % (
        b"x" * SHORTEST,
        b",".join([b"7"] * SHORTEST),
        b"y" * SHORTEST,
    )
    outline = outline_of(body, token)
    assert outline is not None
    assert count_values(outline.text, 10**6) == count_values(body, 10**6)
    assert b"".join(outline.restore(outline.text)) == body


STRINGS = st.sampled_from([IMAGE, PROSE, IMAGE[:20_000], "short", "\\", '"', "a\n" * 20_000, "é"])


@given(st.lists(st.one_of(STRINGS, st.lists(st.integers(), max_size=5)), max_size=8))
def test_any_mix_is_restored(values: list[Any]) -> None:
    body = json.dumps({"model": "m", "values": values, "filler": IMAGE}).encode()
    outline = outline_of(body)
    assert outline is not None
    assert skeleton(json.loads(outline.text)) == skeleton(json.loads(body))
    assert b"".join(outline.restore(outline.text)) == body


def test_token_is_new_for_each_outline() -> None:
    body = body_with(IMAGE)
    one, other = outline_of(body), outline_of(body)
    assert one is not None
    assert other is not None
    assert one.text != other.text
