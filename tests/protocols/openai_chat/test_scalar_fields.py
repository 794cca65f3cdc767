"""The scalar fields of chat completions are the same on the wire and in the representation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.ir.call import Call
from antigravity.ir.capabilities import Target
from antigravity.ir.request import Sampling
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT, OPENAI_CHAT_SERVER
from antigravity.protocols.openai_chat.schema import SAMPLING_FIELDS, ChatRequest

VALUES: dict[str, Any] = {
    "temperature": 0.5,
    "top_p": 0.5,
    "presence_penalty": 1.5,
    "frequency_penalty": -1.5,
    "top_k": 7,
    "seed": 11,
}


def test_table_has_every_field_that_only_is_copied() -> None:
    names = {field.name for field in SAMPLING_FIELDS}
    assert names == set(VALUES)
    assert names <= set(ChatRequest.__struct_fields__)
    assert set(Sampling.__struct_fields__) - names == {"logprobs", "top_logprobs", "n"}


@pytest.mark.parametrize("field", SAMPLING_FIELDS, ids=lambda field: field.name)
def test_scalar_field_is_decoded_and_encoded(field: Any) -> None:
    value = VALUES[field.name]
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], field.name: value}
    call = Call(OPENAI_CHAT_SERVER.routes[0], {}, {}, {}, json.dumps(body).encode())
    request = OPENAI_CHAT_SERVER.decode(call)
    assert getattr(request.sampling, field.name) == value
    target = Target("m", quirks=frozenset({field.name}))
    encoded = OPENAI_CHAT_CLIENT.encode(request, target)
    assert json.loads(encoded.body)[field.name] == value
    assert encoded.warnings == ()
    plain = OPENAI_CHAT_CLIENT.encode(request, Target("m"))
    assert (field.name in json.loads(plain.body)) is field.usual
    assert [loss.field for loss in plain.warnings] == (
        [] if field.usual else [f"sampling.{field.name}"]
    )
