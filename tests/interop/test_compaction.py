"""Compaction with OpenAI's own SDK, over every upstream protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from tests.interop.targets import ANTHROPIC, RESPONSES, TARGETS, Target, name

TRANSLATED = [each for each in TARGETS if each is not RESPONSES]
TRIGGER: Any = {"type": "compaction_trigger"}
HISTORY: Any = [
    {"role": "user", "content": "Build a shed. [[say THE SUMMARY]]"},
    {"role": "assistant", "content": "The shed stands."},
    {"role": "user", "content": [{"type": "input_text", "text": "Paint it."}]},
    {
        "type": "function_call",
        "call_id": "call_done",
        "name": "paint",
        "arguments": '{"colour": "RED"}',
    },
    {"type": "function_call_output", "call_id": "call_done", "output": "It is PAINTED."},
    {"type": "function_call", "call_id": "call_open", "name": "dry", "arguments": '{"h": 7}'},
]
TOOLS: Any = [
    {"type": "function", "name": each, "parameters": {"type": "object"}, "strict": False}
    for each in ("paint", "dry")
]
ANSWER: Any = {"type": "function_call_output", "call_id": "call_open", "output": "Dry."}
DONE: Any = {"role": "assistant", "content": "It is dry."}
QUESTION: Any = {"role": "user", "content": "What next? [[say well]]"}


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="sk-any", max_retries=0) as client:
        yield client


def go_on(client: OpenAI, target: Target, items: Any) -> str:
    """Return the response in a conversation which goes on."""
    made = client.responses.create(model=target.model, input=items, tools=TOOLS)
    return made.output_text


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_endpoint_returns_users_messages_and_one_compaction(client: OpenAI, target: Target) -> None:
    made = client.responses.compact(model=target.model, input=HISTORY)
    assert made.object == "response.compaction"
    assert made.id.startswith("resp_")
    *users, last = made.output
    assert last.type == "compaction"
    assert last.id.startswith("cmp_")
    assert [part.text for item in users for part in item.content] == [  # type: ignore[union-attr]
        "Build a shed. [[say THE SUMMARY]]",
        "Paint it.",
    ]
    assert {item.role for item in users} == {"user"}  # type: ignore[union-attr]
    assert made.usage.input_tokens > 0
    assert made.usage.output_tokens > 0


@pytest.mark.parametrize("target", TRANSLATED, ids=name)
def test_compacted_conversation_goes_on(client: OpenAI, target: Target) -> None:
    made = client.responses.compact(model=target.model, input=HISTORY)
    output = [item.model_dump(exclude_none=True) for item in made.output]
    assert go_on(client, target, [*output, ANSWER, DONE, QUESTION]) == "well"


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_trigger_streams_exactly_one_compaction(client: OpenAI, target: Target) -> None:
    events = list(
        client.responses.create(model=target.model, input=[*HISTORY, TRIGGER], stream=True)
    )
    kinds = [event.type for event in events if event.type != "response.in_progress"]
    assert kinds == [
        "response.created",
        "response.output_item.added",
        "response.compaction.compacting",
        "response.output_item.done",
        "response.completed",
    ]
    numbers = [event.sequence_number for event in events]
    assert numbers == list(range(len(events)))
    added = next(event.item for event in events if event.type == "response.output_item.added")
    done = next(event.item for event in events if event.type == "response.output_item.done")
    final: Any = events[-1]
    assert added.id == done.id
    assert [item.model_dump() for item in final.response.output] == [done.model_dump()]
    assert done.type == "compaction"
    assert done.encrypted_content
    assert final.response.usage.output_tokens > 0


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_trigger_returns_exactly_one_compaction(client: OpenAI, target: Target) -> None:
    made = client.responses.create(model=target.model, input=[*HISTORY, TRIGGER])
    assert [item.type for item in made.output] == ["compaction"]
    assert made.status == "completed"


@pytest.mark.parametrize("target", TRANSLATED, ids=name)
def test_conversation_goes_on_after_trigger(client: OpenAI, target: Target) -> None:
    made = client.responses.create(model=target.model, input=[*HISTORY, TRIGGER])
    item = made.output[0].model_dump(exclude_none=True)
    for before in ([], HISTORY, [HISTORY[0]]):
        assert go_on(client, target, [*before, item, ANSWER, DONE, QUESTION]) == "well"
    next_turn = client.responses.create(
        model=target.model,
        previous_response_id=made.id,
        input=[ANSWER, DONE, QUESTION],
        tools=TOOLS,
    )
    assert next_turn.output_text == "well"


@pytest.mark.parametrize("target", TARGETS, ids=name)
@pytest.mark.parametrize("items", [[TRIGGER, QUESTION], [QUESTION, TRIGGER, TRIGGER]])
@pytest.mark.parametrize("stream", [False, True])
def test_trigger_elsewhere_is_refused(
    client: OpenAI, target: Target, items: Any, stream: bool
) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.responses.create(model=target.model, input=items, stream=stream)
    assert "The 'compaction_trigger' item must be the final input item." in str(caught.value)


@pytest.mark.parametrize("target", TRANSLATED, ids=name)
@pytest.mark.parametrize("directive", ["[[finish length]]", "[[finish refusal]]"])
@pytest.mark.parametrize("stream", [False, True])
def test_summary_that_is_not_written_is_error(
    client: OpenAI, target: Target, directive: str, stream: bool
) -> None:
    items = [{"role": "user", "content": f"One {directive} [[say half]]"}, TRIGGER]
    if stream:
        last = list(client.responses.create(model=target.model, input=items, stream=True))[-1]
        assert last.type == "response.failed"
        return
    with pytest.raises(Exception, match=r"not compacted|content") as caught:
        client.responses.create(model=target.model, input=items)
    assert caught.value.status_code >= 400  # type: ignore[attr-defined]


LONG: Any = [
    {"role": "user", "content": "Read the log. " + "[[say THE SUMMARY]] " + "log " * 3000},
    {"role": "assistant", "content": "It is READ."},
    {"role": "user", "content": "Go on. [[say all right]]"},
]
MANAGED: Any = [{"type": "compaction", "compact_threshold": 2000}]


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_long_history_is_compacted_before_response(client: OpenAI, target: Target) -> None:
    settings: Any = {"model": target.model, "context_management": MANAGED}
    made = client.responses.create(input=LONG, **settings)
    assert [item.type for item in made.output if item.type != "reasoning"] == [
        "compaction",
        "message",
    ]
    events = list(client.responses.create(input=LONG, stream=True, **settings))
    done = [event.item.type for event in events if event.type == "response.output_item.done"]
    assert [kind for kind in done if kind != "reasoning"] == ["compaction", "message"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    final: Any = events[-1]
    assert final.response.output_text == "all right"
    output = [item.model_dump(exclude_none=True) for item in made.output]
    for items in ([*LONG, *output], output):
        again = client.responses.create(input=[*items, QUESTION], **settings)
        assert "compaction" not in [item.type for item in again.output] or target is RESPONSES
        assert again.output_text == "well"


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_short_history_is_not_compacted(client: OpenAI, target: Target) -> None:
    made = client.responses.create(
        model=target.model,
        input="[[say short]]",
        context_management=[{"type": "compaction", "compact_threshold": 5000}],
    )
    assert made.output_text == "short"
    assert "compaction" not in [item.type for item in made.output]


@pytest.mark.parametrize("target", TRANSLATED, ids=name)
def test_foreign_compaction_is_refused(client: OpenAI, target: Target) -> None:
    made = client.responses.compact(model=RESPONSES.model, input=HISTORY)
    item: Any = made.output[-1].model_dump(exclude_none=True)
    with pytest.raises(BadRequestError) as caught:
        client.responses.create(model=target.model, input=[item, QUESTION])
    assert caught.value.param == "input[0].encrypted_content"
    assert client.responses.create(model=RESPONSES.model, input=[item, QUESTION]).output_text


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_changed_compaction_is_refused(client: OpenAI, target: Target) -> None:
    made = client.responses.compact(model=ANTHROPIC.model, input=HISTORY)
    item: Any = made.output[-1].model_dump(exclude_none=True)
    sealed = item["encrypted_content"]
    other = "A" if sealed[-9] != "A" else "B"
    item["encrypted_content"] = sealed[:-9] + other + sealed[-8:]
    with pytest.raises(BadRequestError) as caught:
        client.responses.create(model=target.model, input=[QUESTION, item, QUESTION])
    assert caught.value.param == "input[1].encrypted_content"


def test_summary_made_elsewhere_goes_to_openai(client: OpenAI) -> None:
    made = client.responses.compact(model=ANTHROPIC.model, input=HISTORY)
    output = [item.model_dump(exclude_none=True) for item in made.output]
    assert go_on(client, RESPONSES, [*output, ANSWER, DONE, QUESTION]) == "well"


def test_conversation_with_own_summary_is_compacted_by_openai(client: OpenAI) -> None:
    made = client.responses.compact(model=ANTHROPIC.model, input=HISTORY)
    output: Any = [item.model_dump(exclude_none=True) for item in made.output]
    for stream in (False, True):
        again: Any = client.responses.create(
            model=RESPONSES.model, input=[*output, ANSWER, TRIGGER], stream=stream
        )
        whole = list(again)[-1].response if stream else again
        assert [item.type for item in whole.output] == ["compaction"]
        assert whole.output[0].encrypted_content.startswith("gAAAA")
