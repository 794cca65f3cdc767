"""Multipart bodies: what is found is what was sent, and where."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.call import Call, Route
from antigravity.ir.errors import InvalidRequestError
from antigravity.protocols.multipart import (
    MAX_FIELD,
    MAX_HEADER,
    MAX_PARTS,
    is_form,
    parse_form,
    read_form,
)

BOUNDARY = "-----x7Mq"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"

NAMES = st.text("abcdefgh[]_", min_size=1, max_size=12)
#: Content that looks like boundaries, and any other.
CONTENT = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.sampled_from([b"\r\n", b"--", BOUNDARY.encode()[:-1], b"\r", b"\n", b"-", b"model"]),
        max_size=12,
    ).map(b"".join),
)


def form(*parts: tuple[str, str | None, bytes]) -> bytes:
    """Return a body as the official SDK writes it."""
    pieces = []
    for name, filename, content in parts:
        file = "" if filename is None else f'; filename="{filename}"'
        kind = "" if filename is None else "Content-Type: image/png\r\n"
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n{kind}\r\n'
        pieces.append(head.encode() + content + b"\r\n")
    return b"".join(pieces) + f"--{BOUNDARY}--\r\n".encode()


@given(st.lists(st.tuples(NAMES, st.one_of(st.none(), NAMES), CONTENT), max_size=8))
def test_encoded_form_is_parsed_without_copies(parts: list[tuple[str, str | None, bytes]]) -> None:
    body = form(*parts)
    found = parse_form(body, TYPE)
    assert [(p.name, p.filename, bytes(found.data(p))) for p in found.parts] == parts
    for part in found.parts:
        assert found.data(part).obj is body, "nothing is copied"
        assert part.content_type == ("" if part.filename is None else "image/png")


@given(
    st.lists(st.tuples(NAMES, st.none(), CONTENT), max_size=4),
    st.lists(st.tuples(NAMES, st.just("f"), CONTENT), max_size=4),
    st.one_of(st.none(), st.sampled_from([b"", b"old", b"demo/older-model"])),
)
def test_only_the_model_changes(
    before: list[tuple[str, str | None, bytes]],
    after: list[tuple[str, str | None, bytes]],
    model: bytes | None,
) -> None:
    here: list[tuple[str, str | None, bytes]] = (
        [("model", None, model)] if model is not None else []
    )
    body = form(*before, *here, *after)
    pieces = parse_form(body, TYPE).with_field("model", "new-model")
    assert all(p.obj is body for p in pieces if isinstance(p, memoryview)), "nothing is copied"
    changed = b"".join(pieces)  # type: ignore[arg-type]
    expected = [*before, ("model", None, b"new-model"), *after]
    if model is not None:
        assert changed == form(*expected)
    again = parse_form(changed, TYPE)
    assert again.text("model") == "new-model"
    others = [(p.name, p.filename, bytes(again.data(p))) for p in again.parts]
    assert sorted(others, key=repr) == sorted(expected, key=repr)


def test_fields_and_files() -> None:
    body = form(("n", None, b"2"), ("image[]", "a.png", b"A"), ("image", "b.png", b"B"))
    found = parse_form(body, TYPE)
    assert dict(found.fields()) == {"n": "2"}
    assert [bytes(found.data(p)) for p in found.files("image", "image[]")] == [b"A", b"B"]
    assert found.text("image") is None
    assert found.text("n") == "2"


def test_names_are_utf8() -> None:
    found = parse_form(form(("image", "Wäsche 洗.png", b"x")), TYPE)
    assert found.parts[0].filename == "Wäsche 洗.png"


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        (form(("a", None, b"1")), "application/json", "multipart/form-data"),
        (form(("a", None, b"1")), "multipart/form-data", "boundary"),
        (form(("a", None, b"1")), "multipart/form-data; boundary=ü洗", "boundary"),
        (form(("a", None, b"1")), f"{TYPE}z", "is malformed"),
        (form(("a", None, b"1"))[:-6], TYPE, "closing boundary"),
        (b"", TYPE, "closing boundary"),
        (form(("a", None, b"1")).replace(b'; name="a"', b""), TYPE, "Part 1"),
        (form(*[("a", None, b"1")] * (MAX_PARTS + 1)), TYPE, f"more than {MAX_PARTS}"),
        (form(("a" * MAX_HEADER, None, b"1")), TYPE, "header"),
        (form(("a", None, b"1")), f"multipart/form-data; boundary={'b' * 201}", "up to 200"),
    ],
)
def test_malformed_form_is_refused(body: bytes, content_type: str, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        parse_form(body, content_type)


EVIL = form(("model", None, b"evil"))
MODEL = b'Content-Disposition: form-data; name="model"'


def with_head(head: bytes) -> bytes:
    return b"--B\r\n" + head + b"\r\n\r\nevil\r\n--B--\r\n"


@pytest.mark.parametrize(
    "body",
    [
        form(("model", None, b"good")) + EVIL,
        EVIL.replace(b"\r\n", b"\n") + form(("model", None, b"good")),
        form(("prompt", None, b"x\n" + EVIL.replace(b"\r\n", b"\n"))),
        form(("prompt", None, b"x\r" + EVIL.replace(b"\r\n", b"\r"))),
        b"\r\nx" + EVIL + form(("model", None, b"good")),
    ],
    ids=["behind the end", "before the start", "inside, LF", "inside, CR", "on a line"],
)
def test_ambiguous_parts_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        parse_form(body, TYPE)


@pytest.mark.parametrize(
    "head",
    [
        MODEL + b'\r\nContent-Disposition: form-data; name="prompt"',
        b'Content-Disposition: form-data; name="model"; name="prompt"',
        b"Content-Disposition: form-data; name=\"prompt\"; name*=utf-8''model",
        b'Content-Disposition: form-data; name="prompt"; NAME*0=mo; name*1=del',
        b'Content-Disposition: form-data; name="prompt"; filename="a\\"; name="model"',
        b'Content-Disposition: form-data; name="mod\\el"',
        b'Content-Disposition: form-data; name="model\0"',
        b"X: y\n" + MODEL + b'\r\nContent-Disposition: form-data; name="prompt"',
        MODEL + b"\r\nContent-Transfer-Encoding: base64",
    ],
)
def test_ambiguous_part_headers_are_refused(head: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="is ambiguous"):
        parse_form(with_head(head), "multipart/form-data; boundary=B")


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data; boundary=B; boundary=C",
        "multipart/form-data; boundary=C; Boundary=B",
        "multipart/form-data; boundary*=utf-8''C; boundary=B",
        'multipart/form-data; boundary="B;"',
        'multipart/form-data; boundary="B "',
    ],
)
def test_ambiguous_boundaries_are_refused(content_type: str) -> None:
    with pytest.raises(InvalidRequestError, match="boundary"):
        parse_form(with_head(MODEL), content_type)


def test_a_boundary_may_have_its_own_name_in_it() -> None:
    body = with_head(MODEL).replace(b"--B", b"--boundary-BOUNDARY")
    found = parse_form(body, "multipart/form-data; boundary=boundary-BOUNDARY")
    assert found.text("model") == "evil"


def test_similar_boundaries_are_scanned_fast() -> None:
    body = form(("prompt", None, f"\r\n--{BOUNDARY}x".encode() * 1_000_000))
    began = time.process_time()
    with pytest.raises(InvalidRequestError, match="more than"):
        parse_form(body, TYPE)
    assert time.process_time() - began < 0.5


def test_with_field_changes_every_occurrence_and_refuses_files() -> None:
    twice = parse_form(form(("model", None, b"evil"), ("model", None, b"good")), TYPE)
    changed = b"".join(twice.with_field("model", "good"))  # type: ignore[arg-type]
    assert changed == form(("model", None, b"good"), ("model", None, b"good"))
    once = form(("model", None, b"good"))
    assert parse_form(once, TYPE).with_field("model", "good") is once
    file = parse_form(form(("model", "", b"evil"), ("model", None, b"good")), TYPE)
    with pytest.raises(InvalidRequestError, match="not a file"):
        file.with_field("model", "good")


def test_fields_that_are_not_text_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="UTF-8") as refused:
        dict(parse_form(form(("prompt", None, b"\xff")), TYPE).fields())
    assert refused.value.param == "prompt"
    with pytest.raises(InvalidRequestError, match="longer"):
        parse_form(form(("prompt", None, b"x" * (MAX_FIELD + 1))), TYPE).text("prompt")


def test_form_is_parsed_once() -> None:
    call = Call(
        Route("POST", "/", "generate"), {}, {}, {"content-type": TYPE}, form(("a", None, b"1"))
    )
    assert is_form(call.headers)
    assert read_form(call) is read_form(call)
    assert not is_form({"content-type": "application/json"})
