"""Trials of requests: the translation that is not sent, the answer, and their page."""

from __future__ import annotations

import json
from html import unescape
from typing import Any

import treq
from msgspec.structs import replace

from antigravity.app import lab as lab_module
from antigravity.config.ledger_settings import LedgerSettings
from antigravity.config.secret import Secret
from antigravity.config.settings import UpstreamSettings
from antigravity.interfaces.lab import LARGEST
from antigravity.interfaces.transport import OutgoingRequest
from tests.service.account_fixture import MODEL
from tests.service.dashboard_fixture import ADMIN, DashboardCase

HELLO = {"max_tokens": 50, "messages": [{"role": "user", "content": "Hello, lab!"}]}
SCRIPT = "<script>alert(1)</script>"


class LabCase(DashboardCase):
    async def call(self, what: str, **fields: Any) -> Any:
        """Return the JSON of a trial that works."""
        code, found = await self.send(what, **fields)
        self.assertEqual(code, 200, found)
        return found

    async def send(self, what: str, **fields: Any) -> tuple[int, Any]:
        """Return status and JSON of a trial."""
        body = {"protocol": "anthropic", "model": MODEL, "request": HELLO, **fields}
        response = await treq.post(
            f"{self.address}/admin/lab/{what}",
            json=body,
            headers={"Authorization": f"Bearer {ADMIN}"},
            persistent=False,
        )
        return response.code, await response.json()


class LabTests(LabCase):
    async def test_translation_is_shown_but_not_sent(self) -> None:
        await self.open("secret-refresh-token")
        found = await self.call("translate")
        self.assertEqual((found["upstream"], found["served_model"]), ("codeassist", MODEL))
        self.assertEqual(found["account"], "codeassist-0")
        self.assertFalse(found["passed_through"])
        self.assertIn("Hello, lab!", found["body"])
        body = json.loads(found["body"])
        self.assertEqual(body["model"], MODEL)
        self.assertIn("enerateContent", found["url"])
        self.assertEqual(found["error"], "")
        assert self.gateway is not None
        listed = json.loads(
            (await self.fetch("/admin/requests", Authorization=f"Bearer {ADMIN}")).text
        )
        self.assertEqual(listed["requests"], [])
        self.assertEqual(self.gateway.requests, 0)
        pool = self.gateway.accounts.pool.status()
        self.assertEqual([(each.running, each.last_used) for each in pool.accounts], [(0, None)])

    async def test_credentials_are_masked(self) -> None:
        await self.open("secret-refresh-token")
        await self.ask("hi")  # an access token is known now
        found = await self.call("translate")
        self.assertEqual(
            {value for name, value in found["headers"].items() if name.lower() == "authorization"},
            {"[redacted]"},
        )
        self.assertNotIn("secret-refresh-token", json.dumps(found))
        self.assertNotIn("Bearer ", json.dumps(found))

    async def test_losses_and_rules_are_named(self) -> None:
        await self.open(custom_mapping={"nick": MODEL})
        request = {
            **HELLO,
            "top_k": 3,
            "tools": [{"type": "web_search_20250305", "name": "web_search"}],
        }
        found = await self.call("translate", model="nick", request=request)
        self.assertIn("custom_mapping: nick", found["route"][0])
        other = {"model": MODEL, "messages": HELLO["messages"], "logit_bias": {"1": 2}, "seed": 1}
        lost = await self.call("translate", protocol="openai_chat", request=other)
        self.assertTrue(any("logit_bias" in each for each in lost["warnings"]), lost["warnings"])

    async def test_every_protocol_can_be_tried_streamed_or_not(self) -> None:
        await self.open()
        assert self.gateway is not None
        parts = {
            "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hello, lab!"}]}]},
            "openai_responses": {"input": "Hello, lab!"},
            "gemini_interactions": {"input": "Hello, lab!"},
            "openai_completions": {"prompt": "Hello, lab!"},
        }
        parts_of = self.gateway.parts
        assert parts_of is not None
        for protocol in parts_of.administration().lab.protocols:
            for stream in (False, True):
                request = parts.get(protocol, HELLO)
                found = await self.call(
                    "translate", protocol=protocol, request=request, stream=stream
                )
                self.assertEqual(found["error"], "", protocol)
                self.assertIn("Hello, lab!", found["body"], protocol)

    async def test_locked_account_does_not_hinder_a_translation(self) -> None:
        await self.open()
        await self.ask("[[error 429 retry=3600s times=1]] hello")
        found = await self.call("translate")
        self.assertEqual(found["account"], "codeassist-0")

    async def test_what_cannot_be_served_says_why(self) -> None:
        await self.open()
        found = await self.call("translate", model="no-such-model")
        self.assertIn("no-such-model", found["error"])
        self.assertEqual((found["body"], found["url"]), ("", ""))
        found = await self.call("translate", upstream="moon")
        self.assertIn("'moon' does not serve", found["error"])
        found = await self.call("translate", request={"messages": "no list"})
        self.assertIn("messages", found["error"])

    async def test_wrong_trials_are_refused(self) -> None:
        await self.open()
        for fields, code in (
            ({"protocol": "moon"}, 400),
            ({"protocol": "openai_embeddings"}, 400),
            ({"request": "text"}, 400),
            ({"moon": 1}, 400),
            ({"request": {"x": "y" * LARGEST}}, 413),
        ):
            found, error = await self.send("translate", **fields)
            self.assertEqual(found, code, error)

    async def test_request_is_sent_recorded_and_answered(self) -> None:
        await self.open()
        found = await self.call("send")
        self.assertEqual(found["status"], 200)
        answer = json.loads(found["body"])
        self.assertEqual(answer["type"], "message")
        self.assertFalse(found["is_cut"])
        record = await self.fetch(
            f"/admin/requests/{found['request_id']}", Authorization=f"Bearer {ADMIN}"
        )
        self.assertEqual(json.loads(record.text)["request"]["outcome"], "ok")

    async def test_streamed_answer_is_collected(self) -> None:
        await self.open()
        found = await self.call("send", stream=True)
        self.assertIn("event: message_stop", found["body"])
        self.assertIn("text/event-stream", found["content_type"])

    async def test_failed_answer_is_shown(self) -> None:
        await self.open()
        request = {**HELLO, "messages": [{"role": "user", "content": "[[error 400]] x"}]}
        found = await self.call("send", request=request)
        self.assertEqual(found["status"], 400)
        self.assertEqual(json.loads(found["body"])["type"], "error")
        found = await self.call("send", upstream="moon")
        self.assertEqual(found["status"], 404)


