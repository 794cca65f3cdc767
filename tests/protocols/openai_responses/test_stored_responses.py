"""What is told of a response that is kept: all of it, and what went into it, page by page."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response
from openai.types.responses.response_item import ResponseItem
from pydantic import TypeAdapter
from zope.interface.verify import verifyObject

from antigravity.interfaces.protocols import IResponseIdTap
from antigravity.ir import events as ev
from antigravity.ir.call import Call
from antigravity.ir.errors import InvalidRequestError
from antigravity.protocols.openai_responses import conversation, server_request, stored
from antigravity.protocols.openai_responses.protocol import OPENAI_RESPONSES_CLIENT
from antigravity.sse import ServerSentEvent
from tests.protocols.openai_responses.builders import SERVER, stream

ROUTES = {route.tag: route for route in SERVER.routes if route.operation == "stored"}
ITEM: Any = TypeAdapter(ResponseItem)
IMAGE = "data:image/png;base64,AAAA"
INPUT: list[Any] = [
    {"role": "developer", "content": "Be brief."},
    {
        "type": "message",
        "role": "user",
        "content": [
            {"type": "input_text", "text": "Look"},
            {"type": "input_image", "image_url": IMAGE, "detail": "auto"},
        ],
    },
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "secret"},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "1"},
    {"role": "assistant", "content": "Done."},
    {"id": "rs_1", "role": "user", "content": "An id that is taken."},
]


def call_of(tag: str, *parameters: tuple[str, str], name: str = "resp_1") -> Call:
    return Call(ROUTES[tag], {"id": name}, dict(parameters), {}, b"", parameters=parameters)


def stored_response(items: Any = INPUT) -> bytes:
    _, response = stream([ev.TextDelta("ok"), ev.Finish("stop")])
    assert response is not None
    return conversation.items_to_store(
        msgspec.json.encode({"model": "m", "input": items}), response
    )


def page(*parameters: tuple[str, str], items: Any = INPUT) -> Any:
    reply = stored.encode(call_of("input_items", *parameters), stored_response(items))
    assert reply.status == 200
    return json.loads(reply.body)


def test_protocol_stores_responses() -> None:
    assert verifyObject(IResponseIdTap, OPENAI_RESPONSES_CLIENT.tap())


def test_stored_response_is_returned_unchanged() -> None:
    _, response = stream([ev.TextDelta("ok"), ev.Finish("stop")])
    assert response is not None
    items = conversation.items_to_store(b'{"model":"m","input":"x"}', response)
    reply = stored.encode(call_of("retrieve"), items)
    assert reply.body == response
    assert Response.model_validate_json(reply.body).output_text == "ok"


def test_deleted_response_is_confirmed() -> None:
    reply = stored.encode(call_of("delete", name="resp_7"), stored_response())
    assert json.loads(reply.body) == {"id": "resp_7", "object": "response", "deleted": True}


@pytest.mark.parametrize(
    ("call", "param"),
    [
        (call_of("cancel"), "response_id"),
        (call_of("retrieve", ("stream", "true")), "stream"),
        (call_of("input_items", ("limit", "0")), "limit"),
        (call_of("input_items", ("limit", "101")), "limit"),
        (call_of("input_items", ("limit", "many")), "limit"),
        (call_of("input_items", ("order", "up")), "order"),
        (call_of("input_items", ("after", "msg_none")), "after"),
    ],
)
def test_unsupported_operation_is_rejected(call: Call, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        stored.encode(call, stored_response())
    assert caught.value.param == param


def test_missing_response_is_not_found() -> None:
    error = stored.not_found(call_of("retrieve", name="resp_9"))
    body = json.loads(SERVER.encode_error(error, "").body)["error"]
    assert "'resp_9'" in body["message"]
    assert body["type"] == "invalid_request_error"
    assert body["code"] == "response_not_found"


def test_items_are_listed_in_the_types_of_the_sdk() -> None:
    items = page(("order", "asc"))["data"]
    for item in items:
        ITEM.validate_python(item, strict=False)
    assert [item["type"] for item in items] == [
        *("message", "message", "reasoning", "function_call", "function_call_output"),
        *("message", "message"),
    ]
    assert items[0]["content"] == [{"type": "input_text", "text": "Be brief."}]
    assert items[5]["content"][0]["type"] == "output_text"
    assert items[2]["id"] == "rs_1"
    assert len({item["id"] for item in items}) == len(items)
    assert items == page(("order", "asc"))["data"], "ids stay the same"


def test_some_fields_are_included_on_request_only() -> None:
    told = json.dumps(page())
    assert IMAGE not in told
    assert "secret" not in told
    for name in ("include", "include[]", "include[0]"):
        told = json.dumps(page((name, "message.input_image.image_url"), (name, "x")))
        assert IMAGE in told
        assert "secret" not in told
    assert "secret" in json.dumps(page(("include", "reasoning.encrypted_content")))


def test_text_input_is_listed_as_item_and_empty_input_as_empty_page() -> None:
    (item,) = page(items="Hello")["data"]
    assert (item["role"], item["content"]) == ("user", [{"type": "input_text", "text": "Hello"}])
    empty = page(items=[])
    assert empty["data"] == []
    assert (empty["first_id"], empty["last_id"], empty["has_more"]) == (None, None, False)


@given(
    st.lists(st.sampled_from([*INPUT, {"id": "x", "role": "user", "content": "a"}]), max_size=12),
    st.integers(1, 5),
    st.sampled_from(["asc", "desc"]),
)
def test_pages_contain_every_item_once(items: list[Any], limit: int, order: str) -> None:
    every = page(("limit", "100"), ("order", order), items=items)["data"]
    assert len(every) == len(items)
    found: list[Any] = []
    parameters = [("limit", str(limit)), ("order", order)]
    while True:
        answer = page(*parameters, items=items)
        found += answer["data"]
        assert len(answer["data"]) <= limit
        if not answer["has_more"]:
            break
        assert answer["last_id"] == answer["data"][-1]["id"]
        assert answer["first_id"] == answer["data"][0]["id"]
        parameters = [*parameters[:2], ("after", answer["last_id"])]
    assert found == every
    other = page(("limit", "100"), ("order", "asc" if order == "desc" else "desc"), items=items)
    assert other["data"] == every[::-1]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": False, "conversation": None, "input": "background"}, None),
        ({}, None),
    ],
)
def test_native_only_fields_are_recognised(body: Any, param: str | None) -> None:
    route = SERVER.routes[0]
    call = Call(route, {}, {}, {}, json.dumps({"model": "m", "input": "x", **body}).encode())
    why = server_request.native_only_error(call)
    assert (None if why is None else why.param) == param


def event(name: str, **response: Any) -> ServerSentEvent:
    return ServerSentEvent(name, json.dumps({"type": name, "response": response}).encode())


def test_tap_reports_id_once_and_early() -> None:
    told: list[str] = []
    tap = OPENAI_RESPONSES_CLIENT.tap()
    tap.on_response_id(told.append)
    tap.watch(event("response.created", id="resp_1", status="queued"))
    assert told == ["resp_1"]
    tap.watch(event("response.in_progress", id="resp_1"))
    tap.watch(event("response.completed", id="resp_1", usage={"input_tokens": 3}))
    assert told == ["resp_1"]
    assert tap.finished
    assert tap.usage is not None
    assert tap.usage.input_total == 3


@pytest.mark.parametrize("beginning", [b"{", b"[]", b'{"response":5}'])
def test_tap_ignores_invalid_events(beginning: bytes) -> None:
    told: list[str] = []
    tap = OPENAI_RESPONSES_CLIENT.tap()
    tap.on_response_id(told.append)
    tap.watch(ServerSentEvent("response.created", beginning))
    assert told == []
    tap.watch(event("response.completed", id="resp_2"))
    assert told == ["resp_2"]


def test_tap_finds_id_of_json_response() -> None:
    told: list[str] = []
    for body in (b'{"id":"resp_3","output":[]}', b"nonsense", b"{}"):
        tap = OPENAI_RESPONSES_CLIENT.tap()
        tap.watch_body(body)
        tap.on_response_id(told.append)
        tap.watch_body(body)
    assert told == ["resp_3"]
