"""Upstreams that repeat our credential, and keys that know another's ids, learn nothing of them."""

from __future__ import annotations

from antigravity.config.secret import Secret
from tests.faults.fixtures import FaultCase, HttpResponse, check_refusal

KEY = "sk-upstream-secret"
ANSWER = "openai_responses-to-openai_responses/gpt-4.1"


class Secrets(FaultCase):
    async def test_credential_in_error_is_redacted(self) -> None:
        await self.start(upstream={"api_key": Secret(KEY)})
        records = self.watched()
        for way in (("openai_chat", "openai_chat"), ("anthropic", "openai_chat")):
            for stream in (False, True):
                prompt = f"[[error 400 message=The key {KEY} has no such model]]"
                answer = await self.ask(way, prompt, stream=stream)
                check_refusal(way[0], answer, 400)
                self.assertNotIn(KEY.encode(), answer.body)
                self.assertIn(b"The key [redacted] has no such model", answer.body)
        self.assertNotIn(KEY, repr(records))
        self.assertIn("[redacted]", repr(records))

    async def test_stored_response_is_bound_to_client_key(self) -> None:
        await self.start()
        alice, bob = "Authorization: Bearer alice", "Authorization: Bearer bob"
        body = {"model": ANSWER, "input": "[[say one]]"}
        made = (await self.responses(alice, body)).json()
        more = {**body, "previous_response_id": made["id"]}
        before = self.simulator.state.stats.requests
        error = check_refusal("openai_responses", await self.responses(bob, more), 404)
        self.assertEqual(error["code"], "previous_response_not_found")
        self.assertEqual(self.simulator.state.stats.requests, before, "nobody was asked")
        self.assertEqual((await self.responses(alice, more)).status, 200)

    async def responses(self, key: str, body: object) -> HttpResponse:
        reading = await self.send("/v1/responses", body, headers=(key,))
        await reading.closed
        return HttpResponse(reading.data)
