"""Accounts that are refused: one that is good serves, however many are not."""

from __future__ import annotations

from antigravity.config.secret import Secret
from antigravity.config.settings import SchedulingSettings
from tests.faults.fixtures import FaultCase, check_complete

WAY = ("openai_chat", "openai_chat")
#: With one attempt for each there would be none left for the good one.
DEAD = ("bad-1", "bad-2", "forbidden-3", "exhausted-4", "exhausted-5", "bad-6")


class RefusedAccounts(FaultCase):
    async def start_with(self, *keys: str) -> None:
        await self.start(
            upstream={"api_key": Secret(), "api_keys": [Secret(key) for key in keys]},
            scheduling=SchedulingSettings(mode="PerformanceFirst", max_wait_seconds=0),
        )

    async def test_rejected_accounts_use_no_attempts(self) -> None:
        await self.start_with(*DEAD, "good")
        for fault in ("", "[[error 500 times=1]] ", "[[empty times=1]] "):
            answer = await self.ask(WAY, f"{fault}hello {len(fault)}")
            check_complete("openai_chat", answer, f"hello {len(fault)}")

    async def test_rejected_accounts_are_limited(self) -> None:
        await self.start_with(*(f"bad-{number}" for number in range(30)))
        answer = await self.ask(WAY, "hello")
        self.assertEqual(answer.status, 503)
        self.assertEqual(self.simulator.stats.refused, 13)
