"""The simulated Gemini API refuses invalid requests with the provider's messages."""

from __future__ import annotations

from typing import Any

import pytest

from antigravity.simulator.errors import ApiError, google_error
from antigravity.simulator.signatures import sign
from antigravity.simulator.validation.code_assist import unwrap_count_request, unwrap_request
from antigravity.simulator.validation.gemini import check

USER = {"role": "user", "parts": [{"text": "hi"}]}
CALL = {"functionCall": {"name": "f", "args": {"a": 1}}}
SIGNED = {**CALL, "thoughtSignature": sign("gemini", ["f", {"a": 1}])}
RESULT = {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"r": 1}}}]}


def body(*contents: Any, **fields: Any) -> dict[str, Any]:
    """Return a request."""
    return {"contents": list(contents or (USER,)), **fields}


def model(*parts: Any) -> dict[str, Any]:
    """Return a model's turn."""
    return {"role": "model", "parts": list(parts)}


def declared(**fields: Any) -> list[dict[str, Any]]:
    """Return tools with one function."""
    return [{"functionDeclarations": [{"name": "f", **fields}]}]


def parameters(**schema: Any) -> list[dict[str, Any]]:
    """Return tools with one function of one parameter."""
    return declared(parameters={"type": "object", "properties": {"a": schema}})


def config(**fields: Any) -> dict[str, Any]:
    """Return a request with a generation config."""
    return body(generationConfig=fields)


