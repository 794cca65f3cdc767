"""Requests decoded from outlines: the same as those decoded from the bodies, or none."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.interfaces.protocols import IClientProtocol, IServerProtocol
from antigravity.ir.call import Call
from antigravity.ir.capabilities import Target
from antigravity.ir.errors import GatewayError
from antigravity.ir.outline import outline_of
from antigravity.ir.outlined_request import restore_media, shorten_images
from antigravity.ir.request import Request
from antigravity.protocols.anthropic.protocol import ANTHROPIC_CLIENT, ANTHROPIC_SERVER
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT, OPENAI_CHAT_SERVER
from antigravity.protocols.openai_responses.protocol import (
    OPENAI_RESPONSES_CLIENT,
    OPENAI_RESPONSES_SERVER,
)
from antigravity.routing.capability_table import load_table

SERVERS = {
    each.name: each for each in (ANTHROPIC_SERVER, OPENAI_CHAT_SERVER, OPENAI_RESPONSES_SERVER)
}
CLIENTS = (ANTHROPIC_CLIENT, GEMINI_CLIENT, OPENAI_CHAT_CLIENT, OPENAI_RESPONSES_CLIENT)
TARGET = Target("gemini-2.5-flash", load_table(()).capabilities("gemini-2.5-flash"))
IMAGE = base64.b64encode(bytes(range(256)) * 300).decode()


def call(server: IServerProtocol, body: bytes) -> Call:
    route = next(each for each in server.routes if each.operation == "generate")
    return Call(route, {}, {}, {}, body)


def from_outline(server: IServerProtocol, body: bytes) -> Request | None:
    outline = outline_of(body)
    assert outline is not None
    try:
        return restore_media(server.decode(call(server, outline.text)), outline)
    except GatewayError:
        return None


def anthropic_body(*blocks: object, **members: object) -> bytes:
    message = {"role": "user", "content": list(blocks)}
    return json.dumps({"model": "m", "max_tokens": 9, "messages": [message], **members}).encode()


def block(data: str, kind: str = "image", **source: object) -> dict[str, Any]:
    wire = {"type": "base64", "media_type": "image/png", "data": data, **source}
    return {"type": kind, "source": wire}


def chat_body(*parts: object, **members: object) -> bytes:
    message = {"role": "user", "content": list(parts)}
    return json.dumps({"model": "m", "messages": [message], **members}, ensure_ascii=False).encode()


def image_url(data: str) -> dict[str, Any]:
    url = f"data:image/png;base64,{data}"
    return {"type": "image_url", "image_url": {"url": url}}


def input_body(*parts: object, **members: object) -> bytes:
    message = {"type": "message", "role": "user", "content": list(parts)}
    return json.dumps({"model": "m", "input": [message], **members}).encode()


def input_image(data: str) -> dict[str, Any]:
    return {"type": "input_image", "image_url": f"data:image/png;base64,{data}"}


RESULT = {"type": "tool_result", "tool_use_id": "t", "content": [block(IMAGE), block(IMAGE[:-4])]}
AUDIO = {"type": "input_audio", "input_audio": {"data": IMAGE, "format": "wav"}}
FILE = {"type": "file", "file": {"filename": "a.pdf", "file_data": IMAGE}}
TEXT = {"type": "text", "text": "Hi"}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("anthropic", anthropic_body(block(IMAGE), TEXT, block(IMAGE, "document"))),
        ("anthropic", anthropic_body(RESULT, TEXT, block(IMAGE[4:]), metadata={"user_id": "u"})),
        ("openai_chat", chat_body(TEXT, image_url(IMAGE), AUDIO, FILE)),
        ("openai_chat", chat_body(image_url(IMAGE.rstrip("=") + "=="), image_url(IMAGE[:-2]))),
        ("openai_responses", input_body(input_image(IMAGE), {"type": "input_text", "text": "Hi"})),
    ],
)
def test_media_are_restored(name: str, body: bytes) -> None:
    server = SERVERS[name]
    assert from_outline(server, body) == server.decode(call(server, body))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("anthropic", anthropic_body({"type": "text", "text": IMAGE})),
        ("anthropic", anthropic_body(block(IMAGE, "document", type="text"))),
        ("anthropic", anthropic_body(block(IMAGE), system=IMAGE)),
        ("anthropic", anthropic_body(block(IMAGE), other=IMAGE)),
        ("anthropic", anthropic_body(block(IMAGE), {"type": "new", "data": IMAGE})),
        ("anthropic", anthropic_body({**block(IMAGE), "title": IMAGE})),
        ("anthropic", anthropic_body(block(IMAGE)).replace(b"AAECAwQF", b"AAECA\x01QF")),
        ("anthropic", anthropic_body(block(IMAGE)).replace(b"AAECAwQF", b"AAECA\xffQF")),
        ("anthropic", anthropic_body(block(IMAGE), max_tokens=-1)),
        ("openai_chat", chat_body(image_url(IMAGE.replace("A", "_")))),
        ("openai_chat", chat_body(image_url(IMAGE.replace("A", " ")))),
        ("openai_chat", chat_body(image_url("\u00e9".join((IMAGE, IMAGE))))),
        (
            "openai_chat",
            chat_body({"type": "image_url", "image_url": {"url": f"data:text/plain,{IMAGE}"}}),
        ),
        ("openai_chat", chat_body({"type": "image_url", "image_url": {"url": IMAGE}})),
        ("openai_responses", input_body({"type": "input_text", "text": IMAGE})),
    ],
)
def test_anything_else_is_left_to_the_body(name: str, body: bytes) -> None:
    assert from_outline(SERVERS[name], body) is None


DATA = st.builds(
    lambda size, end: IMAGE[:size] + end,
    st.integers(16_000, len(IMAGE)),
    st.sampled_from(["", "=", "==", "-", "A ", "\n", "\u00e9", ","]),
)
PARTS = st.lists(st.one_of(st.just(None), DATA), min_size=1, max_size=5)


@given(st.sampled_from(sorted(SERVERS)), PARTS)
def test_outline_decodes_to_nothing_else_than_body(name: str, data: list[str | None]) -> None:
    make, media = {
        "anthropic": (anthropic_body, block),
        "openai_chat": (chat_body, image_url),
        "openai_responses": (input_body, input_image),
    }[name]
    text = {"type": "input_text" if name == "openai_responses" else "text", "text": "Hi"}
    parts = [text if each is None else media(each) for each in (*data, IMAGE)]
    server, body = SERVERS[name], make(*parts)
    restored = from_outline(server, body)
    try:
        plain = server.decode(call(server, body))
    except GatewayError:
        assert restored is None
    else:
        assert restored in (None, plain)


def test_images_are_encoded_apart() -> None:
    """Encoded without their data and restored, images are as in the encoded request."""
    body = anthropic_body(block(IMAGE), TEXT, RESULT, block(IMAGE, "document"))
    outline = outline_of(body)
    assert outline is not None
    request = restore_media(ANTHROPIC_SERVER.decode(call(ANTHROPIC_SERVER, outline.text)), outline)
    assert request is not None
    short, count = shorten_images(request, outline)
    assert count == 3
    encoded = GEMINI_CLIENT.encode(short, TARGET).body
    pieces = outline.restore(encoded)
    assert len(pieces) == 1 + 2 * count
    assert b"".join(pieces) == GEMINI_CLIENT.encode(request, TARGET).body


def test_only_restored_images_are_shortened() -> None:
    body = anthropic_body(block(IMAGE))
    outline = outline_of(body)
    assert outline is not None
    other = ANTHROPIC_SERVER.decode(call(ANTHROPIC_SERVER, body))
    assert shorten_images(other, outline) == (other, 0)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
@given(data=st.lists(DATA, min_size=1, max_size=3))
def test_clients_only_move_images(client: IClientProtocol, data: list[str]) -> None:
    assert client.traits.moves_images
    body = chat_body(*map(image_url, (*data, IMAGE)))
    outline = outline_of(body)
    assert outline is not None
    try:
        decoded = OPENAI_CHAT_SERVER.decode(call(OPENAI_CHAT_SERVER, outline.text))
        request = restore_media(decoded, outline)
    except GatewayError:
        return
    if request is None:
        return
    short, count = shorten_images(request, outline)
    pieces = outline.restore(client.encode(short, TARGET).body)
    assert len(pieces) == 1 + 2 * count
    assert b"".join(pieces) == client.encode(request, TARGET).body
