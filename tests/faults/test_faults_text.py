"""Halves of characters, arguments that are no object, and nulls: served in all pairs."""

from __future__ import annotations

import json
from typing import Any

from tests.faults.fixtures import path_and_body
from tests.faults.scripted_upstream import (
    CLIENTS,
    MODEL,
    UPSTREAMS,
    ScriptedCase,
    ScriptedResponse,
    dumps,
    events_of,
    sse,
    stream_reply,
    text_of,
    whole_of,
    whole_reply,
    wrapped,
)

PAIRS = [(client, upstream) for client in CLIENTS for upstream in UPSTREAMS]
TOOL = {"type": "object", "properties": {"p": {"type": "string"}}}


def split(upstream: str, first: str, second: str) -> bytes:
    """Return a stream whose text comes in two events."""
    protocol = UPSTREAMS[upstream]
    events = events_of(protocol)
    place = 0 if protocol in ("openai_chat", "gemini") else 2
    before, delta, after = events[:place], events[place], events[place + 1 :]
    text = dumps(wrapped(upstream, delta))
    kind = delta.get("type", delta.get("event_type"))
    head, name = b"", f"event: {kind}\n".encode() if kind else b""
    if protocol == "gemini":
        begun = json.loads(text)
        candidate = (begun["response"] if upstream == "assist" else begun)["candidates"][0]
        del candidate["finishReason"]
        text = dumps(begun)
        last = dumps(wrapped(upstream, delta))
    else:
        last = text
    head = name + b"data: " + text.replace(b"hello", first.encode()) + b"\n\n"
    head += name + b"data: " + last.replace(b"hello", second.encode()) + b"\n\n"
    done = protocol == "openai_chat"
    # The last event holds the text, too; the deltas are what counts here.
    rest = [e for e in after if e.get("type") not in ("response.output_item.done",)]
    for event in rest:
        if event.get("type") == "response.completed":
            event["response"]["output"] = []
    return sse(*before) + head + sse(*(wrapped(upstream, each) for each in rest), done=done)


class Halves(ScriptedCase):
    async def test_surrogates_split_over_events_are_joined_in_all_pairs(self) -> None:
        await self.start()
        for client, upstream in PAIRS:
            for stream in (True, False):
                self.script(
                    ScriptedResponse(split(upstream, r"a\ud83d", r"\ude00b"), "text/event-stream")
                )
                answer = await self.ask_model(client, upstream, stream=stream)
                where = (client, upstream, stream, answer.body)
                self.assertEqual(text_of(client, answer, stream=stream), "a\U0001f600b", where)
                self.assertEqual(self.calls, 1)

    async def test_lone_surrogates_are_replaced_in_all_pairs(self) -> None:
        await self.start()
        for client, upstream in PAIRS:
            for stream in (True, False):
                self.script(
                    ScriptedResponse(split(upstream, r"a\ud83d", r"b\ude00"), "text/event-stream")
                )
                answer = await self.ask_model(client, upstream, stream=stream)
                where = (client, upstream, stream, answer.body)
                self.assertEqual(text_of(client, answer, stream=stream), "a\ufffdb\ufffd", where)
                self.assertEqual(self.calls, 1)

    async def test_lone_surrogates_in_json_responses_are_replaced(self) -> None:
        await self.start()
        for client, upstream in PAIRS:
            body = whole_reply(upstream).replace(b"hello", rb"a\ud83d b")
            self.script(ScriptedResponse(body))
            answer = await self.ask_model(client, upstream, stream=False)
            self.assertEqual(text_of(client, answer, stream=False), "a\ufffd b", (client, upstream))

    async def test_lone_surrogates_in_errors_are_replaced(self) -> None:
        await self.start()
        body = rb'{"error":{"message":"a\ud83d b","type":"invalid_request_error"}}'
        for client in CLIENTS:
            for upstream in UPSTREAMS:
                for status in (400, 200):
                    self.script(ScriptedResponse(body, status=status))
                    answer = await self.ask_model(client, upstream, stream=False)
                    self.assertEqual((answer.status, self.calls), (400, 1), answer.body)
                    self.assertIn("a\ufffd b", json.dumps(answer.json(), ensure_ascii=False))

    async def test_lone_surrogates_in_requests_are_replaced_in_all_pairs(self) -> None:
        await self.start()
        for client, upstream in PAIRS:
            path, body = path_and_body(client, f"{upstream}/{MODEL}", "HERE", stream=False)
            body["user_note"] = None
            del body["user_note"]
            text = json.dumps(body).replace("HERE", r"a\ud83d b \ud83d\ude00")
            self.script(ScriptedResponse(stream_reply(upstream)))
            answer = await self.ask_body(path, text.encode())
            where = (client, upstream, answer.status, answer.body)
            self.assertEqual(answer.status, 200, where)
            sent = json.dumps(self.upstream.bodies[0], ensure_ascii=False)
            self.assertIn("a\ufffd b \U0001f600", sent, where)

    async def test_lone_surrogates_anywhere_in_request_are_replaced(self) -> None:
        await self.start()
        body = {
            "model": f"google/{MODEL}",
            "max_tokens": 50,
            "system": "S HERE",
            "tools": [
                {
                    "name": "read",
                    "description": "D HERE",
                    "input_schema": {
                        "type": "object",
                        "properties": {"k HERE": {"type": "string", "description": "P HERE"}},
                    },
                }
            ],
            "messages": [
                {"role": "user", "content": "U HERE"},
                {
                    "role": "assistant",
                    "content": [
                        {
                            "type": "tool_use",
                            "id": "t1",
                            "name": "read",
                            "input": {"k HERE": "HERE"},
                        }
                    ],
                },
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "R HERE"}],
                },
            ],
        }
        for upstream in UPSTREAMS:
            body["model"] = f"{upstream}/{MODEL}"
            for half in (r"\ud83d", r"\ude00", "\\udFFF"):
                self.script(ScriptedResponse(stream_reply(upstream)))
                text = json.dumps(body).replace("HERE", half)
                answer = await self.ask_body("/v1/messages", text.encode())
                self.assertEqual(answer.status, 200, (upstream, answer.body))
                sent = json.dumps(self.upstream.bodies[0], ensure_ascii=False)
                self.assertGreaterEqual(sent.count("\ufffd"), 6, sent)

    async def test_lone_surrogates_in_argument_text_are_replaced(self) -> None:
        await self.start()
        call = {"name": "read", "arguments": '{"p":"a\\ud83d"}'}
        body = {
            "model": "",
            "messages": [
                {"role": "user", "content": "x"},
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c", "type": "function", "function": call}],
                },
                {"role": "tool", "tool_call_id": "c", "content": "y"},
            ],
        }
        for upstream in ("claude", "google", "assist"):
            body["model"] = f"{upstream}/{MODEL}"
            self.script(ScriptedResponse(stream_reply(upstream)))
            answer = await self.ask_body("/v1/chat/completions", body)
            self.assertEqual(answer.status, 200, answer.body)
            sent = json.dumps(self.upstream.bodies[0], ensure_ascii=False)
            self.assertIn('{"p": "a\ufffd"}', sent, upstream)


