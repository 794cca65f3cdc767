"""The simulated Interactions API refuses unknown fields, wrong orders and wrong ids."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import inlineCallbacks

from antigravity.simulator.errors import ApiError, interactions_error
from antigravity.simulator.signatures import sign
from antigravity.simulator.validation.interactions import check
from tests.simulator.fixtures import SimulatorTestCase, events

NEW, OLD, NEWEST = "gemini-3-flash", "gemini-2.5-flash", "gemini-3.6-flash"
USER = {"type": "user_input", "content": [{"type": "text", "text": "hi"}]}
SAID = {"type": "model_output", "content": [{"type": "text", "text": "ok"}]}
CALL = {"type": "function_call", "id": "c1", "name": "f", "arguments": {"a": 1}}
THOUGHT = {"type": "thought", "signature": sign("gemini", ["f", {"a": 1}])}
RESULT = {"type": "function_result", "call_id": "c1", "name": "f", "result": "x"}
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "OBJECT"}}
AGENT = {"agent": "deep-research-preview-04-2026", "input": "x", "background": True}


def body(*steps: Any, model: str = OLD, **fields: Any) -> dict[str, Any]:
    """Return a request."""
    return {"model": model, "input": list(steps) or "hi", **fields}


def config(**fields: Any) -> dict[str, Any]:
    """Return a request with a generation config."""
    return body(generation_config=fields)


def checked(given: dict[str, Any]) -> Any:
    """Check a request whose earlier interactions have one turn."""
    return check(given, lambda name: [USER, SAID])


ACCEPTED: list[dict[str, Any]] = [
    body(),
    body("hi") | {"input": {"type": "text", "text": "hi"}},
    body({"type": "text", "text": "a"}, {"type": "text", "text": "b"}),
    body(USER, SAID, USER),
    body(USER, CALL, RESULT),
    body(USER, CALL, {**CALL, "id": "c2"}, RESULT, {**RESULT, "call_id": "c2"}),
    body(USER, THOUGHT, CALL, RESULT, model=NEW),
    body(USER, {**CALL, "signature": THOUGHT["signature"]}, RESULT, model=NEW),
    body(USER, CALL, RESULT, SAID, USER, model=NEW),  # only the current turn is checked
    body(USER, SAID),
    body(tools=[FUNCTION, {"type": "google_search"}], model=NEW),
    body(previous_interaction_id="v1_1"),
    config(thinking_level="minimal", thinking_summaries="auto", temperature=None),
    AGENT,
]
REFUSED: list[tuple[dict[str, Any], str]] = [
    (body(colour="red"), "colour"),
    (config(top_k=3), "generation_config.top_k"),
    (config(temperature=3), "generation_config.temperature"),
    (config(max_output_tokens=0), "generation_config.max_output_tokens"),
    (config(thinking_level="HIGH"), "generation_config.thinking_level"),
    (config(thinking_level="xhigh"), "not supported for this model"),
    (config(stop_sequences=["a"] * 6), "stop_sequences"),
    (config(tool_choice="any"), "without functions"),
    (body({**USER, "id": 1}), "id"),
    (body({"type": "message", "content": []}), "type"),
    (body({"role": "user", "content": []}), "type"),
    (body(USER, {"type": "text", "text": "a"}), "not both"),
    (body({**USER, "content": []}), "must not be empty"),
    (body({**USER, "content": [{"type": "image", "data": "AA=="}]}), "mime_type"),
    (body({**USER, "content": [{"type": "image"}]}), "data or uri"),
    (body(SAID, USER), "first step"),
    (body(USER, CALL), "last step"),
    (body(USER, SAID, model=NEWEST), "last step"),
    (body(USER, RESULT), "No call found"),
    (body(USER, CALL, {**RESULT, "call_id": "c2"}), "No call found"),
    (body(USER, CALL, RESULT, RESULT), "has a result already"),
    (body(USER, CALL, {**RESULT, "name": "g"}), "the name of its call"),
    (body(USER, CALL, CALL, RESULT), "must be unique"),
    (body(USER, CALL, USER), "function_result steps are missing"),
    (body(USER, CALL, {**CALL, "id": "c2"}, RESULT), "function_result steps are missing"),
    (body(USER, {**CALL, "arguments": "{}"}, RESULT), "arguments"),
    (body(USER, {**CALL, "name": "no name"}, RESULT), "function name"),
    (body(USER, CALL, RESULT, model=NEW), "thought signature"),
    (body(USER, {**THOUGHT, "signature": "YWJj"}, CALL, RESULT), "not valid"),
    (body(USER, THOUGHT, {**CALL, "arguments": {}}, RESULT, model=NEW), "thought signature"),
    (body(tools=[FUNCTION, FUNCTION]), "Duplicate"),
    (body(tools=[{**FUNCTION, "strict": True}]), "tools[0].strict"),
    (body(tools=[{"type": "web_search"}]), "tools[0].type"),
    (body(tools=[{**FUNCTION, "parameters": {"type": "text"}}]), "JSON Schema"),
    (body(tools=[FUNCTION, {"type": "google_search"}]), "Built-in tools"),
    (
        body(response_format={"type": "text", "mime_type": "text/plain", "schema": {}}),
        "application/json",
    ),
    (body(response_format={"type": "image"}), "modalities"),
    (body(background=True, store=False), "background"),
    ({"input": "x"}, "model and agent"),
    ({**AGENT, "model": OLD}, "model and agent"),
    ({**AGENT, "background": False}, "background=true"),
    ({**AGENT, "generation_config": {}}, "only supported for models"),
    ({"model": AGENT["agent"], "input": "x"}, "agent field"),
]


@pytest.mark.parametrize("given", ACCEPTED)
def test_valid_request_is_accepted(given: dict[str, Any]) -> None:
    checked(given)


@pytest.mark.parametrize(("given", "text"), REFUSED)
def test_invalid_request_is_refused(given: dict[str, Any], text: str) -> None:
    with pytest.raises(ApiError) as caught:
        checked(given)
    answer = interactions_error(caught.value)
    assert answer.status == 400
    assert answer.body["error"]["code"] == "invalid_request"
    assert text in answer.body["error"]["message"]


@pytest.mark.parametrize("name", ["no-such-model", "imagen-4.0-generate-001"])
def test_unknown_model_is_not_found(name: str) -> None:
    with pytest.raises(ApiError) as caught:
        checked(body(model=name))
    assert interactions_error(caught.value).status == 404
    with pytest.raises(ApiError) as caught:
        checked({**AGENT, "agent": name})
    assert interactions_error(caught.value).body["error"]["code"] == "not_found"


class EndpointTests(SimulatorTestCase):
    @inlineCallbacks
    def ask_about(self, method: str, name: str, key: str = "k") -> Any:
        response = yield self.http.request(
            method, f"{self.base}/v1beta/interactions/{name}", headers={"x-goog-api-key": key}
        )
        value = yield response.json()
        return response.code, value

    @inlineCallbacks
    def test_interactions_of_a_key(self) -> Any:
        response, made = yield self.ask("/v1beta/interactions", body(), "gemini")
        self.assertEqual(response.code, 200)
        self.assertEqual((made["status"], made["object"]), ("completed", "interaction"))
        for method, end in (("GET", ""), ("DELETE", ""), ("POST", "/cancel")):
            status, error = yield self.ask_about(method, made["id"] + end, "other")
            self.assertEqual((status, error["error"]["code"]), (404, "not_found"))
        status, error = yield self.ask_about("POST", f"{made['id']}/cancel")
        self.assertEqual((status, error["error"]["code"]), (400, "invalid_request"))
        status, found = yield self.ask_about("GET", f"{made['id']}?include_input=true")
        self.assertEqual(found, {**made, "input": [USER]})
        status, found = yield self.ask_about("DELETE", made["id"])
        self.assertEqual((status, found), (200, {}))
        status, _ = yield self.ask_about("GET", made["id"])
        self.assertEqual(status, 404)

    @inlineCallbacks
    def test_stream_ends_with_its_interaction(self) -> Any:
        _, raw = yield self.ask("/v1beta/interactions", body(stream=True), "gemini")
        *found, last = events(raw)
        self.assertEqual(last, "[DONE]")
        kinds = [event["event_type"] for event in found]
        self.assertEqual(kinds[:2], ["interaction.created", "interaction.status_update"])
        self.assertEqual(kinds[-1], "interaction.completed")
        self.assertEqual([event["event_id"] for event in found][1], "evt_1")

    @inlineCallbacks
    def test_models_of_interactions_do_not_generate_content(self) -> Any:
        given = {"contents": [{"parts": [{"text": "x"}]}]}
        for name in ("gemini-omni-flash-preview", AGENT["agent"]):
            path = f"/v1beta/models/{name}:generateContent"
            response, error = yield self.ask(path, given, "gemini")
            self.assertEqual(response.code, 400)
            self.assertIn("Interactions", error["error"]["message"])
