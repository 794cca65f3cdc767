"""Which requests z.ai serves, by its dispatch mode."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from antigravity.accounts.files import AccountFiles
from antigravity.accounts.records import AccountRecord
from antigravity.config.secret import Secret
from antigravity.config.settings import SchedulingSettings
from tests.service.dispatch_fixture import CLAUDE, DispatchCase

SPREAD = SchedulingSettings(mode="PerformanceFirst", max_wait_seconds=0.0)


def session(number: int) -> dict[str, Any]:
    """Return the metadata of a conversation."""
    return {"metadata": {"user_id": f"conversation {number}"}}


class OffTests(DispatchCase):
    async def test_off_serves_nothing(self) -> None:
        await self.start({"claude": self.upstream("anthropic", "sk-1")}, self.zai("off"))
        self.assertEqual((await self.message()).status, 200)
        self.assertEqual((await self.message(model="zai:glm-4.7")).status, 404)
        self.assertEqual(self.served_by(), {"other": 1})

    async def test_account_serves_own_models_while_mode_is_off(self) -> None:
        await self.start({"chat": self.upstream("openai", "sk-1")}, self.zai("off"))
        AccountFiles(self.home).save(
            AccountRecord(
                "z", "zai", Secret("zai-2"), base_url=f"{self.address}/api/anthropic", created=1.0
            )
        )
        await self.gateway.reload()
        self.assertEqual((await self.message()).status, 404)
        for name in ("glm-4.7", "zai:glm-4.7", "zai/glm-4.7"):
            answer = await self.message(model=name)
            self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, "glm-4.7"))
        self.assertEqual(self.served_by(), {"zai": 3})
        listed = (await self.ask("/v1/models/claude", x_api_key="k")).json()["data"]
        self.assertEqual([model["id"] for model in listed if "claude" in model["id"]], [])


class ModelListTests(DispatchCase):
    async def listed(self, mode: str) -> list[str]:
        await self.start({}, self.zai(mode, model_mapping={"claude-opus-4-8": "glm-5"}))
        return [model["id"] for model in (await self.ask("/v1/models")).json()["data"]]

    async def test_zai_alone_lists_own_and_mapped_models(self) -> None:
        expected = {"glm-4.7", "glm-4.5-air", "glm-5", "claude-opus-4-8"}
        self.assertEqual(set(await self.listed("exclusive")), expected)

    async def test_listed_models_are_served(self) -> None:
        for name in await self.listed("pooled"):
            self.assertEqual((await self.message(model=name)).status, 200)


class ExclusiveTests(DispatchCase):
    async def begin(self, **more: Any) -> None:
        google = self.upstream("gemini_api", "g-1", priority=-3)
        claude = self.upstream("anthropic", "sk-1")
        zai = self.zai("exclusive", model_mapping={"claude-opus-4-8": "glm-5"})
        await self.start({"google": google, "claude": claude}, zai, **more)

    async def test_exclusive_serves_all_clients_of_its_protocol(self) -> None:
        await self.begin()
        for asked, served in (
            ("claude-opus-4-8", "glm-5"),
            ("claude-opus-4-6", "glm-4.7"),
            (CLAUDE, "glm-4.7"),
            ("claude-new-9", "glm-4.7"),
            ("claude-haiku-4-5", "glm-4.5-air"),
            ("glm-4.6", "glm-4.6"),
            ("zai:glm-4.6", "glm-4.6"),
            ("gemini-2.5-pro", "gemini-2.5-pro"),
        ):
            answer = await self.message(model=asked)
            self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, served))
            self.assertEqual(self.reached()[-1].body["model"], served)
        self.assertEqual(self.served_by(), {"zai": 8})

    async def test_exclusive_does_not_fall_back_on_failure(self) -> None:
        await self.begin()
        self.simulator.state.refused.add("zai-key")
        answer = await self.message()
        self.assertEqual(answer.status, 503)
        self.assertEqual(set(self.served_by()), {"zai"})

    async def test_exclusive_refuses_model_of_named_other_upstream(self) -> None:
        await self.begin()
        answer = await self.message(model="claude/claude-sonnet-4-6")
        self.assertEqual(answer.status, 404)
        self.assertIn("zai alone serves", answer.json()["error"]["message"])

    async def test_exclusive_applies_mapping_to_known_models_only(self) -> None:
        await self.begin(
            custom_mapping={
                "claude-haiku-4-5": "glm-4.6",
                CLAUDE: "gemini-2.5-pro",
                "claude-opus-4-6": "google/gemini-2.5-pro",
            }
        )
        for asked, served in (
            ("claude-haiku-4-5", "glm-4.6"),
            (CLAUDE, "glm-4.7"),
            ("claude-opus-4-6", "glm-4.7"),
        ):
            answer = await self.message(model=asked)
            self.assertEqual(answer.headers["x-mapped-model"], served)
        self.assertEqual(self.served_by(), {"zai": 3})

    async def test_exclusive_serves_background_tasks(self) -> None:
        await self.begin(custom_mapping={"internal-background-task": "gemini-2.5-flash"})
        answer = await self.title("claude-haiku-4-5")
        self.assertEqual(answer.headers["x-mapped-model"], "glm-4.5-air")
        self.settings = replace(
            self.settings, proxy=replace(self.settings.proxy, zai=self.zai("pooled"))
        )
        await self.gateway.reload()
        answer = await self.title("claude-haiku-4-5")
        self.assertEqual(answer.headers["x-mapped-model"], "gemini-2.5-flash")
        self.assertEqual(self.served_by(), {"zai": 1, "other": 1})

    async def test_exclusive_is_first_for_other_protocols(self) -> None:
        await self.begin()
        await self.chat()
        await self.chat(model="gemini-2.5-flash")
        self.assertEqual(self.served_by(), {"zai": 1, "other": 1})
        self.simulator.state.refused.add("zai-key")
        self.assertEqual((await self.chat()).status, 200)
        self.assertEqual([a.upstream for a in self.record.attempts], ["zai", "claude"])

    async def test_explain_shows_dispatch_mode(self) -> None:
        await self.begin()
        found = {each["upstream"]: each for each in (await self.explain())["upstreams"]}
        self.assertEqual((found["zai"]["rank"], found["zai"]["model"]), (0, "glm-4.7"))
        self.assertFalse(found["claude"]["chosen"])
        self.assertIn("zai alone serves", found["claude"]["reason"])
        found = {e["upstream"]: e for e in (await self.explain(CLAUDE, "openai_chat"))["upstreams"]}
        self.assertEqual((found["zai"]["rank"], found["claude"]["rank"]), (0, 1))


class PooledTests(DispatchCase):
    async def test_pooled_shares_requests_with_other_accounts(self) -> None:
        claude = self.upstream("anthropic", "sk-1", "sk-2", "sk-3")
        await self.start({"claude": claude}, self.zai("pooled"), scheduling=SPREAD)
        for number in range(8):
            answer = await self.message(**session(number))
            self.assertEqual(answer.status, 200)
        self.assertEqual(self.served_by(), {"other": 6, "zai": 2})

    async def test_pooled_conversations_stay_with_their_account(self) -> None:
        claude = self.upstream("anthropic", "sk-1")
        await self.start({"claude": claude}, self.zai("pooled"))
        first = [(await self.message(**session(n))).headers["x-mapped-model"] for n in range(16)]
        self.assertEqual(set(first), {CLAUDE, "glm-4.7"})
        for _ in range(2):
            again = [
                (await self.message(**session(n))).headers["x-mapped-model"] for n in range(16)
            ]
            self.assertEqual(again, first)

    async def test_pooled_zai_serves_while_others_are_limited(self) -> None:
        claude = self.upstream("anthropic", "sk-1")
        await self.start({"claude": claude}, self.zai("pooled"))
        self.simulator.state.refused.add("zai-key")
        for number in range(6):
            answer = await self.message(**session(number))
            self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, CLAUDE))

    async def test_pooled_others_serve_while_zai_is_limited(self) -> None:
        await self.start({"claude": self.upstream("anthropic", "bad-1")}, self.zai("pooled"))
        for number in range(6):
            answer = await self.message(**session(number))
            self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, "glm-4.7"))

    async def test_pooled_keeps_upstream_without_model_list(self) -> None:
        claude = self.upstream("anthropic", "sk-1")
        await self.start({"claude": claude}, self.zai("pooled"), scheduling=SPREAD)
        for number in range(4):
            await self.message(model="claude-sonnet-4-20250514", **session(number))
        self.assertEqual(self.served_by(), {"other": 2, "zai": 2})

    async def test_explain_shows_dispatch_mode(self) -> None:
        await self.start({"claude": self.upstream("anthropic", "sk-1")}, self.zai("pooled"))
        explained = await self.explain()
        found = {each["upstream"]: each for each in explained["upstreams"]}
        self.assertEqual([found[name]["rank"] for name in ("claude", "zai")], [0, 0])
        self.assertIn("shares the requests", found["zai"]["reason"])
        self.assertEqual(sorted(e["state"] for e in explained["accounts"]), ["available", "chosen"])


class FallbackTests(DispatchCase):
    async def test_fallback_serves_only_while_others_cannot(self) -> None:
        claude = self.upstream("anthropic", "sk-1", "sk-2", priority=5)
        await self.start({"claude": claude}, self.zai("fallback"))
        for number in range(4):
            self.assertEqual((await self.message(**session(number))).status, 200)
        self.assertEqual(self.served_by(), {"other": 4})
        self.simulator.state.refused.add("sk-1")
        for number in range(4):
            await self.message(**session(number))
        self.assertEqual(self.served_by()["zai"], 0)
        self.simulator.state.refused.add("sk-2")
        answer = await self.message()
        self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, "glm-4.7"))
        self.assertEqual(self.record.attempts[-1].upstream, "zai")

    async def test_fallback_does_not_retry_exhausted_accounts(self) -> None:
        claude = self.upstream("anthropic", "exhausted-1", "exhausted-2")
        await self.start({"claude": claude}, self.zai("fallback"))
        for _ in range(3):
            self.assertEqual((await self.message()).status, 200)
        self.assertEqual(self.served_by(), {"other": 2, "zai": 3})

    async def test_fallback_serves_without_any_account(self) -> None:
        await self.start({"claude": self.upstream("anthropic")}, self.zai("fallback"))
        self.assertEqual((await self.message()).status, 200)
        self.assertEqual(self.served_by(), {"zai": 1})

    async def test_fallback_does_not_serve_models_it_lacks(self) -> None:
        google = self.upstream("gemini_api", "exhausted-1")
        await self.start({"google": google}, self.zai("fallback"))
        self.assertEqual((await self.message(model="gemini-2.5-pro")).status, 429)
        self.assertEqual(self.served_by()["zai"], 0)

    async def test_explain_shows_dispatch_mode(self) -> None:
        await self.start({"claude": self.upstream("anthropic", "sk-1")}, self.zai("fallback"))
        explained = await self.explain()
        found = {each["upstream"]: each for each in explained["upstreams"]}
        self.assertEqual([found[name]["rank"] for name in ("claude", "zai")], [0, 1])
        self.assertIn("replaces 'claude-*sonnet*'", found["zai"]["reason"])
        states = {each["upstream"]: each["state"] for each in explained["accounts"]}
        self.assertEqual(states, {"claude": "chosen", "zai": "available"})

    async def test_dispatch_mode_changes_on_reload(self) -> None:
        await self.start({"claude": self.upstream("anthropic", "sk-1")}, self.zai("fallback"))
        await self.message()
        self.settings = replace(
            self.settings, proxy=replace(self.settings.proxy, zai=self.zai("exclusive"))
        )
        await self.gateway.reload()
        await self.message()
        self.assertEqual(self.served_by(), {"other": 1, "zai": 1})


class HeaderTests(DispatchCase):
    async def test_zai_gets_only_allowed_headers(self) -> None:
        await self.start({}, self.zai("exclusive"))
        body = {
            "model": CLAUDE,
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "hi"}],
        }
        answer = await self.ask(
            "/v1/messages",
            body,
            anthropic_beta="context-management-2025-06-27",
            anthropic_version="2023-06-01",
            cookie="c=1",
            user_agent="claude-cli/2.1 (external, cli)",
            x_api_key="sk-client",
            x_app="cli",
        )
        self.assertEqual(answer.status, 200)
        (request,) = self.reached()
        connection = {"host", "content-length", "connection", "accept-encoding"}
        self.assertEqual(
            set(request.headers) - connection,
            {
                "accept",
                "anthropic-beta",
                "anthropic-version",
                "authorization",
                "content-type",
                "user-agent",
            },
        )
        self.assertEqual(request.headers["user-agent"], "claude-cli/2.1 (external, cli)")
        self.assertEqual(request.headers["authorization"], "Bearer zai-key")


class PriorityTests(DispatchCase):
    async def test_lower_priorities_are_first_and_equal_ones_share(self) -> None:
        upstreams = {
            "last": self.upstream("anthropic", "sk-last", priority=2),
            "two": self.upstream("openai", "sk-two", priority=1, models=[CLAUDE]),
            "one": self.upstream("anthropic", "sk-one", priority=1),
        }
        await self.start(upstreams, scheduling=SPREAD)
        for number in range(4):
            self.assertEqual((await self.message(**session(number))).status, 200)
        keys = [(a.upstream) for record in self.watcher.records for a in record.attempts]
        self.assertEqual(sorted(keys), ["one", "one", "two", "two"])
        self.simulator.state.refused = {"sk-one", "sk-two"}
        self.assertEqual((await self.message(**session(5))).status, 200)
        self.assertEqual(self.record.attempts[-1].upstream, "last")

    async def test_protocol_and_order_decide_without_priorities(self) -> None:
        upstreams = {
            "chat": self.upstream("openai", "sk-0", models=[CLAUDE]),
            "one": self.upstream("anthropic", "sk-one"),
            "two": self.upstream("anthropic", "sk-two"),
        }
        await self.start(upstreams, scheduling=SPREAD)
        for number in range(3):
            await self.message(**session(number))
        self.assertEqual({r.attempts[0].upstream for r in self.watcher.records}, {"one"})
        found = {e["upstream"]: e["rank"] for e in (await self.explain())["upstreams"]}
        self.assertEqual(found, {"one": 0, "two": 1, "chat": 2})
