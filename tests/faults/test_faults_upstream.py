"""Whatever an upstream does, the client gets an end that its protocol knows."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.protocol import Factory

from antigravity.config.secret import Secret
from antigravity.config.settings import TimeoutSettings
from tests.faults.fixtures import (
    NATIVE,
    WAYS,
    FaultCase,
    HttpResponse,
    check_broken_stream,
    check_complete,
    check_refusal,
    reactor,
)
from tests.support.conditions import eventually

#: What clients see for a status of the upstream's.
STATUSES = {400: 400, 401: 503, 403: 503, 404: 404, 413: 413, 429: 429, 500: 502, 503: 503}
#: For upstreams that say nothing at all: each of three attempts waits so long.
SILENT = TimeoutSettings(first_byte=0.1, idle=0.1)
#: For upstreams that fall silent: a busy machine may take its time with all else.
STALLED = TimeoutSettings(idle=0.5)
#: For answers that take too long, though they always go on.
ENDLESS = TimeoutSettings(total=2.0)


class UpstreamFaults(FaultCase):
    async def every(
        self, prompt: str, *, stream: bool, ways: Any = WAYS
    ) -> dict[Any, HttpResponse]:
        """Ask in every way at once."""
        answers = await gatherResults(
            [Deferred.fromCoroutine(self.ask(way, prompt, stream=stream)) for way in ways],
            consumeErrors=True,
        )
        return dict(zip(ways, answers, strict=True))

    async def test_all_protocol_pairs_work_without_faults(self) -> None:
        await self.start()
        for (protocol, _), answer in (await self.every("[[say fine]]", stream=True)).items():
            check_complete(protocol, answer, "fine")
        for answer in (await self.every("[[say fine]]", stream=False)).values():
            self.assertEqual(answer.status, 200, answer.body)
            self.assertIn(b"fine", answer.body)

    async def check_statuses(self, *, stream: bool) -> None:
        for status, others in (*STATUSES.items(), (529, 503)):
            await self.start()
            prompt = f"[[error {status}{' retry=7s' if status == 429 else ''}]]"
            for way, answer in (await self.every(prompt, stream=stream)).items():
                native = way[0] == way[1] and status not in (401, 403)
                check_refusal(way[0], answer)
                has_same = native or (way[0] == "anthropic" and status == 529)
                seen = status if has_same else others
                self.assertEqual(answer.status, seen, (status, way, answer.body))
                if status == 429:
                    self.assertEqual(answer.headers.get("retry-after"), "7", way)

    async def test_error_statuses_of_streams_are_translated(self) -> None:
        await self.check_statuses(stream=True)

    async def test_error_statuses_of_json_responses_are_translated(self) -> None:
        await self.check_statuses(stream=False)

    async def test_fault_before_first_byte_is_a_status(self) -> None:
        faults = {
            "[[empty]]": (502,),
            "[[cut 0]] hello": (502,),
            "[[stall 0]] hello": (504,),
            "[[ttft 5]] hello": (504,),
            "[[garbage 0]] hello": (502,),
        }
        for prompt, statuses in faults.items():
            for stream in (True, False):
                await self.start(timeouts=SILENT if statuses == (504,) else None)
                answers = await self.every(prompt, stream=stream)
                for (protocol, goal), answer in answers.items():
                    where = (prompt, stream, protocol, goal, answer.status, answer.body)
                    self.assertIn(answer.status, statuses, where)
                    check_refusal(protocol, answer)
        self.assertEqual(self.simulator.stats.open_streams, 0)

    async def test_fault_after_first_byte_is_an_error_event(self) -> None:
        text = "one two three four five six seven eight nine ten"
        for fault in ("[[cut 2]]", "[[stall 1]]", "[[garbage 1]]", "[[error 529 after=1]]"):
            await self.start(timeouts=STALLED)
            answers = await self.every(f"{fault} [[chunks 5]] {text}", stream=True)
            for (protocol, goal), answer in answers.items():
                try:
                    check_broken_stream(protocol, answer)
                except AssertionError as error:
                    raise AssertionError(f"{fault} {protocol} {goal}: {answer.body!r}") from error
                self.assertIn(b"one", answer.body, (fault, protocol, goal))
        await eventually(lambda: self.simulator.stats.open_streams == 0)

    async def test_fault_in_json_response_is_a_status(self) -> None:
        for fault, status in (("[[cut 2]]", 502), ("[[stall 1]]", 504)):
            await self.start(timeouts=STALLED)
            answers = await self.every(f"{fault} [[chunks 5]] one two three four", stream=False)
            for (protocol, goal), answer in answers.items():
                where = f"{fault} {protocol} {goal} {answer.body!r}"
                self.assertEqual(answer.status, status, where)
                check_refusal(protocol, answer)

    async def test_total_timeout_ends_stream(self) -> None:
        await self.start(timeouts=ENDLESS)
        prompt = "[[chunks 1000]] [[delay 0.1]] [[tokens 3000]]"
        foreign = [way for way in WAYS if way not in NATIVE]
        streams, wholes = await gatherResults(
            [
                Deferred.fromCoroutine(self.every(prompt, stream=True)),
                Deferred.fromCoroutine(self.every(prompt, stream=False, ways=foreign)),
            ],
            consumeErrors=True,
        )
        for (protocol, _), answer in streams.items():
            check_broken_stream(protocol, answer)
        for (protocol, _), answer in wholes.items():
            check_refusal(protocol, answer, 504)
        await eventually(lambda: self.simulator.stats.open_streams == 0)

    async def test_refused_connection_is_502(self) -> None:
        port = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
        number = port.getHost().port
        await port.stopListening()
        for stream in (True, False):
            await self.start(address=f"http://127.0.0.1:{number}")
            for (protocol, _), answer in (await self.every("hello", stream=stream)).items():
                error = check_refusal(protocol, answer, 502)
                self.assertNotIn("sk-good", str(error))


class Credentials(FaultCase):
    async def check_second(self, first: str, **more: Any) -> None:
        keys = [Secret("sk-second")]
        await self.start(upstream={"api_key": Secret(first), "api_keys": keys}, **more)
        for protocol, goal in WAYS:
            for stream in (True, False):
                answer = await self.ask((protocol, goal), "[[say fine]]", stream=stream)
                self.assertEqual(answer.status, 200, (protocol, goal, answer.body))
                self.assertIn(b"fine", answer.body)

    async def test_second_key_is_used_when_first_is_rejected(self) -> None:
        await self.check_second("bad-key")

    async def test_second_key_is_used_when_first_is_forbidden(self) -> None:
        await self.check_second("forbidden-key")

    async def test_second_key_is_used_when_first_is_exhausted(self) -> None:
        await self.check_second("exhausted-key")

    async def test_all_keys_rejected_is_503(self) -> None:
        keys = [Secret("forbidden-two")]
        await self.start(upstream={"api_key": Secret("bad-one"), "api_keys": keys})
        for way in WAYS:
            answer = await self.ask(way, "hello")
            check_refusal(way[0], answer, 503)
            self.assertNotIn(b"bad-one", answer.body)
            self.assertNotIn(b"forbidden-two", answer.body)

    async def test_all_keys_exhausted_is_429_with_retry_after(self) -> None:
        await self.start(upstream={"api_key": Secret("exhausted-one")})
        for way in WAYS:
            answer = await self.ask(way, "hello")
            check_refusal(way[0], answer, 429)
            # The SDK of Interactions sleeps for as long as a header says, so it gets only Google's.
            has_none = way[0] == "gemini_interactions" and way not in NATIVE
            expected = None if has_none else "3600"
            self.assertEqual(answer.headers.get("retry-after"), expected, way)

    async def test_transient_failure_is_retried_with_other_key(self) -> None:
        keys = [Secret("sk-two")]
        await self.start(upstream={"api_keys": keys})
        for number, way in enumerate(WAYS):
            answer = await self.ask(way, f"[[error 500 times=1]] fine {number}")
            check_complete(way[0], answer, "fine")


class AnswersInAnyForm(FaultCase):
    every = UpstreamFaults.every

    async def test_json_and_stream_responses_serve_any_request(self) -> None:
        await self.start()
        for form in ("whole", "stream"):
            for stream in (True, False):
                answers = await self.every(f"[[form {form}]] [[say fine]]", stream=stream)
                for way, answer in answers.items():
                    self.assertEqual(answer.status, 200, (form, stream, way, answer.body))
                    self.assertIn(b"fine", answer.body, (form, stream, way))
        for way, answer in (await self.every("[[form gzip]] [[say fine]]", stream=False)).items():
            self.assertEqual((answer.status, b"fine" in answer.body), (200, True), way)

    async def test_web_page_is_502_after_one_request(self) -> None:
        await self.start()
        answered = self.simulator.stats.answered
        answers = await self.every("[[form page]]", stream=True)
        for way, answer in answers.items():
            error = check_refusal(way[0], answer, 502)
            self.assertIn("base_url", error["message"])
        self.assertEqual(self.simulator.stats.answered - answered, len(WAYS))
