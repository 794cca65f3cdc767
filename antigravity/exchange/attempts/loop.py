"""The attempts of one request for an answer, until one of them begins to answer."""

from __future__ import annotations

import random

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater

from antigravity.accounts.sessions import session_from_headers
from antigravity.exchange.attempts.context_fitter import ContextFitter
from antigravity.exchange.attempts.native import attempt_native
from antigravity.exchange.attempts.pass_through import can_pass_through
from antigravity.exchange.attempts.retry import (
    MAX_ATTEMPTS,
    MAX_REFUSALS,
    Step,
    is_about_account,
    may_ignore,
    next_step,
)
from antigravity.exchange.attempts.translated import attempt_translated
from antigravity.exchange.attempts.upstream_call import Refused
from antigravity.exchange.context import RequestContext
from antigravity.interfaces.accounts import ILease
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.upstreams import Credential, UpstreamOperation
from antigravity.ir.errors import (
    ContextLengthError,
    EmptyAnswerError,
    GatewayError,
    OverloadedError,
    RateLimitedError,
    UnreadablePartError,
    UnusableAnswerError,
    UpstreamCredentialError,
    UpstreamError,
)
from antigravity.ir.images import NO_WISH
from antigravity.logs import make_logger
from antigravity.routing.router import Candidate, Decision

log = make_logger()

ACCOUNT = "X-Account-Email"


class _Failure(Struct, frozen=True):
    """Why an attempt failed; ``refusal`` is the upstream's own answer, if a client may see it."""

    error: GatewayError
    refusal: Reply | None = None


