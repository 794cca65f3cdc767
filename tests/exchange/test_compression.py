"""Conversations that are too long for their model are served all the same."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

from antigravity.ir.capabilities import Loss
from antigravity.simulator import catalog
from tests.exchange.long_conversation import (
    MODEL,
    TOOLS,
    WINDOW,
    LongConversationCase,
    asked,
    prose,
    rounds,
    talk,
)

LONG = rounds(20, 3_000)


class FittingTests(LongConversationCase):
    """What would not fit is compressed, what fits passes."""

    async def test_request_that_fits_is_unchanged(self) -> None:
        await self.start()
        body = asked(rounds(3, 3_000))
        answer = await self.post(body)
        self.assertEqual((answer.status, answer.compressed), (200, ""))
        (entry,) = self.arrived()
        self.assertEqual(entry.body, body)
        self.assertTrue(self.record.attempts[0].passed_through)
        self.assertIsNone(self.record.compressed)

    async def test_old_tool_results_are_left_out_of_long_requests(self) -> None:
        await self.start()
        body = asked(LONG)
        answer = await self.post(body, anthropic_beta="some-beta")
        self.assertEqual(answer.status, 200, answer.body)
        label = re.fullmatch(r"l1; tokens=(\d+)->(\d+)", answer.compressed)
        assert label is not None, answer.compressed
        self.assertGreater(int(label[1]), WINDOW)
        self.assertLess(int(label[2]), WINDOW)
        (entry,) = self.arrived()
        self.assertEqual(entry.headers["anthropic-beta"], "some-beta")
        self.assertEqual(entry.body["tools"], TOOLS)
        self.assertIn("You are an agent.", str(entry.body["system"]))
        self.assertEqual(entry.body["messages"][-9:], body["messages"][-9:])
        self.assertEqual(len(entry.body["messages"]), len(body["messages"]))
        self.assertEqual(str(entry.body["messages"]).count("left out to save room"), 15)
        record = self.record
        self.assertEqual(record.compressed, answer.compressed)
        self.assertIn(Loss("messages", "old results of tools were left out (l1)"), record.warnings)
        self.assertIn("(l1)", answer.headers["x-antigravity-warnings"])
        self.assertFalse(record.attempts[0].passed_through)

    async def test_streamed_reply_has_protocol_of_client(self) -> None:
        await self.start()
        answer = await self.post(asked(LONG, stream=True))
        self.assertEqual((answer.status, answer.compressed[:2]), (200, "l1"))
        self.assertIn(b"event: message_stop", answer.body)

    async def test_requests_of_other_protocols_are_shortened(self) -> None:
        await self.start(self.upstreams(gemini="gemini_api"))
        answer = await self.post({**asked(LONG), "model": "gemini-2.5-flash"})
        self.assertEqual((answer.status, answer.compressed[:2]), (200, "l1"))
        await self.stop()
        await self.start()
        messages: list[dict[str, Any]] = [{"role": "user", "content": "Mend it."}]
        for number in range(20):
            call = {"id": f"c{number}", "type": "function"}
            call["function"] = {"name": "Read", "arguments": "{}"}  # type: ignore[assignment]
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
            messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": prose(3000)})
        tool = {"type": "function", "function": {"name": "Read", "parameters": {"type": "object"}}}
        body = {"model": "gpt-5.1", "messages": messages, "tools": [tool]}
        for model in ("gpt-5.1", MODEL):
            answer = await self.post({**body, "model": model}, "/v1/chat/completions")
            self.assertEqual((answer.status, answer.compressed[:2]), (200, "l1"), answer.body)

    async def test_requested_output_counts_towards_window(self) -> None:
        (self.home / "models.toml").write_text(
            '[[model]]\nmatch = ["gpt-5.1"]\ncontext_window = 8000\nmax_output_tokens = 4000\n'
        )
        await self.start()
        body = {**asked(rounds(7, 3_000)), "model": "gpt-5.1", "max_tokens": 10}
        self.assertEqual((await self.post(body)).compressed, "")
        body["max_tokens"] = 3_500
        self.assertNotEqual((await self.post(body)).compressed, "")

    async def test_compression_can_be_disabled(self) -> None:
        await self.start(context_compression=False)
        body = asked(LONG)
        answer = await self.post(body)
        self.assertEqual((answer.status, answer.compressed), (200, ""))
        self.assertEqual(self.arrived()[0].body, body)

    async def test_thresholds_start_compression_earlier(self) -> None:
        await self.start(context_compression_threshold_l1=0.4)
        answer = await self.post(asked(rounds(9, 3_000)))
        self.assertEqual(answer.compressed[:2], "l1")
        answer = await self.post(asked(rounds(9, 3_000)), user_agent="claude-cli/2")
        self.assertEqual(answer.compressed[:2], "l1", "for clients that compact, too")

    async def test_beta_header_widens_window(self) -> None:
        await self.start()
        answer = await self.post(asked(LONG), anthropic_beta="context-1m-2025-08-07")
        self.assertEqual((answer.status, answer.compressed), (200, ""))

    async def test_request_that_cannot_fit_is_sent_unchanged(self) -> None:
        self.simulator.state.windows[MODEL] = WINDOW
        await self.start()
        body = asked([*LONG, *talk(1, 10)[:1], {"role": "user", "content": prose(90_000)}])
        answer = await self.post(body)
        self.assertEqual((answer.status, answer.compressed), (400, ""))
        self.assertRegex(
            answer.json()["error"]["message"],
            rf"^prompt is too long: \d+ tokens > {WINDOW} maximum$",
        )

    async def test_tool_results_can_always_be_shortened(self) -> None:
        await self.start(shorten_tool_results="always")
        blob = "iVBORw0KGgoAAAANSUhEUg" * 200
        old, new = rounds(1, 10), rounds(1, 10, 1)
        old[1]["content"][0]["content"] = new[1]["content"][0]["content"] = blob
        body = asked([*old, *new])
        answer = await self.post(body)
        self.assertEqual((answer.status, answer.compressed[:3]), (200, "l0;"))
        sent = self.arrived()[0].body["messages"]
        self.assertIn("base64 data left out", json.dumps(sent[2]))
        self.assertEqual(sent[-1], body["messages"][-1], "the last turn stays")
        body = asked(rounds(2, 1_500))
        await self.post(body)
        self.assertEqual(self.arrived()[-1].body, body, "nothing to shorten: it passes")

    async def test_window_of_model_list_overrides_shipped_table(self) -> None:
        listed = catalog.anthropic_model
        self.patch(
            catalog, "anthropic_model", lambda name: {**listed(name), "max_input_tokens": 200_000}
        )
        await self.start(files=())
        gateway: Any = self.gateway
        router = gateway.parts.runtime.snapshot.router
        for model, window in (("claude-sonnet-4-6", 200_000), ("gpt-4o", 128_000)):
            decision = await router.route(model, "anthropic")
            assert decision.options[0].window == window
        decision = await router.route("claude-opus-4-6-not-listed", "anthropic")
        assert decision.options[0].window == 1_000_000
        await self.stop()
        await self.start()
        gateway = self.gateway
        router = gateway.parts.runtime.snapshot.router
        decision = await router.route(MODEL, "anthropic")
        assert decision.options[0].window == WINDOW


class StablePrefixTests(LongConversationCase):
    """What was cut stays cut in the same place."""

    def changes(self) -> int:
        """Return how often a request did not begin as the one before it."""
        sent = [[strip(m) for m in entry.body["messages"]] for entry in self.arrived()]
        return sum(later[: len(earlier)] != earlier for earlier, later in pairwise(sent))

    async def test_long_session_rarely_changes_its_prefix(self) -> None:
        await self.start()
        compressed = 0
        for turn in range(60):
            answer = await self.post(asked(rounds(turn, 1_500)))
            self.assertEqual(answer.status, 200, answer.body)
            compressed += bool(answer.compressed)
            if turn == 40:
                await self.stop()
                await self.start()
        self.assertEqual(len(self.arrived()), 60)
        self.assertGreater(compressed, 35)
        self.assertLessEqual(self.changes(), 4)

    async def test_plans_are_forgotten_after_restart_if_configured(self) -> None:
        await self.start()
        await self.post(asked(rounds(15, 3_000)))
        await self.stop()
        self.assertTrue((self.home / "state" / "contexts.db").exists())
        await self.start(context_persist=False)
        self.assertEqual(list((self.home / "state").glob("contexts.db*")), [])
        await self.post(asked(rounds(16, 3_000)))
        self.assertEqual(self.changes(), 1, "the rounds that are kept have moved on")

    async def test_conversations_have_separate_plans(self) -> None:
        await self.start()
        other = rounds(15, 3_000, 100)
        other[0]["content"][0]["input"]["path"] = "b"
        for _ in range(2):
            for messages in (rounds(15, 3_000), other):
                answer = await self.post(asked(messages))
                self.assertEqual((answer.status, answer.compressed[:2]), (200, "l1"))
        first, second, third, fourth = (entry.body for entry in self.arrived())
        self.assertEqual((first, second), (third, fourth))


def strip(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message with its text as a block, however it was written."""
    content = message["content"]
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return {"role": message["role"], "content": content}
