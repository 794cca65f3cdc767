"""Responses that are asked for again, with OpenAI's own SDK: kept here, or by who made them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI

from tests.interop.targets import CHAT, RESPONSES, TARGETS, Target, name

TRANSLATED = [each for each in TARGETS if each is not RESPONSES]


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="sk-any", max_retries=0) as client:
        yield client


def texts(items: Any) -> list[str]:
    return [part.text for item in items for part in item.content]


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_stored_response_is_retrieved(client: OpenAI, target: Target) -> None:
    made = client.responses.create(model=target.model, input="[[say one]]", metadata={"a": "b"})
    found = client.responses.retrieve(made.id)
    assert found.model_dump() == made.model_dump()
    assert found.output_text == "one"
    assert texts(client.responses.input_items.list(made.id)) == ["[[say one]]"]
    assert client.responses.delete(made.id) is None
    for gone in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
        with pytest.raises(NotFoundError) as caught:
            gone(made.id)
        assert made.id in caught.value.message


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_stored_stream_is_retrieved(client: OpenAI, target: Target) -> None:
    events = list(client.responses.create(model=target.model, input="[[say one]]", stream=True))
    made = events[-1].response
    assert client.responses.retrieve(made.id).output_text == "one"


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_response_with_store_false_is_not_stored(client: OpenAI, target: Target) -> None:
    made = client.responses.create(model=target.model, input="[[say one]]", store=False)
    with pytest.raises(NotFoundError) as caught:
        client.responses.retrieve(made.id)
    assert made.id in caught.value.message
    assert caught.value.type == "invalid_request_error"


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_input_items_are_listed_by_page(client: OpenAI, target: Target) -> None:
    previous: str | None = None
    for word in ("one", "two", "three"):
        made = client.responses.create(
            model=target.model,
            input=f"[[say {word}]]",
            **({"previous_response_id": previous} if previous else {}),
        )
        previous = made.id
    assert previous is not None
    said = ["[[say one]]", "one", "[[say two]]", "two", "[[say three]]"]
    items = client.responses.input_items.list(previous, limit=2, order="asc")
    assert len(items.data) == 2
    assert items.has_next_page()
    assert texts(each for each in items if each.type == "message") == said
    newest = client.responses.input_items.list(previous)
    assert texts(each for each in newest if each.type == "message") == said[::-1]
    assert client.responses.retrieve(previous).previous_response_id is not None


@pytest.mark.parametrize("second", [None, RESPONSES, CHAT], ids=lambda each: each and each.name)
@pytest.mark.parametrize("target", TRANSLATED, ids=name)
def test_stored_items_are_referred_to(
    client: OpenAI, target: Target, second: Target | None
) -> None:
    """As the AI SDK does, which never sends again what is stored; also to another upstream."""
    tools: Any = [{"type": "function", "name": "now", "parameters": {"type": "object"}}]
    asked: Any = {"role": "user", "content": "[[think Hm.]][[tool now {}]]"}
    made = client.responses.create(
        model=target.model, input=[asked], tools=tools, reasoning={"effort": "high"}
    )
    [call] = [item for item in made.output if item.type == "function_call"]
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "noon"}
    references = [{"type": "item_reference", "id": item.id} for item in made.output]
    answer = client.responses.create(
        model=(second or target).model,
        input=[asked, *references, output],  # type: ignore[list-item]
        tools=tools,
    )
    assert "noon" in answer.output_text
    with pytest.raises(APIStatusError) as caught:
        client.responses.create(
            model=target.model,
            input=[asked, {"type": "item_reference", "id": "fc_unknown0000"}, output],
            tools=tools,
        )
    assert caught.value.status_code in (400, 404)


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_finished_response_cannot_be_cancelled(client: OpenAI, target: Target) -> None:
    made = client.responses.create(model=target.model, input="[[say one]]")
    with pytest.raises(BadRequestError):
        client.responses.cancel(made.id)
    assert client.responses.retrieve(made.id).status == "completed"


@pytest.mark.parametrize("target", TRANSLATED, ids=name)
def test_native_features_are_rejected_elsewhere(client: OpenAI, target: Target) -> None:
    made = client.responses.create(model=target.model, input="[[say one]]")
    fields: Any
    for fields in ({"background": True}, {"conversation": "conv_1"}):
        with pytest.raises(BadRequestError) as caught:
            client.responses.create(model=target.model, input="x", **fields)
        assert caught.value.param == next(iter(fields))
    with pytest.raises(BadRequestError) as caught:
        list(client.responses.retrieve(made.id, stream=True))
    assert caught.value.param == "stream"


def test_background_response_is_served_by_openai(client: OpenAI) -> None:
    made = client.responses.create(model=RESPONSES.model, input="[[say one]]", background=True)
    assert made.status == "queued"
    assert client.responses.retrieve(made.id).output_text == "one"
    events = list(client.responses.retrieve(made.id, stream=True))
    assert events[-1].type == "response.completed"
    assert client.responses.cancel(made.id).status == "cancelled"
    assert client.responses.retrieve(made.id).status == "cancelled"


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_token_count_includes_previous_responses(client: OpenAI, target: Target) -> None:
    first = client.responses.create(model=target.model, input="[[say one]] " + "word " * 400)
    alone = client.responses.input_tokens.count(model=target.model, input="And now?")
    behind = client.responses.input_tokens.count(
        model=target.model, input="And now?", previous_response_id=first.id
    )
    assert alone.object == "response.input_tokens"
    assert 0 < alone.input_tokens < 100 < behind.input_tokens


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_conversation_is_counted_where_it_can_be_created(client: OpenAI, target: Target) -> None:
    call: Any
    for call in (client.responses.input_tokens.count, client.responses.create):
        if target is RESPONSES:
            assert call(model=target.model, input="And now?", conversation="conv_1")
        else:
            with pytest.raises(BadRequestError) as caught:
                call(model=target.model, input="And now?", conversation="conv_1")
            assert caught.value.param == "conversation"


def test_failed_count_of_a_conversation_is_an_error_and_no_estimate(client: OpenAI) -> None:
    with pytest.raises(APIStatusError) as caught:
        client.responses.input_tokens.count(
            model=RESPONSES.model,
            input="x",
            conversation="conv_1",
            tools=[{"type": "odd"}],  # type: ignore[list-item]
        )
    assert caught.value.status_code == 400


def test_unknown_response_is_404(client: OpenAI) -> None:
    calls: list[Any] = [
        client.responses.retrieve,
        client.responses.delete,
        client.responses.cancel,
        lambda each: list(client.responses.input_items.list(each)),
    ]
    for call in calls:
        with pytest.raises(APIStatusError) as caught:
            call("resp_never")
        assert caught.value.status_code == 404
