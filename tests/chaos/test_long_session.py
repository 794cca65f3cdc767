"""Five hundred turns of an agent, with everything that happens on such a way."""

from __future__ import annotations

from functools import partial

from antigravity.config.settings import UpstreamSettings
from tests.chaos.coding_agent import Agent, Between
from tests.chaos.fixtures import ChaosCase, reactor

#: Tasks of two turns each.
TASKS = 250
RESTART, LOSS = 125, 180
#: In these tasks the client loses the thinking before its tool call.
DROPS = (60, RESTART, 200)


class LongSession(ChaosCase):
    async def run_session(self, upstreams: dict[str, UpstreamSettings], model: str) -> None:
        """Run one session to its end, and print how it went."""
        await self.start(upstreams)
        agent = Agent(self.ask, model, "0123456789abcdef")
        began, spent = reactor.seconds(), []
        for number in range(TASKS):
            between: list[Between] = []
            if number in DROPS:
                between.append(agent.drop_thinking)
            if number == RESTART:
                between.append(partial(self.restarted, upstreams))
            if number == LOSS:
                between.append(self.lose_account)
            before = reactor.seconds()
            assert await agent.task(number, between) == f"done {number}"
            spent.append(reactor.seconds() - before)
        await self.settled()
        self.check_nothing_runs()
        records = list(self.observer.records.values())
        assert [record.outcome for record in records] == ["ok"] * 2 * TASKS
        retried = [record for record in records if len(record.attempts) > 1]
        why = [each.error for record in retried for each in record.attempts if each.error]
        served = {record.attempts[-1].credential for record in records[2 * LOSS + 1 :]}
        print(f"\n{agent.requests} turns in {reactor.seconds() - began:.1f} s")
        print(
            f"a task: first 10 {sum(spent[:10]) / 10:.3f} s, last 10 {sum(spent[-10:]) / 10:.3f} s"
        )
        print(f"retried {len(retried)}: {sorted(set(why))}")
        assert len(served) == 1, "it moves once, and stays"
        assert len(retried) < 10, why
        await self.pool.closeCachedConnections()
        await self.stop()

    async def restarted(self, upstreams: dict[str, UpstreamSettings]) -> None:
        """Put another gateway in the place of the one that runs."""
        await self.pool.closeCachedConnections()
        await self.restart(upstreams)

    async def lose_account(self) -> None:
        """Have the account refused that has served the session's last request."""
        headers = self.arrivals[-1].headers
        key = headers.get("x-api-key") or headers["x-goog-api-key"]
        self.simulator.state.refused.add(key)

    async def test_anthropic_to_anthropic(self) -> None:
        upstream = self.upstream("anthropic", "key-a", "key-b")
        await self.run_session({"u": upstream}, "u/claude-sonnet-4-5")

    async def test_anthropic_to_gemini(self) -> None:
        upstream = self.upstream("gemini_api", "key-a", "key-b")
        await self.run_session({"u": upstream}, "u/gemini-3-pro-preview")