class LabPageTests(LabCase):
    async def test_page_begins_with_an_example_of_each_protocol(self) -> None:
        await self.open()
        page = unescape(await self.page("/dashboard/lab"))
        self.assertIn('"content": "Hello!"', page)
        page = unescape(await self.page("/dashboard/lab?protocol=gemini&model=m-1"))
        self.assertIn('"contents"', page)
        self.assertIn('value="m-1"', page)

    async def test_page_begins_with_a_request_that_the_ledger_has_kept(self) -> None:
        await self.open()
        await self.ask("not kept")
        self.settings = replace(self.settings, ledger=LedgerSettings(payloads="all"))
        assert self.gateway is not None
        await self.gateway.reload()
        await self.ask("Hello, ledger!")
        found = await self.fetch("/admin/requests", Authorization=f"Bearer {ADMIN}")
        kept, bare = (each["id"] for each in json.loads(found.text)["requests"])
        page = unescape(await self.page(f"/dashboard/lab?request={kept}"))
        self.assertIn('"content": "Hello, ledger!"', page)
        self.assertIn(f'value="{MODEL}"', page)
        missing = await self.fetch(f"/dashboard/lab?request={bare}")
        self.assertEqual(missing.code, 404)
        self.assertEqual((await self.fetch("/dashboard/lab?request=none")).code, 404)

    async def test_request_is_translated_and_sent(self) -> None:
        await self.open()
        form = {
            "csrf": await self.csrf(),
            "protocol": "anthropic",
            "model": MODEL,
            "upstream": "",
            "request": json.dumps(HELLO),
        }
        shown = await self.fetch("/dashboard/lab/try", "POST", form)
        self.assertEqual(shown.code, 200)
        self.assertIn("codeassist gets", shown.text)
        self.assertNotIn("The client gets", shown.text)
        shown = await self.fetch("/dashboard/lab/try", "POST", {**form, "send": "1"})
        self.assertIn("The client gets", shown.text)
        self.assertIn("✓ 200", shown.text)

    async def test_problems_are_shown_beside_the_request(self) -> None:
        await self.open()
        form = {"csrf": await self.csrf(), "protocol": "anthropic", "model": MODEL}
        for request, problem in (
            ("{", "not a JSON object"),
            ("[]", "not a JSON object"),
            (json.dumps({"messages": 1}), "Nothing would be sent"),
            (json.dumps({"x": "y" * LARGEST}), "is larger than"),
        ):
            shown = await self.fetch("/dashboard/lab/try", "POST", {**form, "request": request})
            self.assertEqual(shown.code, 200)
            self.assertIn(problem, shown.text)
            self.assertIn(request[:20], unescape(shown.text))

    async def test_forms_need_the_token_and_a_size(self) -> None:
        await self.open()
        form = {"protocol": "anthropic", "request": "{}"}
        self.assertEqual((await self.fetch("/dashboard/lab/try", "POST", form)).code, 403)
        form["csrf"] = await self.csrf()
        form["request"] = "y" * (3 * LARGEST)
        self.assertEqual((await self.fetch("/dashboard/lab/try", "POST", form)).code, 413)
        self.cookie = ""
        self.assertEqual((await self.fetch("/dashboard/lab/try", "POST", form)).code, 401)

    async def test_requests_and_answers_are_escaped(self) -> None:
        await self.open(api_key=Secret("k"))
        request = {**HELLO, "messages": [{"role": "user", "content": SCRIPT}], "system": SCRIPT}
        form = {
            "csrf": await self.csrf(),
            "protocol": "anthropic",
            "model": SCRIPT,
            "upstream": SCRIPT,
            "request": json.dumps(request),
            "send": "1",
        }
        for model, upstream in ((SCRIPT, SCRIPT), (MODEL, "")):
            shown = await self.fetch(
                "/dashboard/lab/try", "POST", {**form, "model": model, "upstream": upstream}
            )
            self.assertEqual(shown.code, 200)
            self.assertNotIn("<script>alert", shown.text)
            self.assertIn("&lt;script&gt;", shown.text)
        query = "%3Cscript%3Ealert(1)%3C/script%3E"
        shown = await self.fetch(f"/dashboard/lab?protocol={query}&model={query}")
        self.assertNotIn("<script>alert", shown.text)


