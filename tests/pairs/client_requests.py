"""Requests in no protocol's words, and what each protocol's clients write for them.

Nothing here is shared with the gateway: the writers follow the providers' documentation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from hypothesis import strategies as st

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJg"
    "gg=="
)
PDF = "JVBERi0xLjQKJSVFT0YK"

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "Where."},
        "days": {"type": "integer"},
        "type": {"type": "string", "enum": ["short", "long"]},
    },
    "required": ["city"],
}
FORM: dict[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string"}, "sure": {"type": "boolean"}},
    "required": ["answer", "sure"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class UserText:
    """Text of the user or the model."""

    text: str


@dataclass(frozen=True)
class Shown:
    """An image or a PDF."""

    kind: Literal["image", "document"] = "image"

    @property
    def mime_type(self) -> str:
        return "image/png" if self.kind == "image" else "application/pdf"

    @property
    def data(self) -> str:
        return PNG if self.kind == "image" else PDF


@dataclass(frozen=True)
class Called:
    """A call of a tool, with what it answered."""

    name: str
    arguments: dict[str, Any]
    result: str
    picture: bool = False
    failed: bool = False


@dataclass(frozen=True)
class Turn:
    """A user's turn and the model's; calls are made by the model in parallel."""

    user: tuple[UserText | Shown, ...]
    model: str = ""
    calls: tuple[Called, ...] = ()


@dataclass(frozen=True)
class ClientRequest:
    """One request.  The last turn may have calls; otherwise its ``model`` is not sent."""

    turns: tuple[Turn, ...]
    system: str = ""
    tools: tuple[str, ...] = ()
    choice: str | None = None  # auto, none, required, or a name behind "="
    parallel: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int = 4000
    stop: tuple[str, ...] = ()
    effort: Literal["low", "medium", "high"] | None = None
    form: bool = False
    ids: list[str] = field(default_factory=list)

    def last(self, turn: Turn) -> bool:
        return turn is self.turns[-1]


def call_id(turn: int, place: int) -> str:
    """Return the id of a call, of a form that no provider refuses."""
    return f"call_{turn}x{place}"


# -- what clients write ---------------------------------------------------------------------


def chat(ask: ClientRequest) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    if ask.system:
        messages.append({"role": "system", "content": ask.system})
    for number, turn in enumerate(ask.turns):
        messages.append({"role": "user", "content": [_chat_part(part) for part in turn.user]})
        if turn.calls:
            calls = [
                {
                    "id": call_id(number, place),
                    "type": "function",
                    "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
                }
                for place, call in enumerate(turn.calls)
            ]
            messages.append(
                {"role": "assistant", "content": turn.model or None, "tool_calls": calls}
            )
            for place, call in enumerate(turn.calls):
                content: Any = call.result
                if call.picture:
                    content = [{"type": "text", "text": call.result}, _chat_part(Shown())]
                messages.append(
                    {"role": "tool", "tool_call_id": call_id(number, place), "content": content}
                )
        elif turn.model and not ask.last(turn):
            messages.append({"role": "assistant", "content": turn.model})
    body: dict[str, Any] = {
        "model": "m",
        "messages": messages,
        "max_completion_tokens": ask.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": ask.temperature,
        "top_p": ask.top_p,
        "reasoning_effort": ask.effort,
        "stop": list(ask.stop) or None,
    }
    if ask.tools:
        body["tools"] = [
            {"type": "function", "function": {"name": n, "description": n, "parameters": SCHEMA}}
            for n in ask.tools
        ]
        body["parallel_tool_calls"] = ask.parallel
        body["tool_choice"] = _chosen(
            ask, lambda name: {"type": "function", "function": {"name": name}}
        )
    if ask.form:
        form = {"name": "form", "schema": FORM, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    return _without_none(body)


def _chat_part(part: UserText | Shown) -> dict[str, Any]:
    if isinstance(part, UserText):
        return {"type": "text", "text": part.text}
    url = f"data:{part.mime_type};base64,{part.data}"
    if part.kind == "image":
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "file", "file": {"filename": "a.pdf", "file_data": url}}


def _chosen(ask: ClientRequest, named: Any) -> Any:
    if ask.choice is not None and ask.choice.startswith("="):
        return named(ask.choice[1:])
    return ask.choice


def responses(ask: ClientRequest) -> dict[str, Any]:
    items: list[dict[str, Any]] = []
    for number, turn in enumerate(ask.turns):
        content = [_responses_part(part) for part in turn.user]
        items.append({"type": "message", "role": "user", "content": content})
        if turn.model and (turn.calls or not ask.last(turn)):
            said = {"type": "output_text", "text": turn.model, "annotations": []}
            items.append({"type": "message", "role": "assistant", "content": [said]})
        for place, call in enumerate(turn.calls):
            items.append(
                {
                    "type": "function_call",
                    "call_id": call_id(number, place),
                    "name": call.name,
                    "arguments": json.dumps(call.arguments),
                }
            )
        for place, call in enumerate(turn.calls):
            output: Any = call.result
            if call.picture:
                output = [{"type": "input_text", "text": call.result}, _responses_part(Shown())]
            items.append(
                {
                    "type": "function_call_output",
                    "call_id": call_id(number, place),
                    "output": output,
                }
            )
    body: dict[str, Any] = {
        "model": "m",
        "input": items,
        "instructions": ask.system or None,
        "max_output_tokens": ask.max_tokens,
        "temperature": ask.temperature,
        "top_p": ask.top_p,
        "stream": True,
        "reasoning": {"effort": ask.effort} if ask.effort else None,
    }
    if ask.tools:
        body["tools"] = [
            {"type": "function", "name": n, "description": n, "parameters": SCHEMA}
            for n in ask.tools
        ]
        body["parallel_tool_calls"] = ask.parallel
        body["tool_choice"] = _chosen(ask, lambda name: {"type": "function", "name": name})
    if ask.form:
        form = {"type": "json_schema", "name": "form", "schema": FORM, "strict": True}
        body["text"] = {"format": form}
    return _without_none(body)


def _responses_part(part: UserText | Shown) -> dict[str, Any]:
    if isinstance(part, UserText):
        return {"type": "input_text", "text": part.text}
    url = f"data:{part.mime_type};base64,{part.data}"
    if part.kind == "image":
        return {"type": "input_image", "image_url": url}
    return {"type": "input_file", "filename": "a.pdf", "file_data": url}


def completions(ask: ClientRequest) -> dict[str, Any]:
    text = "\n".join(
        part.text for turn in ask.turns for part in turn.user if isinstance(part, UserText)
    )
    return _without_none(
        {
            "model": "m",
            "prompt": text or "hi",
            "max_tokens": ask.max_tokens,
            "temperature": ask.temperature,
            "top_p": ask.top_p,
            "stop": list(ask.stop) or None,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    )


def anthropic(ask: ClientRequest) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    for number, turn in enumerate(ask.turns):
        messages.append({"role": "user", "content": [_anthropic_part(part) for part in turn.user]})
        said = [{"type": "text", "text": turn.model}] if turn.model else []
        if turn.calls:
            calls = [
                {
                    "type": "tool_use",
                    "id": call_id(number, place),
                    "name": call.name,
                    "input": call.arguments,
                }
                for place, call in enumerate(turn.calls)
            ]
            messages.append({"role": "assistant", "content": said + calls})
            results = []
            for place, call in enumerate(turn.calls):
                content = [{"type": "text", "text": call.result}]
                if call.picture:
                    content.append(_anthropic_part(Shown()))
                result: dict[str, Any] = {
                    "type": "tool_result",
                    "tool_use_id": call_id(number, place),
                    "content": content,
                }
                if call.failed:
                    result["is_error"] = True
                results.append(result)
            messages.append({"role": "user", "content": results})
        elif said and not ask.last(turn):
            messages.append({"role": "assistant", "content": said})
    budget = {"low": 1500, "medium": 5000, "high": 20000}
    body: dict[str, Any] = {
        "model": "m",
        "messages": messages,
        "system": [{"type": "text", "text": ask.system}] if ask.system else None,
        "max_tokens": ask.max_tokens + (budget[ask.effort] if ask.effort else 0),
        "temperature": ask.temperature,
        "top_p": ask.top_p,
        "stop_sequences": list(ask.stop) or None,
        "stream": True,
    }
    if ask.effort:
        body["thinking"] = {"type": "enabled", "budget_tokens": budget[ask.effort]}
    if ask.tools:
        body["tools"] = [{"name": n, "description": n, "input_schema": SCHEMA} for n in ask.tools]
        kinds = {"auto": "auto", "none": "none", "required": "any"}
        choice = _chosen(ask, lambda name: {"type": "tool", "name": name})
        if isinstance(choice, str):
            choice = {"type": kinds[choice]}
        if ask.parallel is not None:
            choice = choice or {"type": "auto"}
            if choice["type"] != "none":
                choice["disable_parallel_tool_use"] = not ask.parallel
        body["tool_choice"] = choice
    if ask.form:
        body["output_config"] = {"format": {"type": "json_schema", "schema": FORM}}
    return _without_none(body)


def _anthropic_part(part: UserText | Shown) -> dict[str, Any]:
    if isinstance(part, UserText):
        return {"type": "text", "text": part.text}
    source = {"type": "base64", "media_type": part.mime_type, "data": part.data}
    return {"type": part.kind, "source": source}


def gemini(ask: ClientRequest) -> dict[str, Any]:
    contents: list[dict[str, Any]] = []
    for turn in ask.turns:
        contents.append({"role": "user", "parts": [_gemini_part(part) for part in turn.user]})
        said = [{"text": turn.model}] if turn.model else []
        if turn.calls:
            calls = [
                {"functionCall": {"name": call.name, "args": call.arguments}} for call in turn.calls
            ]
            contents.append({"role": "model", "parts": said + calls})
            results = []
            for call in turn.calls:
                response: dict[str, Any] = {
                    "name": call.name,
                    "response": {"error" if call.failed else "result": call.result},
                }
                if call.picture:
                    response["parts"] = [_gemini_part(Shown())]
                results.append({"functionResponse": response})
            contents.append({"role": "user", "parts": results})
        elif said and not ask.last(turn):
            contents.append({"role": "model", "parts": said})
    config: dict[str, Any] = {
        "temperature": ask.temperature,
        "topP": ask.top_p,
        "maxOutputTokens": ask.max_tokens,
        "stopSequences": list(ask.stop) or None,
    }
    if ask.effort:
        config["thinkingConfig"] = {"thinkingLevel": ask.effort.upper(), "includeThoughts": True}
    if ask.form:
        config |= {"responseMimeType": "application/json", "responseJsonSchema": FORM}
    body: dict[str, Any] = {"contents": contents, "generationConfig": _without_none(config)}
    if ask.system:
        body["systemInstruction"] = {"parts": [{"text": ask.system}]}
    if ask.tools:
        body["tools"] = [
            {
                "functionDeclarations": [
                    {"name": n, "description": n, "parametersJsonSchema": SCHEMA} for n in ask.tools
                ]
            }
        ]
        if ask.choice is not None:
            modes = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
            calling: dict[str, Any] = {"mode": modes.get(ask.choice, "ANY")}
            if ask.choice.startswith("="):
                calling["allowedFunctionNames"] = [ask.choice[1:]]
            body["toolConfig"] = {"functionCallingConfig": calling}
    return body


def _gemini_part(part: UserText | Shown) -> dict[str, Any]:
    if isinstance(part, UserText):
        return {"text": part.text}
    return {"inlineData": {"mimeType": part.mime_type, "data": part.data}}


def interactions(ask: ClientRequest) -> dict[str, Any]:
    steps: list[dict[str, Any]] = []
    for number, turn in enumerate(ask.turns):
        content = [_interaction_part(part) for part in turn.user]
        steps.append({"type": "user_input", "content": content})
        if turn.model and (turn.calls or not ask.last(turn)):
            said = {"type": "text", "text": turn.model}
            steps.append({"type": "model_output", "content": [said]})
        for place, call in enumerate(turn.calls):
            steps.append(
                {
                    "type": "function_call",
                    "id": call_id(number, place),
                    "name": call.name,
                    "arguments": call.arguments,
                }
            )
        for place, call in enumerate(turn.calls):
            result: Any = call.result
            if call.picture:
                result = [{"type": "text", "text": call.result}, _interaction_part(Shown())]
            step = {"type": "function_result", "call_id": call_id(number, place), "result": result}
            steps.append({**step, "is_error": True} if call.failed else step)
    config: dict[str, Any] = {
        "temperature": ask.temperature,
        "top_p": ask.top_p,
        "max_output_tokens": ask.max_tokens,
        "stop_sequences": list(ask.stop) or None,
        "thinking_level": ask.effort,
        "thinking_summaries": "auto" if ask.effort else None,
    }
    body: dict[str, Any] = {
        "model": "m",
        "input": steps,
        "system_instruction": ask.system or None,
        "stream": True,
        "store": False,
    }
    if ask.tools:
        body["tools"] = [
            {"type": "function", "name": n, "description": n, "parameters": SCHEMA}
            for n in ask.tools
        ]
        kinds = {"auto": "auto", "none": "none", "required": "any"}
        choice = _chosen(ask, lambda name: {"allowed_tools": {"mode": "any", "tools": [name]}})
        config["tool_choice"] = kinds[choice] if isinstance(choice, str) else choice
    if ask.form:
        form = {"type": "text", "mime_type": "application/json", "schema": FORM}
        body["response_format"] = form
    return _without_none({**body, "generation_config": _without_none(config)})


def _interaction_part(part: UserText | Shown) -> dict[str, Any]:
    if isinstance(part, UserText):
        return {"type": "text", "text": part.text}
    return {"type": part.kind, "data": part.data, "mime_type": part.mime_type}


def _without_none(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


WRITERS = {
    "openai_chat": chat,
    "openai_responses": responses,
    "openai_completions": completions,
    "anthropic": anthropic,
    "gemini": gemini,
    "gemini_interactions": interactions,
}


# -- generated ------------------------------------------------------------------------------

#: No text may vanish or be rewritten on the way, so none is white space alone.
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1).map(
    lambda text: f"t{text}."
)
NAMES = st.sampled_from(("get_weather", "read", "a.b", "mcp__srv__list-all", "x" * 64))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
CALLS = st.builds(
    Called, NAMES, st.dictionaries(TEXTS, VALUES, max_size=2), TEXTS, st.booleans(), st.booleans()
)
#: Equal calls in parallel are the hard case for protocols without ids.
ROUNDS = st.lists(CALLS, max_size=3).flatmap(
    lambda calls: st.sampled_from((tuple(calls), tuple(calls) + tuple(calls[:1])))
)
CONTENT = st.lists(
    TEXTS.map(UserText) | st.sampled_from((Shown(), Shown("document"))), min_size=1, max_size=3
).map(tuple)
TURNS = st.builds(Turn, CONTENT, TEXTS, ROUNDS)


@st.composite
def asks(draw: st.DrawFn) -> ClientRequest:
    """Draw a request."""
    turns = tuple(draw(st.lists(TURNS, min_size=1, max_size=3)))
    used = {call.name for turn in turns for call in turn.calls}
    tools = tuple(sorted(used | set(draw(st.sets(NAMES, max_size=2)))))
    choices = [None, "auto", "none", "required", *(f"={name}" for name in tools)]
    return ClientRequest(
        turns=turns,
        system=draw(st.just("") | TEXTS),
        tools=tools,
        choice=draw(st.sampled_from(choices)) if tools else None,
        parallel=draw(st.sampled_from((None, True, False))),
        temperature=draw(st.sampled_from((None, 0.0, 0.5, 1.0))),
        top_p=draw(st.sampled_from((None, 0.5, 1.0))),
        max_tokens=draw(st.sampled_from((1, 500, 4000))),
        stop=tuple(draw(st.lists(TEXTS, max_size=6, unique=True))),
        effort=draw(st.sampled_from((None, "low", "medium", "high"))),
        form=draw(st.booleans()),
    )
