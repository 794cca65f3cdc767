"""How many accounts a request is sent to when they fail."""

from __future__ import annotations

from antigravity.config.settings import SchedulingSettings
from antigravity.exchange.attempts import retry
from tests.service.account_fixture import AccountCase


class AttemptTests(AccountCase):
    async def begin(self, accounts: int) -> None:
        """Start with some accounts, and short pauses."""
        names = (f"good-{number}" for number in range(accounts))
        await self.start(*names, scheduling=SchedulingSettings(retry_pause=0.01))

    def asked(self) -> int:
        """Return how many requests for a response the upstream got."""
        return sum("enerateContent" in each.path for each in self.simulator.log)

    async def test_accounts_that_were_not_tried_are_tried(self) -> None:
        await self.begin(6)
        self.assertEqual(await self.ask("[[error 500 times=4]] hello"), 200)
        self.assertEqual(self.asked(), 5)
        self.assertNotEqual(await self.ask("[[error 500 times=9]] hello"), 200)
        self.assertEqual(self.asked(), 10)

    async def test_same_accounts_are_tried_three_times(self) -> None:
        for accounts in (1, 2, 3):
            await self.begin(accounts)
            self.assertNotEqual(await self.ask("[[error 500 times=9]] hello"), 200)
            self.assertEqual(self.asked(), 3, accounts)
            await self.stop()

    async def test_fourth_account_is_the_last_of_four(self) -> None:
        await self.begin(4)
        self.assertNotEqual(await self.ask("[[error 500 times=9]] hello"), 200)
        self.assertEqual(self.asked(), 4)

    async def test_locked_account_gives_no_more_attempts_to_others(self) -> None:
        await self.begin(4)
        self.assertEqual(await self.ask("[[error 429 retry=600s times=1]] hello"), 200)
        before = self.asked()
        self.assertNotEqual(await self.ask("[[error 500 times=9]] hello"), 200)
        self.assertEqual(self.asked() - before, 3)

    async def test_accounts_that_were_not_tried_are_tried_for_a_while(self) -> None:
        self.patch(retry, "LONGEST_WITH_OTHERS", 0.001)
        await self.begin(5)
        self.assertNotEqual(await self.ask("[[error 500 times=9]] hello"), 200)
        self.assertEqual(self.asked(), 3)

    async def test_model_without_capacity_is_asked_three_times(self) -> None:
        await self.begin(5)
        text = "[[error 503 reason=MODEL_CAPACITY_EXHAUSTED times=9]] hello"
        self.assertNotEqual(await self.ask(text), 200)
        self.assertEqual(self.asked(), 3)