class AttemptLoop:
    """Tries the candidates of one decision, with the accounts that the pool gives."""

    def __init__(self, context: RequestContext, decision: Decision) -> None:
        self._context = context
        self._decision = decision
        self._candidates = decision.options
        self._exclude: frozenset[str] = frozenset()
        #: Those of them that failed in a way that passes, and how long to wait for that.
        self._passing: frozenset[str] = frozenset()
        self._pause = 0.0
        self._attempts = 0
        self._refusals = 0
        #: Whether a locked account was tried: one is enough for a request.
        self._probed = False
        self._fitter = ContextFitter(context, _serve)

    async def run(self) -> Reply:
        """Return the reply of the first attempt that succeeds.

        :raises GatewayError: the last attempt's error.
        """
        failure: _Failure | None = None
        while True:
            try:
                lease = await self._lease()
            except GatewayError as error:
                if failure is not None and self._passing:
                    await self._readmit()
                    continue
                if failure is None or _tells_more(error, failure.error):
                    raise
                return self._give_up(failure)
            if not await self._prepared(lease):
                continue
            outcome = await self._attempt(lease)
            if isinstance(outcome, Reply):
                return outcome
            if lease.is_probe and may_ignore(outcome.error):
                self._attempts -= 1
                continue  # the account is still locked: the request goes on as without the probe
            failure = outcome
            if await self._shortens(failure.error, lease):
                continue
            step = self._after(failure.error, lease)
            if step.action == "give_up":
                return self._give_up(failure)
            if step.action == "repair":
                await self._context.repair(self._candidates[lease.option].target.capabilities)
                self._fitter.forget()
            if step.delay:
                await deferLater(self._context.services.clock, step.delay)

    async def _lease(self) -> ILease:
        """Return the account for the next attempt.

        :raises GatewayError: if there is none.
        """
        context = self._context
        session = await self._session() if self._is_choice() else ""
        lease_request = replace(
            self._decision.lease_request(),
            session=session,
            probe="never" if self._probed else "allowed",
            exclude=self._exclude,
            principal=context.call.principal,
            only=context.origin.credential if context.origin is not None else "",
        )
        pool = context.snapshot.pool
        if not session and pool.would_wait(lease_request):  # its conversation has turns of its own
            lease_request = replace(lease_request, conversation=await self._session())
        clock = context.services.clock
        began = clock.seconds()
        try:
            lease: ILease = await pool.lease(lease_request, context.max_wait)
        finally:
            context.waited += clock.seconds() - began
        self._probed = self._probed or lease.is_probe
        return lease

    async def _prepared(self, lease: ILease) -> bool:
        """Return whether the attempt can begin; if not, the account was given back.

        A summary takes its time and an account of its own.
        """
        candidate = self._candidates[lease.option]
        try:
            if not await self._fitter.wants_summary(candidate):
                return True
        except (Exception, CancelledError):
            lease.release()
            raise
        lease.release()
        await self._fitter.summarise(candidate)
        return False

    async def _shortens(self, error: GatewayError, lease: ILease) -> bool:
        """Return whether a shorter prompt is to be tried, as this one was too long."""
        if not isinstance(error, ContextLengthError):
            return False
        return await self._fitter.shortens(self._candidates[lease.option], error)

    async def _attempt(self, lease: ILease) -> Reply | _Failure:
        context, candidate = self._context, self._candidates[lease.option]
        fitted = self._fitter.fitted(candidate)
        passed = fitted is None and await context.compute(self._passes, candidate)
        self._attempts += 1
        context.lease = lease
        context.recorder.record.compressed = None if fitted is None else fitted.label
        context.recorder.record.losses = context.notes
        context.recorder.attempt(candidate, lease.credential, passed=passed)
        longest = context.snapshot.settings.proxy.scheduling.max_lock_seconds
        try:
            reply = await self._answer(candidate, lease.credential, passed=passed)
        except Refused as refused:
            failure = _Failure(refused.error, refused.passed_on(longest) if passed else None)
        except GatewayError as error:
            failure = _Failure(error)
        except CancelledError:
            context.release_lease()
            raise
        except Exception:
            context.release_lease()
            raise
        else:
            if reply.stream is None:
                context.settle_lease(None)
            lease.response_started()
            return self._signed(reply, lease)
        context.settle_lease(failure.error)
        context.recorder.failed(failure.error)
        return failure

    async def _session(self) -> str:
        """Return the key of the conversation that the request belongs to."""
        context = self._context
        if context.is_large and session_from_headers(context.call.headers) is None:
            try:
                await context.prepare()
            except GatewayError:
                return ""  # the upstream will say what is wrong with it
        return await context.compute(context.session)

    async def _answer(self, candidate: Candidate, credential: Credential, *, passed: bool) -> Reply:
        """Return what one attempt gives.

        :raises GatewayError: if it fails.
        :raises Refused: if the upstream refused the request.
        """
        if passed:
            return await attempt_native(self._context, candidate, credential)
        fitted = self._fitter.fitted(candidate)
        return await attempt_translated(self._context, candidate, credential, fitted)

    def _signed(self, reply: Reply, lease: ILease) -> Reply:
        """Return the reply with the account that serves it, for whom the operator tells it."""
        context, label = self._context, lease.credential.label
        expose = context.snapshot.settings.proxy.expose_account
        told = expose == "always" or (expose == "loopback" and context.call.loopback)
        if not told or not label or not label.isprintable() or not label.isascii():
            return reply
        return replace(reply, headers=(*reply.headers, (ACCOUNT, label)))

    def _after(self, error: GatewayError, lease: ILease) -> Step:
        """Return what to do next, knowing which accounts are left."""
        if isinstance(error, UnreadablePartError):
            # Nothing was sent.  Another upstream may speak a protocol that can carry it.
            self._attempts -= 1
            self._exclude |= self._accounts_of(self._candidates[lease.option].upstream.name)
            return Step("other" if self._others_left() else "give_up")
        if is_about_account(error) and self._refusals < MAX_REFUSALS:
            self._refusals += 1
            self._attempts -= 1
        luck = random.random()  # noqa: S311 - it spreads delays, it hides nothing
        step = next_step(
            error,
            self._attempts,
            repaired=self._context.repaired,
            emptied=self._context.ended_empty,
            luck=luck,
            pause=self._context.snapshot.settings.proxy.scheduling.retry_pause,
        )
        if isinstance(error, EmptyAnswerError) or self._attempts == MAX_ATTEMPTS - 1:
            self._context.ended_empty = True  # the next attempt is the last that this is worth
        if isinstance(error, OverloadedError) and self._context.triggers_fallback(error):
            step = replace(step, delay=0.0)  # there is no need to wait for capacity
        if step.action != "other":
            return step
        if isinstance(error, RateLimitedError):
            return step  # the pool has locked the account, and knows when it is free again
        passing = isinstance(error, UpstreamError)
        passing = passing and not isinstance(error, UpstreamCredentialError | UnusableAnswerError)
        self._exclude |= {lease.credential.id}
        if isinstance(error, UnusableAnswerError):
            # It comes from the upstream's address, whatever the account.
            self._exclude |= self._accounts_of(self._candidates[lease.option].upstream.name)
        if passing:
            self._passing |= {lease.credential.id}
            self._pause = step.delay
        if self._others_left():
            return Step("other")
        if not passing:
            return step if self._passing else Step("give_up")
        self._exclude = self._passing = frozenset()
        return step

    async def _readmit(self) -> None:
        """Try those again whose trouble may have passed: no other account can be had."""
        self._exclude -= self._passing
        self._passing = frozenset()
        await deferLater(self._context.services.clock, self._pause)

    def _accounts(self) -> set[str]:
        origin = self._context.origin
        if origin is not None:
            return {origin.credential}
        return set().union(*(self._accounts_of(each.upstream) for each in self._candidates))

    def _accounts_of(self, upstream: str) -> set[str]:
        credentials = self._context.snapshot.credentials.credentials(upstream)
        return {credential.id for credential in credentials}

    def _is_choice(self) -> bool:
        return len(self._accounts()) > 1

    def _others_left(self) -> bool:
        return bool(self._accounts() - self._exclude)

    def _passes(self, candidate: Candidate) -> bool:
        """Return whether the body can go up as it came."""
        context, body = self._context, self._context.call.body
        operation: UpstreamOperation = "stream" if context.head.stream else "generate"
        if context.repaired or context.is_branch or context.is_expanded:
            return False
        if not candidate.native or candidate.target.wish != NO_WISH:
            return False
        if not candidate.upstream.passes(candidate.client.name, operation, body):
            return False
        return can_pass_through(context, candidate)

    def _give_up(self, failure: _Failure) -> Reply:
        if self._attempts > 1:
            log.info(
                "{id}: gave up after {n} of {most} attempts",
                id=self._context.call.request_id,
                n=self._attempts,
                most=MAX_ATTEMPTS,
            )
        if failure.refusal is None or self._context.triggers_fallback(failure.error):
            raise failure.error
        self._context.recorder.end(failure.error, None)
        return failure.refusal


async def _serve(context: RequestContext, decision: Decision) -> Reply:
    return await AttemptLoop(context, decision).run()


def _tells_more(pool: GatewayError, failure: GatewayError) -> bool:
    """Return whether the pool's error says more than that of the last attempt.

    Of limits the pool knows the one that ends first; of all else only that it is locked now.
    """
    return isinstance(pool, RateLimitedError) and isinstance(failure, RateLimitedError)