class SimulatedTests(LabCase):
    """The simulator answers in the place of an upstream."""

    async def open_closed(self, kind: str, base: str, **fields: Any) -> None:
        """Start a gateway with an upstream that nobody can reach."""
        await self.open()
        upstream = UpstreamSettings(
            kind=kind, base_url=base, api_key=Secret("secret-upstream-key"), **fields
        )
        self.settings = replace(self.settings, upstreams={"closed": upstream})
        await self.stop()
        await self.run_gateway()
        await self.sign_in()

    async def test_every_kind_of_upstream_is_simulated(self) -> None:
        protocols = {
            "anthropic": HELLO,
            "openai_chat": {"messages": HELLO["messages"]},
            "openai_responses": {"input": "Hello, lab!"},
            "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hello, lab!"}]}]},
        }
        for kind, base in (
            ("openai", "http://127.0.0.1:9/some/api/v1"),
            ("anthropic", "http://127.0.0.1:9"),
            ("gemini_api", "http://127.0.0.1:9"),
        ):
            await self.open_closed(kind, base, models=["a-model"])
            for protocol, request in protocols.items():
                for stream in (False, True):
                    found = await self.call(
                        "send",
                        protocol=protocol,
                        request=request,
                        stream=stream,
                        model="a-model",
                        simulate=True,
                    )
                    self.assertEqual(found["status"], 200, (kind, protocol, found))
                    self.assertTrue(found["simulated"])
                    self.assertIn("Hello, lab!", found["body"])
            await self.stop()

    async def test_code_assist_is_simulated_without_its_account(self) -> None:
        await self.open("secret-refresh-token")
        found = await self.call("send", simulate=True)
        self.assertEqual(found["status"], 200, found)
        self.assertIn("Hello, lab!", found["body"])
        generated = [each for each in self.simulator.log if "enerateContent" in each.path]
        self.assertEqual(generated, [])  # that simulator is the upstream

    async def test_nothing_is_recorded_learned_or_left_running(self) -> None:
        await self.open_closed("anthropic", "http://127.0.0.1:9", models=["a-model"])
        assert self.gateway is not None
        assert self.gateway.parts is not None
        exchange = self.gateway.parts.exchange
        tools = [{"name": "f", "input_schema": {"type": "object"}}]
        request = {**HELLO, "tools": tools}
        found = await self.call(
            "send", protocol="anthropic", model="a-model", request=request, simulate=True
        )
        self.assertEqual(found["status"], 200, found)
        listed = json.loads(
            (await self.fetch("/admin/requests", Authorization=f"Bearer {ADMIN}")).text
        )
        self.assertEqual(listed["requests"], [])
        self.assertEqual(len(exchange._services.conversations), 0)
        pool = self.gateway.accounts.pool.status()
        used = {(each.running, each.last_used) for each in pool.accounts}
        self.assertEqual(used, {(0, None)})

    async def test_credentials_do_not_reach_the_simulator(self) -> None:
        await self.open_closed("anthropic", "http://127.0.0.1:9", models=["a-model"])
        seen: list[OutgoingRequest] = []
        assert self.gateway is not None
        send = self.gateway.transport.send

        def note(request: OutgoingRequest) -> Any:
            seen.append(request)
            return send(request)

        self.patch(self.gateway.transport, "send", note)
        await self.call("send", model="a-model", simulate=True)
        (sent,) = [each for each in seen if each.method == "POST"]
        self.assertFalse(sent.url.startswith("http://127.0.0.1:9/"))
        self.assertNotIn("secret-upstream-key", repr(sent.headers))

    async def test_number_of_simulators_is_bounded(self) -> None:
        await self.open()
        self.patch(lab_module, "_MOST_SIMULATORS", 0)
        code, found = await self.send("send", simulate=True)
        self.assertEqual(code, 503, found)

    async def test_page_shows_both_sides(self) -> None:
        await self.open("one")
        form = {
            "protocol": "anthropic",
            "model": MODEL,
            "request": json.dumps(HELLO),
            "upstream": "",
            "send": "simulator",
            "csrf": await self.csrf(),
        }
        page = (await self.fetch("/dashboard/lab/try", "POST", form)).text
        self.assertIn("codeassist gets", page)
        self.assertIn("The simulator has answered", page)
        self.assertNotIn("Its record", page)
        form["send"] = "nobody"
        self.assertEqual((await self.fetch("/dashboard/lab/try", "POST", form)).code, 400)
