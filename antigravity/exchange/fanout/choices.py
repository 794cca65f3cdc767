"""Several answers to one request from models that give one (or a few) at a time.

Each share of them is a request that takes the usual way, with its own account and its own
attempts.  The reply is as if one model had given all: whole, or with an error.  A share that
failed for now is asked for once more when others have come.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import CancelledError

from antigravity.exchange.attempts.loop import AttemptLoop
from antigravity.exchange.context import RequestContext
from antigravity.exchange.fanout.branch import Feeding, StreamingBranch, WholeBranch
from antigravity.exchange.fanout.gathered_reply import Told, gathered_reply
from antigravity.exchange.fanout.gathered_stream import GatheredStream
from antigravity.exchange.fanout.merged_events import Merged
from antigravity.exchange.fanout.parallel import gathered
from antigravity.exchange.fanout.usage_totals import added, of_one_prompt
from antigravity.exchange.reply_context import reply_context
from antigravity.exchange.response_headers import Headers
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.protocols import IStreamEncoder
from antigravity.ir.call import HttpReply
from antigravity.ir.errors import CancelledByClientError, GatewayError
from antigravity.ir.events import UsageUpdate
from antigravity.ir.request import Request
from antigravity.ir.response import Response
from antigravity.ir.usage import Usage
from antigravity.routing.router import Decision

_STOPPED: Final = "The client went away, or another of the answers could not be had."


class Share(Struct, frozen=True, eq=False):
    """A request for some of the answers: to the prompt of that number, from ``first`` on."""

    request: Request
    prompt: int
    first: int


def shares(prompts: Sequence[Request], limit: int) -> tuple[Share, ...]:
    """Return the requests for all answers, each for ``limit`` of them at the most."""
    found: list[Share] = []
    first = 0
    for number, request in enumerate(prompts):
        wanted = request.sampling.n
        for begun in range(0, wanted, limit):
            sampling = replace(request.sampling, n=min(limit, wanted - begun))
            found.append(Share(replace(request, sampling=sampling), number, first + begun))
        first += wanted
    return tuple(found)


class Choices:
    """The parallel requests for one client's request."""

    def __init__(
        self, context: RequestContext, decision: Decision, wanted: Sequence[Share]
    ) -> None:
        self._context = context
        self._decision = decision
        self._shares = wanted
        self._usages: dict[Share, Usage] = {}
        self._begun: set[Share] = set()
        self._come = 0
        self._error: GatewayError | None = None
        self._headers: dict[str, dict[str, None]] = {}

    async def run(self) -> Reply:
        """Return the reply.

        :raises GatewayError: if it failed before it began.
        """
        context = self._context
        for candidate in self._decision.candidates[:1]:  # once, not for each of the answers
            await context.fetch_media(context.request, candidate.client.traits)
        return await (self._streamed() if context.head.stream else self._whole())

    async def _whole(self) -> Reply:
        context = self._context
        answers: dict[Share, Response] = {}

        async def serve(share: Share) -> None:
            branch = WholeBranch(context.protocol.name)
            await self._ask(share, branch, stream=False)
            answers[share] = branch.response
            self._usages[share] = branch.response.usage

        await self._all(serve)
        inorder = [answers[share] for share in self._shares]
        choices = tuple(choice for answer in inorder for choice in answer.choices)
        joined = Response(inorder[0].id, inorder[0].model, choices, self._counted())
        reply: HttpReply = context.protocol.encode_response(joined, reply_context(context))
        context.recorder.first_byte()
        context.recorder.end(None, added(self._usages.values()))
        headers = (*reply.headers, *self._collected())
        return Reply(reply.status, reply.content_type, headers, reply.body)

    async def _streamed(self) -> Reply:
        context = self._context
        encoder: IStreamEncoder = context.protocol.encoder(reply_context(context))

        async def job(stream: GatheredStream, begin: Callable[[], None]) -> None:
            merged = Merged(encoder, stream.write)
            await self._all(partial(self._stream, merged=merged, stream=stream, begin=begin))
            stream.write(encoder.encode(UsageUpdate(self._counted())))

        told = Told(self._collected, lambda: added(self._usages.values()))
        return await gathered_reply(context, encoder, job, told)

    async def _stream(
        self, share: Share, merged: Merged, stream: GatheredStream, begin: Callable[[], None]
    ) -> None:
        """Write one share, as it comes.

        :raises GatewayError: if it fails.
        """

        def take(event: Any) -> None:
            if isinstance(event, UsageUpdate):
                self._usages[share] = event.usage
            else:
                merged.take(event, share.first)

        branch = StreamingBranch(self._context.protocol.name, take)

        async def rest(reply: Reply) -> None:
            self._begun.add(share)
            branch.release()
            begin()
            await reply.stream.start(Feeding(stream))
            if branch.failure is not None:
                raise branch.failure

        await self._ask(share, branch, stream=True, rest=rest)

    async def _ask(
        self,
        share: Share,
        branch: Any,
        *,
        stream: bool,
        rest: Callable[[Reply], Awaitable[None]] | None = None,
    ) -> None:
        """Ask for one share; its attempts are in the record of the whole, however it ends."""
        recorder = self._context.recorder
        part = self._context.for_branch(branch, share.request, stream=stream)
        try:
            reply = await AttemptLoop(part, self._decision).run()
            self._note(part, reply)
            if rest is not None:
                await rest(reply)
        except CancelledError:
            part.recorder.end(CancelledByClientError(_STOPPED), None)
            raise
        finally:
            recorder.absorb(part.recorder)

    # -- all of them ----------------------------------------------------------------------

    async def _all(self, serve: Callable[[Share], Awaitable[None]]) -> None:
        """Serve every share; those that failed for now once more, if others have come.

        :raises GatewayError: if one is missing in the end: why the first one is.
        """
        missing = await self._round(self._shares, serve)
        if missing and self._come:
            self._error, self._come = None, 0
            missing = await self._round(missing, serve)
        if missing:
            assert self._error is not None
            raise self._error

    async def _round(
        self, wanted: Sequence[Share], serve: Callable[[Share], Awaitable[None]]
    ) -> list[Share]:
        """Return the shares that are still missing, all of which may come later."""

        async def one(share: Share) -> bool:
            if self._error is not None and not self._come:
                return False  # nobody has had any luck yet
            try:
                await serve(share)
            except GatewayError as error:
                if share in self._begun or not error.retryable:
                    raise
                self._error = self._error or error
                return False
            self._come += 1
            return True

        at_once = self._context.snapshot.settings.proxy.parallel_choices
        came = await gathered([partial(one, share) for share in wanted], at_once)
        return [share for share, there in zip(wanted, came, strict=True) if not there]

    # -- what is told of them -------------------------------------------------------------

    def _counted(self) -> Usage:
        """Return what is told the client: each prompt once, and all answers."""
        prompts = {share.prompt for share in self._shares}
        return added(
            of_one_prompt([usage for share, usage in self._usages.items() if share.prompt == one])
            for one in prompts
        )

    def _note(self, part: RequestContext, reply: Reply) -> None:
        """Note what a part's reply says of how it was served."""
        for name, value in reply.headers:
            self._headers.setdefault(name, {})[value] = None
        record = self._context.recorder.record
        record.compressed = record.compressed or part.recorder.record.compressed

    def _collected(self) -> Headers:
        """Return the headers of all parts that have begun, each name once."""
        return tuple((name, ", ".join(values)) for name, values in self._headers.items())
