"""Fallback models serve while the requested model is not available, if configured."""

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
    """Return settings with fallback models."""
    return RoutingSettings(fallback_models={of: list(models)})


class FallbackModelTests(DispatchCase):
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

    async def test_no_fallback_without_configuration(self) -> None:
        await self.begin(routing=RoutingSettings())
        answer = await self.message()
        self.assertEqual(answer.status, 429)
        self.assertEqual(self.attempts(), [("claude", CLAUDE, 429)])

    async def test_fallback_model_serves_and_is_reported(self) -> None:
        await self.begin(GEMINI, debug_headers=True)
        answer = await self.message("[[say well]]")
        self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, GEMINI))
        self.assertEqual(answer.json()["content"][0]["text"], "well")
        self.assertEqual(answer.json()["model"], CLAUDE)
        self.assertEqual(self.record.route, (f"routing.fallback_models: {CLAUDE} -> {GEMINI}",))
        self.assertEqual(self.attempts(), [("claude", CLAUDE, 429), ("google", GEMINI, 200)])
        told = f"{CLAUDE} is not available now; {GEMINI} serves in its place"
        self.assertIn(told, [loss.detail for loss in self.record.warnings])
        self.assertIn(told, answer.headers["x-antigravity-warnings"])
        await self.message()
        self.assertEqual(self.attempts(), [("google", GEMINI, 200)])  # the lock is known

    async def test_fallback_is_reported_for_passed_body(self) -> None:
        upstreams = {
            "claude": self.upstream("anthropic", "exhausted-1", models=[CLAUDE]),
            "other": self.upstream("anthropic", "sk-1", models=["claude-sonnet-4-5"]),
        }
        await self.start(upstreams, routing=routing("claude-sonnet-4-5"), debug_headers=True)
        answer = await self.message()
        self.assertEqual(answer.status, 200)
        self.assertTrue(self.record.attempts[-1].passed_through)
        self.assertIn("serves in its place", answer.headers["x-antigravity-warnings"])
        self.assertEqual([loss.field for loss in self.record.warnings], ["model"])

    async def test_stream_names_fallback_model(self) -> None:
        await self.begin(GEMINI)
        answer = await self.message("[[say well]]", stream=True)
        self.assertEqual(answer.headers["x-mapped-model"], GEMINI)
        self.assertIn(b"well", answer.body)
        self.assertTrue(answer.body.rstrip().endswith(b'{"type":"message_stop"}'))

    async def test_fallback_does_not_wait_for_capacity(self) -> None:
        await self.begin(CLAUDE, claude=("sk-1",), routing=routing(CLAUDE, of="gemini-*"))
        answer = await self.chat(FULL, model=GEMINI)
        self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, CLAUDE))
        self.assertEqual([a[1] for a in self.attempts()], [GEMINI, CLAUDE])
        answer = await self.chat("hello", model=GEMINI)
        self.assertEqual((answer.status, self.attempts()), (200, [("claude", CLAUDE, 200)]))

    async def test_fallback_models_are_tried_in_order(self) -> None:
        await self.begin(OPUS, "no-such-model", GEMINI, "gpt-5.1")
        answer = await self.message()
        self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, GEMINI))
        self.assertEqual(
            self.attempts(),
            [("claude", CLAUDE, 429), ("claude", OPUS, 429), ("google", GEMINI, 200)],
        )

    async def test_fallback_models_have_no_fallback_models(self) -> None:
        table = {CLAUDE: [OPUS], OPUS: [GEMINI]}
        await self.begin(routing=RoutingSettings(fallback_models=table))
        self.assertEqual((await self.message()).status, 429)
        self.assertEqual({a[1] for a in self.attempts()}, {CLAUDE, OPUS})

    async def test_fallbacks_of_requested_name_come_before_those_of_mapped_name(self) -> None:
        table = {"mine": [GEMINI], CLAUDE: ["gpt-5.1"]}
        await self.begin(
            routing=RoutingSettings(fallback_models=table),
            custom_mapping={"mine": CLAUDE, "yours": CLAUDE},
        )
        for asked, served in (("mine", GEMINI), ("yours", "gpt-5.1")):
            self.assertEqual((await self.message(model=asked)).headers["x-mapped-model"], served)

    async def test_error_of_request_triggers_no_fallback(self) -> None:
        await self.begin(GEMINI, claude=("sk-1",))
        answer = await self.message(temperature=7)
        self.assertEqual(answer.status, 400)
        self.assertEqual([a[1] for a in self.attempts()], [CLAUDE])

    async def test_failing_upstream_triggers_no_fallback(self) -> None:
        await self.begin(GEMINI, claude=("sk-1",))
        answer = await self.message("[[error 500]]")
        self.assertEqual(answer.status, 500)
        self.assertEqual({a[1] for a in self.attempts()}, {CLAUDE})

    async def test_begun_response_triggers_no_fallback(self) -> None:
        await self.begin(GEMINI, claude=("sk-1",))
        answer = await self.message("[[chunks 4]][[cut 2]]", stream=True)
        self.assertEqual(answer.status, 200)
        self.assertIn(b"event: error", answer.body)
        self.assertEqual([a[1] for a in self.attempts()], [CLAUDE])

    async def test_error_is_the_one_with_earliest_retry_if_no_model_serves(self) -> None:
        upstreams = {
            "claude": self.upstream("anthropic", "exhausted-1"),
            "google": self.upstream("gemini_api", "g-1"),
        }
        await self.start(upstreams, routing=routing(GEMINI))
        answer = await self.message("[[error 429 retry=90s]]")
        self.assertEqual(answer.status, 429)
        self.assertLessEqual(int(answer.headers["retry-after"]), 91)

    async def test_model_available_soonest_is_waited_for(self) -> None:
        upstreams = {
            "claude": self.upstream("anthropic", "sk-1"),
            "google": self.upstream("gemini_api", "exhausted-1"),
        }
        scheduling = SchedulingSettings(max_wait_seconds=5.0)
        await self.start(upstreams, routing=routing(GEMINI), scheduling=scheduling)
        answer = await self.message("[[error 429 retry=3s times=1]] hello")
        self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, CLAUDE))
        self.assertEqual([a[1] for a in self.attempts()], [CLAUDE, GEMINI, CLAUDE])
        self.assertEqual(self.record.warnings, ())

    async def test_short_rate_limit_is_waited_for_before_fallback(self) -> None:
        await self.begin(GEMINI, claude=("sk-1",), scheduling=SchedulingSettings())
        answer = await self.message("[[error 429 retry=1s times=1]] hello")
        self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, CLAUDE))

    async def test_stored_conversation_continues_with_fallback_model(self) -> None:
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

    async def test_reduced_background_task_goes_to_fallback_model(self) -> None:
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

    async def test_fallback_models_change_on_reload(self) -> None:
        await self.begin(routing=RoutingSettings())
        self.assertEqual((await self.message()).status, 429)
        self.settings = replace(self.settings, routing=routing(GEMINI))
        await self.gateway.reload()
        self.assertEqual((await self.message()).status, 200)

    async def test_disconnected_client_ends_fallback(self) -> None:
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
