"""What becomes of a prompt that only the upstream knows to be too long."""

from __future__ import annotations

from tests.exchange.long_conversation import (
    CLAUDE_CODE,
    MODEL,
    LongConversationCase,
    asked,
    prose,
    rounds,
)

LONG = rounds(20, 3_000)


class RefusedTests(LongConversationCase):
    """The window here is as large as the shipped table says; the upstream takes less."""

    async def limited(self, model: str = MODEL, **experimental: object) -> None:
        self.simulator.state.windows[model] = 9_000
        await self.start(files=(), **experimental)  # type: ignore[arg-type]

    async def test_refused_request_is_shortened_and_retried_once(self) -> None:
        await self.limited()
        answer = await self.post(asked(LONG))
        self.assertEqual((answer.status, answer.compressed[:2]), (200, "l1"), answer.body)
        first, second = self.record.attempts
        self.assertEqual((first.status, first.passed_through), (400, True))
        self.assertEqual((second.status, second.passed_through), (200, False))
        self.assertIn("prompt is too long", str(first.error))

    async def test_next_turn_is_shortened_at_once(self) -> None:
        await self.limited()
        for turn in range(20, 24):
            answer = await self.post(asked(rounds(turn, 3_000)))
            self.assertEqual((answer.status, answer.compressed[:2]), (200, "l1"))
        self.assertEqual(len(self.record.attempts), 1)
        refused = len(self.arrived()) - 4
        self.assertEqual(refused, 1)

    async def test_shorter_conversation_is_not_decoded(self) -> None:
        await self.limited()
        await self.post(asked(LONG))
        body = asked(rounds(2, 3_000), "Mend the other roof.")
        answer = await self.post(body)
        self.assertEqual((answer.status, answer.compressed), (200, ""))
        self.assertEqual(self.arrived()[-1].body, body)

    async def test_compacting_client_gets_error_first(self) -> None:
        await self.limited()
        answer = await self.post(asked(LONG), user_agent=CLAUDE_CODE)
        self.assertEqual((answer.status, answer.compressed), (400, ""))
        error = answer.json()["error"]
        self.assertEqual(error["type"], "invalid_request_error")
        self.assertRegex(error["message"], r"^prompt is too long: \d+ tokens > 9000 maximum$")
        self.assertEqual(len(self.record.attempts), 1)
        # What it asks for the summary with is as long as that, and has to be served.
        task = {"role": "user", "content": "Summarise the conversation."}
        answer = await self.post(asked([*LONG, task]), user_agent=CLAUDE_CODE)
        self.assertEqual((answer.status, answer.compressed[:2]), (200, "l1"), answer.body)
        # The conversation that it goes on with is another one: it is told again.
        fresh = asked(LONG, "This session is being continued from a summary.")
        answer = await self.post(fresh, user_agent=CLAUDE_CODE)
        self.assertEqual(answer.status, 400)

    async def test_compacting_client_gets_error_of_other_protocols(self) -> None:
        await self.limited("gpt-5.1")
        body = {**asked(LONG), "model": "gpt-5.1"}
        answer = await self.post(body, user_agent=CLAUDE_CODE)
        self.assertEqual(answer.status, 400)
        self.assertRegex(
            answer.json()["error"]["message"],
            r"^prompt is too long: \d+ tokens > 9000 maximum "
            r"\(capability_rejected: prompt_too_long\)$",
        )
        answer = await self.post({**body, "stream": True}, user_agent=CLAUDE_CODE)
        self.assertEqual((answer.status, answer.compressed[:2]), (200, "l1"))

    async def test_estimate_does_not_shorten_requests_of_compacting_client(self) -> None:
        await self.start()
        body = asked(LONG)
        answer = await self.post(body, user_agent=CLAUDE_CODE)
        self.assertEqual((answer.status, answer.compressed), (200, ""))
        self.assertEqual(self.arrived()[0].body, body)

    async def test_compacting_clients_are_configurable(self) -> None:
        await self.limited(context_clients_that_compact=[])
        answer = await self.post(asked(LONG), user_agent=CLAUDE_CODE)
        self.assertEqual((answer.status, answer.compressed[:2]), (200, "l1"))

    async def test_disabled_compression_returns_error(self) -> None:
        await self.limited(context_compression=False)
        answer = await self.post(asked(LONG))
        self.assertEqual((answer.status, len(self.record.attempts)), (400, 1))

    async def test_request_that_cannot_be_shortened_is_not_retried(self) -> None:
        await self.limited()
        answer = await self.post(asked([], prose(60_000)))
        self.assertEqual((answer.status, len(self.record.attempts)), (400, 1))

    async def test_shortened_request_is_not_shortened_again(self) -> None:
        await self.limited()
        self.simulator.state.windows[MODEL] = 40
        answer = await self.post(asked(LONG))
        self.assertEqual(answer.status, 400)
        self.assertLessEqual(len(self.record.attempts), 2)
