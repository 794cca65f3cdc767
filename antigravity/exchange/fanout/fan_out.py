"""Serve one request by several upstream requests, and merge their responses into one reply.

Each upstream request is a branch with its own account and its own attempts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from antigravity.exchange.attempts.loop import AttemptLoop
from antigravity.exchange.context import RequestContext
from antigravity.exchange.fanout.branch import StreamingBranch
from antigravity.exchange.fanout.merged_stream import BranchConsumer, MergedStream
from antigravity.exchange.fanout.parallel import run_parallel
from antigravity.exchange.fanout.strategies import Part, Strategy
from antigravity.exchange.fanout.usage_totals import sum_usage
from antigravity.exchange.plan import Plan
from antigravity.exchange.reply_context import reply_context
from antigravity.exchange.response_headers import Headers
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.protocols import IPartialFailures, IStreamEncoder
from antigravity.ir.call import HttpReply
from antigravity.ir.errors import CancelledByClientError, GatewayError
from antigravity.ir.events import Event, Finish, MediaOutput, UsageUpdate
from antigravity.ir.parts import Media
from antigravity.ir.response import Response
from antigravity.ir.usage import Usage
from antigravity.logs import make_logger

log = make_logger()

_CANCELLED: Final = "The client disconnected, or another part of the response failed."


async def fan_out(
    context: RequestContext, plan: Plan, parts: Sequence[Part], strategy: Strategy
) -> Reply:
    """Return the reply that is merged from the responses to ``parts``.

    :raises GatewayError: if it failed before it began.
    """
    for option in plan.options[:1]:  # fetch once, not in each branch
        await context.fetch_media(context.request, option.client.traits)
    merged = _FanOut(context, plan, parts, strategy)
    return await (merged.stream() if context.head.stream else merged.whole())


class _FanOut:
    """The branches of one request."""

    def __init__(
        self,
        context: RequestContext,
        plan: Plan,
        parts: Sequence[Part],
        strategy: Strategy,
    ) -> None:
        self._context = context
        self._plan = plan
        self._parts = parts
        self._strategy = strategy
        self._responses: dict[Part, Response] = {}
        self._usages: dict[Part, Usage] = {}
        #: The usage of responses that broke off, with what is estimated of it.
        self._broken: dict[Part, Usage] = {}
        self._failures: dict[Part, GatewayError] = {}
        self._headers: dict[str, dict[str, None]] = {}
        #: Parts of which the client may have seen something.
        self._sent: set[Part] = set()
        self._encoder: Any = None
        self._stream: MergedStream | None = None
        self._running: Deferred[None] | None = None
        self._begun: Deferred[None] = Deferred(lambda _: self._cancel())

    async def whole(self) -> Reply:
        """Return a reply that is not streamed.

        :raises GatewayError: if it failed.
        """
        context = self._context
        with context.recorder.waiting("upstream"):
            await self._run_all()
        responses = [self._responses[part] for part in self._parts if part in self._responses]
        response = Response(
            responses[0].id,
            responses[0].model,
            tuple(choice for each in responses for choice in each.choices),
            self._strategy.usage(self._usages),
            tuple(self._failures[part] for part in self._parts if part in self._failures),
        )
        reply: HttpReply = context.protocol.encode_response(response, reply_context(context))
        context.recorder.first_byte()
        context.recorder.end(None, self._total())
        return Reply.whole(reply, self._branch_headers())

    async def stream(self) -> Reply:
        """Return a streamed reply, once its first branch has begun.

        :raises GatewayError: if it failed before that.
        """
        context = self._context
        encoder: IStreamEncoder
        self._encoder = encoder = context.protocol.encoder(reply_context(context))
        interval = context.snapshot.settings.proxy.keepalive_interval
        self._stream = MergedStream(context.services.clock, interval, encoder, self._cancel)
        self._running = Deferred.fromCoroutine(self._produce(self._stream))
        self._running.addBoth(self._ended, self._stream)
        with context.recorder.waiting("upstream"):
            await self._begun
        return Reply(200, encoder.content_type, self._branch_headers(), stream=self._stream)

    def _cancel(self) -> None:
        if self._running is not None:
            self._running.cancel()

    async def _produce(self, stream: MergedStream) -> None:
        await self._run_all()
        stream.send(UsageUpdate(self._strategy.usage(self._usages)))

    def _begin(self) -> None:
        if not self._begun.called:
            self._context.recorder.first_byte()
            self._begun.callback(None)

    def _ended(self, outcome: Any, stream: MergedStream) -> None:
        error = self._error_of(outcome)
        if not self._begun.called:
            assert error is not None, "a stream without a failure has begun"
            self._begun.errback(error)
            return
        self._context.recorder.end(error, self._total())
        stream.end(error)

    def _error_of(self, outcome: object) -> GatewayError | None:
        """Return the error that ended the stream, if any; unexpected ones are logged."""
        if not isinstance(outcome, Failure):
            return None
        if outcome.check(CancelledError):
            interruption = self._context.recorder.interruption
            return interruption or CancelledByClientError("The client went away.")
        if isinstance(outcome.value, GatewayError):
            return outcome.value
        log.failure("{id}: a merged stream failed", outcome, id=self._context.call.request_id)
        return GatewayError("The gateway failed; its log says why.")

    # -- all branches ---------------------------------------------------------------------

    async def _run_all(self) -> None:
        """Serve all parts.

        :raises GatewayError: the first failure, if the reply cannot do without what is missing.
        """
        parts, needs_all = self._parts, self._strategy.needs_all
        await self._run(parts)
        if needs_all and 0 < len(self._failures) < len(parts):
            again = [part for part in parts if part in self._failures]
            self._failures.clear()
            await self._run(again)
        if self._failures and (needs_all or len(self._failures) == len(parts)):
            raise next(iter(self._failures.values()))

    async def _run(self, parts: Sequence[Part]) -> None:
        """Serve some parts, and collect the failures that are not final.

        :raises GatewayError: if a part failed for good that the reply needs.
        """
        needs_all, failures = self._strategy.needs_all, self._failures
        succeeded = False

        async def run_one(part: Part) -> None:
            nonlocal succeeded
            if needs_all and failures and not succeeded:
                failures[part] = next(iter(failures.values()))  # it would fail the same way
                return
            try:
                await self._run_branch(part)
            except GatewayError as error:
                if needs_all and (part in self._sent or not error.retryable):
                    raise
                failures[part] = error
                self._write_failure(error)
            else:
                succeeded = True

        parallel = self._strategy.parallel(self._context.snapshot.settings)
        await run_parallel([partial(run_one, part) for part in parts], parallel)

    # -- one branch -----------------------------------------------------------------------

    async def _run_branch(self, part: Part) -> None:
        """Serve one part; its attempts are in the client's record, however it ends.

        :raises GatewayError: if it fails.
        """
        stream = self._stream if self._strategy.streams else None
        protocol = self._context.protocol
        branch: Any = (
            self._strategy.branch(protocol)
            if stream is None
            else StreamingBranch(protocol, partial(self._relay, part, stream))
        )
        context = self._context.for_branch(branch, part.request, stream=stream is not None)
        try:
            reply = await AttemptLoop(context, self._plan).run()
            self._collect_headers(reply)
            if stream is None:
                self._complete(part, branch.response)
                return
            self._sent.add(part)
            branch.release()
            self._begin()
            with context.recorder.waiting("upstream"):
                await reply.stream.start(BranchConsumer(stream))
            if branch.failure is not None:
                raise branch.failure
        except CancelledError:
            context.recorder.end(CancelledByClientError(_CANCELLED), None)
            raise
        finally:
            self._context.recorder.absorb(context.recorder)
            record = context.recorder.record
            if record.outcome != "ok" and record.usage is not None:
                self._broken[part] = record.usage

    def _total(self) -> Usage:
        """Return the usage of all branches, with estimates of those that broke off."""
        return sum_usage({**self._usages, **self._broken}.values())

    def _collect_headers(self, reply: Reply) -> None:
        """Collect what the client sees of how a branch was served."""
        for name, value in reply.headers:
            self._headers.setdefault(name, {})[value] = None

    def _branch_headers(self) -> Headers:
        """Return the headers of all branches that have begun, each name once."""
        return tuple((name, ", ".join(values)) for name, values in self._headers.items())

    def _relay(self, part: Part, stream: MergedStream, event: Event) -> None:
        """Write an event of a streamed part; usage is only added up."""
        if isinstance(event, UsageUpdate):
            self._usages[part] = event.usage
        else:
            stream.relay(event, part.first)

    def _complete(self, part: Part, response: Response) -> None:
        """Collect a whole response, and write it if the client's reply is a stream."""
        self._responses[part] = response
        self._usages[part] = response.usage
        stream = self._stream
        if stream is None:
            return
        for index, choice in enumerate(response.choices):
            for media in choice.parts:
                if isinstance(media, Media):
                    output = MediaOutput(media.mime_type, media.source, choice=index)
                    stream.relay(output, part.first)
            stream.relay(Finish(choice.finish, choice=index), part.first)
        stream.send(UsageUpdate(self._strategy.usage(self._usages)))
        self._begin()

    def _write_failure(self, error: GatewayError) -> None:
        partial = IPartialFailures(self._encoder, None)
        if self._stream is not None and partial is not None:
            self._stream.write(partial.failed(error))
