"""Requests of a client's WebSocket go to the upstream over WebSocket."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.socket_fixture import MODEL, SocketCase, text_of
from tests.support.conditions import eventually

pytest.importorskip("twisted.web.websocket", reason="the simulator needs it")

#: Waits before its second chunk until delays are skipped.
SLOW = "[[chunks 2]] [[delay 1h]] [[say aa bb]]"
KEYS = """
[upstreams.pair]
kind = "openai"
base_url = "{url}"
api_keys = ["{first}", "sk-second-0123456789"]
apis = ["responses"]
responses_websocket = true
models = ["pair-*"]
"""


class UpstreamWebSocketTests(SocketCase):
    async def test_conversation_is_continued_by_id(self) -> None:
        await self.start()
        client = await self.connect()
        client.create(input="one [[say A]]")
        first = await client.reply()
        self.assertEqual(text_of(first), "A")
        client.create(input="two [[say B]]", previous_response_id=first["response"]["id"])
        second = await client.reply()
        self.assertEqual(text_of(second), "B")
        self.assertEqual(second["response"]["previous_response_id"], first["response"]["id"])
        one, two = self.upstream_messages()
        self.assertEqual((one["type"], one["model"]), ("response.create", "gpt-5.1"))
        self.assertEqual(two["previous_response_id"], first["response"]["id"])
        self.assertEqual(two["input"], "two [[say B]]")
        for message in (one, two):
            self.assertEqual(message.keys() & {"stream", "stream_id", "generate"}, set())
        self.assertEqual(self.handshakes(), 1)
        self.assertEqual(self.upstream_posts(), [])
        records = self.observer.records
        self.assertEqual([each.outcome for each in records], ["ok", "ok"])
        for record in records:
            self.assertTrue(record.attempts[-1].passed_through)
            assert record.usage is not None
            self.assertGreater(record.usage.output, 0)

    async def test_events_of_upstream_pass_unchanged(self) -> None:
        await self.start()
        texts = []
        for model in (MODEL, "demo-openai-responses/gpt-5.1"):
            client = await self.connect()
            client.create(model=model, input="[[think hm]] [[say A]] [[tool f {}]]", stream_id="a")
            await client.reply("a")
            client.create(model=model, input="[[say B C D]]", stream_id="a", store=True)
            await client.when(lambda c=client: _is_complete(c.messages) or None)
            texts.append([(each["type"], each.get("delta")) for each in client.messages])
            self.assertEqual({each["stream_id"] for each in client.messages}, {"a"})
        self.assertEqual(texts[0], texts[1])

    async def test_stored_response_is_continued_by_id(self) -> None:
        await self.start()
        client = await self.connect()
        client.create(input="one", store=True)
        first = await client.reply()
        client.create(
            input="two [[say B]]", store=True, previous_response_id=first["response"]["id"]
        )
        self.assertEqual(text_of(await client.reply()), "B")
        self.assertEqual(
            self.upstream_messages()[-1]["previous_response_id"], first["response"]["id"]
        )

    async def test_prewarm_reaches_the_upstream(self) -> None:
        await self.start()
        client = await self.connect()
        client.create(input="one [[say A]]", generate=False)
        prepared = (await client.reply())["response"]
        self.assertEqual((prepared["status"], prepared["output"]), ("completed", []))
        self.assertEqual(prepared["usage"]["output_tokens"], 0)
        self.assertGreater(prepared["usage"]["input_tokens"], 0)
        client.create(input=[], previous_response_id=prepared["id"])
        self.assertEqual(text_of(await client.reply()), "A")
        first, second = self.upstream_messages()
        self.assertEqual((first["generate"], second["input"]), (False, []))
        self.assertEqual(second["previous_response_id"], prepared["id"])
        record = self.observer.records[0]
        self.assertEqual((record.outcome, record.model), ("ok", MODEL))
        self.assertEqual((len(record.attempts), record.intercepted), (1, None))
        assert record.usage is not None
        self.assertEqual(record.usage.output, 0)

    async def test_prewarm_is_answered_where_upstream_has_no_sockets(self) -> None:
        await self.start()
        self.upstream.socket_rules.refuse_with = 426
        client = await self.connect()
        for model in (MODEL, "demo-anthropic/claude-sonnet-4-5"):
            client.create(model=model, input="one [[say A]]", generate=False)
            prepared = (await client.reply())["response"]
            self.assertEqual((prepared["status"], prepared["output"]), ("completed", []))
            client.create(model=model, input=[], previous_response_id=prepared["id"])
            self.assertEqual(text_of(await client.reply()), "A")
            record = self.observer.records[-2]
            self.assertEqual((record.intercepted, record.attempts), ("warmup:prewarm", []))
            self.assertEqual((record.outcome, record.model), ("ok", model))
        client.create(model="nowhere/none", input="one", generate=False)
        self.assertEqual((await client.reply())["status"], 404)
        self.assertEqual(len(self.upstream_posts()), 1)

    async def test_lanes_share_one_connection(self) -> None:
        await self.start()
        client = await self.connect()
        client.create(input="[[say A]]", stream_id="a")
        first = await client.reply("a")
        client.create(input="[[stall 1]] [[say b1 b2 b3]]", stream_id="b")
        client.create(
            input="[[say A2]]", stream_id="a", previous_response_id=first["response"]["id"]
        )
        client.create(input="[[say C]]")
        self.assertEqual(text_of(await client.reply("a")), "A2")
        self.assertEqual(text_of(await client.reply()), "C")
        self.assertEqual(
            [each.get("stream_id") for each in self.upstream_messages()], ["a", "b", "a", None]
        )
        self.assertEqual(self.handshakes(), 1)
        self.assertEqual({each["stream_id"] for each in client.messages}, {"b"})

    async def test_upstream_without_lanes_gets_a_connection_for_each(self) -> None:
        await self.start()
        self.upstream.socket_rules.lanes = False
        client = await self.connect()
        client.create(input="[[say A]]", stream_id="a")
        first = await client.reply("a")
        self.assertEqual(text_of(first), "A")
        client.create(input="[[stall 1]] [[say b1 b2 b3]]", stream_id="b")
        client.create(
            input="[[say A2]]", stream_id="a", previous_response_id=first["response"]["id"]
        )
        second = await client.reply("a")
        self.assertEqual(text_of(second), "A2")
        refused, *rest = self.upstream_messages()
        self.assertEqual(refused["stream_id"], "a")
        self.assertFalse(any("stream_id" in each for each in rest))
        self.assertEqual(self.handshakes(), 2)

    async def test_http_is_used_where_the_handshake_is_refused(self) -> None:
        await self.start()
        for number, status in enumerate((426, 404, 501)):
            await self.gateway.reload("")
            self.upstream.socket_rules.refuse_with = status
            client = await self.connect()
            client.create(input="one [[say A]]", stream_id="a", model=f"{MODEL}-{number}")
            first = await client.reply("a")
            self.assertEqual(text_of(first), "A")
            client.create(
                input="two [[say B]]",
                stream_id="a",
                previous_response_id=first["response"]["id"],
            )
            self.assertEqual(text_of(await client.reply("a")), "B")
            body = self.upstream_posts()[-1]
            self.assertEqual(body["stream"], True)
            self.assertEqual(body.keys() & {"type", "stream_id", "generate"}, set())
            self.assertEqual(len(body["input"]), 3)
        self.assertEqual(self.handshakes(), 1, "the refusal is remembered")

    async def test_refusal_for_a_bad_key_is_the_same_as_over_http(self) -> None:
        await self.start()
        await self.gateway.reload(KEYS.format(url=self.gateway.simulator_url, first="bad-1"))
        client = await self.connect()
        client.create(model="pair-1", input="one [[say A]]")
        self.assertEqual(text_of(await client.reply()), "A")
        attempts = self.observer.records[-1].attempts
        self.assertEqual(attempts[-1].status, 200)
        statuses = [each.status for each in attempts[:-1]]
        self.assertEqual(statuses, [401] * len(statuses))

    async def test_error_message_counts_as_a_status(self) -> None:
        await self.start()
        client = await self.connect()
        client.create(input="[[error 400 message=no]]", stream_id="a")
        error = await client.reply("a")
        self.assertEqual((error["status"], error["error"]["message"]), (400, "no"))
        client.create(input="[[error 429 retry=7s]]")
        error = await client.reply()
        self.assertEqual((error["status"], error["error"]["code"]), (429, "rate_limit_exceeded"))
        self.assertEqual(error["headers"]["retry-after"], "7")
        self.assertEqual([each.status for each in self.observer.records], [400, 429])

    async def test_failure_before_the_first_event_is_retried(self) -> None:
        await self.start()
        await self.gateway.reload(
            KEYS.format(url=self.gateway.simulator_url, first="sk-1-0123456789")
        )
        client = await self.connect()
        client.create(model="pair-1", input="[[error 500 times=1]] [[say A]]")
        self.assertEqual(text_of(await client.reply()), "A")
        first, second = self.observer.records[-1].attempts
        self.assertEqual((first.status, second.status), (500, 200))
        self.assertNotEqual(first.credential, second.credential)
        self.assertEqual(self.handshakes(), 2)

    async def test_stream_that_breaks_off_is_an_error(self) -> None:
        await self.start()
        client = await self.connect()
        client.create(input="one")
        first = await client.reply()
        client.create(
            input="[[cut 2]] [[say a b c d]]", previous_response_id=first["response"]["id"]
        )
        error = await client.reply()
        self.assertEqual(error["type"], "error")
        self.assertGreaterEqual(error["status"], 500)
        client.create(input="two [[say B]]")
        self.assertEqual(text_of(await client.reply()), "B")
        self.assertEqual(self.handshakes(), 2)

    async def test_continuation_survives_the_loss_of_the_connection(self) -> None:
        await self.start()
        client = await self.connect()
        client.create(input="one")
        first = await client.reply()
        (socket,) = self.upstream.sockets
        socket.abort()
        await eventually(lambda: not self.upstream.sockets)
        client.create(input="two [[say B]]", previous_response_id=first["response"]["id"])
        self.assertEqual(text_of(await client.reply()), "B")
        message = self.upstream_messages()[-1]
        self.assertNotIn("previous_response_id", message)
        self.assertEqual(len(message["input"]), 3)

    async def test_continuation_survives_that_the_upstream_forgets(self) -> None:
        await self.start()
        client = await self.connect()
        client.create(input="one")
        first = await client.reply()
        (socket,) = self.upstream.sockets
        socket._responses.clear()
        client.create(input="two [[say B]]", previous_response_id=first["response"]["id"])
        self.assertEqual(text_of(await client.reply()), "B")
        refused, whole = self.upstream_messages()[1:]
        self.assertEqual(refused["previous_response_id"], first["response"]["id"])
        self.assertEqual(len(whole["input"]), 3)
        self.assertEqual(self.handshakes(), 1)
        self.assertEqual(self.observer.records[-1].outcome, "ok")

    async def test_old_connection_is_replaced(self) -> None:
        await self.start()
        client = await self.connect()
        client.create(input="one")
        first = await client.reply()
        (socket,) = self.upstream.sockets
        socket._opened -= 2 * self.upstream.socket_rules.max_age
        client.create(input="two [[say B]]", previous_response_id=first["response"]["id"])
        self.assertEqual(text_of(await client.reply()), "B")
        self.assertEqual(self.handshakes(), 2)
        self.assertEqual(len(self.upstream_messages()[-1]["input"]), 3)
        await eventually(lambda: len(self.upstream.sockets) == 1)

    async def test_failed_continuation_is_forgotten_everywhere(self) -> None:
        await self.start()
        client = await self.connect()
        client.create(input="one")
        first = (await client.reply())["response"]["id"]
        client.create(input="[[error 400]]", previous_response_id=first)
        self.assertEqual((await client.reply())["status"], 400)
        client.create(input="two", previous_response_id=first)
        error = await client.reply()
        self.assertEqual(error["error"]["code"], "previous_response_not_found")
        self.assertEqual(len(self.upstream_messages()), 2)

    async def test_disconnect_cancels_the_upstream(self) -> None:
        await self.start()
        client = await self.connect()
        client.create(input="[[stall 1]] [[say a b c]]")
        await client.when(lambda: _has(client.messages, "response.output_text.delta"))
        self.assertEqual(self.upstream.stats.open_streams, 1)
        client.transport.loseConnection()  # type: ignore[union-attr]
        await eventually(lambda: not self.upstream.sockets)
        self.assertEqual(self.upstream.stats.open_streams, 0)
        await eventually(lambda: bool(self.observer.records))
        self.assertEqual(self.observer.records[-1].outcome, "cancelled")

    async def test_connection_ends_with_that_of_the_client(self) -> None:
        await self.start()
        one, two = await self.connect(), await self.connect()
        for client in (one, two):
            client.create(input="x")
            await client.reply()
        self.assertEqual(len(self.upstream.sockets), 2)
        one.transport.loseConnection()  # type: ignore[union-attr]
        await eventually(lambda: len(self.upstream.sockets) == 1)
        two.create(input="[[say B]]")
        self.assertEqual(text_of(await two.reply()), "B")
        self.assertEqual(self.handshakes(), 2)

    async def test_running_response_is_steered(self) -> None:
        await self.start()
        client = await self.connect()
        client.create(input=SLOW, stream_id="a")
        first = (await client.message("response.created"))["response"]["id"]
        client.steer(first, "[[say B]]")
        accepted = await client.message("response.steer.accepted")
        self.assertEqual(accepted["stream_id"], "a")
        self.gateway.simulator.skip_delays()
        self.assertEqual((await client.reply("a"))["response"]["id"], first)
        second = (await client.reply("a"))["response"]
        self.assertEqual(second["output"][0]["content"][0]["text"], "B")
        self.assertEqual(second["previous_response_id"], first)
        await eventually(lambda: bool(self.observer.records))
        (record,) = self.observer.records
        assert record.usage is not None
        self.assertGreater(record.usage.input_total, second["usage"]["input_tokens"])
        # What was said meanwhile is part of the conversation.
        (socket,) = self.upstream.sockets
        socket._responses.clear()
        client.create(input="[[say C]]", stream_id="a", previous_response_id=second["id"])
        self.assertEqual(text_of(await client.reply("a")), "C")
        items = self.upstream_messages()[-1]["input"]
        self.assertEqual(
            [item["role"] for item in items], ["user", "assistant", "user", "assistant", "user"]
        )

    async def test_steering_waits_for_outputs_of_tools(self) -> None:
        await self.start()
        client = await self.connect()
        tools = [{"type": "function", "name": "f", "parameters": {}, "strict": False}]
        client.create(input=f"{SLOW} [[tool f {{}}]]", tools=tools)
        first = (await client.message("response.created"))["response"]["id"]
        client.steer(first, "[[say MORE]]")
        await client.message("response.steer.accepted")
        self.gateway.simulator.skip_delays()
        await client.reply()
        pending = await client.message("response.steer.pending")
        (stub,) = pending["required_input"]
        (socket,) = self.upstream.sockets
        socket._responses.clear()
        output = {"type": stub["type"], "call_id": stub["call_id"], "output": "1"}
        client.create(input=[output], tools=tools, previous_response_id=first)
        self.assertEqual((await client.reply())["type"], "response.completed")
        short, whole = self.upstream_messages()[-2:]
        self.assertEqual(short["input"], [output])
        self.assertEqual(
            [item["type"] for item in whole["input"]],
            ["message", "message", "function_call", "message", "function_call_output"],
        )

    async def test_input_for_a_response_is_returned_if_nobody_takes_it(self) -> None:
        await self.start()
        client = await self.connect()
        client.create(input=SLOW, model="demo-openai-responses/gpt-5.1", stream_id="a")
        first = (await client.message("response.created"))["response"]["id"]
        client.steer(first, "more")
        failed = await client.message("response.steer.failed")
        self.assertEqual(failed["error"]["code"], "steering_not_supported")
        self.assertEqual(failed["steer"], {"input": "more", "previous_response_id": first})
        client.create(input=SLOW)
        second = await client.when(lambda: _created(client.messages, None))
        client.steer(second, "lost")
        await client.message("response.steer.accepted")
        (socket,) = self.upstream.sockets
        socket.abort()
        await client.when(lambda: _failed_steers(client.messages, 2))
        lost = [each for each in client.messages if each["type"] == "response.steer.failed"][-1]
        self.assertEqual(lost["error"]["code"], "successor_creation_failed")
        self.assertEqual(lost["steer"]["input"], "lost")
        self.assertEqual((await client.reply())["type"], "error")

    async def test_large_conversation_is_sent_in_pieces(self) -> None:
        await self.start()
        client = await self.connect()
        text = "é" * 600_000
        client.create(input=f"{text} [[say A]]")
        first = await client.reply()
        self.assertEqual(text_of(first), "A")
        client.create(input="two [[say B]]", previous_response_id=first["response"]["id"])
        self.assertEqual(text_of(await client.reply()), "B")
        self.assertEqual(self.upstream_messages()[-1]["input"], "two [[say B]]")

    async def test_http_requests_are_sent_over_http(self) -> None:
        await self.start()
        body = {"model": MODEL, "input": "[[say A]]", "stream": True}
        answer = await self.gateway.request("POST", "/v1/responses", body)
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.handshakes(), 0)


def _has(messages: list[Any], kind: str) -> bool | None:
    return any(each["type"] == kind for each in messages) or None


def _is_complete(messages: list[Any]) -> bool:
    return any(each["type"] == "response.completed" for each in messages)


def _created(messages: list[Any], lane: str | None) -> str | None:
    found = (
        each["response"]["id"]
        for each in messages
        if each["type"] == "response.created" and each.get("stream_id") == lane
    )
    return next(found, None)


def _failed_steers(messages: list[Any], count: int) -> bool | None:
    return sum(each["type"] == "response.steer.failed" for each in messages) >= count or None
