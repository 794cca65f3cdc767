"""Responses are whole as Open Responses wants them: every member, and events in their order.

The suite itself runs in ``tests/conformance``; these checks need nothing but the gateway.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any, Final

import pytest

from tests.interop.raw_events import read_events
from tests.interop.targets import TARGETS, Target, name

#: The members of every response, with the types that they may have.
RESPONSE: Final[dict[str, tuple[type, ...]]] = {
    "id": (str,),
    "object": (str,),
    "created_at": (int,),
    "completed_at": (int, type(None)),
    "status": (str,),
    "incomplete_details": (dict, type(None)),
    "model": (str,),
    "previous_response_id": (str, type(None)),
    "instructions": (str, list, type(None)),
    "output": (list,),
    "error": (dict, type(None)),
    "tools": (list,),
    "tool_choice": (str, dict),
    "truncation": (str,),
    "parallel_tool_calls": (bool,),
    "text": (dict,),
    "top_p": (int, float),
    "presence_penalty": (int, float),
    "frequency_penalty": (int, float),
    "top_logprobs": (int,),
    "temperature": (int, float),
    "reasoning": (dict, type(None)),
    "usage": (dict, type(None)),
    "max_output_tokens": (int, type(None)),
    "max_tool_calls": (int, type(None)),
    "store": (bool,),
    "background": (bool,),
    "service_tier": (str,),
    "metadata": (dict,),
    "safety_identifier": (str, type(None)),
    "prompt_cache_key": (str, type(None)),
}
#: The members of what is inside, by the ``type`` of the object.
MEMBERS: Final = {
    "message": ("id", "status", "role", "content"),
    "output_text": ("text", "annotations", "logprobs"),
    "refusal": ("refusal",),
    "function_call": ("id", "call_id", "name", "arguments", "status"),
    "reasoning": ("id", "summary"),
    "compaction": ("id", "encrypted_content"),
    "function": ("name", "description", "parameters", "strict"),
    "json_schema": ("name", "description", "schema", "strict"),
    "url_citation": ("start_index", "end_index", "url", "title"),
}
USAGE: Final = {
    "input_tokens",
    "input_tokens_details",
    "output_tokens",
    "output_tokens_details",
    "total_tokens",
}
LOOK: Final = {"type": "function", "name": "look", "parameters": {"type": "object"}}
FORM: Final = {
    "type": "json_schema",
    "name": "x",
    "schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
PNG: Final = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF: Final = "data:application/pdf;base64,JVBERi0xLjQK"


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content, **more}


CASES: Final[dict[str, dict[str, Any]]] = {
    "text": {"input": [said("user", "Say hello in exactly 3 words.")]},
    "system": {"input": [said("system", "You are a pirate."), said("user", "Say hello.")]},
    "thinking": {"input": "[[think hm]] [[say Hello]]", "reasoning": {"effort": "high"}},
    "call": {"input": '[[think hm]] [[say Wait]] [[tool look {"at": 1}]]', "tools": [LOOK]},
    "calls": {"input": "[[tool look {}]] [[tool look {}]]", "tools": [LOOK]},
    "asked": {"input": "How does it look?", "tools": [LOOK]},
    "named": {"input": "x", "tools": [LOOK], "tool_choice": {"type": "function", "name": "look"}},
    "schema": {"input": "x", "text": {"format": FORM}},
    "cut": {"input": "[[tokens 40]] [[finish length]]", "max_output_tokens": 9000},
    "filtered": {"input": "[[say x]] [[finish content_filter]]"},
    "cited": {"input": "[[cite]]", "tools": [{"type": "web_search"}]},
    "history": {
        "input": [
            said("assistant", "I should use the saved number.", phase="commentary"),
            said("assistant", "The number is four.", phase="final_answer"),
            said("user", "Repeat only the number."),
        ]
    },
    "media": {
        "input": [
            said(
                "user",
                [
                    {"type": "input_text", "text": "What do you see?"},
                    {"type": "input_image", "image_url": PNG},
                    {"type": "input_file", "filename": "a.pdf", "file_data": PDF},
                ],
            )
        ]
    },
    "echoed": {
        "input": "x",
        "instructions": "Be brief.",
        "metadata": {"a": "b"},
        "store": False,
        "top_p": 0.5,
        "max_output_tokens": 9000,
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "truncation": "auto",
        "parallel_tool_calls": False,
    },
}


def post(url: str, body: dict[str, Any]) -> bytes:
    request = urllib.request.Request(
        f"{url}/v1/responses",
        json.dumps(body).encode(),
        {"content-type": "application/json", "authorization": "Bearer sk"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: bytes = answer.read()
    return found


def check_members(value: Any) -> None:
    """Check everything inside of a response."""
    if isinstance(value, list):
        for each in value:
            check_members(each)
    elif isinstance(value, dict):
        missing = [each for each in MEMBERS.get(str(value.get("type")), ()) if each not in value]
        assert not missing, (missing, value)
        for key, each in value.items():
            if key not in ("schema", "parameters"):  # these are the client's own
                check_members(each)


def check_response(response: dict[str, Any]) -> None:
    for member, types in RESPONSE.items():
        assert member in response, member
        assert isinstance(response[member], types), (member, response[member])
    assert response["object"] == "response"
    check_members([response["output"], response["text"]["format"]])
    check_members([each for each in response["tools"] if each["type"] == "function"])
    done = response["status"] in ("completed", "incomplete")
    assert (response["usage"] is not None) == done
    assert (response["completed_at"] is not None) == (response["status"] == "completed")
    if done:
        assert set(response["usage"]) >= USAGE
    assert (response["incomplete_details"] is not None) == (response["status"] == "incomplete")


def check_events(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Check the order of a stream's events, and return its last response."""
    assert [each["sequence_number"] for each in events] == list(range(len(events)))
    kinds = [each["type"] for each in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    last: dict[str, Any] = events[-1]["response"]
    assert kinds[-1] == f"response.{last['status']}"
    for each in (events[0], events[1], events[-1]):
        check_response(each["response"])
    items: list[Any] = []
    part: dict[str, Any] | None = None
    texts: dict[tuple[int, str], str] = {}
    for event in events[2:-1]:
        kind = event["type"].removeprefix("response.")
        if kind == "output_item.added":
            assert event["output_index"] == len(items)
            items.append(event["item"])
            check_members(event["item"])
            continue
        assert event["output_index"] == len(items) - 1, "items do not overlap"
        item = items[-1]
        if kind == "output_item.done":
            assert part is None
            assert (event["item"]["id"], event["item"]["type"]) == (item["id"], item["type"])
            items[-1] = event["item"]
            continue
        assert event["item_id"] == item["id"]
        if kind.endswith("part.added"):
            assert part is None
            part = event["part"]
            check_members(part)
        elif kind.endswith("part.done"):
            assert part is not None
            part = None
        elif kind.endswith(".delta"):
            key = len(items), kind.removesuffix(".delta")
            texts[key] = texts.get(key, "") + event["delta"]
        elif kind.endswith(".done"):
            whole = event.get("text", event.get("arguments", event.get("refusal")))
            assert texts.pop((len(items), kind.removesuffix(".done")), "") == whole
    assert items == last["output"]
    return last


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_response_has_every_member_whole_and_streamed(url: str, target: Target, case: str) -> None:
    body = {"model": target.model, **CASES[case]}
    whole = json.loads(post(url, body))
    check_response(whole)
    events = read_events(post(url, {**body, "stream": True}))
    streamed = check_events([json.loads(each) for each in events])
    for response in (whole, streamed):
        expected = {"cut": "incomplete", "filtered": "incomplete"}.get(case, "completed")
        assert response["status"] == expected
        kinds = [each["type"] for each in response["output"]]
        assert kinds.count("function_call") == {
            "call": 1, "calls": 2, "asked": 1, "named": 1,
        }.get(case, 0)  # fmt: skip
    assert [each["type"] for each in whole["output"]] == [
        each["type"] for each in streamed["output"]
    ]


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_tool_result_and_stored_response_continue_conversation(url: str, target: Target) -> None:
    question = {"model": target.model, "input": "How does it look?", "tools": [LOOK]}
    first = json.loads(post(url, question))
    call = next(each for each in first["output"] if each["type"] == "function_call")
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
    second = json.loads(
        post(url, {**question, "previous_response_id": first["id"], "input": [result]})
    )
    check_response(second)
    assert second["previous_response_id"] == first["id"]
    message = next(each for each in second["output"] if each["type"] == "message")
    assert message["content"][0]["text"] == "Result: sunny"
