"""Interactions that Google stores, of several accounts, and agents that nobody waits for."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred

from antigravity.config.secret import Secret
from antigravity.ir.errors import UpstreamError
from tests.faults.fixtures import FaultCase, HttpResponse, check_refusal
from tests.support.conditions import eventually

PROTOCOL = "gemini_interactions"
UPSTREAM = f"{PROTOCOL}-to-{PROTOCOL}"
NATIVE = f"{UPSTREAM}/gemini-2.5-flash"
OTHER = f"{PROTOCOL}-to-anthropic/claude-sonnet-4-5"
AGENT = f"{UPSTREAM}/deep-research-preview-04-2026"
PATH = "/v1beta/interactions"
KEYS = {"api_key": Secret(""), "api_keys": [Secret("g-one"), Secret("g-two")]}


class InteractionFaults(FaultCase):
    async def call(self, method: str, path: str) -> HttpResponse:
        reading = await self.connect()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        length = "Content-Length: 0\r\n" if method == "POST" else ""
        reading.transport.write(f"{head}{length}\r\n".encode())  # type: ignore[union-attr]
        await reading.closed
        return HttpResponse(reading.data)

    async def made(self, model: str = NATIVE, key: str = "", **fields: Any) -> Any:
        """Return a new interaction of a client with a key."""
        answer = await self.asked(model, key, **fields)
        self.assertEqual(answer.status, 200, answer.body)
        if not fields.get("stream"):
            return answer.json()
        ended = (data for name, data in answer.events() if name == "interaction.completed")
        return next(ended)["interaction"]

    async def asked(self, model: str = NATIVE, key: str = "", **fields: Any) -> HttpResponse:
        named = {} if "agent" in fields else {"model": model}
        body = {**named, "input": "[[say one]]", **fields}
        reading = await self.send(f"{PATH}?key={key}" if key else PATH, body)
        await reading.closed
        return HttpResponse(reading.data)

    def keys(self) -> list[str]:
        """Return the keys that reached the upstream, in order."""
        return [logged.headers["x-goog-api-key"] for logged in self.simulator.state.log]

    def was_cancelled(self) -> bool:
        return self.simulator.state.log[-1].path.endswith("/cancel")

    async def test_interaction_is_served_by_its_account(self) -> None:
        await self.start(upstream=KEYS)
        for stream in (False, True):
            made = [await self.made(stream=stream, input=f"[[say {n}]]") for n in range(8)]
            self.assertEqual(len(set(self.keys())), 2, "the accounts take turns")
            for one, key in zip(made, self.keys()[-8:], strict=True):
                answer = await self.call("GET", f"{PATH}/{one['id']}?include_input=true")
                self.assertEqual(answer.status, 200, answer.body)
                self.assertEqual(self.keys()[-1], key)
                self.assertEqual(self.simulator.state.log[-1].query, "include_input=true")

    async def test_conversation_stays_with_its_account(self) -> None:
        await self.start(upstream=KEYS)
        first = await self.made()
        key = self.keys()[-1]
        for number in range(8):
            await self.made(input=f"[[say {number}]] in conversation {number}")
            after = await self.made(previous_interaction_id=first["id"], input="[[say x]]")
            self.assertEqual(after["previous_interaction_id"], first["id"])
            self.assertEqual(self.keys()[-1], key)
        self.assertEqual(set(self.keys()), {"g-one", "g-two"})

    async def test_interaction_of_removed_account_is_clear_error(self) -> None:
        await self.start()
        made = await self.made()
        assert self.gateway is not None
        snapshot = self.gateway.parts.runtime.snapshot  # type: ignore[union-attr]
        self.patch(snapshot.credentials, "credentials", lambda _: ())
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel")):
            answer = await self.call(method, f"{PATH}/{made['id']}{path}")
            error = check_refusal(PROTOCOL, answer, 404)
            self.assertIn("account", error["message"])
        answer = await self.asked(previous_interaction_id=made["id"])
        error = check_refusal(PROTOCOL, answer, 404)
        self.assertIn("account", error["message"])
        self.assertIn("whole conversation", error["message"])

    async def test_keys_do_not_share_interactions(self) -> None:
        await self.start()
        for model in (NATIVE, OTHER):
            made = await self.made(model, key="sk-mine")
            before = self.simulator.state.stats.requests
            for key in ("", "?key=sk-other"):
                for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel")):
                    answer = await self.call(method, f"{PATH}/{made['id']}{path}{key}")
                    check_refusal(PROTOCOL, answer, 404)
                answer = await self.asked(
                    model, key.removeprefix("?key="), previous_interaction_id=made["id"]
                )
                check_refusal(PROTOCOL, answer, 404)
            self.assertEqual(self.simulator.state.stats.requests, before)
            answer = await self.call("GET", f"{PATH}/{made['id']}?key=sk-mine")
            self.assertEqual(answer.json()["id"], made["id"])
            self.assertNotIn("key=", self.simulator.state.log[-1].query)

    async def test_unknown_interaction_reaches_no_upstream(self) -> None:
        await self.start()
        for name in ("v1_unknown", "..%2Fmodels", "a%2Fb", "x" * 5000):
            check_refusal(PROTOCOL, await self.call("GET", f"{PATH}/{name}"), 404)
        check_refusal(PROTOCOL, await self.asked(previous_interaction_id="v1_unknown"), 404)
        self.assertEqual(self.simulator.state.stats.requests, 0)

    async def test_deleted_interaction_is_forgotten(self) -> None:
        await self.start()
        made = await self.made()
        self.assertEqual((await self.call("DELETE", f"{PATH}/{made['id']}")).json(), {})
        before = self.simulator.state.stats.requests
        check_refusal(PROTOCOL, await self.call("GET", f"{PATH}/{made['id']}"), 404)
        self.assertEqual(self.simulator.state.stats.requests, before)

    async def test_unreachable_upstream_is_not_404(self) -> None:
        await self.start()
        made = await self.made()
        transport: Any = self.gateway.transport  # type: ignore[union-attr]

        async def broken(request: Any) -> Any:
            raise UpstreamError("no connection")

        self.patch(transport, "send", lambda r: Deferred.fromCoroutine(broken(r)))
        check_refusal(PROTOCOL, await self.call("GET", f"{PATH}/{made['id']}"), 502)

    async def test_body_passes_unchanged_with_fields_of_next_year(self) -> None:
        await self.start()
        fields = {"labels": {"a": "b"}, "safety_settings": [], "webhook_config": {"uris": []}}
        await self.made(**fields)
        sent = self.simulator.state.log[-1]
        expected = {"model": "gemini-2.5-flash", "input": "[[say one]]", **fields}
        self.assertEqual(sent.body, expected)
        self.assertEqual(sent.headers["api-revision"], "2026-05-20")
        error = check_refusal(PROTOCOL, await self.asked(colour="red"), 400)
        self.assertIn("colour", error["message"], "the upstream's own words")

    async def test_agent_is_cancelled_when_client_leaves(self) -> None:
        await self.start()
        for stream in (True, False):
            body = {
                "model": AGENT,
                "messages": [{"role": "user", "content": "[[stall 1]] [[chunks 3]] one two three"}],
                "stream": stream,
            }
            reading = await self.send("/v1/chat/completions", body)
            await eventually(lambda: self.simulator.state.stats.open_streams)
            if stream:
                await reading.until(b"reasoning_content")
            sent = self.simulator.state.log[-1].body
            self.assertEqual((sent["background"], sent["store"]), (True, True))
            reading.transport.loseConnection()  # type: ignore[union-attr]
            await eventually(self.was_cancelled)
            await reading.closed

    async def test_agent_that_ended_is_not_cancelled(self) -> None:
        await self.start()
        body = {"model": AGENT, "messages": [{"role": "user", "content": "[[say one]]"}]}
        reading = await self.send("/v1/chat/completions", body)
        await reading.closed
        answer = HttpResponse(reading.data).json()
        self.assertEqual(answer["choices"][0]["message"]["content"], "one")
        self.assertEqual(self.simulator.state.log[-1].path, PATH)

    async def test_translated_interaction_is_not_stored_by_upstream(self) -> None:
        await self.start()
        body = {"model": NATIVE, "messages": [{"role": "user", "content": "[[say one]]"}]}
        reading = await self.send("/v1/chat/completions", body)
        await reading.closed
        self.assertIs(self.simulator.state.log[-1].body["store"], False)

    async def test_stored_history_continues_at_upstream_of_protocol(self) -> None:
        await self.start()
        first = await self.made(OTHER)
        after = await self.made(NATIVE, previous_interaction_id=first["id"], input="[[say two]]")
        sent = self.simulator.state.log[-1].body
        self.assertNotIn("previous_interaction_id", sent)
        self.assertEqual(len(sent["input"]), 3, json.dumps(sent))
        again = await self.made(OTHER, previous_interaction_id=after["id"], input="[[say three]]")
        self.assertEqual(again["steps"][-1]["content"][0]["text"], "three")
