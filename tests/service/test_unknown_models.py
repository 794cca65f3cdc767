"""Unknown model names are refused unless an alias or a fallback model is configured."""

from __future__ import annotations

from antigravity.config.settings import RoutingSettings
from antigravity.routing.mapping import shipped_aliases
from tests.service.dispatch_fixture import DispatchCase

KNOWN = "gemini-2.5-flash"


class UnknownModelTests(DispatchCase):
    async def begin(self, **routing: object) -> None:
        """Start with one upstream that lists its models."""
        google = self.upstream("gemini_api", "g-1")
        await self.start({"google": google}, routing=RoutingSettings(**routing))  # type: ignore[arg-type]

    async def test_unknown_model_is_refused_by_default(self) -> None:
        await self.begin()
        for name in ("gpt-4o", "claude-haiku-4-5", "no-such"):
            answer = await self.chat(model=name)
            self.assertEqual(answer.status, 404)
            self.assertEqual(answer.json()["error"]["code"], "model_not_found")
            self.assertEqual((self.record.route, self.record.attempts), ((), []))

    async def test_enabled_alias_is_in_record(self) -> None:
        await self.begin(builtin_aliases=True)
        answer = await self.chat(model="gpt-4o")
        target = shipped_aliases()["gpt-4o*"]
        self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, target))
        self.assertEqual(self.record.route, (f"builtin_aliases: gpt-4o*: gpt-4o -> {target}",))

    async def test_fallback_for_unknown_models_is_in_record(self) -> None:
        await self.begin(fallback_model=KNOWN)
        answer = await self.chat(model="no-such")
        self.assertEqual((answer.status, answer.headers["x-mapped-model"]), (200, KNOWN))
        self.assertEqual(self.record.route, (f"routing.fallback_model: no-such -> {KNOWN}",))
        self.assertEqual(
            (await self.explain("no-such", "openai_chat"))["steps"],
            [{"rule": "routing.fallback_model", "source": "no-such", "target": KNOWN}],
        )

    async def test_known_model_has_no_route_in_record(self) -> None:
        await self.begin(builtin_aliases=True, fallback_model="gemini-2.5-pro")
        await self.chat(model=KNOWN)
        self.assertEqual((self.record.route, self.record.mapped_model), ((), KNOWN))


class CapacityTests(DispatchCase):
    async def test_error_of_model_without_capacity_has_protocol_shape(self) -> None:
        keys = ("g-1", "g-2", "g-3", "g-4")
        google = self.upstream("gemini_api", *keys)
        full = "[[error 503 reason=MODEL_CAPACITY_EXHAUSTED retry=40s]]"
        said = [{"role": "user", "parts": [{"text": full}]}]
        model = KNOWN
        for ask, shape in (
            (lambda: self.chat(full, model=model), ("server_error", 503)),
            (lambda: self.message(full, model=model), ("overloaded_error", 503)),
            (
                lambda: self.ask(f"/v1beta/models/{model}:generateContent", {"contents": said}),
                ("UNAVAILABLE", 503),
            ),
        ):
            await self.start({"google": google})
            answer = await ask()
            error = answer.json()["error"]
            self.assertEqual((error.get("type", error.get("status")), answer.status), shape)
            self.assertEqual(len(self.record.attempts), 1, "no other account is burned for it")
            again = await ask()
            self.assertEqual(again.status, 503)
            self.assertLessEqual(int(again.headers["retry-after"]), 41)
            self.assertEqual(self.record.attempts, [])
            await self.gateway.stopService()
