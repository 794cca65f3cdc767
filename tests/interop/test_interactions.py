"""Interactions that the gateway translates and stores, with Google's own SDK."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.targets import ANTHROPIC, RESPONSES, TARGETS, Target, name

errors = pytest.importorskip("tests.interop.interactions_driver", exc_type=ImportError)


@pytest.fixture(scope="module")
def interactions(url: str) -> Iterator[Any]:
    with errors.client_of(url, "one") as client:
        yield client.interactions


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_interaction_is_continued_retrieved_and_deleted(interactions: Any, target: Target) -> None:
    first = interactions.create(model=target.model, input="[[say one]]")
    assert (first.status, first.output_text) == ("completed", "one")
    events = list(
        interactions.create(
            model=target.model,
            input="[[say two]]",
            previous_interaction_id=first.id,
            stream=True,
        )
    )
    second = events[-1].interaction
    found = interactions.get(second.id, include_input=True)
    assert (found.status, found.output_text) == ("completed", "two")
    assert found.previous_interaction_id == first.id
    said = [each.content[0].text for each in found.input if each.type != "thought"]
    assert said == ["[[say one]]", "one", "[[say two]]"]
    assert interactions.get(second.id).input is None
    assert found.usage.total_tokens == second.usage.total_tokens
    interactions.delete(second.id)
    for gone in (interactions.get, interactions.delete, interactions.cancel):
        with pytest.raises(errors.NotFoundError) as caught:
            gone(second.id)
        assert second.id in str(caught.value)
    assert interactions.get(first.id).output_text == "one"


def test_stored_interaction_is_streamed_again_from_any_event(interactions: Any) -> None:
    made = interactions.create(
        model=RESPONSES.model,
        input="[[say one two]] [[think Hm]]",
        generation_config={"thinking_level": "low", "thinking_summaries": "auto"},
    )
    events = list(interactions.get(made.id, stream=True))
    answer = errors.collect(events)
    assert answer.text == made.output_text
    assert answer.turn == [step.model_dump(exclude_none=True, mode="json") for step in made.steps]
    for place, event in enumerate(events):
        rest = list(interactions.get(made.id, stream=True, last_event_id=event.event_id))
        assert [each.event_type for each in rest] == [
            each.event_type for each in events[place + 1 :]
        ]


def test_interaction_with_store_false_is_not_stored(interactions: Any) -> None:
    made = interactions.create(model=RESPONSES.model, input="[[say one]]", store=False)
    with pytest.raises(errors.NotFoundError):
        interactions.get(made.id)
    with pytest.raises(errors.NotFoundError) as caught:
        interactions.create(model=RESPONSES.model, input="x", previous_interaction_id=made.id)
    assert "previous_interaction_id" in str(caught.value)


def test_finished_interaction_cannot_be_cancelled(interactions: Any) -> None:
    made = interactions.create(model=RESPONSES.model, input="[[say one]]")
    with pytest.raises(errors.BadRequestError):
        interactions.cancel(made.id)


def test_response_of_another_protocol_is_no_interaction(interactions: Any, url: str) -> None:
    body = json.dumps({"model": ANTHROPIC.model, "input": "[[say one]]"}).encode()
    head = {"content-type": "application/json", "authorization": "Bearer one"}
    request = urllib.request.Request(f"{url}/v1/responses", body, head)
    with urllib.request.urlopen(request) as reply:
        made = json.load(reply)
    with pytest.raises(errors.NotFoundError):
        interactions.get(made["id"])
    with pytest.raises(errors.NotFoundError):
        interactions.create(model=ANTHROPIC.model, input="x", previous_interaction_id=made["id"])


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_tool_is_called_in_a_stored_conversation(interactions: Any, target: Target) -> None:
    tool = {
        "type": "function",
        "name": "look_up",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
    made = interactions.create(
        model=target.model, input='[[tool look_up {"city": "Rome"}]]', tools=[tool]
    )
    assert made.status == "requires_action"
    call = made.steps[-1]
    assert (call.type, call.name, call.arguments) == ("function_call", "look_up", {"city": "Rome"})
    result = {
        "type": "function_result",
        "call_id": call.id,
        "name": call.name,
        "result": {"sky": "blue"},
    }
    after = interactions.create(
        model=target.model,
        input=[result],
        tools=[tool],
        previous_interaction_id=made.id,
    )
    assert after.status == "completed"
    assert after.output_text


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"background": True}, errors.BadRequestError),
        ({"webhook_config": {"uris": ["https://example.org"]}}, errors.BadRequestError),
        ({"continuation_token": "x"}, errors.BadRequestError),
        ({"input": [{"type": "painting"}]}, errors.BadRequestError),
        ({"generation_config": {"thinking_level": "huge"}}, errors.BadRequestError),
        ({"model": f"none-{uuid.uuid4().hex}"}, errors.NotFoundError),
    ],
)
def test_what_cannot_be_served_is_refused(
    interactions: Any, fields: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        interactions.create(**{"model": RESPONSES.model, "input": "x", **fields})
