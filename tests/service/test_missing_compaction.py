"""Compaction over services that speak the Responses API, but do not compact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.internet import reactor as default_reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from antigravity.testing import GatewayUnderTest, start_gateway

reactor: Any = default_reactor

MODEL = "demo-openai-responses/gpt-5.1"
ENDPOINT = "/v1/responses/compact"
TRIGGER = {"type": "compaction_trigger"}
HISTORY: list[dict[str, Any]] = [
    {"role": "user", "content": "Build a shed. [[say THE SUMMARY]]"},
    {"role": "assistant", "content": "The shed stands."},
]
LONG = [
    {"role": "user", "content": "Read it. [[say THE SUMMARY]] " + "log " * 3000},
    {"role": "assistant", "content": "It is READ."},
    {"role": "user", "content": "Go on. [[say well]]"},
]
MANAGED = [{"type": "compaction", "compact_threshold": 2000}]
GO_ON = {"role": "user", "content": "What next? [[say well]]"}
#: Each form of compaction: the path, and the body.
FORMS: tuple[tuple[str, dict[str, Any]], ...] = (
    (ENDPOINT, {"input": HISTORY}),
    ("/v1/responses", {"input": [*HISTORY, TRIGGER]}),
    ("/v1/responses", {"input": LONG, "context_management": MANAGED}),
)


class MissingCompactionTests(TestCase):
    gateway: GatewayUnderTest

    async def start(self, config: str = "", *, compacts: bool = False) -> None:
        self.gateway = gateway = await start_gateway(reactor, Path(self.mktemp()), config=config)
        self.addCleanup(lambda: Deferred.fromCoroutine(gateway.stop()))
        gateway.simulator.state.compacts = compacts

    async def post(self, path: str, body: Any, status: int = 200) -> tuple[Any, str]:
        """Return the JSON of a reply, and its warnings; the log has only its requests."""
        self.gateway.simulator.log.clear()
        answer = await self.gateway.request("POST", path, {"model": MODEL, **body})
        self.assertEqual(answer.status, status, answer.text)
        return answer.json(), answer.headers.get("x-antigravity-warnings", "")

    def sent(self) -> list[Any]:
        return [each for each in self.gateway.simulator.log if "responses" in each.path]

    async def test_gateway_compacts_and_remembers(self) -> None:
        for path, body in FORMS:
            await self.start()
            for asked in (True, False):  # only once
                made, warnings = await self.post(path, body)
                self.assertIn("does not compact conversations", warnings)
                first, *rest = self.sent()
                form = first.path == ENDPOINT or any(
                    name in json.dumps(first.body)
                    for name in ("compaction_trigger", "context_management")
                )
                self.assertEqual(form, asked, path)
                self.assertTrue(all(each.path == "/v1/responses" for each in rest))
                (item,) = [each for each in made["output"] if each["type"] == "compaction"]
                self.assertTrue(item["encrypted_content"].startswith("ag1.compaction."))
            items = [each for each in made["output"] if each["type"] != "reasoning"]
            await self.post("/v1/responses", {"input": [*items, GO_ON]})
            (again,) = self.sent()
            text = json.dumps(again.body)
            self.assertIn("THE SUMMARY", text)
            self.assertNotIn("ag1.", text)

    async def test_stream_has_item_only(self) -> None:
        await self.start()
        answer = await self.gateway.request(
            "POST",
            "/v1/responses",
            {"model": MODEL, "stream": True, "input": [*HISTORY, TRIGGER]},
        )
        self.assertEqual(answer.status, 200)
        done = [each for each in answer.chunks() if each["type"] == "response.output_item.done"]
        self.assertEqual([each["item"]["type"] for each in done], ["compaction"])

    async def test_setting_says_it_beforehand(self) -> None:
        await self.start(
            '[upstreams.own]\nkind = "openai"\napis = ["responses"]\napi_key = "sk"\n'
            'quirks = ["no_compaction"]\nbase_url = "http://127.0.0.1:9/v1"\n'
        )
        # The demo's own upstreams are left out as soon as there is another one.
        await self.gateway.reload(
            '[upstreams.own]\nkind = "openai"\napis = ["responses"]\napi_key = "sk"\n'
            f'quirks = ["no_compaction"]\nbase_url = "{self.gateway.simulator_url}/v1"\n'
        )
        self.gateway.simulator.state.compacts = True
        for path, body in FORMS:
            _, warnings = await self.post(path, {**body, "model": "own/gpt-5.1"})
            self.assertIn("own does not compact conversations", warnings)
            self.assertEqual({each.path for each in self.sent()}, {"/v1/responses"})

    async def test_other_refusals_stay(self) -> None:
        await self.start(compacts=True)
        prompt = "[[error 400 message=NOT-SO]]"
        for path, body in (
            (ENDPOINT, {"input": prompt}),
            ("/v1/responses", {"input": [{"role": "user", "content": prompt}, TRIGGER]}),
        ):
            made, _ = await self.post(path, body, status=400)
            self.assertEqual(made["error"]["message"], "NOT-SO")
            self.assertEqual(len(self.sent()), 1)

    async def test_misplaced_trigger_is_refused_once(self) -> None:
        for compacts in (True, False):
            await self.start(compacts=compacts)
            made, _ = await self.post("/v1/responses", {"input": [TRIGGER, *HISTORY]}, status=400)
            self.assertIn("compaction_trigger", made["error"]["message"])
            self.assertEqual(len(self.sent()), 1)

    async def test_unknown_model_stays_unknown(self) -> None:
        await self.start()
        body = {"model": "demo-openai-responses/no-such-model", "input": HISTORY}
        answer = await self.gateway.request("POST", ENDPOINT, body)
        self.assertEqual(answer.status, 404, answer.text)
        self.gateway.simulator.state.compacts = True
        made, warnings = await self.post(ENDPOINT, {"input": HISTORY})
        self.assertEqual(warnings, "")  # nothing was remembered
        self.assertTrue(made["output"][-1]["encrypted_content"].startswith("gAAAA"))
