"""The members of a body are looked for once, and always those of the body that is there."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from antigravity.ir.call import Call, Route
from antigravity.ir.errors import InvalidRequestError
from antigravity.protocols.json_body import members_of, peek, with_model

BODY = b'{ "model" : "a", "stream":true, "messages":[{"model":"x"}] }'


def _call(body: bytes) -> Call:
    return Call(Route("POST", "/x", "generate"), {}, {}, {}, body)


def test_members_are_found_once() -> None:
    call = _call(BODY)
    assert members_of(call) is members_of(call)
    assert bytes(members_of(call)["messages"]) == b'[{"model":"x"}]'


def test_another_body_has_others() -> None:
    call = _call(BODY)
    assert peek(call).model == "a"
    other = replace(call, body=b'{"model":"b"}')
    assert other.memo is call.memo
    assert peek(other).model == "b"
    assert with_model(other, "c") == b'{"model":"c"}'
    assert with_model(call, "c") == BODY.replace(b'"a"', b'"c"')


@pytest.mark.parametrize("body", [b'{"model":1}', b'{"stream":true}', b'{"model":""}'])
def test_faults_of_the_model_name_its_field(body: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        peek(_call(body))
    assert caught.value.param == "model"


def test_no_object_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="JSON object"):
        members_of(_call(b"[1]"))
