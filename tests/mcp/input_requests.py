"""Tools and prompts that ask something of the client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from antigravity.interfaces.mcp_values import ClientRequest
from antigravity.mcp.function_objects import Prompt, Tool


def _form(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _sampling(prompt: str, tokens: int = 100) -> dict[str, Any]:
    message = {"role": "user", "content": {"type": "text", "text": prompt}}
    return {"messages": [message], "maxTokens": tokens}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _told(answer: Mapping[str, Any]) -> str:
    return f"action={answer['action']}, content={json.dumps(answer.get('content') or {})}"


_NAME: Final = _form(name={"type": "string"})
_CAPITAL: Final = "What is the capital of France?"

_DEFAULTS: Final = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "User name", "default": "John Doe"},
        "age": {"type": "integer", "description": "User age", "default": 30},
        "score": {"type": "number", "description": "User score", "default": 95.5},
        "status": {
            "type": "string",
            "description": "User status",
            "enum": ["active", "inactive", "pending"],
            "default": "active",
        },
        "verified": {"type": "boolean", "description": "Verified", "default": True},
    },
    "required": [],
}
_VALUES: Final = [
    {"const": "value1", "title": "First Option"},
    {"const": "value2", "title": "Second Option"},
    {"const": "value3", "title": "Third Option"},
]
_ENUMS: Final = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {"type": "string", "oneOf": _VALUES},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {"type": "string", "enum": ["option1", "option2", "option3"]},
        },
        "titledMulti": {
            "type": "array",
            "minItems": 1,
            "maxItems": 3,
            "items": {"anyOf": _VALUES},
        },
    },
    "required": [],
}


async def _sample(arguments: Mapping[str, Any], context: Any) -> str:
    answer = await context.sample(_sampling(arguments["prompt"]))
    return f"LLM response: {answer['content']['text']}"


async def _elicit(arguments: Mapping[str, Any], context: Any) -> str:
    schema = _form(response={"type": "string", "description": "User's response"})
    return f"User response: {_told(await context.elicit(arguments['message'], schema))}"


async def _elicit_defaults(arguments: Mapping[str, Any], context: Any) -> str:
    answer = await context.elicit("Please review the form", _DEFAULTS)
    return f"Elicitation completed: {_told(answer)}"


async def _elicit_enums(arguments: Mapping[str, Any], context: Any) -> str:
    answer = await context.elicit("Please select options", _ENUMS)
    return f"Elicitation completed: {_told(answer)}"


async def _ask_name(arguments: Mapping[str, Any], context: Any) -> str:
    answer = await context.elicit("What is your name?", _NAME, name="user_name")
    return f"Hello, {answer['content']['name']}!"


async def _ask_capital(arguments: Mapping[str, Any], context: Any) -> str:
    answer = await context.sample(_sampling(_CAPITAL), name="capital_question")
    return str(answer["content"]["text"])


async def _ask_roots(arguments: Mapping[str, Any], context: Any) -> str:
    answer = await context.list_roots(name="client_roots")
    return f"Roots: {json.dumps(answer['roots'])}"


async def _confirm(arguments: Mapping[str, Any], context: Any) -> str:
    answer = await context.elicit("Please confirm", _form(ok={"type": "boolean"}), name="confirm")
    return f"state-ok: {_told(answer)}"


async def _ask_all(arguments: Mapping[str, Any], context: Any) -> str:
    name = {"message": "What is your name?", "requestedSchema": _NAME}
    answers = await context.ask(
        {
            "user_name": ClientRequest("elicitation/create", name),
            "handshake": ClientRequest(
                "sampling/createMessage", _sampling("Generate a handshake", 50)
            ),
            "client_roots": ClientRequest("roots/list"),
        }
    )
    return json.dumps(sorted(answers))


async def _ask_twice(arguments: Mapping[str, Any], context: Any) -> str:
    first = await context.elicit("Step 1: What is your name?", _NAME, name="step1")
    color = _form(color={"type": "string"})
    second = await context.elicit("Step 2: What is your favorite color?", color, name="step2")
    return f"{_told(first)}; {_told(second)}"


async def _ask_what_is_possible(arguments: Mapping[str, Any], context: Any) -> str:
    wanted = {
        "name": ClientRequest(
            "elicitation/create", {"message": "Who are you?", "requestedSchema": _NAME}
        ),
        "capital": ClientRequest("sampling/createMessage", _sampling(_CAPITAL)),
    }
    possible = {name: one for name, one in wanted.items() if context.can_ask(one)}
    return json.dumps(sorted(await context.ask(possible)))


async def _need_sampling(arguments: Mapping[str, Any], context: Any) -> str:
    await context.sample(_sampling(_CAPITAL))
    return "The client can sample."


async def _stream_and_ask(arguments: Mapping[str, Any], context: Any) -> str:
    context.progress(1, 2)
    return f"Hello, {_told(await context.elicit('Who are you?', _NAME))}"


async def _ask_in_prompt(arguments: Mapping[str, Any], context: Any) -> str:
    question = "What context should the prompt use?"
    schema = _form(context={"type": "string"})
    answer = await context.elicit(question, schema, name="user_context")
    return f"Use this: {_told(answer)}"


_PREFIX: Final = "test_input_required_result_"

QUESTIONS: Final = (
    Tool("test_sampling", "Asks a model.", _sample, _object(prompt={"type": "string"})),
    Tool("test_elicitation", "Asks the user.", _elicit, _object(message={"type": "string"})),
    Tool("test_elicitation_sep1034_defaults", "Asks with defaults.", _elicit_defaults),
    Tool("test_elicitation_sep1330_enums", "Asks with choices.", _elicit_enums),
    Tool("test_missing_capability", "Needs sampling.", _need_sampling),
    Tool("test_streaming_elicitation", "Streams, then asks.", _stream_and_ask),
    Tool(f"{_PREFIX}elicitation", "Asks for a name.", _ask_name),
    Tool(f"{_PREFIX}sampling", "Asks for a capital.", _ask_capital),
    Tool(f"{_PREFIX}list_roots", "Asks for folders.", _ask_roots),
    Tool(f"{_PREFIX}request_state", "Asks for a confirmation.", _confirm),
    Tool(f"{_PREFIX}tampered_state", "Asks for a confirmation.", _confirm),
    Tool(f"{_PREFIX}multiple_inputs", "Asks for three things.", _ask_all),
    Tool(f"{_PREFIX}multi_round", "Asks twice.", _ask_twice),
    Tool(f"{_PREFIX}capabilities", "Asks for what is possible.", _ask_what_is_possible),
)


def prompts_that_ask() -> tuple[Prompt, ...]:
    """Return the prompts that ask something of the client."""
    return (Prompt(f"{_PREFIX}prompt", "Asks for context.", _ask_in_prompt),)
