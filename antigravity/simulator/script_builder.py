"""Build the script of a response from a view and its directives; pure."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from antigravity.simulator.directives import Directives, ErrorDirective, parse_step
from antigravity.simulator.errors import ApiError, ConnectionFault
from antigravity.simulator.prompt_rules import PromptRule, apply_rules
from antigravity.simulator.schema_instance import build_instance
from antigravity.simulator.script import Call, Citation, Script, Usage
from antigravity.simulator.speech import BYTES_PER_TOKEN, synthesize
from antigravity.simulator.transcripts import build_timed_transcript, wants_timestamps
from antigravity.simulator.truncation import truncate_script
from antigravity.simulator.view import Tool, View, compact, count

#: The text with citations if the prompt has none; it contains non-ASCII letters,
#: so that byte and character offsets differ.
CITED_TEXT: Final = "Zürich is the largest city of Switzerland. Its café culture is old."
SOURCES: Final = (
    ("https://example.com/zurich", "Zürich, Example"),
    ("https://example.org/cafe", "Cafés of the world"),
)
#: A word that can name what a tool is about: "weather" in ``get_weather``.
_WORD: Final = re.compile(r"[a-z]{4,}")
_MAX_CHUNKS: Final = 8
_CHUNK: Final = 16
#: The finish reasons of all protocols, and their meaning.
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


def build_error(directive: ErrorDirective) -> ApiError:
    """Return the error of a directive."""
    return ApiError(
        status=directive.status,
        message=directive.message,
        retry=directive.retry,
        reason=directive.reason,
        body=directive.body,
    )


def build_script(
    view: View,
    next_id: Callable[[], str],
    count_failure: Callable[[str, str], int] = lambda *_: 0,
    rules: Iterable[PromptRule] = (),
) -> Script:
    """Return the script of the response to a view.

    :param next_id: returns the id of a tool call.
    :param count_failure: counts a failure by conversation and directive; returns how many there
        were before.
    :param rules: directives for prompts that contain none.
    :raises ApiError: if a directive causes an error before the response.
    """
    prompt = apply_rules(rules, view.prompt)
    found = parse_step(prompt, view.rounds)
    if view.rounds and (found is None or not found.found):
        found = None
    given = found or Directives(rest="" if view.rounds else prompt)
    late: ErrorDirective | None = None
    for error in given.errors:
        before = count_failure(view.conversation, error.source)
        if error.times is None or before < error.times:
            if error.after is None:
                raise build_error(error)
            late = error
            break
    fault = _fault(given)
    if fault is not None and given.breaks is not None:
        before = count_failure(
            view.conversation, f"{fault.kind} {fault.after} times={given.breaks}"
        )
        if before >= given.breaks:
            fault, given = None, replace(given, empty=None)
    script = _content(view, given, next_id, echo_results=found is None)
    script = truncate_script(view, script)
    if given.finish:
        script = replace(
            script,
            finish=REASONS.get(given.finish.lower(), given.finish),
            spelled=given.finish,
        )
    return replace(
        script,
        delay=given.delay,
        ttft=given.ttft,
        fault=fault,
        late_error=build_error(late) if late else None,
        error_after=(late.after or 0) if late else 0,
        form=given.form,
        choices=view.choices,
        usage=_usage(view, script),
    )


def _fault(given: Directives) -> ConnectionFault | None:
    if given.empty == "":
        return ConnectionFault("empty")
    for kind, after in (
        ("cut", given.cut),
        ("stall", given.stall),
        ("garbage", given.garbage),
    ):
        if after is not None:
            return ConnectionFault(kind, after)
    return None


def _content(
    view: View, given: Directives, next_id: Callable[[], str], echo_results: bool
) -> Script:
    """Return the script before truncation."""
    if given.empty is not None:
        return Script()
    calls = _calls(view, given, next_id) if not view.rounds or given.tools else ()
    if calls and not view.parallel:
        calls = calls[:1]
    thinking = "\n".join(given.think)
    if not thinking and view.thinking:
        thinking = f"Thinking about: {(view.prompt or 'the request')[:60]}"
    text, plain = _text(view, given, calls, echo_results)
    citations: tuple[Citation, ...] = ()
    if given.cite:
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
        chunks=split_text(text, given.chunks),
        calls=calls,
        image=given.image or _is_image(view, given),
        audio=synthesize(view, given.tokens, given.chunks) if _is_speech(view, given) else (),
        citations=citations,
        finish="tool" if calls else "stop",
        plain=plain,
    )


def _is_image(view: View, given: Directives) -> bool:
    """Return whether the response is an image; some directives prevent that."""
    return view.image_output and not (given.say or given.finish or given.tokens is not None)


def _is_speech(view: View, given: Directives) -> bool:
    """Return whether the response is speech; some directives prevent that."""
    return view.speech_output and not (given.say or given.finish)


def split_text(text: str, chunks: int | None) -> tuple[str, ...]:
    """Return the text in chunks of equal size; fewer if it is too short."""
    if not text:
        return ()
    count = chunks or min(_MAX_CHUNKS, -(-len(text) // _CHUNK))
    count = min(count, len(text))
    edges = [len(text) * i // count for i in range(count + 1)]
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


def _calls(view: View, given: Directives, next_id: Callable[[], str]) -> tuple[Call, ...]:
    if view.choice == "none":
        return ()
    if given.tools:
        return tuple(
            _call(_find_tool(view, call.name), call.name, call.arguments, next_id())
            for call in given.tools
        )
    for tool in view.tools if view.choice == "any" else _asked_for(view, given):
        if tool.schema is None and not tool.custom:
            continue
        if not view.allowed or tool.name in view.allowed or tool.full_name in view.allowed:
            made = {"input": "text"} if tool.custom else build_instance(tool.schema or {})
            return (_call(tool, tool.name, made if isinstance(made, dict) else {}, next_id()),)
    return ()


def _asked_for(view: View, given: Directives) -> tuple[Tool, ...]:
    """Return the only tool of a request, if its last text is a question with a word of its name."""
    if given.found or len(view.tools) != 1 or not view.prompt.rstrip().endswith("?"):
        return ()
    asked = set(_WORD.findall(view.prompt.lower()))
    return () if asked.isdisjoint(_WORD.findall(view.tools[0].name.lower())) else view.tools


def _text(
    view: View, given: Directives, calls: tuple[Call, ...], echo_results: bool
) -> tuple[str, bool]:
    """Return the text of the response, and whether it is plain text."""
    if given.json is not None:
        return given.json, False
    if given.show == "system":
        return view.system, False
    if given.show == "tools":
        return compact([tool.full_name for tool in view.tools]), False
    if given.show == "request":
        return json.dumps(view.body, ensure_ascii=False), False
    if given.say:
        return "\n".join(given.say), True
    if calls:
        return "", False
    if view.speech_output:
        return "", False
    if wants_timestamps(view.schema) and view.audio_tokens():
        return compact(
            build_timed_transcript(view.schema, " ".join(map(str, view.attachments)))
        ), False
    if view.schema is not None:
        return compact(build_instance(view.schema)), False
    if given.tokens is not None:
        return "".join(f"{i % 1000:03d} " for i in range(given.tokens)), True
    if given.image or given.cite or view.image_output:
        return "", False
    if echo_results and view.results:
        results = [f"Result: {result}" for result in view.results]
        text = "\n".join([*results, *map(str, view.attachments)])
    else:
        text = "\n".join([*([given.rest] if given.rest else []), *map(str, view.attachments)])
    if not text and given.chunks:
        text = "".join(f"chunk {i + 1} ".ljust(10) for i in range(given.chunks))
    if view.json_mode:
        return compact({"text": text}), False
    return text or "OK", True


def _usage(view: View, script: Script) -> Usage:
    calls = sum(len(call.name) + len(compact(call.arguments)) for call in script.calls)
    response = count(len(script.text)) + count(calls) + (258 if script.image else 0)
    response += sum(map(len, script.audio)) // BYTES_PER_TOKEN
    return Usage(
        prompt=view.count_tokens(),
        response=max(1, response)
        if script.chunks or calls or script.image or script.audio
        else response,
        thinking=count(len(script.thinking)),
    )
