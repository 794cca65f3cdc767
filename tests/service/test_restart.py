"""State that survives a restart: signatures and calibrated estimates."""

from __future__ import annotations

import stat
from typing import Any

from antigravity.context.calibration import ENOUGH
from antigravity.simulator.signatures import parse_signature
from tests.service.restart_fixture import SENTINEL, RestartCase


class RestartTests(RestartCase):
    async def test_signature_survives_restart(self) -> None:
        await self.start()
        message = await self.called()
        await self.restart()
        signature = await self.sent_signature(message)
        self.assertIsNotNone(parse_signature(signature), "it is the model's own")
        self.assertNotEqual(signature, SENTINEL)
        await self.stop()
        state = self.home / "state"
        self.assertEqual(stat.S_IMODE(state.stat().st_mode), 0o700)
        for path in state.iterdir():
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600, path)

    async def test_disabled_signature_store_removes_its_file(self) -> None:
        await self.start()
        message = await self.called()
        await self.stop()
        self.assertTrue((self.home / "state" / "signatures.db").exists())
        await self.start(persist=False)
        self.assertEqual(list((self.home / "state").glob("signatures.db*")), [])
        self.assertEqual(await self.sent_signature(message), SENTINEL)
        message = await self.called()
        self.assertNotEqual(await self.sent_signature(message), SENTINEL)
        await self.restart(persist=False)
        self.assertEqual(await self.sent_signature(message), SENTINEL)

    async def test_damaged_file_loses_signatures_only(self) -> None:
        await self.start()
        message = await self.called()
        await self.stop()
        path = self.home / "state" / "signatures.db"
        path.write_bytes(b"broken" * 1000)
        await self.start()
        self.assertTrue(path.with_name("signatures.db.broken").exists())
        self.assertEqual(await self.sent_signature(message), SENTINEL)
        message = await self.called()
        await self.restart()
        self.assertNotEqual(await self.sent_signature(message), SENTINEL)

    async def test_old_signature_expires(self) -> None:
        await self.start()
        message = await self.called()
        await self.restart(ttl=0.0)
        self.assertEqual(await self.sent_signature(message), SENTINEL)

    async def test_estimates_learn_from_usage_across_restarts(self) -> None:
        message = {"role": "user", "content": "слово " * 400}
        ask = {"model": "gpt-5.1", "messages": [message], "max_tokens": 1000}
        await self.start()
        before = await self.count(ask)
        for stream in (False, True, False):
            text = await self.post("/v1/messages", {**ask, "stream": stream})
            self.assertIn("слово", str(text))
        after = await self.count(ask)
        self.assertLess(after, before * 0.6)
        await self.restart()
        self.assertEqual(await self.count(ask), after)

    async def test_passed_body_is_not_decoded_for_estimates(self) -> None:
        message = {"role": "user", "content": "слово " * 400}
        ask = {"model": "gpt-5.1", "messages": [message], "max_completion_tokens": 1000}
        await self.start()
        before = await self.count(ask)
        for _ in range(ENOUGH):
            await self.post("/v1/chat/completions", ask)
        self.assertEqual(await self.count(ask), before)

    async def count(self, ask: dict[str, Any]) -> int:
        """Return the count of tokens for an upstream that cannot be asked."""
        body = {"model": ask["model"], "messages": ask["messages"]}
        answer = await self.post("/v1/messages/count_tokens", body)
        self.assertEqual(self.headers.getRawHeaders("X-Token-Count-Source"), ["estimate"])
        return int(answer["input_tokens"])
