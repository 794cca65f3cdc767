"""Decide what the simulated model answers: a view and its directives make a script; pure."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from antigravity.simulator.directives import Directives, ErrorDirective, parse_step
from antigravity.simulator.errors import ApiError, Break
from antigravity.simulator.schema_instance import instance_of
from antigravity.simulator.script import Call, Citation, Script, Usage
from antigravity.simulator.speech import TOKEN, sound
from antigravity.simulator.transcripts import asks_for_times, timed
from antigravity.simulator.truncation import limited
from antigravity.simulator.view import Tool, View, compact, count

#: What is said with citations when the prompt gives no text; its letters are not all ASCII,
#: so that byte offsets and character offsets differ.
CITED_TEXT: Final = "Zürich is the largest city of Switzerland. Its café culture is old."
SOURCES: Final = (
    ("https://example.com/zurich", "Zürich, Example"),
    ("https://example.org/cafe", "Cafés of the world"),
)
_MAX_CHUNKS: Final = 8
_CHUNK: Final = 16
#: Every protocol's spelling of a finish reason, and what it means.
REASONS: Final = {
    "stop": "stop", "end_turn": "stop", "completed": "stop",
    "length": "length", "max_tokens": "length", "max_output_tokens": "length",
    "incomplete": "length",
    "tool_calls": "tool", "tool_use": "tool", "function_call": "tool",
    "stop_sequence": "stop_sequence",
    "content_filter": "filter", "refusal": "filter", "safety": "filter",
    "prohibited_content": "filter", "blocklist": "filter", "spii": "filter",
    "recitation": "filter", "blocked": "filter",
}  # fmt: skip


def error_of(directive: ErrorDirective) -> ApiError:
    """Return the error that a directive asks for."""
    return ApiError(
        status=directive.status,
        message=directive.message,
        retry=directive.retry,
        reason=directive.reason,
        body=directive.body,
    )


def write_script(
    view: View, next_id: Callable[[], str], failed: Callable[[str, str], int] = lambda *_: 0
) -> Script:
    """Return what to answer.

    :param next_id: gives the id of a tool call.
    :param failed: counts a failure by conversation and directive, and says how many there
        were before.
    :raises ApiError: if a directive demands an error now.
    """
    directives = parse_step(view.prompt, view.rounds)
    if view.rounds and (directives is None or not directives.found):
        directives = None
    told = directives or Directives(rest="" if view.rounds else view.prompt)
    late: ErrorDirective | None = None
    for error in told.errors:
        before = failed(view.conversation, error.source)
        if error.times is None or before < error.times:
            if error.after is None:
                raise error_of(error)
            late = error
            break
    fault = _fault(told)
    if fault is not None and told.breaks is not None:
        before = failed(view.conversation, f"{fault.kind} {fault.after} times={told.breaks}")
        if before >= told.breaks:
            fault, told = None, replace(told, empty=None)
    script = _content(view, told, next_id, answering=directives is None)
    script = limited(view, script)
    if told.finish:
        script = replace(
            script, finish=REASONS.get(told.finish.lower(), told.finish), spelled=told.finish
        )
    return replace(
        script,
        delay=told.delay,
        ttft=told.ttft,
        fault=fault,
        late_error=error_of(late) if late else None,
        error_after=(late.after or 0) if late else 0,
        form=told.form,
        choices=view.choices,
        usage=_usage(view, script),
    )


def _fault(told: Directives) -> Break | None:
    if told.empty == "":
        return Break("empty")
    for kind, after in (("cut", told.cut), ("stall", told.stall), ("garbage", told.garbage)):
        if after is not None:
            return Break(kind, after)
    return None


def _content(view: View, told: Directives, next_id: Callable[[], str], answering: bool) -> Script:
    """Return the script before any limit."""
    if told.empty is not None:
        return Script()
    calls = _calls(view, told, next_id) if not view.rounds or told.tools else ()
    if calls and not view.parallel:
        calls = calls[:1]
    thinking = "\n".join(told.think)
    if not thinking and view.thinking:
        thinking = f"Thinking about: {(view.prompt or 'the request')[:60]}"
    text, plain = _text(view, told, calls, answering)
    citations: tuple[Citation, ...] = ()
    if told.cite:
        text, plain = text or CITED_TEXT, False
        middle = text.find(". ") + 2 if ". " in text else (len(text) + 1) // 2
        places = [(0, middle), (middle, len(text))]
        citations = tuple(
            Citation(start, stop, url, title)
            for (start, stop), (url, title) in zip(places, SOURCES, strict=True)
            if stop > start
        )
    return Script(
        thinking=thinking,
        chunks=split(text, told.chunks),
        calls=calls,
        image=told.image or _draws(view, told),
        sound=sound(view, told.tokens, told.chunks) if _speaks(view, told) else (),
        citations=citations,
        finish="tool" if calls else "stop",
        plain=plain,
    )


def _draws(view: View, told: Directives) -> bool:
    """Return whether a model that draws does, and is not told to do something else."""
    return view.draws and not (told.say or told.finish or told.tokens is not None)


def _speaks(view: View, told: Directives) -> bool:
    """Return whether a model that speaks does, and is not told to do something else."""
    return view.speaks and not (told.say or told.finish)


def split(text: str, chunks: int | None) -> tuple[str, ...]:
    """Return the text in so many pieces, as even as can be; fewer if it is too short."""
    if not text:
        return ()
    wanted = chunks or min(_MAX_CHUNKS, -(-len(text) // _CHUNK))
    wanted = min(wanted, len(text))
    edges = [len(text) * i // wanted for i in range(wanted + 1)]
    return tuple(text[start:stop] for start, stop in itertools.pairwise(edges))


def _find_tool(view: View, name: str) -> Tool | None:
    for tool in view.tools:
        if name in (tool.name, tool.full_name):
            return tool
    return None


def _call(tool: Tool | None, name: str, arguments: dict[str, Any], id_: str) -> Call:
    if tool is None:
        return Call(id_, name, arguments)
    return Call(id_, tool.name, arguments, tool.namespace, tool.custom)


def _calls(view: View, told: Directives, next_id: Callable[[], str]) -> tuple[Call, ...]:
    if view.choice == "none":
        return ()
    if told.tools:
        return tuple(
            _call(_find_tool(view, wanted.name), wanted.name, wanted.arguments, next_id())
            for wanted in told.tools
        )
    if view.choice != "any":
        return ()
    for tool in view.tools:
        if tool.schema is None and not tool.custom:
            continue
        if not view.allowed or tool.name in view.allowed or tool.full_name in view.allowed:
            made = {"input": "text"} if tool.custom else instance_of(tool.schema or {})
            return (_call(tool, tool.name, made if isinstance(made, dict) else {}, next_id()),)
    return ()


def _text(
    view: View, told: Directives, calls: tuple[Call, ...], answering: bool
) -> tuple[str, bool]:
    """Return the answer's text, and whether it is plain text."""
    if told.json is not None:
        return told.json, False
    if told.show == "system":
        return view.system, False
    if told.show == "tools":
        return compact([tool.full_name for tool in view.tools]), False
    if told.show == "request":
        return json.dumps(view.body, ensure_ascii=False), False
    if told.say:
        return "\n".join(told.say), True
    if calls:
        return "", False
    if view.speaks:
        return "", False
    if asks_for_times(view.schema) and view.heard_tokens():
        return compact(timed(view.schema, " ".join(map(str, view.attachments)))), False
    if view.schema is not None:
        return compact(instance_of(view.schema)), False
    if told.tokens is not None:
        return "".join(f"{i % 1000:03d} " for i in range(told.tokens)), True
    if told.image or told.cite or view.draws:
        return "", False
    if answering and view.results:
        said = [f"Result: {result}" for result in view.results]
        text = "\n".join([*said, *map(str, view.attachments)])
    else:
        text = "\n".join([*([told.rest] if told.rest else []), *map(str, view.attachments)])
    if not text and told.chunks:
        text = "".join(f"chunk {i + 1} ".ljust(10) for i in range(told.chunks))
    if view.json_mode:
        return compact({"text": text}), False
    return text or "OK", True


def _usage(view: View, script: Script) -> Usage:
    calls = sum(len(call.name) + len(compact(call.arguments)) for call in script.calls)
    answer = count(len(script.text)) + count(calls) + (258 if script.image else 0)
    answer += sum(map(len, script.sound)) // TOKEN
    return Usage(
        prompt=view.count_tokens(),
        answer=max(1, answer) if script.chunks or calls or script.image or script.sound else answer,
        thinking=count(len(script.thinking)),
    )
