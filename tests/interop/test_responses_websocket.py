"""Responses over WebSocket, through the ``openai`` SDK and real sockets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import ResponseCompletedEvent
from websockets.sync.client import connect

from tests.interop.openai_chat_driver import client
from tests.interop.targets import WITH_WEBSOCKET, Target, name

pytestmark = pytest.mark.filterwarnings("ignore")
SETS_NAME = '[[tool set_name {"name": "ZEBRA"}]][[then]][[say DONE-5]]'
TOOL: Any = {
    "type": "function",
    "name": "set_name",
    "parameters": {"type": "object", "properties": {"name": {"type": "string"}}},
    "strict": False,
}


def finish(connection: Any, kinds: list[str] | None = None) -> Any:
    """Return the response at the end of the events on a connection of the SDK."""
    while True:
        event = connection.recv()
        if kinds is not None:
            kinds.append(event.type)
        if isinstance(event, ResponseCompletedEvent):
            return event.response
        assert event.type not in ("error", "response.failed"), event


@pytest.mark.parametrize("target", WITH_WEBSOCKET, ids=name)
def test_tool_loop_without_store(url: str, target: Target) -> None:
    with client(url).responses.connect() as connection:
        kinds: list[str] = []
        create = connection.response.create
        create(model=target.model, input=SETS_NAME, tools=[TOOL], store=False)
        first = finish(connection, kinds)
        assert kinds[:2] == ["response.created", "response.in_progress"]
        (call,) = [item for item in first.output if item.type == "function_call"]
        output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "ok"}
        create(
            model=target.model,
            input=[output],
            tools=[TOOL],
            store=False,
            previous_response_id=first.id,
        )
        second = finish(connection)
        assert second.output_text == "DONE-5"
        assert second.previous_response_id == first.id


@pytest.mark.parametrize("target", WITH_WEBSOCKET, ids=name)
def test_stored_response_is_continued(url: str, target: Target) -> None:
    sdk = client(url)
    first = sdk.responses.create(model=target.model, input="one [[say A]]")
    with sdk.responses.connect() as connection:
        connection.response.create(
            model=target.model, input="two [[say B]]", previous_response_id=first.id
        )
        second = finish(connection)
    third = sdk.responses.create(
        model=target.model, input="three [[say C]]", previous_response_id=second.id
    )
    assert (second.output_text, third.output_text) == ("B", "C")


def receive(socket: Any) -> Any:
    """Return the next message that is not a delta."""
    while True:
        message = json.loads(socket.recv(timeout=20))
        if not message["type"].endswith((".delta", ".added", ".done", ".in_progress")):
            return message


def send(socket: Any, model: str, text: Any, **members: Any) -> None:
    request = {"type": "response.create", "model": model, "input": text, "store": False}
    socket.send(json.dumps({**request, **members}))


@pytest.mark.parametrize("target", WITH_WEBSOCKET, ids=name)
def test_failed_continuation_is_forgotten(url: str, target: Target) -> None:
    address = url.replace("http", "ws") + "/v1/responses"
    with connect(address, proxy=None) as socket:
        send(socket, target.model, "one")
        response = [receive(socket), receive(socket)][-1]["response"]
        send(socket, target.model, "[[error 400]]", previous_response_id=response["id"])
        error = receive(socket)
        assert (error["type"], error["status"]) == ("error", 400)
        send(socket, target.model, "two", previous_response_id=response["id"])
        assert receive(socket)["error"]["code"] == "previous_response_not_found"
        send(socket, target.model, "three [[say THREE]]")
        kinds = [receive(socket)["type"], receive(socket)["type"]]
        assert kinds == ["response.created", "response.completed"]


def test_lanes_are_served_together(url: str) -> None:
    address = url.replace("http", "ws") + "/v1/responses"
    with connect(address, proxy=None) as socket:
        for number, target in enumerate(WITH_WEBSOCKET):
            send(socket, target.model, f"[[say TEXT-{number}]]", stream_id=f"lane{number}")
        texts: dict[str, str] = {}
        while len(texts) < len(WITH_WEBSOCKET):
            message = receive(socket)
            if message["type"] == "response.completed":
                items = message["response"]["output"]
                (item,) = [each for each in items if each["type"] == "message"]
                texts[message["stream_id"]] = item["content"][0]["text"]
        assert texts == {f"lane{n}": f"TEXT-{n}" for n in range(len(WITH_WEBSOCKET))}


def test_unknown_model_is_an_error(url: str) -> None:
    address = url.replace("http", "ws") + "/v1/responses"
    with connect(address, proxy=None) as socket:
        send(socket, "nowhere/no-such-model", "hi")
        error = receive(socket)
        assert (error["type"], error["status"]) == ("error", 404)
        assert error["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("target", WITH_WEBSOCKET, ids=name)
def test_conversation_is_compacted_on_connection(url: str, target: Target) -> None:
    with client(url).responses.connect() as connection:
        create = connection.response.create
        create(model=target.model, input="one", store=False)
        first = finish(connection)
        trigger: Any = {"type": "compaction_trigger"}
        create(model=target.model, input=[trigger], store=False, previous_response_id=first.id)
        second = finish(connection)
        assert [item.type for item in second.output] == ["compaction"]
        create(
            model=target.model,
            input="two [[say B]]",
            store=False,
            previous_response_id=second.id,
        )
        assert finish(connection).output_text == "B"
