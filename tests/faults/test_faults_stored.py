"""Stored responses of several accounts: whoever made one is asked for it, and nobody else."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred

from antigravity.config.secret import Secret
from antigravity.ir.errors import UpstreamError
from tests.faults.fixtures import FaultCase, HttpResponse, check_refusal

NATIVE = "openai_responses-to-openai_responses/gpt-4.1"
OTHER = "openai_responses-to-gemini/gemini-2.5-flash"
PATH = "/v1/responses"
KEYS = {"api_key": Secret(""), "api_keys": [Secret("sk-one"), Secret("sk-two")]}


class StoredFaults(FaultCase):
    async def call(self, method: str, path: str) -> HttpResponse:
        reading = await self.connect()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        length = "Content-Length: 0\r\n" if method == "POST" else ""
        reading.transport.write(f"{head}{length}\r\n".encode())  # type: ignore[union-attr]
        await reading.closed
        return HttpResponse(reading.data)

    async def made(self, model: str = NATIVE, **fields: Any) -> Any:
        body = {"model": model, "input": "[[say one]]", **fields}
        reading = await self.send(PATH, body)
        await reading.closed
        answer = HttpResponse(reading.data)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.events()[-1][1]["response"] if fields.get("stream") else answer.json()

    def keys(self) -> list[str]:
        """Return the keys that reached the upstream, in order."""
        return [logged.headers["authorization"] for logged in self.simulator.state.log]

    async def test_stored_response_is_served_by_its_account(self) -> None:
        await self.start(upstream=KEYS)
        for stream in (False, True):
            asked = [f"[[say {number}]] {stream}" for number in range(8)]
            made = [await self.made(stream=stream, input=each) for each in asked]
            self.assertEqual(len(set(self.keys())), 2, "the accounts take turns")
            for one, key in zip(made, self.keys()[-8:], strict=True):
                for suffix in ("", "/input_items?limit=5&order=asc"):
                    answer = await self.call("GET", f"{PATH}/{one['id']}{suffix}")
                    self.assertEqual(answer.status, 200, answer.body)
                    self.assertEqual(self.keys()[-1], key)
                self.assertEqual(self.simulator.state.log[-1].query, "limit=5&order=asc")

    async def test_conversation_stays_with_its_account(self) -> None:
        await self.start(upstream=KEYS)
        first = await self.made()
        key = self.keys()[-1]
        for number in range(4):
            await self.made(input=f"[[say {number}]] to others")
            after = await self.made(previous_response_id=first["id"], input=f"[[say {number}]]")
            self.assertEqual(after["previous_response_id"], first["id"])
            self.assertEqual(self.keys()[-1], key)
        self.assertEqual(set(self.keys()), {"Bearer sk-one", "Bearer sk-two"})

    async def test_previous_response_of_other_upstream_is_rejected(self) -> None:
        await self.start()
        first = await self.made()
        body = {"model": OTHER, "input": "x", "previous_response_id": first["id"]}
        before = self.simulator.state.stats.requests
        reading = await self.send(PATH, body)
        await reading.closed
        error = check_refusal("openai_responses", HttpResponse(reading.data), 404)
        self.assertEqual(error["code"], "previous_response_not_found")
        self.assertEqual(self.simulator.state.stats.requests, before)

    async def test_locally_stored_conversation_continues_on_any_upstream(self) -> None:
        await self.start()
        first = await self.made(OTHER)
        after = await self.made(NATIVE, previous_response_id=first["id"], input="[[say two]]")
        logged = self.simulator.state.log[-1].body
        self.assertNotIn("previous_response_id", logged)
        self.assertEqual([item["role"] for item in logged["input"]], ["user", "assistant", "user"])
        again = await self.made(NATIVE, previous_response_id=after["id"], input="[[say three]]")
        self.assertEqual(again["output"][-1]["content"][0]["text"], "three")
        self.assertEqual(len(self.simulator.state.log[-1].body["input"]), 5)

    async def test_deleted_upstream_response_is_not_found(self) -> None:
        await self.start()
        made = await self.made()
        answer = await self.call("DELETE", f"{PATH}/{made['id']}")
        self.assertTrue(answer.json()["deleted"])
        before = self.simulator.state.stats.requests
        for method in ("GET", "DELETE"):
            check_refusal("openai_responses", await self.call(method, f"{PATH}/{made['id']}"), 404)
        self.assertEqual(self.simulator.state.stats.requests, before, "it is known to be gone")

    async def test_response_of_removed_account_is_not_found(self) -> None:
        await self.start()
        made = await self.made()
        assert self.gateway is not None
        snapshot = self.gateway.parts.runtime.snapshot  # type: ignore[union-attr]
        self.patch(snapshot.credentials, "credentials", lambda _: ())
        answer = await self.call("GET", f"{PATH}/{made['id']}")
        check_refusal("openai_responses", answer, 404)

    async def test_upstream_errors_of_stored_responses_keep_shape(self) -> None:
        await self.start()
        records = self.watched()
        made = await self.made()
        answer = await self.call("POST", f"{PATH}/{made['id']}/cancel")
        error = check_refusal("openai_responses", answer, 400)
        self.assertIn("synchronous", error["message"], "the upstream's own words")
        self.assertEqual((records[-1].operation, records[-1].outcome), ("stored", "error"))
        self.assertEqual(records[-1].attempts[0].upstream, NATIVE.partition("/")[0])
        self.simulator.stop()
        found = await self.call("GET", f"{PATH}/{made['id']}")
        self.assertEqual(found.json()["id"], made["id"])
        self.assertEqual(records[-1].outcome, "ok")

    async def test_unreachable_upstream_is_not_404(self) -> None:
        await self.start()
        made = await self.made()
        transport: Any = self.gateway.transport  # type: ignore[union-attr]

        async def broken(request: Any) -> Any:
            raise UpstreamError("no connection")

        self.patch(transport, "send", lambda r: Deferred.fromCoroutine(broken(r)))
        answer = await self.call("GET", f"{PATH}/{made['id']}")
        check_refusal("openai_responses", answer, 502)

    async def test_stored_responses_are_separate_per_key_and_key_is_not_forwarded(self) -> None:
        await self.start()
        for model in (NATIVE, OTHER):
            reading = await self.send(f"{PATH}?key=sk-mine", {"model": model, "input": "[[say x]]"})
            await reading.closed
            path = f"{PATH}/{HttpResponse(reading.data).json()['id']}/input_items"
            for other in ("", "?key=sk-other"):
                check_refusal("openai_responses", await self.call("GET", path + other), 404)
            query = "include[]=a&key=sk-mine&include[]=b"
            answer = await self.call("GET", f"{path}?{query}")
            self.assertEqual(answer.status, 200, answer.body)
            if model == NATIVE:
                sent = self.simulator.state.log[-1].query
                self.assertEqual(sent.replace("%5B%5D", "[]"), "include[]=a&include[]=b")

    async def test_response_ids_are_not_paths(self) -> None:
        await self.start()
        statuses = {"..%2Fmodels": 404, "a%2Fb": 404, "%00": 400, "%ff": 400, "x" * 5000: 404}
        for name, status in statuses.items():
            answer = await self.call("GET", f"{PATH}/{name}")
            self.assertEqual(answer.status, status, name[:20])
        self.assertEqual(self.simulator.state.stats.requests, 0)

    async def test_stored_stream_passes(self) -> None:
        await self.start()
        made = await self.made(background=True)
        self.assertEqual(made["status"], "queued")
        answer = await self.call("GET", f"{PATH}/{made['id']}?stream=true&starting_after=0")
        self.assertEqual(answer.headers["content-type"], "text/event-stream; charset=utf-8")
        self.assertEqual(answer.events()[-1][0], "response.completed")
        self.assertEqual(self.simulator.state.log[-1].query, "stream=true&starting_after=0")

    async def test_invalid_list_parameters_are_rejected(self) -> None:
        await self.start()
        made = await self.made(OTHER)
        for query in ("limit=x", "order=x", "after=x"):
            answer = await self.call("GET", f"{PATH}/{made['id']}/input_items?{query}")
            error = check_refusal("openai_responses", answer, 400)
            self.assertEqual(error["param"], query.partition("=")[0])
        found = await self.call("GET", f"{PATH}/{made['id']}")
        self.assertEqual(json.loads(found.body), made)