# -- arguments of calls ------------------------------------------------------------------------

#: What a model wrote as arguments, and the object that clients get.
ARGUMENTS: list[tuple[str, Any]] = [
    ('{"p": "1"}', {"p": "1"}),
    ("", {}),
    ("null", {}),
    ('""', {}),
    ("  ", {}),
    (json.dumps('{"p":"1"}'), {"p": "1"}),
    (json.dumps(json.dumps('{"p":"1"}')), {"p": "1"}),
    (json.dumps("null"), {}),
    ('{"p":"a\\ud83d"}', {"p": "a\ufffd"}),
    ('{"p":"\\ud83d\\ude00"}', {"p": "\U0001f600"}),
]
NO_OBJECTS = ("[1]", "5", '"text"', "no JSON")


def calling(arguments: str, pieces: int) -> bytes:
    """Return a chat stream with one call, its arguments in so many pieces."""
    step = max(1, -(-len(arguments) // pieces))
    cut = [arguments[i : i + step] for i in range(0, len(arguments), step)] or [""]
    head = events_of("openai_chat")[0]

    def chunk(delta: Any, finish: str | None = None) -> Any:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    begun = {"index": 0, "id": "k", "type": "function"}
    events = [chunk({"tool_calls": [{**begun, "function": {"name": "read", "arguments": cut[0]}}]})]
    for piece in cut[1:]:
        events.append(chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}))
    return sse(*events, chunk({}, "tool_calls"), done=True)


def input_of(client: str, answer: Any, *, stream: bool) -> Any:
    """Return the arguments that a client of Anthropic or Gemini reads."""
    if client == "gemini":
        wires = [w for _, w in answer.events()] if stream else [answer.json()]
        parts = [p for w in wires for p in w["candidates"][0]["content"]["parts"]]
        return next(part["functionCall"]["args"] for part in parts if "functionCall" in part)
    if not stream:
        return next(b["input"] for b in answer.json()["content"] if b["type"] == "tool_use")
    deltas = [w["delta"] for _, w in answer.events() if w["type"] == "content_block_delta"]
    return json.loads("".join(delta["partial_json"] for delta in deltas))


