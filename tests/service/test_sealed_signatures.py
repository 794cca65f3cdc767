"""Sealed signatures in a conversation that returns to a model of the client's own protocol."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from antigravity.testing import GatewayUnderTest, start_gateway

reactor: Any = default_reactor

SEALED = "ag1.gemini.c2lnbmF0dXJl"
TOOL = {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}
RESPONSES = {
    "model": "demo-openai-responses/gpt-5",
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "input": [
        {"role": "user", "content": "Think."},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": SEALED},
        {"role": "assistant", "content": "I have."},
        {"role": "user", "content": "[[say Well]]"},
    ],
}
MESSAGES = {
    "model": "demo-anthropic/claude-sonnet-4-5",
    "max_tokens": 4000,
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "tools": [TOOL],
    "messages": [
        {"role": "user", "content": "Think."},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": SEALED},
                {"type": "text", "text": "I have."},
            ],
        },
        {"role": "user", "content": "[[say Well]]"},
    ],
}
GEMINI = {
    "contents": [
        {"role": "user", "parts": [{"text": "Think."}]},
        {
            "role": "model",
            "parts": [
                {
                    "text": "I have.",
                    "thoughtSignature": base64.b64encode(b"ag1.claude.s").decode(),
                }
            ],
        },
        {"role": "user", "parts": [{"text": "[[say Well]]"}]},
    ]
}


class SealedSignatureTests(TestCase):
    def serve(self, path: str, body: Any) -> Deferred[None]:
        return Deferred.fromCoroutine(self.served(path, body))

    async def served(self, path: str, body: Any) -> None:
        gateway = await start_gateway(reactor, Path(self.mktemp()))
        self.addCleanup(lambda: Deferred.fromCoroutine(gateway.stop()))
        answer = await gateway.request("POST", path, body)
        self.assertEqual(answer.status, 200, answer.text)
        self.assertIn("Well", answer.text)
        self.check(gateway)

    def check(self, gateway: GatewayUnderTest) -> None:
        bodies = [json.dumps(logged.body) for logged in gateway.simulator.log]
        sent = [body for body in bodies if "I have." in body]
        self.assertEqual(len(sent), 1, "nothing was tried that could only be refused")
        self.assertNotIn("ag1.", sent[0])
        self.assertNotIn("YWcxL", sent[0])

    def test_responses_history_with_seals_is_translated(self) -> Deferred[None]:
        return self.serve("/v1/responses", RESPONSES)

    def test_messages_history_with_seals_is_translated(self) -> Deferred[None]:
        return self.serve("/v1/messages", MESSAGES)

    def test_gemini_history_with_seals_is_translated(self) -> Deferred[None]:
        model = "demo-gemini_api/gemini-2.5-flash"
        return self.serve(f"/v1beta/models/{model}:generateContent", GEMINI)
