"""The members of a body are looked for once, and always those of the body that is there."""

from __future__ import annotations

import json

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


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","model":"b"}',
        b'{"mod\\u0065l":"a","model":"b"}',
        b'{"x\\\\y":1,"model":"a","x\\\\y":2}',
        b'{"n":1,"model":"b","n":2}',
    ],
)
def test_body_with_a_key_twice_is_encoded_again(body: bytes) -> None:
    made = with_model(_call(body), "c")
    members = json.loads(body)
    assert json.loads(made) == {**members, "model": "c"}
    assert made.count(b":") == len(members)


def test_escaped_keys_stay_as_they_are() -> None:
    body = '{"\\u0078\\\\é":1,"é":2,"model":"a"}'.encode()
    assert with_model(_call(body), "a") is body
    assert with_model(_call(body), "c") == body.replace(b'"a"', b'"c"')


@pytest.mark.parametrize("body", [b'{"model":1}', b'{"stream":true}', b'{"model":""}'])
def test_faults_of_the_model_name_its_field(body: bytes) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        peek(_call(body))
    assert caught.value.param == "model"


def test_no_object_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="JSON object"):
        members_of(_call(b"[1]"))
