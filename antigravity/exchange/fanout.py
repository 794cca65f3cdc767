"""Several images from models that give one (or a few) at a time: parallel single requests.

Each of them takes the usual way, with its own account and its own attempts.  What could be had
is the answer; what could not is named in it.
"""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from msgspec.structs import replace
from zope.interface import implementer

from antigravity.exchange.answer_headers import warnings
from antigravity.exchange.context import reply_context
from antigravity.exchange.generation import Generation
from antigravity.exchange.parallel import gathered
from antigravity.exchange.work import Work
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.protocols import IDemanding, IStreamEncoder
from antigravity.ir.call import Call, Head, HttpReply, ReplyContext
from antigravity.ir.errors import GatewayError
from antigravity.ir.events import Event, Finish, MediaOutput, UsageUpdate
from antigravity.ir.parts import Media
from antigravity.ir.request import Request
from antigravity.ir.response import Response
from antigravity.ir.usage import Usage
from antigravity.routing.router import Candidate, Decision


async def generate(work: Work, decision: Decision) -> Reply:
    """Return the reply to one request, made of several answers where one has not all of it.

    :raises GatewayError: if nothing can be had.
    """
    if not _is_for_images(work):
        return await Generation(work, decision).run()
    natives = tuple(c for c in decision.candidates if c.native)
    others = tuple(c for c in decision.candidates if not c.native)
    if not others or work.request.sampling.n <= _limit(others):
        return await Generation(work, decision).run()
    if decision.candidates[0].native:  # it takes the number itself; the others could not
        return await Generation(work, replace(decision, candidates=natives)).run()
    return await FanOut(work, replace(decision, candidates=others)).run()


def _is_for_images(work: Work) -> bool:
    protocol: Any = work.protocol
    return IDemanding.providedBy(protocol) and protocol.demands.output == "image"


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

    def __init__(self, work: Work, decision: Decision) -> None:
        self._work = work
        self._decision = decision

    async def run(self) -> Reply:
        """Return the reply.

        :raises GatewayError: if every request failed: the first one's error.
        """
        work = self._work
        jobs = [partial(self._ask, count) for count in self._shares()]
        at_once = work.snapshot.settings.images.parallel
        results = await gathered(jobs, at_once)
        answers = [result for result in results if isinstance(result, Response)]
        failures = [result for result in results if isinstance(result, GatewayError)]
        if not answers:
            raise failures[0]
        response = _joined(answers, tuple(failures))
        reply = self._encoded(response)
        work.recorder.first_byte()
        work.recorder.end(None, response.usage)
        if work.snapshot.settings.proxy.debug_headers:
            more = warnings(work.recorder.record.losses)
            reply = replace(reply, headers=(*reply.headers, *more))
        return reply

    def _shares(self) -> list[int]:
        """Return how many images each request is for."""
        wanted, limit = self._work.request.sampling.n, _limit(self._decision.candidates)
        return [min(limit, wanted - begun) for begun in range(0, wanted, limit)]

    async def _ask(self, count: int) -> Response | GatewayError:
        work = self._work
        protocol = _Collecting(work.protocol)
        one = Work(
            work.services,
            work.snapshot,
            cast(Any, protocol),
            _apart(work.call),
            work.recorder.branch(),
        )
        request: Request = work.request
        sampling = replace(request.sampling, n=count)
        one.take(Head(work.head.model, False), replace(request, stream=False, sampling=sampling))
        try:
            await Generation(one, self._decision).run()
        except GatewayError as error:
            return error
        finally:
            work.recorder.absorb(one.recorder)
        assert protocol.response is not None
        return protocol.response

    def _encoded(self, response: Response) -> Reply:
        work = self._work
        context = reply_context(work)
        if not work.head.stream:
            reply: HttpReply = work.protocol.encode_response(response, context)
            return Reply(reply.status, reply.content_type, reply.headers, reply.body)
        encoder: IStreamEncoder = work.protocol.encoder(context)
        body = b"".join([encoder.encode(event) for event in _events(response)])
        return Reply(200, encoder.content_type, (), body + encoder.end())


def _apart(call: Call) -> Call:
    """Return a call that shares nothing which is written to."""
    return replace(call, memo=dict(call.memo))


def _joined(answers: list[Response], failures: tuple[GatewayError, ...]) -> Response:
    """Return all answers as one; each was counted for itself, so counts add up."""
    counts = [
        {name: getattr(answer.usage, name) for name in Usage.__struct_fields__}
        for answer in answers
    ]
    usage = Usage(**{name: sum(each[name] for each in counts) for name in counts[0]})
    choices = tuple(choice for answer in answers for choice in answer.choices)
    return Response(answers[0].id, answers[0].model, choices, usage, failures)


def _events(response: Response) -> list[Event]:
    """Return the images of an answer as events."""
    events: list[Event] = [UsageUpdate(response.usage)]
    for index, choice in enumerate(response.choices):
        events += [
            MediaOutput(part.mime_type, part.source, choice=index)
            for part in choice.parts
            if isinstance(part, Media)
        ]
        events.append(Finish(choice.finish, choice=index))
    return events
