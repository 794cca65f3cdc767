"""Two gateways that share contents of requests, on a Redis server and on a Unix socket."""

from __future__ import annotations

import json
from typing import Any

import treq
from msgspec.structs import replace

from antigravity.config.secret import Secret
from antigravity.context.sealed_summary import Summary
from tests.service.shared_fixture import OnRedis, OnSocket
from tests.support.conditions import eventually

GEMINI = "gemini-3-pro-preview"
TOOLS = [
    {
        "type": "function",
        "function": {"name": "look", "parameters": {"type": "object", "properties": {}}},
    }
]


class ContentTests:
    """What one gateway stores and the other one serves, wherever the state is."""

    async def send(
        self: Any, number: int, path: str, body: Any = None, method: str = "", key: str = "mine"
    ) -> Any:
        """Return status and JSON of a request to one of the gateways."""
        listener = self.gateways[number].listener
        response = await treq.request(
            method or ("GET" if body is None else "POST"),
            f"http://127.0.0.1:{listener.ports[0].getHost().port}{path}",
            json=body,
            headers={"authorization": f"Bearer {key}"},
            persistent=False,
        )
        text = await response.content()
        return response.code, json.loads(text) if text[:1] == b"{" else text

    async def respond(self: Any, number: int, text: str, **fields: Any) -> Any:
        """Return what the Responses API returns."""
        body = {"model": "gemini-2.5-flash", "input": text, **fields}
        return await self.send(number, "/v1/responses", body)

    async def test_response_of_one_gateway_is_continued_at_the_other(self: Any) -> None:
        await self.start_two()
        code, first = await self.respond(0, "my name is [[say Ada]]")
        self.assertEqual(code, 200)
        path = f"/v1/responses/{first['id']}"
        self.assertEqual((await self.send(1, path))[1]["id"], first["id"])
        code, second = await self.respond(1, "[[history]]", previous_response_id=first["id"])
        self.assertEqual(code, 200, second)
        sent = json.dumps(self.simulator.log[-1].body)
        self.assertIn("my name is", sent)
        code, _ = await self.respond(0, "on", previous_response_id=second["id"])
        self.assertEqual(code, 200)

    async def test_deleted_response_is_gone_everywhere(self: Any) -> None:
        await self.start_two()
        _, first = await self.respond(0, "hello")
        path = f"/v1/responses/{first['id']}"
        self.assertEqual((await self.send(1, path))[0], 200)
        self.assertEqual((await self.send(1, path, method="DELETE"))[0], 200)

        async def code() -> int:
            return int((await self.send(0, path))[0])

        while await code() != 404:
            pass
        self.assertEqual((await self.send(1, path))[0], 404)

    async def test_other_key_does_not_get_response(self: Any) -> None:
        await self.start_two(auth_mode="off")
        _, first = await self.respond(0, "hello")
        path = f"/v1/responses/{first['id']}"
        self.assertEqual((await self.send(1, path, key="other"))[0], 404)
        body = {"model": "gemini-2.5-flash", "input": "x", "previous_response_id": first["id"]}
        code, reply = await self.send(1, "/v1/responses", body, key="other")
        self.assertEqual((code, "hello" in json.dumps(reply)), (404, False), reply)
        self.assertEqual((await self.send(1, path))[0], 200)

    async def test_thinking_that_client_drops_is_found_by_other_gateway(self: Any) -> None:
        await self.start_two()
        user = {"role": "user", "content": "[[think hm]] [[tool look {}]] [[then]] [[say done]]"}
        body = {"model": GEMINI, "messages": [user], "tools": TOOLS}
        code, first = await self.send(0, "/v1/chat/completions", body)
        self.assertEqual(code, 200, first)
        (call,) = first["choices"][0]["message"]["tool_calls"]
        call = {name: call[name] for name in ("id", "type", "function")}
        history = [
            user,
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": call["id"], "content": "seen"},
        ]
        code, second = await self.send(1, "/v1/chat/completions", {**body, "messages": history})
        self.assertEqual(code, 200, second)
        signature = self.signature()
        self.assertNotIn("skip", signature)
        await self.send(0, "/v1/chat/completions", {**body, "messages": history})
        self.assertEqual(self.signature(), signature)

    def signature(self: Any) -> str:
        """Return the first signature that the upstream got last."""
        sent = [each.body for each in self.simulator.log if "enerateContent" in each.path][-1]
        parts = [part for each in sent["request"]["contents"] for part in each["parts"]]
        return str(next(each["thoughtSignature"] for each in parts if "thoughtSignature" in each))

    async def test_image_of_one_gateway_is_served_by_the_other(self: Any) -> None:
        await self.start_two()
        body = {"model": "gemini-3.1-flash-image", "prompt": "a dot", "response_format": "url"}
        code, reply = await self.send(0, "/v1/images/generations", body)
        self.assertEqual(code, 200, reply)
        path = "/files/" + reply["data"][0]["url"].rpartition("/")[2]
        for number in (1, 0):
            code, image = await self.send(number, path)
            self.assertEqual((code, image[:4]), (200, b"\x89PNG"))

    async def test_each_gateway_serves_its_own_while_state_is_lost(self: Any) -> None:
        await self.start_two()
        _, first = await self.respond(0, "hello")
        await self.lost()
        code, second = await self.respond(0, "on", previous_response_id=first["id"])
        self.assertEqual(code, 200)
        self.assertEqual((await self.send(0, f"/v1/responses/{second['id']}"))[0], 200)
        self.assertEqual((await self.send(1, f"/v1/responses/{second['id']}"))[0], 404)
        self.assertEqual((await self.respond(1, "hello"))[0], 200)
        await self.returned()
        _, third = await self.respond(0, "on", previous_response_id=second["id"])
        self.assertEqual((await self.send(1, f"/v1/responses/{third['id']}"))[0], 200)

    async def test_summary_of_one_gateway_is_opened_by_the_other(self: Any) -> None:
        await self.start_two()
        one, other = (each._lasting.learned.summaries for each in self.gateways)
        self.assertEqual(other.open(one.seal(Summary("text"))).text, "text")

    async def test_state_holds_nothing_readable(self: Any) -> None:
        await self.start_two()
        await self.respond(0, "a private prompt, [[say a private answer]]")
        await eventually(self.dump)
        self.assertNotIn(b"private", self.dump())


