"""Models, trials of other rules about their names, and rules that are written to the file."""

from __future__ import annotations

import os
from typing import Any

from antigravity.app.runtime import LoadedConfiguration
from tests.service.file_fixture import TEXT, FileCase


class ModelAdministrationTests(FileCase):
    async def write(self, **proposal: Any) -> tuple[int, Any]:
        """Write rules."""
        return await self.ask("POST", "/admin/mapping", json=proposal)

    async def attempt(self, **proposal: Any) -> Any:
        """Return the trial of rules."""
        status, found = await self.ask("POST", "/admin/mapping/try", json=proposal)
        self.assertEqual(status, 200, found)
        return found

    async def test_calls_need_the_admin_key(self) -> None:
        await self.start()
        for method, path in (
            ("GET", "/admin/models"),
            ("POST", "/admin/mapping"),
            ("POST", "/admin/mapping/try"),
        ):
            status, _ = await self.ask(method, path, "sk-wrong")
            self.assertEqual(status, 401, path)

    async def test_models_are_listed_with_all_their_upstreams(self) -> None:
        await self.start(TEXT + '"nick" = "gemini-2.5-flash"\n')
        _, found = await self.ask("GET", "/admin/models")
        models = {each["id"]: each for each in found["models"]}
        flash = models["gemini-2.5-flash"]
        self.assertIn("demo-gemini_api", flash["upstreams"])
        self.assertIn("demo-codeassist", flash["upstreams"])
        self.assertGreater(flash["context_window"], 100_000)
        self.assertEqual(models["nick"]["mapped_to"], "gemini-2.5-flash")
        self.assertEqual(models["nick"]["upstreams"], flash["upstreams"])
        self.assertIn("anthropic", found["protocols"])
        self.assertEqual(
            found["mapping"], {"old-*": "gemini-2.5-flash", "nick": "gemini-2.5-flash"}
        )

    async def test_trial_says_what_would_go_elsewhere_and_changes_nothing(self) -> None:
        await self.start()
        found = await self.attempt(mapping={"gemini-2.5-*": "claude-sonnet-4-5"}, models=["old-1"])
        changes = {each["model"]: each for each in found["changes"]}
        self.assertEqual(changes["gemini-2.5-flash"]["before"]["model"], "gemini-2.5-flash")
        self.assertEqual(changes["gemini-2.5-flash"]["after"]["model"], "claude-sonnet-4-5")
        self.assertIn("demo-anthropic", changes["gemini-2.5-flash"]["after"]["upstreams"])
        self.assertEqual(changes["old-1"]["before"]["model"], "gemini-2.5-flash")
        self.assertIn("old-1", changes["old-1"]["after"]["problem"])
        self.assertNotIn("claude-sonnet-4-5", changes)
        (rule,) = found["rules"]
        self.assertEqual(rule["to"]["model"], "claude-sonnet-4-5")
        self.assertIn("gemini-2.5-flash", rule["models"])
        self.assertEqual(found["problem"], "")
        self.assertEqual(self.file.read_text(), TEXT)
        _, now = await self.ask("GET", "/admin/models")
        self.assertEqual(now["mapping"], {"old-*": "gemini-2.5-flash"})

    async def test_trial_names_targets_that_nobody_serves(self) -> None:
        await self.start()
        found = await self.attempt(
            mapping={"a": "no-such-model"}, fallback_models={"a": ["gemini-2.5-flash", "nobody"]}
        )
        self.assertIn("not available", found["rules"][0]["to"]["problem"])
        first, second = found["fallbacks"][0]["to"]
        self.assertEqual((first["model"], first["problem"]), ("gemini-2.5-flash", ""))
        self.assertIn("not available", second["problem"])

    async def test_trial_of_invalid_rules_says_why(self) -> None:
        await self.start()
        found = await self.attempt(mapping={"a": "*"})
        self.assertIn("without a wildcard", found["problem"])

    async def test_same_rules_change_nothing(self) -> None:
        await self.start()
        found = await self.attempt()
        self.assertEqual(found["changes"], [])
        self.assertGreater(found["looked_at"], 3)

    async def test_rules_are_written_beside_comments_and_in_force(self) -> None:
        await self.start()
        rules = {"old-*": "gemini-2.5-flash", "claude-*": "gemini-2.5-flash"}
        chains = {"gemini-*": ["claude-sonnet-4-5"]}
        status, done = await self.write(mapping=rules, fallback_models=chains)
        self.assertEqual(status, 200, done)
        self.assertEqual((done["mapping"], done["fallback_models"]), (rules, chains))
        self.assertEqual(done["file"], str(self.file))
        text = self.file.read_text()
        for kept in ("# The gateway of the office.", "# secret", "# from before"):
            self.assertIn(kept, text)
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)
        assert self.gateway is not None
        self.assertEqual(self.gateway.settings.proxy.custom_mapping, rules)
        self.assertEqual(self.gateway.settings.routing.fallback_models, chains)
        _, found = await self.ask("GET", "/admin/explain?model=claude-x")
        self.assertEqual(found["mapped_model"], "gemini-2.5-flash")

    async def test_invalid_rules_are_not_written(self) -> None:
        await self.start()
        status, error = await self.write(mapping={"a": ""})
        self.assertEqual(status, 409)
        self.assertIn("proxy.custom_mapping.a", error["error"]["message"])
        self.assertEqual(self.file.read_text(), TEXT)
        for body in (
            {"moon": 1},
            {"mapping": {"a": 1}},
            {},
            {"mapping": dict.fromkeys(map(str, range(501)), "x")},
        ):
            status, _ = await self.write(**body)
            self.assertEqual(status, 400, body)

    async def test_file_that_the_gateway_refuses_is_put_back(self) -> None:
        await self.start()
        assert self.gateway is not None
        self.gateway._configure = self.refuse
        status, error = await self.write(mapping={"a": "gemini-2.5-flash"})
        self.assertEqual(status, 409)
        self.assertIn("the moon is full", error["error"]["message"])
        self.assertEqual(self.file.read_text(), TEXT)

    def refuse(self, in_force: object) -> LoadedConfiguration:
        raise OSError("the moon is full")

    async def test_rules_of_the_environment_are_changed_there(self) -> None:
        variable = "ANTIGRAVITY_PROXY__CUSTOM_MAPPING"
        os.environ[variable] = '{ "e" = "gemini-2.5-flash" }'
        self.addCleanup(os.environ.pop, variable)
        await self.start()
        status, error = await self.write(mapping={"a": "gemini-2.5-flash"})
        self.assertEqual(status, 409)
        self.assertIn(variable, error["error"]["message"])
        self.assertIn(variable, (await self.attempt(mapping={}))["problem"])

    async def test_gateway_without_file_says_so(self) -> None:
        await self.start()
        assert self.gateway is not None
        self.gateway.status.source = None
        status, error = await self.write(mapping={"a": "b"})
        self.assertEqual((status, error["error"]["code"]), (409, "no_configuration_file"))

    async def test_broken_file_is_left_alone(self) -> None:
        await self.start()
        self.file.write_text(TEXT + "[[[")
        status, error = await self.write(mapping={"a": "gemini-2.5-flash"})
        self.assertEqual(status, 409)
        self.assertIn("not valid TOML", error["error"]["message"])
        self.assertEqual(self.file.read_text(), TEXT + "[[[")

    async def test_link_to_the_file_stays_a_link(self) -> None:
        await self.start()
        real = self.home.absolute() / "real.toml"
        self.file.rename(real)
        self.file.symlink_to(real)
        status, _ = await self.write(mapping={"a": "gemini-2.5-flash"})
        self.assertEqual(status, 200)
        self.assertTrue(self.file.is_symlink())
        self.assertIn('a = "gemini-2.5-flash"', real.read_text())
