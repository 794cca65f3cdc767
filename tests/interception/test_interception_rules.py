"""What is a warm-up, what is a background task, and above all what is neither."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.interception.background import BackgroundTasks, shipped_wordings
from antigravity.interception.clients import is_claude_code, is_opencode
from antigravity.interception.fixed_response import fixed_response
from antigravity.interception.reduction import reduced
from antigravity.interception.warmup import ClaudeCodeWarmup
from antigravity.ir.call import Call
from antigravity.ir.parts import Thinking, ToolCall, ToolResult
from antigravity.ir.request import Request
from antigravity.ir.response import fold
from antigravity.protocols.anthropic.protocol import ANTHROPIC_SERVER
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_SERVER
from antigravity.protocols.openai_responses.protocol import OPENAI_RESPONSES_SERVER

SERVER = ANTHROPIC_SERVER
ROUTE = next(route for route in SERVER.routes if route.operation == "generate")
CLAUDE_CODE = {"user-agent": "claude-cli/2.1.329 (external, cli)"}
OPENCODE = {"user-agent": "opencode/1.18.33 ai-sdk/anthropic"}
TOOL = {"name": "Read", "description": "", "input_schema": {"type": "object"}}


def request(*contents: Any, **more: Any) -> Request:
    """Return a conversation that the user begins; contents are in turns."""
    messages = [
        {"role": ("user", "assistant")[place % 2], "content": content}
        for place, content in enumerate(contents)
    ]
    body = {"model": "m", "max_tokens": 99, "messages": messages, **more}
    found: Request = SERVER.decode(Call(ROUTE, {}, {}, {}, json.dumps(body).encode()))
    return found


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def result(words: Any, *, error: bool) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t", "content": words, "is_error": error}


CALL = [{"type": "tool_use", "id": "t", "name": "Read", "input": {}}]
PICTURE = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
}
REMINDER = text("<system-reminder>\nToday is Monday.\n</system-reminder>")

TITLES = "You are a title generator. You output ONLY a thread title. Nothing else."
ASKED = {"role": "user", "content": "mend the roof"}

WARMUPS = {
    "the word": request("Warmup"),
    "the word on a line": request("Warmup\n"),
    "a block": request([REMINDER, text("Warmup")]),
    "a block before a reminder": request([text("Warmup"), REMINDER]),
    "a reminder in the same text": request(f"{REMINDER['text']}\nWarmup\n{REMINDER['text']}"),
    "with tools": request("Warmup", tools=[TOOL]),
}
WORK = {
    "a probe": request("."),
    "earlier in the conversation": request("Warmup", "OK", "and now the work"),
    "the model's own word": request("hi", "Warmup"),
    "an answer to the model": request("hi", "What shall the section be called?", "Warmup"),
    "typed later on": request("hi", "hello", "Warmup the cache module, please"),
    "a short text that begins so": request("Warmup: get ready"),
    "a heading": request("Warmup: write ten scales for a pianist"),
    "a block that goes on": request([REMINDER, text("Warmup\n" + "x" * 500)]),
    "a line of its own": request("Warmup\nThen sprints. Make a table of it."),
    "twice": request([text("Warmup"), text("Warmup")]),
    "with a picture": request([text("Warmup"), PICTURE]),
    "a long text": request("Warmup " + "x" * 93),
    "letters that go on": request("Warmups are good for you"),
    "lower case": request("warmup"),
    "not at the beginning": request("The Warmup"),
    "a block with more": request([REMINDER, text("Warmup the cache module")]),
    "a tool that worked": request("hi", CALL, [result("Warmup", error=False)]),
    "a failed tool": request("hi", CALL, [result("Warmup failed: no cache", error=True)]),
    "a failed tool that says the word": request("hi", CALL, [result("Warmup", error=True)]),
    "a failed tool and the word": request("hi", CALL, [result("x", error=True), text("Warmup")]),
    "nothing but a failed tool": request([result("Warmup", error=True)]),
    "nothing but a reminder": request([text("<system-reminder>Warmup</system-reminder>")]),
}


@pytest.mark.parametrize("name", WARMUPS)
def test_warmup_is_detected(name: str) -> None:
    found = ClaudeCodeWarmup()
    assert found.may_match(CLAUDE_CODE)
    assert found.matches(WARMUPS[name], CLAUDE_CODE)


@pytest.mark.parametrize("name", WORK)
def test_other_requests_are_not_detected_as_warmup(name: str) -> None:
    assert not ClaudeCodeWarmup().matches(WORK[name], CLAUDE_CODE)


def test_warmup_is_detected_for_claude_code_only() -> None:
    found = ClaudeCodeWarmup()
    assert found.may_match({"x-app": "cli", "user-agent": "Bun/1.3"})
    others: tuple[dict[str, str], ...] = (
        {},
        {"user-agent": "curl/8.9"},
        {"user-agent": "my-claude-cli/1.0"},
        {"x-app": "web"},
    )
    for headers in others:
        assert not found.may_match(headers)
        assert not found.matches(WARMUPS["the word"], headers)


def test_fixed_response_is_complete_with_estimated_usage() -> None:
    asked = request("Warmup")
    events, usage = fixed_response(asked)
    answer = fold(events)
    assert (answer.choices[0].text, answer.choices[0].finish) == ("OK", "stop")
    assert answer.usage == usage
    assert (0 < usage.input_total < 20, usage.output) == (True, 1)
    longer = fixed_response(request("Warmup", system="x" * 4000))[1]
    assert longer.input_total > usage.input_total + 900


# -- background tasks -----------------------------------------------------------------------

TITLE = {
    "format": {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {"title": {"type": "string"}},
            "required": ["title"],
            "additionalProperties": False,
        },
    }
}
PAGE = TITLE["format"] | {
    "schema": {
        "type": "object",
        "properties": {"title": {"type": "string"}, "body": {"type": "string"}},
    }
}

TASKS: dict[str, tuple[str, Request]] = {
    "a title, by its schema": ("title", request("Mend the roof", output_config=TITLE)),
    "a title of a long text": ("title", request("roof " * 900, output_config=TITLE)),
    "a title, by its prompt": (
        "title",
        request("Please write a 5-10 word title for the following conversation:\n\nroofs"),
    ),
    "a title, by its system prompt": (
        "title",
        request("roofs", system="Analyze if this message indicates a new conversation topic."),
    ),
    "a summary": ("summary", request("Summarize this coding conversation in 50 characters.")),
    "a recap": (
        "summary",
        request("roofs", "Done.", "The user stepped away and is coming back. Recap in under 40"),
    ),
    "a suggestion, long and with tools": (
        "suggestion",
        request(
            "roofs",
            "Done.",
            [text("[SUGGESTION MODE: Suggest what.]\n" + "x" * 1500), REMINDER],
            tools=[TOOL],
        ),
    ),
    "a probe": ("probe", request("quota", max_tokens=1)),
}
NO_TASKS = {
    "work": request("Mend the roof", tools=[TOOL]),
    "a person who wants a title": request(
        "Find a title for this conversation and write it to a file", tools=[TOOL]
    ),
    "a person who wants one without tools": request("Generate a title for my article on roofs"),
    "a person who asks about this": request("Suggest a title for this conversation"),
    "a person who wants a summary": request("Summarize this conversation in under 100 words"),
    "a person who writes of suggestions": request("What is a prompt suggestion generator?"),
    "the client's words in a person's": request(
        "Please write a 5-10 word title for the following conversation: …", tools=[TOOL]
    ),
    "a title later on": request("roofs", "Which?", "tiled ones", output_config=TITLE),
    "words far behind": request("y" * 500 + " Please write a 5-10 word title for the following"),
    "a probe that wants an answer": request("quota"),
    "a dot": request(".", max_tokens=1),
    "other properties": request("A page", output_config={"format": PAGE}),
    "a reminder": request(
        [REMINDER, text("<system-reminder>Generate a title for it</system-reminder>")]
    ),
    "a tool's result": request(
        "Generate a title for it", CALL, [result("roof", error=False), text("Generate a title for")]
    ),
    "said before": request("Generate a title for it", "Roofs", "Thanks"),
    "compaction": request(
        "Your task is to create a detailed summary of the conversation so far." + "x" * 900
    ),
}


def detector(name: str) -> BackgroundTasks:
    is_client = {"claude-code": is_claude_code, "opencode": is_opencode}[name]
    return BackgroundTasks(name, is_client, shipped_wordings()[name])


@pytest.mark.parametrize("name", TASKS)
def test_background_task_is_detected(name: str) -> None:
    kind, asked = TASKS[name]
    assert detector("claude-code").detect(asked, CLAUDE_CODE) == kind
    assert detector("claude-code").detect(asked, {"user-agent": "curl/8.9"}) is None


@pytest.mark.parametrize("name", NO_TASKS)
def test_other_requests_are_not_detected_as_background_task(name: str) -> None:
    assert detector("claude-code").detect(NO_TASKS[name], CLAUDE_CODE) is None


def test_title_task_of_opencode_is_detected() -> None:
    title = request(
        "Generate a title for this conversation:\n",
        system="You are a title generator. You output ONLY a thread title. Nothing else.",
    )
    assert detector("opencode").detect(title, OPENCODE) == "title"
    assert detector("opencode").detect(title, CLAUDE_CODE) is None
    older = request("Generate a title for this conversation:\n\nroofs")
    assert detector("opencode").detect(older, OPENCODE) == "title"
    typed = request("Generate a title for this conversation: and save it", tools=[TOOL])
    assert detector("opencode").detect(typed, OPENCODE) is None
    assert detector("opencode").detect(request("Mend the roof"), OPENCODE) is None


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        ("chat", {"messages": [{"role": "system", "content": TITLES}, ASKED]}),
        ("responses", {"input": [{"role": "developer", "content": TITLES}, ASKED]}),
        ("responses", {"instructions": TITLES, "input": [ASKED]}),
    ],
)
def test_title_task_of_opencode_is_detected_in_other_protocols(
    protocol: str, body: dict[str, Any]
) -> None:
    server: Any = {"chat": OPENAI_CHAT_SERVER, "responses": OPENAI_RESPONSES_SERVER}[protocol]
    route = next(route for route in server.routes if route.operation == "generate")
    asked = server.decode(Call(route, {}, {}, {}, json.dumps({"model": "m", **body}).encode()))
    assert detector("opencode").detect(asked, OPENCODE) == "title"


def test_reduced_request() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "c2lnbmF0dXJl"}
    asked = request(
        "roofs",
        [thinking, {"type": "tool_use", "id": "t", "name": "Read", "input": {"p": 1}}],
        [result("tiles", error=False)],
        "Done.",
        "[SUGGESTION MODE: what?]",
        tools=[TOOL],
        tool_choice={"type": "auto"},
        thinking={"type": "enabled", "budget_tokens": 2048},
        context_management={"edits": [{"type": "clear_thinking_20251015"}]},
        system="Be brief.",
    )
    left = reduced(asked)
    parts = [part for message in left.messages for part in message.parts]
    assert not [p for p in parts if isinstance(p, Thinking | ToolCall | ToolResult)]
    said = " ".join(p.text for p in parts)  # type: ignore[union-attr]
    assert "Read" in said
    assert "tiles" in said
    assert (left.tools, left.tool_choice, left.thinking.mode) == ((), None, "off")
    assert left.extensions == {}
    assert left.system == asked.system
    assert asked.extensions
