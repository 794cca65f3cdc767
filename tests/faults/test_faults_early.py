"""Upstreams that refuse a large request before they have read it: the client hears why."""

from __future__ import annotations

import json
from typing import Any

from tests.faults.fixtures import FaultCase, HttpResponse, check_refusal, model_of, path_and_body
from tests.support.early_upstream import EarlyPeer, EarlyUpstream
from tests.support.fake_upstream import listen

WAY = ("openai_chat", "openai_chat")


class EarlyRefusals(FaultCase):
    async def refused(self, status: str, error: dict[str, Any], expected: int) -> Any:
        body = json.dumps({"error": error}).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
        upstream = EarlyUpstream(lambda peer: self.refuse(peer, head.encode(), body))
        await self.start(address=f"http://127.0.0.1:{listen(self, upstream)}")
        path, request = path_and_body(WAY[0], model_of(WAY), "x" * 8_000_000, stream=True)
        reading = await self.send(path, request)
        await reading.closed
        found = check_refusal(WAY[0], HttpResponse(reading.data), expected)
        self.assertEqual(len(upstream.peers), 1, "it was asked once")
        return found

    def refuse(self, peer: EarlyPeer, head: bytes, body: bytes) -> None:
        peer.transport.pauseProducing()
        peer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    async def test_413_before_body_is_read_reaches_client(self) -> None:
        error = {"message": "Request too large.", "type": "invalid_request_error"}
        error |= {"code": None, "param": None}
        found = await self.refused("413 Payload Too Large", error, 413)
        self.assertEqual(found["message"], "Request too large.")

    async def test_401_before_body_is_read_becomes_503(self) -> None:
        error = {"message": "Incorrect API key provided: sk-good.", "type": "x", "code": "invalid"}
        found = await self.refused("401 Unauthorized", error, 503)
        self.assertNotIn("sk-good", found["message"])
