"""Interactions that Google's API serves itself, with its SDK: for two keys, sync and async."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.sdk_drivers import Conversation, Mode, SdkDriver
from tests.interop.targets import ANTHROPIC, GEMINI, INTERACTIONS, TARGETS, Target, name

driver = pytest.importorskip("tests.interop.interactions_driver", exc_type=ImportError)
errors = driver

#: Names that only the Interactions API serves.
AGENT = "deep-research-preview-04-2026"
ONLY_INTERACTIONS = ("gemini-omni-flash-preview", AGENT, "antigravity-preview-05-2026")
TOOL = {
    "type": "function",
    "name": "look_up",
    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}},
}


@pytest.fixture(scope="module")
def one(url: str) -> Iterator[Any]:
    with driver.client_of(url, "one") as client:
        yield client.interactions


@pytest.fixture(scope="module")
def two(url: str) -> Iterator[Any]:
    with driver.client_of(url, "two") as client:
        yield client.interactions


@pytest.mark.parametrize("model", [GEMINI.model, INTERACTIONS.model])
def test_interaction_passes_through(one: Any, model: str) -> None:
    first = one.create(model=model, input="[[say one]]", labels={"a": "b"})
    assert (first.status, first.output_text) == ("completed", "one")
    events = list(
        one.create(model=model, input="[[say two]]", previous_interaction_id=first.id, stream=True)
    )
    second = events[-1].interaction
    assert [event.event_id for event in events] == [f"evt_{n}" for n in range(len(events))]
    found = one.get(second.id, include_input=True)
    assert (found.output_text, found.previous_interaction_id) == ("two", first.id)
    said = [step.content[0].text for step in found.input if step.type != "thought"]
    assert said == ["[[say one]]", "one", "[[say two]]"]
    rest = list(one.get(second.id, stream=True, last_event_id=events[2].event_id))
    assert [event.event_id for event in rest] == [event.event_id for event in events[3:]]
    one.delete(second.id)
    for gone in (one.get, one.delete, one.cancel):
        with pytest.raises(errors.NotFoundError):
            gone(second.id)


def test_interaction_in_background_is_cancelled(one: Any) -> None:
    made = one.create(model=GEMINI.model, input="[[say one]]", background=True)
    assert made.status == "in_progress"
    assert one.cancel(made.id).status == "cancelled"
    assert one.get(made.id).status == "cancelled"
    with pytest.raises(errors.BadRequestError):
        one.cancel(made.id)


def test_interaction_in_background_ends(one: Any) -> None:
    made = one.create(agent=AGENT, input="[[say one]]", background=True)
    assert (made.agent, made.status) == (AGENT, "in_progress")
    assert one.get(made.id).status == "in_progress"
    assert one.get(made.id).output_text == "one"


def test_interaction_of_other_key_does_not_exist(one: Any, two: Any) -> None:
    for model in (GEMINI.model, ANTHROPIC.model):
        made = one.create(model=model, input="[[say one]]")
        for call in (two.get, two.delete, two.cancel):
            with pytest.raises(errors.NotFoundError):
                call(made.id)
        for stream in (False, True):
            with pytest.raises(errors.NotFoundError) as caught:
                two.create(model=model, input="x", previous_interaction_id=made.id, stream=stream)
            assert made.id in str(caught.value)
        with pytest.raises(errors.NotFoundError):
            list(two.get(made.id, stream=True))
        assert one.get(made.id).output_text == "one"


def test_unknown_interaction_is_not_asked_for(one: Any) -> None:
    for call in (one.get, one.delete, one.cancel):
        with pytest.raises(errors.NotFoundError):
            call("v1_unknown")
    with pytest.raises(errors.NotFoundError):
        one.create(model=GEMINI.model, input="x", previous_interaction_id="v1_unknown")


def test_interaction_of_google_continues_at_google_only(one: Any) -> None:
    made = one.create(model=GEMINI.model, input="[[say one]]")
    with pytest.raises(errors.NotFoundError) as caught:
        one.create(model=ANTHROPIC.model, input="x", previous_interaction_id=made.id)
    assert "another upstream" in str(caught.value)


def test_translated_interaction_continues_at_google(one: Any) -> None:
    made = one.create(
        model=ANTHROPIC.model, input='[[tool look_up {"city": "Rome"}]]', tools=[TOOL]
    )
    result = {"type": "function_result", "call_id": made.steps[-1].id, "result": "sunny"}
    after = one.create(
        model=GEMINI.model, input=[result], tools=[TOOL], previous_interaction_id=made.id
    )
    assert after.output_text == "Result: sunny"
    found = one.get(after.id, include_input=True)
    assert [step.type for step in found.input][-2:] == ["function_call", "function_result"]


@pytest.mark.parametrize("model", [GEMINI.model, ANTHROPIC.model])
def test_tools_with_types_in_upper_case_are_called(one: Any, model: str) -> None:
    made = one.create(model=model, input='[[tool look_up {"city": "Rome"}]]', tools=[TOOL])
    assert made.steps[-1].arguments == {"city": "Rome"}


def test_unknown_agent_is_not_found(one: Any) -> None:
    with pytest.raises(errors.NotFoundError):
        one.create(agent="no-such-agent", input="x", background=True)


def test_refusals_of_google_pass_through(one: Any) -> None:
    with pytest.raises(errors.BadRequestError) as caught:
        one.create(model=GEMINI.model, input="x", extra_body={"colour": "red"})
    assert "colour" in str(caught.value)
    with pytest.raises(errors.BadRequestError):
        one.create(agent=AGENT, input="x")  # it runs in the background only


@pytest.mark.parametrize("mode", ["whole", "stream"])
@pytest.mark.parametrize(
    "model", ["gemini-omni-flash-preview", AGENT, "antigravity-preview-05-2026"]
)
def test_every_client_reaches_what_only_interactions_serve(
    url: str, sdk: SdkDriver, model: str, mode: Mode
) -> None:
    if sdk.name == "interactions" and "omni" not in model:
        pytest.skip("its clients name an agent, not a model")
    answer = Conversation(sdk, url, model, mode).send("[[say one]]")
    assert (answer.text, answer.finish) == ("one", "stop")
    assert answer.output_tokens


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_async_client(url: str, target: Target) -> None:
    async def run() -> None:
        client = driver.client_of(url, "one").aio
        interactions, model = client.interactions, target.model
        made = await interactions.create(
            model=model, input='[[tool look_up {"city": "Rome"}]]', tools=[TOOL]
        )
        assert made.status == "requires_action"
        result = {"type": "function_result", "call_id": made.steps[-1].id, "result": "sunny"}
        stream = await interactions.create(
            model=model, input=[result], tools=[TOOL], previous_interaction_id=made.id, stream=True
        )
        events = [event async for event in stream]
        deltas = [event.delta for event in events if event.event_type == "step.delta"]
        texts = [delta.text for delta in deltas if delta.type == "text"]
        assert "".join(texts) == "Result: sunny"
        found = await interactions.get(events[-1].interaction.id)
        assert found.output_text == "Result: sunny"
        again = await interactions.get(found.id, stream=True)
        assert [event.event_type async for event in again][-1] == "interaction.completed"
        await interactions.delete(found.id)
        with pytest.raises(errors.NotFoundError):
            await interactions.get(found.id)
        with pytest.raises(errors.BadRequestError):
            await interactions.cancel(made.id)
        await client.aclose()

    asyncio.run(run())
