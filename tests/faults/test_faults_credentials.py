"""Upstreams that repeat our credential in errors: nobody is told it, in no protocol."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import formatEvent, globalLogPublisher
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from antigravity.config.secret import Secret
from antigravity.redaction.credentials import CREDENTIALS
from tests.faults.fixtures import NATIVE, WAYS, FaultCase, HttpResponse, reactor

KEY = 'sk-up/str+eam="credential"&0123456789'
FORMS = (KEY, json.dumps(KEY)[1:-1], quote(KEY, safe=""), b64encode(KEY.encode()).decode())


def chat_events(error: dict[str, Any]) -> list[tuple[str, Any]]:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    delta = {"index": 0, "delta": {"content": f"says {KEY}"}, "finish_reason": None}
    return [("", {**chunk, "choices": [delta]}), ("", {"error": error})]


def responses_events(error: dict[str, Any]) -> list[tuple[str, Any]]:
    response = {"id": "resp_1", "object": "response", "status": "in_progress", "model": "m"}
    item = {"id": "m1", "type": "message", "role": "assistant", "content": []}
    place = {"item_id": "m1", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []}
    failed = {**response, "status": "failed", "error": error}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**response, "error": None, "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": part},
        {"type": "response.output_text.delta", **place, "delta": f"says {KEY}"},
        {"type": "response.failed", "response": failed},
    ]
    return [(event["type"], event) for event in events]


def anthropic_events(error: dict[str, Any]) -> list[tuple[str, Any]]:
    message = {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "m"}
    usage = {"input_tokens": 1, "output_tokens": 1}
    block = {"type": "text", "text": ""}
    delta = {"type": "text_delta", "text": f"says {KEY}"}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**message, **STOPS, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "error", "error": {"type": "api_error", "message": error["message"]}},
    ]
    return [(event["type"], event) for event in events]


#: What messages hold that have only begun.
STOPS = {"stop_reason": None, "stop_sequence": None}


def gemini_events(error: dict[str, Any]) -> list[tuple[str, Any]]:
    content = {"role": "model", "parts": [{"text": f"says {KEY}"}]}
    return [
        ("", {"candidates": [{"content": content, "index": 0}]}),
        ("", {"error": {"code": 500, "status": "INTERNAL", "message": error["message"]}}),
    ]


def interactions_events(error: dict[str, Any]) -> list[tuple[str, Any]]:
    begun = {"id": "v1_1", "status": "in_progress"}
    delta = {"type": "text", "text": f"says {KEY}"}
    return [
        ("", {"event_type": "interaction.created", "interaction": begun}),
        ("", {"event_type": "step.start", "index": 0, "step": {"type": "model_output"}}),
        ("", {"event_type": "step.delta", "index": 0, "delta": delta}),
        ("", {"event_type": "error", "error": {"message": error["message"], "code": "internal"}}),
    ]


EVENTS = {
    "openai_chat": chat_events,
    "openai_responses": responses_events,
    "anthropic": anthropic_events,
    "gemini": gemini_events,
    "gemini_interactions": interactions_events,
}


class RepeatedCredential(Resource):
    """An upstream of every protocol whose errors repeat ``form``, a form of the credential.

    With a ``status`` it refuses, with its own error or with ``body``; else its streams break
    off with an error, and what is no stream is an error with the status 200.  ``cuts`` splits
    a stream in the middle of the last credential.
    """

    isLeaf = True  # noqa: N815
    form = KEY
    status = 0
    cuts = False
    body = b""

    def render_POST(self, request: Any) -> Any:
        body = json.loads(request.content.read())
        path = request.path.decode()
        protocol = next(
            name
            for name, end in (
                ("openai_chat", "/chat/completions"),
                ("openai_responses", "/responses"),
                ("anthropic", "/messages"),
                ("gemini", "enerateContent"),
                ("gemini_interactions", "/interactions"),
            )
            if path.endswith(end)
        )
        error = {
            "message": f"Authorization: Bearer {self.form}\nforged: line",
            "type": "server_error",
            "code": "server_error",
            "param": None,
        }
        request.setHeader("x-ratelimit-reset-tokens", f"6m0s; key={KEY}")
        request.setHeader("anthropic-ratelimit-tokens-reset", f"2030; key={KEY}")
        events = EVENTS[protocol](error)
        if self.status or not (body.get("stream") or "stream" in path):
            request.setResponseCode(self.status or 200)
            request.setHeader("content-type", "application/json")
            whole = {"error": error} if protocol == "openai_responses" else events[-1][1]
            request.write(self.body or json.dumps(whole).encode())
            request.finish()
            return NOT_DONE_YET
        request.setHeader("content-type", "text/event-stream")
        stream = b": " + KEY.encode() + b"\n\n"
        for name, data in events:
            stream += f"event: {name}\n".encode() if name else b""
            stream += b"data: " + json.dumps(data).encode() + b"\n\n"
        self._send(request, stream, 0)
        return NOT_DONE_YET

    def _send(self, request: Any, stream: bytes, place: int) -> None:
        # The credential of the error event is split over two chunks of the network.
        middle = stream.rfind(self.form.encode()) + len(self.form) // 2 if self.cuts else 0
        if self.cuts and middle > 0 and place == 0:
            request.write(stream[:middle])
            reactor.callLater(0.02, self._send, request, stream, middle)
        else:
            request.write(stream[place:])
            request.finish()


class CredentialsInErrors(FaultCase):
    def setUp(self) -> None:
        super().setUp()
        self.upstream = RepeatedCredential()
        port = reactor.listenTCP(0, Site(self.upstream), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.repeating = f"http://127.0.0.1:{port.getHost().port}"
        self.records: list[Any] = []
        self.events: list[Any] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    async def repeat(self, form: str) -> None:
        """Start a gateway without locks, whose upstream repeats a form of the credential."""
        self.upstream.form = form
        await self.start(address=self.repeating, upstream={"api_key": Secret(KEY)})
        self.records = self.watched()

    async def test_credentials_are_registered_while_gateway_runs(self) -> None:
        key = "sk-never-sent-to-anybody"
        await self.start(upstream={"api_key": Secret(key)}, api_key=Secret("sk-of-clients"))
        self.assertEqual(CREDENTIALS.redact(f"{key}, sk-of-clients"), "[redacted], [redacted]")
        await self.stop()
        self.assertEqual(CREDENTIALS.redact(key), key)

    async def every(self, *, stream: bool) -> dict[tuple[str, str], HttpResponse]:
        asked = [Deferred.fromCoroutine(self.ask(way, "hello", stream=stream)) for way in WAYS]
        return dict(zip(WAYS, await gatherResults(asked, consumeErrors=True), strict=True))

    def check_log_and_records(self) -> None:
        lines = [formatEvent(event) or "" for event in self.events]
        self.assertEqual([line for line in lines if any(form in line for form in FORMS)], [])
        self.assertEqual([line for line in lines if "\n" in line], [])
        self.assertEqual([line for line in lines if "\r" in line], [])
        self.assertTrue(self.records)
        self.assertFalse([form for form in FORMS if form in repr(self.records)])
        self.assertFalse([form for form in FORMS if form in repr(self.events)])

    def check_hidden(self, answer: HttpResponse, where: object) -> None:
        text = answer.body.decode()
        for form in FORMS:
            self.assertNotIn(form, text, where)
            self.assertNotIn(form, repr(answer.headers), where)

    async def test_error_responses_contain_no_credential(self) -> None:
        for form in FORMS:
            for self.upstream.status, stream in ((400, False), (400, True), (500, True)):
                await self.repeat(form)
                for way, answer in (await self.every(stream=stream)).items():
                    self.assertGreaterEqual(answer.status, 400)
                    self.check_hidden(answer, (way, form))
                    self.assertIn(b"[redacted]", answer.body, (way, form))
                self.check_log_and_records()

    async def test_native_error_body_is_unchanged_but_for_credential(self) -> None:
        body = (
            '{ "type":"error",\n  "request_id" : "r\\u00e9q",'
            '"error":{"message":"%s é \\u00e9","type":"invalid_request_error"},"x":1.50}\n'
        )
        self.upstream.status = 400
        await self.repeat(KEY)
        for form in (json.dumps(KEY)[1:-1], quote(KEY, safe="")):
            self.upstream.body = (body % form).encode()
            for way in NATIVE:
                for stream in (False, True):
                    answer = await self.ask(way, "hello", stream=stream)
                    self.assertEqual(answer.body, (body % "[redacted]").encode(), way)

    async def test_errors_with_status_200_contain_no_credential(self) -> None:
        for form in FORMS:
            await self.repeat(form)
            for way, answer in (await self.every(stream=False)).items():
                self.check_hidden(answer, (way, form))
            self.check_log_and_records()

    async def test_stream_errors_contain_no_credential(self) -> None:
        for self.upstream.cuts in (False, True):
            for form in FORMS:
                await self.repeat(form)
                for way, answer in (await self.every(stream=True)).items():
                    self.check_stream(way, answer)
                self.check_log_and_records()

    def check_stream(self, way: tuple[str, str], answer: HttpResponse) -> None:
        self.assertEqual(answer.status, 200, (way, answer.body))
        self.assertNotIn(KEY, repr(answer.headers))
        text = answer.body.decode()
        escaped = json.dumps(KEY)[1:-1]
        self.assertIn(escaped, text, f"{way}: what the model says is not changed")
        if way in NATIVE:
            self.assertIn(": [redacted]\n\n", text, way)
        events = [data for _, data in answer.events() if data != "[DONE]"]
        failed = [data for data in events if "[redacted]" in json.dumps(data)]
        self.assertTrue(failed, (way, text))
        for data in failed:
            if "response" in data:  # what was said before stands beside the error there
                data = data["response"]["error"]
            for form in FORMS:
                self.assertNotIn(form, json.dumps(data), way)
                self.assertNotIn(form, str(data), way)
