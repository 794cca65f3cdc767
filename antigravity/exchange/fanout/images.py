"""Several images from models that give one (or a few) at a time: parallel single requests.

Each of them takes the usual way, with its own account and its own attempts.  What could be had
is the answer; what could not is named in it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec.structs import replace
from zope.interface import implementer

from antigravity.exchange.attempts.loop import AttemptLoop
from antigravity.exchange.context import RequestContext
from antigravity.exchange.fanout.gathered_reply import Told, gathered_reply
from antigravity.exchange.fanout.gathered_stream import GatheredStream
from antigravity.exchange.fanout.parallel import gathered
from antigravity.exchange.fanout.usage_totals import added
from antigravity.exchange.reply_context import reply_context
from antigravity.exchange.response_headers import Headers, warnings
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.protocols import IDemanding, IPartialFailures, IStreamEncoder
from antigravity.ir.call import HttpReply, ReplyContext
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import Event, Finish, MediaOutput, UsageUpdate
from antigravity.ir.parts import Media
from antigravity.ir.response import Response
from antigravity.ir.usage import Usage
from antigravity.routing.router import Candidate, Decision

#: What one of the requests gave.
_Result = Response | GatewayError


async def draw(context: RequestContext, decision: Decision) -> Reply:
    """Return the reply to a request for images, of several answers where one has not all of them.

    :raises GatewayError: if nothing can be had.
    """
    natives = tuple(c for c in decision.candidates if c.native)
    others = tuple(c for c in decision.candidates if not c.native)
    if not others or context.request.sampling.n <= _limit(others):
        return await AttemptLoop(context, decision).run()
    if decision.candidates[0].native:  # it takes the number itself; the others could not
        return await AttemptLoop(context, replace(decision, candidates=natives)).run()
    return await FanOut(context, replace(decision, candidates=others)).run()


def _limit(candidates: tuple[Candidate, ...]) -> int:
    return min(candidate.target.capabilities.max_choices for candidate in candidates)


@implementer(IDemanding)
class _Collecting:
    """Stands in for the client's protocol in one of the requests, and keeps what it got."""

    def __init__(self, protocol: Any) -> None:
        self.name: str = protocol.name
        self.demands = protocol.demands
        self._protocol = protocol
        self.response: Response | None = None

    def encode_response(self, response: Response, context: ReplyContext) -> HttpReply:
        """Keep an answer, if the client's protocol can make something of it.

        :raises GatewayError: if it cannot.
        """
        self._protocol.encode_response(response, replace(context, publish=_nowhere))
        self.response = response
        return HttpReply(200, b"")


def _nowhere(mime_type: str, data: str) -> str:
    """Publish nothing: it is only looked whether there is something."""
    return ""


class FanOut:
    """The parallel requests for one client's request."""

    def __init__(self, context: RequestContext, decision: Decision) -> None:
        self._context = context
        self._decision = decision

    async def run(self) -> Reply:
        """Return the reply.

        :raises GatewayError: if every request failed: the first one's error.
        """
        if self._context.head.stream:
            return await self._streamed()
        context = self._context
        results = await self._results(lambda result: None)
        response = _joined(results)
        reply: HttpReply = context.protocol.encode_response(response, reply_context(context))
        context.recorder.first_byte()
        context.recorder.end(None, response.usage)
        headers = (*reply.headers, *self._headers())
        return Reply(reply.status, reply.content_type, headers, reply.body)

    async def _streamed(self) -> Reply:
        """Return a stream to which each answer is written when it is there.

        It begins with the first of them, so that there can be an error before.
        """
        context = self._context
        encoder: IStreamEncoder = context.protocol.encoder(reply_context(context))
        writing = _Writing(encoder)

        async def job(stream: GatheredStream, begin: Callable[[], None]) -> None:
            def answered(result: _Result) -> None:
                stream.write(writing.write(result))
                if isinstance(result, Response):
                    begin()

            results = await self._results(answered)
            if not any(isinstance(result, Response) for result in results):
                raise _first_of(results)

        told = Told(self._headers, lambda: writing.usage)
        return await gathered_reply(context, encoder, job, told)

    async def _results(self, answered: Callable[[_Result], None]) -> list[_Result]:
        """Return what all requests gave; ``answered`` hears of each at once."""

        async def one(count: int) -> _Result:
            result = await self._ask(count)
            answered(result)
            return result

        jobs = [partial(one, count) for count in self._shares()]
        return await gathered(jobs, self._context.snapshot.settings.images.parallel)

    def _headers(self) -> Headers:
        every = self._context.snapshot.settings.proxy.debug_headers
        return warnings(self._context.recorder.record.losses, every=every)

    def _shares(self) -> list[int]:
        """Return how many images each request is for."""
        wanted, limit = self._context.request.sampling.n, _limit(self._decision.candidates)
        return [min(limit, wanted - begun) for begun in range(0, wanted, limit)]

    async def _ask(self, count: int) -> _Result:
        context = self._context
        protocol: Any = _Collecting(context.protocol)
        sampling = replace(context.request.sampling, n=count)
        one = context.for_branch(
            protocol, replace(context.request, sampling=sampling), stream=False
        )
        try:
            await AttemptLoop(one, self._decision).run()
        except GatewayError as error:
            return error
        finally:
            context.recorder.absorb(one.recorder)
        response: Response = protocol.response
        return response


class _Writing:
    """Writes answers to one stream, and adds up what they count."""

    def __init__(self, encoder: IStreamEncoder) -> None:
        self._encoder = encoder
        self.usage = Usage()

    def write(self, result: _Result) -> bytes:
        """Return the bytes that one answer, or its failure, adds."""
        if isinstance(result, Response):
            self.usage = added((self.usage, result.usage))
            events = _events(result, self.usage)
            return b"".join([self._encoder.encode(event) for event in events])
        if IPartialFailures.providedBy(self._encoder):
            out: bytes = self._encoder.failed(result)
            return out
        return b""


def _first_of(results: list[_Result]) -> GatewayError:
    return next(result for result in results if isinstance(result, GatewayError))


def _joined(results: list[_Result]) -> Response:
    """Return all answers as one; each was counted for itself, so counts add up.

    :raises GatewayError: if there is none.
    """
    answers = [result for result in results if isinstance(result, Response)]
    if not answers:
        raise _first_of(results)
    usage = added(answer.usage for answer in answers)
    choices = tuple(choice for answer in answers for choice in answer.choices)
    failures = tuple(result for result in results if isinstance(result, GatewayError))
    return Response(answers[0].id, answers[0].model, choices, usage, failures)


def _events(response: Response, usage: Usage) -> list[Event]:
    """Return the images of an answer as events; ``usage`` is that of all until now."""
    events: list[Event] = []
    for index, choice in enumerate(response.choices):
        events += [
            MediaOutput(part.mime_type, part.source, choice=index)
            for part in choice.parts
            if isinstance(part, Media)
        ]
        events.append(Finish(choice.finish, choice=index))
    return [*events, UsageUpdate(usage)]
