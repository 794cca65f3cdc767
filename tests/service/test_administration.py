"""The administration endpoints: what they show and change, and who may use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import treq
from click.testing import CliRunner
from msgspec.structs import replace
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from antigravity.app.gateway import Gateway
from antigravity.app.runtime import LoadedConfiguration
from antigravity.cli.main import antigravity
from antigravity.config.errors import ConfigurationError
from antigravity.config.secret import Secret
from antigravity.config.settings import (
    ModelsSettings,
    ProxySettings,
    Settings,
    UpstreamSettings,
)
from antigravity.plugins import PluginHost

ADMIN, CLIENT = "sk-admin", "sk-client"


class AdministrationTests(TestCase):
    """One demo gateway with an administrator's key."""

    async def start(self, *, demo: bool = True, **fields: Any) -> None:
        """Start the gateway on a free port."""
        proxy = ProxySettings(
            listen=["tcp:0:interface=127.0.0.1"], admin_key=Secret(ADMIN), api_key=Secret(CLIENT)
        )
        self.settings = Settings(proxy, **fields)
        self.wrong = False
        host = PluginHost()
        host.load(installed=False)

        def configure(in_force: object) -> LoadedConfiguration:
            if self.wrong:
                raise ConfigurationError("that is no port", key="proxy.port")
            return LoadedConfiguration(self.settings, host)

        self.gateway = Gateway(
            reactor, self.settings, Path(self.mktemp()), host, demo=demo, configure=configure
        )
        self.addCleanup(self.gateway.stopService)
        await self.gateway.startService()
        assert self.gateway.listener is not None
        self.port = self.gateway.listener.ports[0].getHost().port

    async def test_no_cache_may_keep_what_the_operator_gets(self) -> None:
        await self.start()
        for path, key, status in (
            ("/admin/status", ADMIN, 200),
            ("/admin/openapi.json", ADMIN, 200),
            ("/admin/export", ADMIN, 200),
            ("/admin/requests/none/payloads", ADMIN, 404),
            ("/metrics", ADMIN, 200),
        ):
            response = await treq.get(
                f"http://127.0.0.1:{self.port}{path}",
                headers={"Authorization": f"Bearer {key}"},
                persistent=False,
            )
            await response.content()
            self.assertEqual(response.code, status, path)
            self.assertEqual(response.headers.getRawHeaders("cache-control"), ["no-store"], path)

    async def ask(self, method: str, path: str, key: str = ADMIN, **more: Any) -> tuple[int, Any]:
        response = await treq.request(
            method,
            f"http://127.0.0.1:{self.port}{path}",
            headers={"x-api-key": key},
            persistent=False,
            **more,
        )
        return response.code, await treq.json_content(response)

    async def test_endpoints_require_administration_key(self) -> None:
        await self.start()
        self.assertEqual((await self.ask("GET", "/admin/status"))[0], 200)
        for key in (CLIENT, ""):
            code, body = await self.ask("GET", "/admin/status", key)
            self.assertEqual(code, 401)
            self.assertIn("admin_key", str(body))

    async def test_other_spellings_of_paths_require_key(self) -> None:
        await self.start()
        for path in (
            "/v1/admin/status",
            "//admin/status",
            "/%61dmin/status",
            "/openai/admin/status",
            "/admin/status/",
        ):
            for key in (CLIENT, ""):
                code, _ = await self.ask("GET", path, key)
                self.assertEqual(code, 401, path)
        for key in (CLIENT, ADMIN):  # an encoded slash separates nothing
            self.assertEqual((await self.ask("GET", "/admin%2Fstatus", key))[0], 404)

    async def test_explain_names_chosen_account_and_reasons_against_others(self) -> None:
        await self.start()
        code, body = await self.ask("GET", "/admin/explain?model=claude-sonnet-5")
        self.assertEqual(code, 200)
        chosen = [each["upstream"] for each in body["upstreams"] if each["chosen"]]
        self.assertEqual(chosen, ["demo-anthropic"])
        self.assertTrue(all(each["reason"] for each in body["upstreams"]))
        quirks = [set(each["quirks"]) for each in body["upstreams"] if each["chosen"]]
        self.assertEqual(quirks, [{"message_threads"}])
        self.assertEqual([each["state"] for each in body["accounts"]], ["chosen"])
        self.assertEqual((await self.ask("GET", "/admin/explain"))[0], 400)
        for query in ("model=x&protocol=opnai_chat", "model=x&modle=y"):
            code, body = await self.ask("GET", f"/admin/explain?{query}")
            self.assertEqual(code, 400, body)
        code, body = await self.ask("GET", "/admin/explain?model=x&protocol=antropic")
        self.assertIn("Did you mean 'anthropic'?", body["error"]["message"])

    async def test_explain_says_why_nothing_serves_a_model(self) -> None:
        upstream = UpstreamSettings(
            "openai",
            base_url="https://api.mistral.example/v1",
            api_key=Secret("sk-m"),
            models=["mistral-large", "mistral-small"],
        )
        idle = replace(upstream, enabled=False)
        await self.start(demo=False, upstreams={"mistral": upstream, "spare": idle})
        code, body = await self.ask("GET", "/admin/explain?model=mistral-lage")
        self.assertEqual((code, body["served"], body["accounts"]), (200, False, []))
        self.assertIn('"mistral-lage" = "mistral-large"', body["problem"])
        self.assertEqual([each["upstream"] for each in body["upstreams"]], ["mistral", "spare"])
        self.assertIn("upstreams.spare.enabled = false", body["upstreams"][1]["reason"])
        self.assertEqual({each["rank"] for each in body["upstreams"]}, {None})
        self.assertTrue(all(each["reason"] for each in body["upstreams"]))

    async def test_explain_calls_unknown_quotas_unknown(self) -> None:
        await self.start()
        _, body = await self.ask("GET", "/admin/explain?model=claude-sonnet-5")
        (account,) = body["accounts"]
        self.assertIsNone(account["remaining"])
        self.assertIn("quota unknown", account["reason"])
        self.assertIn("tier unknown", account["reason"])
        self.assertNotIn("100", account["reason"])

    async def test_explain_lists_quirks_of_upstream(self) -> None:
        upstream = UpstreamSettings(
            "openai",
            base_url="https://api.mistral.ai/v1",
            api_key=Secret("sk-m"),
            models=["mistral-*"],
            quirks=["user"],
        )
        await self.start(demo=False, upstreams={"mistral": upstream})
        _, body = await self.ask("GET", "/admin/explain?model=mistral-large")
        (found,) = body["upstreams"]
        self.assertIn("nine", found["quirks"]["call_ids_9"])
        self.assertEqual(found["quirks"]["no_seed"], "refused: the field seed")
        self.assertEqual(found["quirks"]["user"], "the field user")
        home = Path(self.mktemp())
        home.mkdir(mode=0o700)
        text = f'[proxy]\nport = {self.port}\nadmin_key = "{ADMIN}"\n'
        (home / "antigravity.toml").write_text(text)
        arguments = ["explain", "mistral-large", "--home", str(home)]
        shown = await deferToThread(CliRunner().invoke, antigravity, arguments)
        self.assertEqual(shown.exit_code, 0, shown.output)
        self.assertRegex(shown.output, r"mistral +call_ids_9 +tool call ids have exactly nine")

    async def test_description_of_model_names_sources(self) -> None:
        await self.start()
        path = "/admin/model?model=claude-opus-4.6%3Afree&protocol=anthropic"
        _, body = await self.ask("GET", path)
        self.assertEqual(body["upstreams"][0]["plain"], "claude-opus-4-6")
        self.gateway.refusals.learn(
            "demo-anthropic", "claude-opus-4-6", ["seed", "effort"], "seed is unknown"
        )
        code, body = await self.ask("GET", "/admin/model?model=claude-opus-4-6&protocol=anthropic")
        self.assertEqual(code, 200)
        found = body["upstreams"][0]
        self.assertEqual((found["model"], found["native"]), ("claude-opus-4-6", True))
        beliefs = {each["field"]: each for each in found["beliefs"]}
        self.assertEqual(beliefs["efforts"]["value"], ["low", "medium", "high", "max"])
        self.assertEqual(
            beliefs["efforts"]["source"], "demo-anthropic's list of models: capabilities.effort"
        )
        self.assertRegex(beliefs["family"]["source"], r"^models\.toml, rule \d+ \(claude-\*\)$")
        self.assertEqual(
            found["refused_parameters"], {"effort": "seed is unknown", "seed": "seed is unknown"}
        )
        self.assertEqual((await self.ask("GET", "/admin/model"))[0], 400)
        self.assertEqual((await self.ask("GET", path, CLIENT))[0], 401)

    async def test_command_shows_description_of_model(self) -> None:
        home = Path(self.mktemp())
        home.mkdir(mode=0o700)
        (home / "own.toml").write_text('[[model]]\nmatch = ["big-*"]\nmax_choices = 3\n')
        upstream = UpstreamSettings(
            "openai",
            base_url="https://api.mistral.ai/v1",
            api_key=Secret("sk-m"),
            models=["mistral-*", "unheard-of", "big-*"],
        )
        files = ModelsSettings(files=[str((home / "own.toml").absolute())])
        await self.start(demo=False, upstreams={"mistral": upstream}, models=files)
        text = f'[proxy]\nport = {self.port}\nadmin_key = "{ADMIN}"\n'
        (home / "antigravity.toml").write_text(text)

        async def show(*arguments: str) -> str:
            options = ["models", "show", *arguments, "--home", str(home)]
            shown = await deferToThread(CliRunner().invoke, antigravity, options)
            self.assertEqual(shown.exit_code, 0, shown.output)
            return str(shown.output)

        text = await show("mistral-medium-3-5", "--protocol", "anthropic")
        self.assertIn("mistral-medium-3-5 at mistral, translated to openai_chat", text)
        self.assertIn("known as mistral-medium-3.5", text)
        self.assertRegex(text, r'efforts +\["none", "high"\] +models\.toml, rule \d+')
        self.assertRegex(text, r"refused_inputs +.* quirks of mistral")
        self.assertRegex(await show("big-one"), r"max_choices +3 +\S+own\.toml, rule 1 \(big-\*\)")
        unknown = json.loads(await show("unheard-of", "--json"))
        sources = {each["source"] for each in unknown["upstreams"][0]["beliefs"]}
        self.assertEqual(sources, {"quirks of mistral"})

    async def test_account_is_fixed_and_released(self) -> None:
        await self.start()
        account = (await self.ask("GET", "/admin/status"))[1]["pool"]["accounts"][0]["id"]
        await self.ask("POST", "/admin/account", json={"account": account})
        self.assertEqual((await self.ask("GET", "/admin/status"))[1]["pool"]["fixed"], account)
        await self.ask("POST", "/admin/account", json={"account": None})
        self.assertIsNone((await self.ask("GET", "/admin/status"))[1]["pool"]["fixed"])
        self.assertEqual((await self.ask("POST", "/admin/account", json={"account": 3}))[0], 400)
        self.assertEqual((await self.ask("DELETE", "/admin/bindings"))[0], 200)

    async def test_reload_reports_invalid_configuration(self) -> None:
        await self.start()
        self.assertEqual((await self.ask("POST", "/admin/reload"))[0], 200)
        self.wrong = True
        code, body = await self.ask("POST", "/admin/reload")
        self.assertEqual(code, 409)
        self.assertIn("proxy.port: that is no port", str(body))

    async def test_command_line_shows_status(self) -> None:
        await self.start()
        home = Path(self.mktemp())
        home.mkdir(mode=0o700)
        (home / "antigravity.toml").write_text(
            f'[proxy]\nport = {self.port}\nadmin_key = "{ADMIN}"\n'
        )

        def run(*arguments: str) -> Any:
            return CliRunner().invoke(antigravity, [*arguments, "--home", str(home)])

        shown = await deferToThread(run, "status")
        self.assertEqual(shown.exit_code, 0, shown.output)
        self.assertIn("demo-anthropic", shown.output)
        self.assertNotIn(ADMIN, shown.output)
        told = await deferToThread(run, "explain", "claude-sonnet-5")
        self.assertIn("it lists the model", told.output)
        self.assertEqual((await deferToThread(run, "reload")).exit_code, 0)
        self.wrong = True
        refused = await deferToThread(run, "reload")
        self.assertEqual(refused.exit_code, 1)
        self.assertIn("that is no port", refused.output)


class DisabledAdministrationTests(TestCase):
    """A gateway without an administration key."""

    async def test_endpoints_are_not_served_without_configured_key(self) -> None:
        host = PluginHost()
        host.load(installed=False)
        settings = Settings(ProxySettings(listen=["tcp:0:interface=127.0.0.1"]))
        gateway = Gateway(reactor, settings, Path(self.mktemp()), host, demo=True)
        self.addCleanup(gateway.stopService)
        await gateway.startService()
        assert gateway.listener is not None
        port = gateway.listener.ports[0].getHost().port
        response = await treq.get(f"http://127.0.0.1:{port}/admin/status", persistent=False)
        self.assertEqual(response.code, 401)
        self.assertIn(b"switched off", await response.content())
