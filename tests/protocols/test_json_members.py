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


@pytest.mark.parametrize("padding", [0, 64 * 1024])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"model":"a"%s}', '{"model":"b"%s}'),
        ('{"x":"model" %s, "model"\n:\t"a"}', '{"x":"model" %s, "model"\n:\t"b"}'),
        ('{"x":{"model":"a"}%s,"model":"a"}', '{"x":{"model":"a"}%s,"model":"b"}'),
        ('{"x":{"model":"a"}%s,"mod\\u0065l":"a"}', '{"x":{"model":"a"}%s,"mod\\u0065l":"b"}'),
        ('{"x":"\\"model\\":\\"a\\""%s,"model":"a"}', '{"x":"\\"model\\":\\"a\\""%s,"model":"b"}'),
        ('{"model":{"model":"a"}%s}', '{"model":"b"%s}'),
        ('{"model":null%s}', '{"model":"b"%s}'),
        ('{"model" : "b"%s}', '{"model" : "b"%s}'),
        ('{"model":"\\u0062"%s}', '{"model":"b"%s}'),
        ('{"model":"\u00e4\u20ac"%s}', '{"model":"b"%s}'),
    ],
)
def test_only_the_model_of_the_body_is_replaced(body: str, expected: str, padding: int) -> None:
    more = ',"messages":"%s"' % ("x" * padding) if padding else ""
    assert with_model(_call((body % more).encode()), "b") == (expected % more).encode()


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ('"gpt-5.2"', "gpt-5.2"),
        ('"a\\u0062\\"c"', 'ab"c'),
        ('"\u6a21\u578b"', "\u6a21\u578b"),
        ('" "', " "),
    ],
)
@pytest.mark.parametrize(("switch", "stream"), [("true", True), ("false", False), ("null", False)])
def test_model_and_switch_are_read(model: str, name: str, switch: str, stream: bool) -> None:
    head = peek(_call(f'{{"stream": {switch} ,"model": {model} }}'.encode()))
    assert (head.model, head.stream) == (name, stream)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":"a","stream":1}', "stream"),
        (b'{"model":"a","stream":"true"}', "stream"),
        (b'{"model":["a"]}', "model"),
        (b'{"model":"\xff"}', None),
        (b'{"model":"a\nb"}', None),
    ],
)
def test_head_that_is_not_valid_is_refused(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        peek(_call(body))
    assert refused.value.param == param