PLACE = "tools[0].function_declarations[0].parameters"
NEW, OLD = "gemini-3-flash", "gemini-2.5-flash"
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    (OLD, body(stream=True), 'Unknown name "stream": Cannot find field.'),
    (OLD, body({**USER, "id": 1}), "Unknown name \"id\" at 'contents[0]': Cannot find field."),
    (OLD, body({"role": "assistant", "parts": [{"text": "x"}]}), "valid role: user, model"),
    (OLD, body({"role": "user", "parts": []}), "contents.parts must not be empty"),
    (OLD, body({"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "?"}}]}),
     "(TYPE_BYTES), Base64 decoding failed"),
    (OLD, body(tools=declared(parameters={"type": "object", "$schema": "x"})),
     f"Unknown name \"$schema\" at '{PLACE}': Cannot find field."),
    (OLD, body(tools=parameters(type="string", const="x")),
     f"Unknown name \"const\" at '{PLACE}.properties[0].value': Cannot find field."),
    (OLD, body(tools=parameters(type=["string", "null"])), "Proto field is not repeating"),
    (OLD, body(tools=parameters(type="array")), "items: missing field."),
    (OLD, body(tools=parameters(type="integer", enum=["1"])), "only allowed for STRING type"),
    (OLD, body(tools=parameters(type="string", format="uri")), "only 'enum' and 'date-time'"),
    (OLD, body(tools=parameters(type="text")), "v1beta.Type), \"text\""),
    (OLD, body(tools=declared(parameters={"type": "object", "required": ["x"]})),
     "property is not defined"),
    (OLD, body(tools=declared(parameters={"type": "object"}, parametersJsonSchema={})),
     "exclusive"),
    (OLD, body(tools=declared(name="a b")), "Invalid function name"),
    (OLD, body(tools=declared() + declared()), "Duplicate function declaration found: f"),
    (OLD, body(tools=[*declared(), {"googleSearch": {}}]), "function calling is unsupported"),
    ("gemini-2.0-flash", body(tools=declared(parametersJsonSchema={})), '"parametersJsonSchema"'),
    (OLD, body(USER, model(CALL), USER), "number of function response parts is equal"),
    (OLD, body(USER, model(CALL, CALL), RESULT), "number of function response parts is equal"),
    (OLD, body(RESULT), "immediately after a function call turn"),
    (OLD, body(model(CALL), RESULT), "immediately after a user turn"),
    (NEW, body(USER, model(CALL), RESULT), "missing a thought_signature in functionCall parts"),
    (NEW, body(USER, model({**SIGNED, "thoughtSignature": "c2ln"}), RESULT), "Corrupted thought"),
    (NEW, body(USER, model({**SIGNED, "functionCall": {"name": "f", "args": {"a": 2}}}), RESULT),
     "Thought signature is not valid."),
    (NEW, body(USER, model({**CALL, "thoughtSignature": sign("claude", ["f", {"a": 1}])}),
               RESULT), "Thought signature is not valid."),
    (OLD, config(thinkingConfig={"thinkingBudget": 1, "thinkingLevel": "LOW"}), "only one of"),
    (OLD, config(thinkingConfig={"thinkingLevel": "LOW"}), "Thinking level is not supported"),
    (OLD, config(thinkingConfig={"thinkingBudget": 30000}), "between 0 and 24576"),
    ("gemini-2.5-pro", config(thinkingConfig={"thinkingBudget": 0}), "Budget 0 is invalid"),
    (OLD, config(maxOutputTokens=70000), "maxOutputTokens value of 70000"),
    (OLD, config(responseSchema={"type": "STRING"}), "only allowed when response_mime_type"),
    (OLD, config(temperature="hot"), "(TYPE_FLOAT), \"hot\""),
    (OLD, config(logprobs=1), "when response_logprobs is true"),
    (OLD, body(toolConfig={"functionCallingConfig": {"mode": "ANY"}}), "without function_decl"),
]  # fmt: skip


def test_unspecified_thinking_level_is_no_level() -> None:
    unspecified = {"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}
    check(OLD, config(thinkingConfig={**unspecified, "thinkingBudget": 100}))
    check(NEW, config(thinkingConfig=unspecified))


@pytest.mark.parametrize(("name", "request_", "message"), REFUSED, ids=[r[2] for r in REFUSED])
def test_invalid_request_is_refused(name: str, request_: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as caught:
        check(name, request_)
    assert caught.value.status == 400
    assert message in caught.value.message


def test_unknown_fields_are_reported_together() -> None:
    with pytest.raises(ApiError) as caught:
        check(OLD, body(a=1, b=2))
    error = google_error(caught.value).body["error"]
    assert error["status"] == "INVALID_ARGUMENT"
    assert len(error["details"][0]["fieldViolations"]) == 2


@pytest.mark.parametrize(
    "part",
    [SIGNED, {**CALL, "thoughtSignature": "skip_thought_signature_validator"}],
)
def test_signature_or_placeholder_is_accepted(part: dict[str, Any]) -> None:
    check(NEW, body(USER, model(part), RESULT))


def test_only_current_turn_requires_signatures() -> None:
    check(NEW, body(USER, model(CALL), RESULT, model({"text": "x"}), USER))
    check(NEW, body(USER, model(SIGNED, CALL), {"role": "user", "parts": RESULT["parts"] * 2}))


def test_snake_case_fields_are_accepted() -> None:
    read = check(OLD, {"contents": [USER], "generation_config": {"max_output_tokens": "5"}})
    assert read["generationConfig"] == {"maxOutputTokens": 5}


def test_property_may_have_the_name_of_a_keyword() -> None:
    schema = {"type": "OBJECT", "properties": {"$schema": {"type": "STRING"}}}
    check(OLD, body(tools=declared(parameters=schema)))


def test_envelope_is_checked() -> None:
    good = {"model": "gemini-3-flash", "project": "p", "request": body()}
    assert unwrap_request(good, "p", raw=False)[0] == "gemini-3-flash"
    for bad, message in (
        ({**good, "contents": []}, 'Unknown name "contents": Cannot find field.'),
        ({"model": "m"}, "invalid argument"),
        ({**good, "request": body(tools=declared(parametersJsonSchema={}))}, "Cannot find field"),
        ({**good, "project": "sim-project-00000000"}, "denied on resource"),
    ):
        with pytest.raises(ApiError) as caught:
            unwrap_request(bad, "p", raw=False)
        assert message in caught.value.message
    raw = {**good, "request": body(tools=declared(parametersJsonSchema={}))}
    unwrap_request(raw, "p", raw=True)


def test_count_envelope_accepts_only_the_request() -> None:
    unwrap_count_request({"request": body()})
    for bad in ({"request": body(), "project": "p"}, {"request": body(safetySettings=[])}):
        with pytest.raises(ApiError, match="Cannot find field"):
            unwrap_count_request(bad)


def test_claude_behind_google_requires_ids_and_own_signatures() -> None:
    named = {"functionCall": {"name": "f", "args": {}, "id": "1"}}
    answer = {"functionResponse": {"name": "f", "response": {}, "id": "1"}}
    thought = {"text": "x", "thought": True, "thoughtSignature": sign("claude", "x")}
    result = {"role": "user", "parts": [answer]}
    check("claude-sonnet-4-6", body(USER, model(thought, named), result), internal=True)
    for parts, message in (
        ([CALL], "tool_use.id: Field required"),
        ([{"text": "x", "thought": True}, named], "thinking.signature: Field required"),
        ([{**thought, "thoughtSignature": "skip_thought_signature_validator"}, named], "Invalid"),
    ):
        with pytest.raises(ApiError, match=message):
            check("claude-sonnet-4-6", body(USER, model(*parts), result), internal=True)


def test_enumerations_accept_numbers() -> None:
    # As SDKs that speak protocol buffers send them.
    tools = declared(parameters={"type": 6, "properties": {"a": {"type": 1}}})
    calling = {"functionCallingConfig": {"mode": 2, "allowedFunctionNames": ["f"]}}
    read = check(OLD, body(tools=tools, toolConfig=calling))
    schema = read["tools"][0]["functionDeclarations"][0]["parameters"]
    assert (schema["type"], schema["properties"]["a"]["type"]) == ("OBJECT", "STRING")
    assert read["toolConfig"]["functionCallingConfig"]["mode"] == "ANY"