class RedisContentTests(ContentTests, OnRedis):
    def dump(self) -> bytes:
        """Return what the server has of contents."""
        keys = [each for each in self.redis.send("KEYS *content*").split() if b"content" in each]
        return b"".join(self.redis.send(f"GET {key.decode()}") for key in keys)

    async def test_contents_are_not_shared_without_secret(self) -> None:
        self.secret = ""
        await self.start_two()
        _, first = await self.respond(0, "hello")
        self.assertEqual((await self.send(0, f"/v1/responses/{first['id']}"))[0], 200)
        self.assertEqual((await self.send(1, f"/v1/responses/{first['id']}"))[0], 404)
        self.assertEqual(self.dump(), b"")

    async def test_reload_uses_other_secret(self) -> None:
        await self.start_two()
        state = replace(self.settings.state, secret=Secret("x" * 40))
        self.settings = replace(self.settings, state=state)
        await self.gateways[1].reload()
        _, first = await self.respond(0, "hello")
        self.assertEqual((await self.send(1, f"/v1/responses/{first['id']}"))[0], 404)
        await self.gateways[0].reload()
        _, first = await self.respond(0, "hello")
        self.assertEqual((await self.send(1, f"/v1/responses/{first['id']}"))[0], 200)


class LocalContentTests(ContentTests, OnSocket):
    secret = ""  # processes of one home have that of the home

    def dump(self) -> bytes:
        """Return what the server has of contents."""
        values = self.server.state._contents
        return b"".join(value for key, (value, _) in values.items() if "content" in key)
