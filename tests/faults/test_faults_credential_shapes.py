"""Errors in whatever shape: the credential that they repeat is told to nobody."""

from __future__ import annotations

import gzip
import json
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import formatEvent, globalLogPublisher
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from antigravity.config.secret import Secret
from tests.faults.fixtures import WAYS, FaultCase, HttpResponse, reactor

KEY = "sk-upstream-0123456789abcdef"
JSON = "application/json"
EVENTS = "text/event-stream"

BODIES: dict[str, tuple[int, str, bytes]] = {
    "text": (400, "text/plain", f"refused: Bearer {KEY}".encode()),
    "page": (403, "text/html", f"<html>{KEY}</html>".encode()),
    "page with a good status": (200, "text/html", f"<html>{KEY}</html>".encode()),
    "text with a good status": (200, "text/plain", f"refused: {KEY}".encode()),
    "redirect": (302, JSON, json.dumps({"to": KEY}).encode()),
    "unauthorized": (401, JSON, json.dumps({"error": {"message": KEY, "code": KEY}}).encode()),
    "not found": (404, JSON, json.dumps({"error": {"message": KEY, "param": KEY}}).encode()),
    "limit": (429, JSON, json.dumps({"error": {"message": KEY, "type": KEY}}).encode()),
    "overload": (529, JSON, json.dumps({"type": "error", "error": {"message": KEY}}).encode()),
    "list": (400, JSON, json.dumps([{"error": {"code": 400, "message": KEY}}]).encode()),
    "text as error": (500, JSON, json.dumps({"error": f"no {KEY}"}).encode()),
    "message alone": (400, JSON, json.dumps({"message": KEY, "code": 1}).encode()),
    "detail": (422, JSON, json.dumps({"detail": [{"msg": KEY, "loc": [KEY]}]}).encode()),
    "member's name": (400, JSON, json.dumps({"error": {KEY: KEY, "message": "x"}}).encode()),
    "cut": (400, JSON, f'{{"error": {{"message": "{KEY}'.encode()),
    "error with a good status": (200, JSON, json.dumps({"error": {"message": KEY}}).encode()),
    "detail with a good status": (200, JSON, json.dumps({"detail": KEY}).encode()),
    "escaped": (400, JSON, b'{"error":{"message":"sk\\u002dupstream-0123456789abcdef"}}'),
    "json in json": (
        400,
        JSON,
        json.dumps({"error": {"message": json.dumps({"raw": json.dumps({"m": KEY})})}}).encode(),
    ),
    "stream of a text": (200, EVENTS, f"error: {KEY}\n\n".encode()),
    "event that is no json": (200, EVENTS, f"event: error\ndata: no {KEY}\n\n".encode()),
    "event of a text": (200, EVENTS, f'data: {{"error": "no {KEY}"}}\n\n'.encode()),
    "event of a message": (200, EVENTS, f'data: {{"message": "{KEY}", "code": 1}}\n\n'.encode()),
    "event of a list": (200, EVENTS, f'data: [{{"error": {{"message": "{KEY}"}}}}]\n\n'.encode()),
    "event of detail": (200, EVENTS, f'data: {{"detail": "{KEY}"}}\n\n'.encode()),
    "event on lines": (
        200,
        EVENTS,
        f'event: error\r\ndata: {{"error":\r\ndata: {{"message": "{KEY}"}}}}\r\n\r\n'.encode(),
    ),
    "event without an end": (200, EVENTS, f'data: {{"error": {{"message": "{KEY}"}}}}'.encode()),
    "fields of an event": (200, EVENTS, f"id: {KEY}\nretry: {KEY}\n{KEY}: x\n\n".encode()),
}
PACKED = {
    "packed error": BODIES["text as error"],
    "packed event": BODIES["event of a text"],
}


class PostResponse(Resource):
    """Says the same to everybody, with the credential in its headers, too."""

    isLeaf = True  # noqa: N815
    status, kind, body = 400, JSON, b""
    packed = False

    def render_POST(self, request: Any) -> Any:
        request.setResponseCode(self.status)
        request.setHeader("content-type", f"{self.kind}; charset={KEY}")
        for name in ("x-ratelimit-reset", "anthropic-ratelimit-x", "request-id", "location"):
            request.setHeader(name, KEY)
        request.setHeader("x-request-id", KEY)
        if self.packed:
            request.setHeader("content-encoding", "gzip")
        request.write(gzip.compress(self.body) if self.packed else self.body)
        request.finish()
        return NOT_DONE_YET


class Shapes(FaultCase):
    async def test_no_error_shape_contains_credential(self) -> None:
        upstream = PostResponse()
        port = reactor.listenTCP(0, Site(upstream), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        events: list[Any] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        address = f"http://127.0.0.1:{port.getHost().port}"
        for name, (status, kind, body) in {**BODIES, **PACKED}.items():
            upstream.status, upstream.kind, upstream.body = status, kind, body
            upstream.packed = name in PACKED
            await self.start(address=address, upstream={"api_key": Secret(KEY)})
            records = self.watched()
            for stream in (False, True):
                asked = [Deferred.fromCoroutine(self.ask(way, "x", stream=stream)) for way in WAYS]
                answers: list[HttpResponse] = await gatherResults(asked, consumeErrors=True)
                for way, answer in zip(WAYS, answers, strict=True):
                    where = (name, way, stream, answer.status, answer.body)
                    self.assertNotIn(KEY.encode(), answer.body, where)
                    self.assertNotIn(b"u002dupstream-0123", answer.body, where)
                    self.assertNotIn(KEY, repr(answer.headers), where)
            self.assertTrue(records)
            self.assertNotIn(KEY, repr(records), name)
        self.assertNotIn(KEY, "".join(formatEvent(event) or "" for event in events))
        self.assertNotIn(KEY, repr(events))
