"""Many requests, many accounts, much trouble: whoever could be served is, and nothing is left."""

from __future__ import annotations

import gc
import json
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from antigravity.simulator.signatures import sign
from tests.chaos.figures import resident, table
from tests.chaos.fixtures import MARKER, ChaosCase, reactor
from tests.chaos.requests import ChaosRequest, breaks_in_order, plan, response_text, signatures

REQUESTS = 2000
AT_ONCE = 50
SEED = 20261
#: So much may be added to the memory of the process by the last three quarters of a run.
GROWTH = 24 * 1024 * 1024

#: A model for each upstream, and whether its requests bring faults: the others' accounts do.
UPSTREAMS = {
    "c-anthropic": ("claude-sonnet-4-5", True),
    "c-gemini": ("gemini-2.5-flash", True),
    "c-codeassist": ("gemini-2.5-flash", True),
    "c-openai": ("gpt-4.1", True),
    "c-flaky": ("gpt-4.1", False),
}


class Chaos(ChaosCase):
    token_lifetime = 301.0  # they are renewed 300 s before they expire

    async def start_all(self) -> None:
        """Start a gateway with five accounts for each upstream, some of them dead."""
        await self.start(
            {
                "c-anthropic": self.upstream("anthropic", *accounts("a", "bad", "exhausted")),
                "c-gemini": self.upstream("gemini_api", *accounts("g", "bad", "forbidden")),
                "c-openai": self.upstream("openai", *accounts("o", "exhausted", "bad")),
                "c-flaky": self.upstream("openai", *accounts("f", "flaky", "bad", "forbidden")),
                "c-codeassist": self.codeassist(*accounts("c", "revoked", "exhausted")),
            }
        )

    async def test_every_servable_request_is_served_once(self) -> None:
        await self.start_all()
        asks = plan(SEED, REQUESTS, UPSTREAMS)
        self.answers: dict[int, tuple[int, bytes]] = {}
        began, grown = reactor.seconds(), []
        for part in (asks[: REQUESTS // 4], asks[REQUESTS // 4 :]):
            await self.send_all(part)
            gc.collect()
            grown.append(resident())
        seconds = reactor.seconds() - began
        await self.settled()
        self.check_nothing_runs()
        problems = [problem for ask in asks for problem in self.problems(ask)]
        records = [self.observer.records[ask.marker] for ask in asks if not ask.late]
        served = sum(self.answers[ask.number][0] == 200 for ask in asks if not ask.late)
        print("\n" + table(records, served, len(records), seconds))
        print(f"broken after the first byte {sum(ask.late for ask in asks)}")
        print(f"memory {grown[0] >> 20} MiB after a quarter, {grown[1] >> 20} MiB at the end")
        assert not problems, "\n".join([f"{len(problems)} problems", *problems[:20]])
        assert grown[1] - grown[0] < GROWTH
        await self.pool.closeCachedConnections()
        await self.stop()

    async def test_signatures_stay_in_their_session(self) -> None:
        await self.start({"g": self.upstream("gemini_api", "key-a", "key-b", "key-c")})
        sessions = [f"mark-{number}-{number:08x}" for number in range(60)]
        found = await gatherResults(
            [Deferred.fromCoroutine(self.session(name)) for name in sessions], consumeErrors=True
        )
        for name, body in zip(sessions, found, strict=True):
            assert set(MARKER.findall(body)) == {name}
            assert sign("gemini", ["look", {"at": name}]) in body
        assert all(len(record.attempts) == 1 for record in self.observer.records.values())
        await self.settled()
        self.check_nothing_runs()

    async def session(self, name: str) -> str:
        """Have a tool called, by a client that has no field for signatures; return what the
        upstream gets with the result."""
        call = json.dumps({"at": name})
        messages: list[Any] = [
            {"role": "user", "content": f"[[tool look {call}]] [[then]] [[request]]"}
        ]
        schema = {"type": "object", "properties": {"at": {"type": "string"}}}
        tool = {"type": "function", "function": {"name": "look", "parameters": schema}}
        body = {"model": "g/gemini-3-pro-preview", "tools": [tool], "messages": messages}
        text = ""
        for turn in range(2):
            status, answer = await self.ask("/v1/chat/completions", body, f"{name}-{turn}")
            assert status == 200, answer
            message = json.loads(answer)["choices"][0]["message"]
            text = str(message["content"])
            for called in message.get("tool_calls") or ():
                messages.append({"role": "assistant", "tool_calls": [called]})
                result = {"role": "tool", "tool_call_id": called["id"], "content": "seen"}
                messages.append(result)
        return text

    async def send_all(self, asks: list[ChaosRequest]) -> None:
        """Send all of them, so many at once."""
        waiting = iter(asks)

        async def one_after_another() -> None:
            for ask in waiting:
                path, body = ask.request()
                self.answers[ask.number] = await self.ask(path, body, ask.marker)

        await gatherResults(
            [Deferred.fromCoroutine(one_after_another()) for _ in range(AT_ONCE)],
            consumeErrors=True,
        )

    def problems(self, ask: ChaosRequest) -> list[str]:
        """Return what is wrong with the answer to one request."""
        status, body = self.answers[ask.number]
        record = self.observer.records[ask.marker]
        failed = [each.error for each in record.attempts if each.error]
        what = f"{ask.number} {ask.protocol} at {ask.upstream} {ask.faults!r}"
        if status != 200:
            return [f"{what}: {status} {body[:150]!r} after {failed}"]
        found = []
        strangers = set(MARKER.findall(body.decode())) - {ask.marker}
        if strangers:
            found.append(f"{what}: sees {strangers}")
        answered = self.arrivals.markers[ask.marker] - len(failed)
        if answered > 1:
            found.append(f"{what}: answered {answered} times")
        if ask.late:
            if record.outcome != "error" or not breaks_in_order(ask, body):
                found.append(f"{what}: broke without an error event")
        elif response_text(ask, body).count(ask.marker) != 1:
            found.append(f"{what}: {response_text(ask, body)!r}")
        if (ask.protocol, ask.upstream) == ("anthropic", "c-anthropic") and not ask.late:
            own = sign("claude", f"Thinking about: {ask.prompt[:60]}")
            if set(signatures(body)) != {own}:
                found.append(f"{what}: has no signature, or another's")
        if record.outcome != ("error" if ask.late else "ok"):
            found.append(f"{what}: recorded as {record.outcome} {record.error}")
        return found


def accounts(name: str, *troubled: str) -> list[str]:
    """Return five keys: troubled ones first, so that they are met, and good ones."""
    keys = [f"{kind}-{name}-{place}" for place, kind in enumerate(troubled)]
    return keys + [f"good-{name}-{place}" for place in range(5 - len(keys))]
