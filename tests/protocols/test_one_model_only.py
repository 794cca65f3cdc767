"""Bodies that are passed on name one model, the one that was chosen here, however they are read."""

from __future__ import annotations

import json

import pytest

from antigravity.ir.call import Call, Route
from antigravity.protocols.json_body import replace_model
from antigravity.protocols.openai_images.protocol import OPENAI_IMAGES_SERVER
from antigravity.protocols.openai_speech.protocol import OPENAI_SPEECH_SERVER

TWICE = b'{"model":"evil","input":"x","prompt":"x","model":"good"}'


def call(body: bytes) -> Call:
    headers = {"content-type": "application/json"}
    return Call(Route("POST", "/", "generate"), {}, {}, headers, body)


@pytest.mark.parametrize("server", [OPENAI_SPEECH_SERVER, OPENAI_IMAGES_SERVER])
@pytest.mark.parametrize("model", ["good", "other"])
def test_duplicate_model_member_is_sent_once(server: object, model: str) -> None:
    body = server.with_model(call(TWICE), model)  # type: ignore[attr-defined]
    assert b"evil" not in body
    assert json.loads(body)["model"] == model
    assert body.count(b'"model"') == 1


def test_a_body_that_names_it_already_is_not_copied() -> None:
    body = b'{"a": [1, {"model": 2}], "model": "good" }'
    assert replace_model(body, "good") is body
    assert replace_model(body, "x") == b'{"a": [1, {"model": 2}], "model": "x" }'
