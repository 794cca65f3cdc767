"""The total wait for accounts that are limited repeatedly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from antigravity.testing import start_gateway

reactor: Any = default_reactor

CONFIG = """
[proxy.scheduling]
max_wait_seconds = 1.0
"""
LIMITED = "[[error 429 retry=0.4s]]"


class TotalWaitTests(TestCase):
    def test_waits_of_all_attempts_add_up(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.waits())

    async def waits(self) -> None:
        gateway = await start_gateway(reactor, Path(self.mktemp()), config=CONFIG)
        self.addCleanup(lambda: Deferred.fromCoroutine(gateway.stop()))
        messages = [{"role": "user", "content": LIMITED}]
        body = {"model": "demo-openai-chat/gpt-4.1", "messages": messages}
        answer = await gateway.request("POST", "/v1/chat/completions", body)
        self.assertEqual(answer.status, 429, answer.text)
        self.assertEqual(answer.headers["retry-after"], "1")
        asked = [entry for entry in gateway.simulator.log if LIMITED in str(entry.body)]
        # After 0, 0.4 and 0.8 seconds; a fourth would be too late.  The clock is real: on a slow
        # machine the third may be too late as well, for the waits are counted by what they took.
        self.assertGreaterEqual(len(asked), 2)
        self.assertLessEqual(len(asked), 3)
