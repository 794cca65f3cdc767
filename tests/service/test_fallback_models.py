"""Other models serve while one cannot be had, if the operator wants it, and only then."""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from antigravity.config.settings import RoutingSettings, SchedulingSettings
from tests.service.dispatch_fixture import CLAUDE, DispatchCase, reactor

OPUS = "claude-opus-4-6"
GEMINI = "gemini-2.5-flash"
FULL = "[[error 503 reason=MODEL_CAPACITY_EXHAUSTED retry=40s times=1]] hello"


def routing(*models: str, of: str = "claude-*") -> RoutingSettings:
    """Return settings with models that stand in."""
    return RoutingSettings(fallback_models={of: list(models)})


class FallbackModels(DispatchCase):
    async def begin(
        self, *models: str, claude: tuple[str, ...] = ("exhausted-1",), **more: Any
    ) -> None:
        """Start with exhausted accounts for Claude, and good ones for all others."""
        upstreams = {
            "claude": self.upstream("anthropic", *claude, models=["claude-*"]),
            "google": self.upstream("gemini_api", "g-1"),
            "chat": self.upstream("openai", "sk-1"),
        }
        more.setdefault("routing", routing(*models))
        await self.start(upstreams, **more)

    def attempts(self) -> list[tuple[str, str, int | None]]:
        return [(a.upstream, a.model, a.status) for a in self.record.attempts]

    async def test_without_configuration_there_are_none(self) -> None:
        await self.begin(routing=RoutingSettings())
        answer = await self.message()
        self.assertEqual(answer.status, 429)
        self.assertEqual(self.attempts(), [("claude", CLAUDE, 429)])

    async def test_the_next_model_serves_and_that_is_told(self) -> None:
        await self.begin(GEMINI, debug_headers=True)
        answer = await self.message("[[say well]]")
        self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, GEMINI))
        self.assertEqual(answer.json()["content"][0]["text"], "well")
        self.assertEqual(answer.json()["model"], CLAUDE)
        self.assertEqual(self.record.route, (f"routing.fallback_models: {CLAUDE} -> {GEMINI}",))
        self.assertEqual(self.attempts(), [("claude", CLAUDE, 429), ("google", GEMINI, 200)])
        told = f"{CLAUDE} is not available now; {GEMINI} serves in its place"
        self.assertIn(told, [loss.detail for loss in self.record.losses])
        self.assertIn(told, answer.headers["x-antigravity-warnings"])
        await self.message()
        self.assertEqual(self.attempts(), [("google", GEMINI, 200)])  # the lock is known

    async def test_also_where_the_body_passes_as_it_is(self) -> None:
        upstreams = {
            "claude": self.upstream("anthropic", "exhausted-1", models=[CLAUDE]),
            "other": self.upstream("anthropic", "sk-1", models=["claude-sonnet-4-5"]),
        }
        await self.start(upstreams, routing=routing("claude-sonnet-4-5"), debug_headers=True)
        answer = await self.message()
        self.assertEqual(answer.status, 200)
        self.assertTrue(self.record.attempts[-1].passed_through)
        self.assertIn("serves in its place", answer.headers["x-antigravity-warnings"])
        self.assertEqual([loss.field for loss in self.record.losses], ["model"])

    async def test_a_stream_begins_with_the_model_that_serves(self) -> None:
        await self.begin(GEMINI)
        answer = await self.message("[[say well]]", stream=True)
        self.assertEqual(answer.headers["x-mapped-model"], GEMINI)
        self.assertIn(b"well", answer.body)
        self.assertTrue(answer.body.rstrip().endswith(b'{"type":"message_stop"}'))

    async def test_a_model_without_capacity_gives_way_at_once(self) -> None:
        await self.begin(CLAUDE, claude=("sk-1",), routing=routing(CLAUDE, of="gemini-*"))
        answer = await self.chat(FULL, model=GEMINI)
        self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, CLAUDE))
        self.assertEqual([a[1] for a in self.attempts()], [GEMINI, CLAUDE])
        answer = await self.chat("hello", model=GEMINI)
        self.assertEqual((answer.status, self.attempts()), (200, [("claude", CLAUDE, 200)]))

    async def test_they_are_tried_in_order(self) -> None:
        await self.begin(OPUS, "no-such-model", GEMINI, "gpt-5.1")
        answer = await self.message()
        self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, GEMINI))
        self.assertEqual(
            self.attempts(),
            [("claude", CLAUDE, 429), ("claude", OPUS, 429), ("google", GEMINI, 200)],
        )

    async def test_there_are_no_chains(self) -> None:
        table = {CLAUDE: [OPUS], OPUS: [GEMINI]}
        await self.begin(routing=RoutingSettings(fallback_models=table))
        self.assertEqual((await self.message()).status, 429)
        self.assertEqual({a[1] for a in self.attempts()}, {CLAUDE, OPUS})

    async def test_the_name_before_mapping_counts_first_then_the_one_behind(self) -> None:
        table = {"mine": [GEMINI], CLAUDE: ["gpt-5.1"]}
        await self.begin(
            routing=RoutingSettings(fallback_models=table),
            custom_mapping={"mine": CLAUDE, "yours": CLAUDE},
        )
        for asked, served in (("mine", GEMINI), ("yours", "gpt-5.1")):
            self.assertEqual((await self.message(model=asked)).headers["x-mapped-model"], served)

    async def test_what_a_request_is_to_blame_for_is_told_to_the_client(self) -> None:
        await self.begin(GEMINI, claude=("sk-1",))
        answer = await self.message(temperature=7)
        self.assertEqual(answer.status, 400)
        self.assertEqual([a[1] for a in self.attempts()], [CLAUDE])

    async def test_a_failing_upstream_is_no_lack_of_capacity(self) -> None:
        await self.begin(GEMINI, claude=("sk-1",))
        answer = await self.message("[[error 500]]")
        self.assertEqual(answer.status, 500)
        self.assertEqual({a[1] for a in self.attempts()}, {CLAUDE})

    async def test_an_answer_that_has_begun_is_never_taken_back(self) -> None:
        await self.begin(GEMINI, claude=("sk-1",))
        answer = await self.message("[[chunks 4]][[cut 2]]", stream=True)
        self.assertEqual(answer.status, 200)
        self.assertIn(b"event: error", answer.body)
        self.assertEqual([a[1] for a in self.attempts()], [CLAUDE])

    async def test_if_none_can_be_had_the_error_is_the_one_that_passes_soonest(self) -> None:
        upstreams = {
            "claude": self.upstream("anthropic", "exhausted-1"),
            "google": self.upstream("gemini_api", "g-1"),
        }
        await self.start(upstreams, routing=routing(GEMINI))
        answer = await self.message("[[error 429 retry=90s]]")
        self.assertEqual(answer.status, 429)
        self.assertLessEqual(int(answer.headers["retry-after"]), 91)

    async def test_who_can_be_had_soon_is_waited_for_in_the_end(self) -> None:
        upstreams = {
            "claude": self.upstream("anthropic", "sk-1"),
            "google": self.upstream("gemini_api", "exhausted-1"),
        }
        scheduling = SchedulingSettings(max_wait_seconds=5.0)
        await self.start(upstreams, routing=routing(GEMINI), scheduling=scheduling)
        answer = await self.message("[[error 429 retry=3s times=1]] hello")
        self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, CLAUDE))
        self.assertEqual([a[1] for a in self.attempts()], [CLAUDE, GEMINI, CLAUDE])
        self.assertEqual(self.record.losses, ())

    async def test_a_short_limit_is_waited_for(self) -> None:
        await self.begin(GEMINI, claude=("sk-1",), scheduling=SchedulingSettings())
        answer = await self.message("[[error 429 retry=1s times=1]] hello")
        self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, CLAUDE))

    async def test_conversations_kept_here_go_on_with_the_other_model(self) -> None:
        upstreams = {
            "chat": self.upstream("openai", "sk-1", apis=["chat"]),
            "google": self.upstream("gemini_api", "g-1"),
        }
        await self.start(upstreams, routing=routing(GEMINI, of="gpt-*"))
        first = await self.ask("/v1/responses", {"model": "gpt-4.1", "input": "one"})
        self.simulator.state.refused.add("sk-1")
        body = {
            "model": "gpt-4.1",
            "input": "two",
            "previous_response_id": first.json()["id"],
        }
        second = await self.ask("/v1/responses", body)
        self.assertEqual((second.status, second.headers["x-mapped-model"]), (200, GEMINI))
        self.assertIn("one", json.dumps(self.reached()[-1].body))

    async def test_small_tasks_of_clients_go_there_as_they_were_reduced(self) -> None:
        table = {"internal-background-task": ["claude-haiku-4-5"]}
        upstreams = {
            "google": self.upstream("gemini_api", "exhausted-1"),
            "claude": self.upstream("anthropic", "sk-1"),
        }
        await self.start(
            upstreams,
            routing=RoutingSettings(fallback_models=table),
            custom_mapping={"internal-background-task": GEMINI},
        )
        answer = await self.title(OPUS)
        self.assertEqual(answer.headers["x-mapped-model"], "claude-haiku-4-5")
        self.assertEqual(answer.headers["x-background-task"], "title")
        self.assertFalse(self.record.attempts[-1].passed_through)

    async def test_it_changes_while_the_gateway_runs(self) -> None:
        await self.begin(routing=RoutingSettings())
        self.assertEqual((await self.message()).status, 429)
        self.settings = replace(self.settings, routing=routing(GEMINI))
        await self.gateway.reload()
        self.assertEqual((await self.message()).status, 200)

    async def test_a_client_that_leaves_ends_it(self) -> None:
        await self.begin(GEMINI)
        waiting = Deferred.fromCoroutine(self.message("[[ttft 30]]", stream=True))
        waiting.addErrback(lambda failure: None)
        while self.served_by()["other"] < 2:
            await deferLater(reactor, 0.01)
        waiting.cancel()
        while not self.watcher.records:
            await deferLater(reactor, 0.01)
        self.assertEqual(self.record.outcome, "cancelled")
        self.assertEqual([a[1] for a in self.attempts()], [CLAUDE, GEMINI])
