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

    async def test_it_is_shortened_and_tried_again_once(self) -> None:
        await self.limited()
        answer = await self.post(asked(LONG))
        self.assertEqual((answer.status, answer.compressed[:2]), (200, "l1"), answer.body)
        first, second = self.record.attempts
        self.assertEqual((first.status, first.passed_through), (400, True))
        self.assertEqual((second.status, second.passed_through), (200, False))
        self.assertIn("prompt is too long", str(first.error))

    async def test_the_next_turn_knows(self) -> None:
        await self.limited()
        for turn in range(20, 24):
            answer = await self.post(asked(rounds(turn, 3_000)))
            self.assertEqual((answer.status, answer.compressed[:2]), (200, "l1"))
        self.assertEqual(len(self.record.attempts), 1)
        refused = len(self.arrived()) - 4
        self.assertEqual(refused, 1)

    async def test_a_shorter_conversation_passes_unread(self) -> None:
        await self.limited()
        await self.post(asked(LONG))
        body = asked(rounds(2, 3_000), "Mend the other roof.")
        answer = await self.post(body)
        self.assertEqual((answer.status, answer.compressed), (200, ""))
        self.assertEqual(self.arrived()[-1].body, body)

    async def test_a_client_that_compacts_is_told_in_its_own_words_first(self) -> None:
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

    async def test_it_is_told_so_by_upstreams_of_other_protocols(self) -> None:
        await self.limited("gpt-5.1")
        body = {**asked(LONG), "model": "gpt-5.1"}
        answer = await self.post(body, user_agent=CLAUDE_CODE)
        self.assertEqual(answer.status, 400)
        self.assertRegex(
            answer.json()["error"]["message"], r"^prompt is too long: \d+ tokens > 9000 maximum$"
        )
        answer = await self.post({**body, "stream": True}, user_agent=CLAUDE_CODE)
        self.assertEqual((answer.status, answer.compressed[:2]), (200, "l1"))

    async def test_its_estimate_is_no_reason_to_take_from_a_client_that_compacts(self) -> None:
        await self.start()
        body = asked(LONG)
        answer = await self.post(body, user_agent=CLAUDE_CODE)
        self.assertEqual((answer.status, answer.compressed), (200, ""))
        self.assertEqual(self.arrived()[0].body, body)

    async def test_the_operator_says_who_compacts(self) -> None:
        await self.limited(context_clients_that_compact=[])
        answer = await self.post(asked(LONG), user_agent=CLAUDE_CODE)
        self.assertEqual((answer.status, answer.compressed[:2]), (200, "l1"))

    async def test_switched_off_it_is_an_error(self) -> None:
        await self.limited(context_compression=False)
        answer = await self.post(asked(LONG))
        self.assertEqual((answer.status, len(self.record.attempts)), (400, 1))

    async def test_what_nothing_can_be_taken_from_is_tried_once(self) -> None:
        await self.limited()
        answer = await self.post(asked([], prose(60_000)))
        self.assertEqual((answer.status, len(self.record.attempts)), (400, 1))

    async def test_it_is_not_tried_a_third_time(self) -> None:
        await self.limited()
        self.simulator.state.windows[MODEL] = 40
        answer = await self.post(asked(LONG))
        self.assertEqual(answer.status, 400)
        self.assertLessEqual(len(self.record.attempts), 2)