class Arguments(ScriptedCase):
    async def ask_tool(self, client: str, arguments: str, pieces: int, *, stream: bool) -> Any:
        path, body = path_and_body(client, f"chat/{MODEL}", "x", stream=stream)
        if client == "gemini":
            body["tools"] = [{"functionDeclarations": [{"name": "read", "parameters": TOOL}]}]
        else:
            body["tools"] = [{"name": "read", "input_schema": TOOL}]
        self.script(ScriptedResponse(calling(arguments, pieces), "text/event-stream"))
        answer = await self.ask_body(path, body)
        self.assertEqual((answer.status, self.calls), (200, 1), answer.body)
        return input_of(client, answer, stream=stream)

    async def test_arguments_become_intended_object(self) -> None:
        await self.start()
        for client in ("anthropic", "gemini"):
            for arguments, meant in ARGUMENTS:
                for stream in (True, False):
                    for pieces in (1, 3, 50):
                        found = await self.ask_tool(client, arguments, pieces, stream=stream)
                        self.assertEqual(found, meant, (client, arguments, stream, pieces))

    async def test_invalid_arguments_become_object(self) -> None:
        await self.start()
        for client in ("anthropic", "gemini"):
            for arguments in NO_OBJECTS:
                found = [
                    await self.ask_tool(client, arguments, pieces, stream=stream)
                    for stream in (True, False)
                    for pieces in (1, 3)
                ]
                self.assertIsInstance(found[0], dict, (client, arguments))
                self.assertEqual(found, [found[0]] * 4, (client, arguments))

    async def test_arguments_in_history_are_objects_for_upstreams(self) -> None:
        await self.start()
        for upstream in UPSTREAMS:
            for arguments, meant in ARGUMENTS:
                call = {"name": "read", "arguments": arguments}
                calls = [{"id": "c", "type": "function", "function": call}]
                body = {
                    "model": f"{upstream}/{MODEL}",
                    "messages": [
                        {"role": "user", "content": "x"},
                        {"role": "assistant", "tool_calls": calls},
                        {"role": "tool", "tool_call_id": "c", "content": "y"},
                    ],
                }
                if upstream == "chat":
                    continue  # passed on as it is
                self.script(ScriptedResponse(stream_reply(upstream)))
                answer = await self.ask_body("/v1/chat/completions", body)
                self.assertEqual(answer.status, 200, answer.body)
                self.assertEqual(
                    sent_arguments(upstream, self.upstream.bodies[0]), meant, arguments
                )


def sent_arguments(upstream: str, body: Any) -> Any:
    """Return the arguments in a history that an upstream was sent."""
    match upstream:
        case "responses":
            item = next(each for each in body["input"] if each.get("type") == "function_call")
            return json.loads(item["arguments"])
        case "claude":
            blocks = [b for m in body["messages"] for b in m["content"] if isinstance(b, dict)]
            return next(block["input"] for block in blocks if block["type"] == "tool_use")
        case "interactions":
            steps = (step for step in body["input"] if step["type"] == "function_call")
            return next(steps)["arguments"]
    contents = (body["request"] if upstream == "assist" else body)["contents"]
    parts = [part for content in contents for part in content["parts"]]
    return next(part["functionCall"]["args"] for part in parts if "functionCall" in part)


class Nulls(ScriptedCase):
    """Members that may be missing, each in its turn."""

    async def check(self, upstream: str, events: list[Any], *, whole: bool) -> None:
        for path in paths(events):
            changed = json.loads(json.dumps(events))
            put(changed, path, None)
            missing = json.loads(json.dumps(events))
            put(missing, path, None, delete=True)
            said = []
            for version in (changed, missing):
                version = [wrapped(upstream, each) for each in version]
                body = dumps(version[0]) if whole else sse_as(upstream, version, events)
                self.script(ScriptedResponse(body))
                client = "gemini" if upstream == "claude" else "anthropic"
                answer = await self.ask_model(client, upstream, stream=False)
                said.append(stable_content(answer))
            self.assertEqual(said[0], said[1], (upstream, path))

    async def test_null_reads_as_missing_in_streams(self) -> None:
        await self.start()
        for upstream in ("chat", "responses", "claude", "google", "interactions"):
            await self.check(upstream, events_of(UPSTREAMS[upstream]), whole=False)

    async def test_null_reads_as_missing_in_whole_responses(self) -> None:
        await self.start()
        for upstream in ("chat", "responses", "claude", "google", "assist", "interactions"):
            await self.check(upstream, [whole_of(UPSTREAMS[upstream])], whole=True)


def stable_content(answer: Any) -> Any:
    """Return the content of a response without ids that differ in each."""
    wire = answer.json()
    for name in ("id", "responseId", "request_id", "error"):
        wire.pop(name, None)
    return answer.status, wire


def sse_as(upstream: str, version: list[Any], events: list[Any]) -> bytes:
    """Return a stream whose events keep their names."""
    out = b""
    for each, known in zip(version, events, strict=True):
        name = f"event: {known['type']}\n".encode() if "type" in known else b""
        out += name + b"data: " + dumps(each) + b"\n\n"
    return out + (b"data: [DONE]\n\n" if upstream == "chat" else b"")


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all members of objects."""
    found: list[tuple[Any, ...]] = []
    if isinstance(value, dict):
        for name, inner in value.items():
            found += [(*at, name), *paths(inner, (*at, name))]
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            found += paths(inner, (*at, place))
    return found


def put(value: Any, path: tuple[Any, ...], new: Any, *, delete: bool = False) -> None:
    """Change the member at a path."""
    for step in path[:-1]:
        value = value[step]
    if delete:
        del value[path[-1]]
    else:
        value[path[-1]] = new
