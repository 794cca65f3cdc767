"""Clients that do not stream get the same response in whichever form the upstream is asked."""

from __future__ import annotations

from typing import Any

from antigravity.config.settings import WholeResponses
from tests.faults.fixtures import check_refusal, path_and_body
from tests.faults.scripted_upstream import (
    CLIENTS,
    MODEL,
    UPSTREAMS,
    ScriptedCase,
    ScriptedResponse,
    dumps,
    stream_reply,
    text_of,
    whole_reply,
)

#: Each client protocol with each upstream of another protocol.
FOREIGN = [
    (client, upstream)
    for client in CLIENTS
    for upstream in UPSTREAMS
    if UPSTREAMS[upstream] != client
]
#: Upstreams that are never asked for a whole response.
STREAMING = ("assist",)
ONLY_STREAMS = {"error": {"message": "This model only supports stream mode", "code": "x"}}


def is_stream(path: str, body: Any) -> bool:
    """Return whether a request to an upstream asks for a stream."""
    if ":" in path:
        return "streamGenerateContent" in path
    assert isinstance(body["stream"], bool)
    return bool(body["stream"])


class Forms(ScriptedCase):
    def asked(self) -> list[bool]:
        """Return for each request so far whether it asked for a stream."""
        pairs = zip(self.upstream.paths, self.upstream.bodies, strict=True)
        return [is_stream(path, body) for path, body in pairs]

    async def check_all(self, form: WholeResponses, *, streams: bool) -> None:
        """Assert that all pairs ask in one form, and get the text."""
        await self.start(whole_responses=form)
        for client, upstream in FOREIGN:
            stream = streams or upstream in STREAMING
            body = stream_reply(upstream) if stream else whole_reply(upstream)
            self.script(
                ScriptedResponse(body, "text/event-stream" if stream else "application/json")
            )
            answer = await self.ask_model(client, upstream, stream=False)
            where = (client, upstream, answer.body)
            self.assertEqual(text_of(client, answer, stream=False), "hello", where)
            self.assertEqual(self.asked(), [stream], where)

    async def test_always_asks_for_whole_responses(self) -> None:
        await self.check_all("always", streams=False)

    async def test_never_asks_for_whole_responses(self) -> None:
        await self.check_all("never", streams=True)

    async def test_auto_asks_by_limit_of_output(self) -> None:
        await self.start()
        for limit, stream in ((4000, False), (20_000, True)):
            self.script(ScriptedResponse(whole_reply("google")))
            path, body = path_and_body("anthropic", f"google/{MODEL}", "hi", stream=False)
            reading = await self.send(path, {**body, "max_tokens": limit})
            await reading.closed
            self.assertEqual(self.asked(), [stream])

    async def test_clients_that_stream_get_streams(self) -> None:
        await self.start(whole_responses="always")
        for client, upstream in FOREIGN:
            self.script(ScriptedResponse(stream_reply(upstream), "text/event-stream"))
            answer = await self.ask_model(client, upstream, stream=True)
            self.assertEqual(text_of(client, answer, stream=True), "hello")
            self.assertEqual(self.asked(), [True])

    async def test_refused_form_is_replaced_by_stream_from_then_on(self) -> None:
        await self.start(whole_responses="always")
        for number, (client, upstream) in enumerate(FOREIGN):
            if upstream in STREAMING:
                continue
            model = f"{MODEL}-{number}"
            stream = ScriptedResponse(stream_reply(upstream), "text/event-stream")
            for first, asked in (([ScriptedResponse(dumps(ONLY_STREAMS), status=400)], 2), ([], 1)):
                self.script(*first, stream)
                answer = await self.ask_model(client, upstream, stream=False, model=model)
                where = (client, upstream)
                self.assertEqual(text_of(client, answer, stream=False), "hello", where)
                self.assertEqual(self.asked(), [False, True][-asked:], where)

    async def test_truncated_response_is_tried_again_then_reported(self) -> None:
        await self.start(whole_responses="always")
        for client, upstream in FOREIGN:
            if upstream in STREAMING:
                continue
            self.script(ScriptedResponse(whole_reply(upstream)[:-20]))
            answer = await self.ask_model(client, upstream, stream=False)
            check_refusal(client, answer, 502)
            self.assertGreater(self.calls, 1, (client, upstream))
