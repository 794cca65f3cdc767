"""The attempts at one request, until one of them begins to respond."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.task import deferLater

from antigravity.exchange.attempts.attempt import Attempt
from antigravity.exchange.attempts.binding import check_binding
from antigravity.exchange.attempts.context_fitter import ContextFitter
from antigravity.exchange.attempts.native import attempt_native
from antigravity.exchange.attempts.pass_through import can_generate
from antigravity.exchange.attempts.retry import (
    MAX_ATTEMPTS,
    MAX_OMISSIONS,
    MAX_REFUSALS,
    SHORT_LIMIT,
    Step,
    is_about_account,
    is_more_precise,
    may_ignore,
    most_attempts,
    next_step,
)
from antigravity.exchange.attempts.translated import attempt_translated
from antigravity.exchange.attempts.tried_accounts import TriedAccounts
from antigravity.exchange.attempts.upstream_call import Failure, Refused, with_delay
from antigravity.exchange.context import RequestContext
from antigravity.exchange.plan import Plan
from antigravity.exchange.response_headers import account_header
from antigravity.interfaces.accounts import ILease, LeaseRequest
from antigravity.interfaces.exchange import Reply
from antigravity.ir.errors import (
    ContextLengthError,
    EmptyResponseError,
    GatewayError,
    InvalidRequestError,
    OverloadedError,
    UnreadablePartError,
)
from antigravity.logs import make_logger
from antigravity.routing.decision import RoutingOption
from antigravity.signatures.repair import without_signatures

log = make_logger()


class AttemptKind(Struct, frozen=True):
    """How requests of one kind are sent: whether a body can pass through, and both ways to send it.

    ``fits`` says whether a long history is shortened for the option.  Both ways fail with a
    ``GatewayError`` or ``Refused`` if the reply has not begun.
    """

    can_pass: Callable[[RequestContext, RoutingOption], bool]
    send_native: Callable[[Attempt], Awaitable[Reply]]
    send_translated: Callable[[Attempt], Awaitable[Reply]]
    fits: bool = True


GENERATION: Final = AttemptKind(can_generate, attempt_native, attempt_translated)


class AttemptLoop:
    """Tries the options of a plan with the accounts that the pool leases."""

    def __init__(self, context: RequestContext, plan: Plan, kind: AttemptKind = GENERATION) -> None:
        self._context = context
        self._plan = plan
        self._kind = kind
        origin = context.origin
        self._options = plan.decision.by_upstream_model
        #: The id of the only account that can serve; empty if several may.
        self._only = origin.credential if origin is not None else ""
        self._tried = TriedAccounts()
        self._attempts = 0
        self._began = context.services.clock.seconds()
        #: All accounts that failed, also those that are tried again.
        self._failed: set[str] = set()
        self._refusals = 0
        #: The failure after which the history was repaired.
        self._unrepaired: Failure | None = None
        #: How often parameters were omitted because the upstream refused them.
        self._omissions = 0
        #: Whether a locked account was tried: one is enough for a request.
        self._probed = False
        #: Whether the last attempt passed the client's body through.
        self._passed = False
        self._fitter = ContextFitter(context, _serve)

    async def run(self) -> Reply:
        """Return the reply of the first attempt that succeeds.

        :raises GatewayError: the last attempt's error.
        """
        failure: Failure | None = None
        while True:
            try:
                lease = await self._lease()
            except GatewayError as error:
                is_last = self._attempts >= MAX_ATTEMPTS
                if failure is not None and self._tried.transient and not is_last:
                    await self._readmit()
                    continue
                if failure is None:
                    raise
                if is_more_precise(error, failure.error):
                    if failure.refusal is None or self._misstates(error, failure.error):
                        raise
                    failure = replace(failure, refusal=with_delay(failure.refusal, error))
                return self._give_up(failure)
            option = self._options[lease.upstream_model]
            if option.with_tools is not None:
                option = await self._in_tools_protocol(option, lease)
            if (
                self._kind.fits
                and self._fitter.concerns(option)
                and await self._summarise(option, lease)
            ):
                continue
            outcome = await self._attempt(option, lease)
            if isinstance(outcome, Reply):
                return outcome
            if lease.is_probe and may_ignore(outcome.error):
                self._attempts -= 1
                continue  # the account is still locked: the request goes on as without the probe
            failure = outcome
            if failure.learned and self._omissions < MAX_OMISSIONS:
                self._omissions += 1
                self._attempts -= 1
                continue
            if not await self._prepare_next(failure, option, lease.credential.id):
                return self._give_up(failure)

    # -- accounts -------------------------------------------------------------------------

    async def _lease(self) -> ILease:
        """Return the account for the next attempt.

        :raises GatewayError: if there is none.
        """
        context, any_request = self._context, self._plan.decision.lease_request
        request = LeaseRequest(
            any_request.upstream_models,
            await self._session_key() if self._is_choice() else "",
            self._tried.excluded,
            context.call.principal,
            self._only,
            any_request.ranks,
            "never" if self._probed else "allowed",
        )
        max_wait = self._max_wait()
        lease: ILease | None = context.snapshot.pool.lease_now(request, max_wait)
        if lease is None:
            lease = await self._wait_for_account(request, max_wait)
        self._probed = self._probed or lease.is_probe
        return lease

    async def _wait_for_account(self, request: LeaseRequest, max_wait: float) -> ILease:
        """Return the account of a request that has to wait for it.

        :raises GatewayError: if there is none.
        """
        context, state = self._context, self._context.attempts
        if not request.session:  # its conversation has turns of its own
            request = replace(request, conversation=await self._session_key())
        clock = context.services.clock
        began = clock.seconds()
        try:
            with context.recorder.waiting("queue"):
                lease: ILease = await context.snapshot.pool.lease(request, max_wait)
        finally:
            state.waited += clock.seconds() - began
        return lease

    async def _session_key(self) -> str:
        return await self._context.compute(self._context.session_key)

    def _max_wait(self) -> float:
        """Return for how many seconds more an account is worth waiting for."""
        limit: float = self._context.snapshot.settings.proxy.scheduling.max_wait_seconds
        remaining = max(0.0, limit - self._context.attempts.waited)
        return min(remaining, SHORT_LIMIT) if self._plan.fallback_on else remaining

    def _is_choice(self) -> bool:
        """Return whether several accounts could serve."""
        if self._only:
            return False
        first = None
        for upstream_model in self._options:
            for each in self._context.snapshot.credentials.credentials(upstream_model.upstream):
                if first is not None and each.id != first:
                    return True
                first = each.id
        return False

    def _accounts(self) -> set[str]:
        """Return the ids of all accounts that could serve."""
        if self._only:
            return {self._only}
        return set().union(*(self._accounts_of(each.upstream) for each in self._options))

    def _accounts_of(self, upstream: str) -> set[str]:
        credentials = self._context.snapshot.credentials.credentials(upstream)
        return {credential.id for credential in credentials}

    async def _readmit(self) -> None:
        """Try those again whose failure may have passed: no other account is available."""
        pause = self._tried.pause
        self._tried = self._tried.readmitted()
        await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        with self._context.recorder.waiting("queue"):
            await deferLater(self._context.services.clock, seconds)

    async def _in_tools_protocol(self, option: RoutingOption, lease: ILease) -> RoutingOption:
        """Return the option in the protocol in which the model accepts tools, if it needs that."""
        context, thinks = self._context, self._context.traits.thinks_with_tools
        try:
            if thinks is None or not await context.compute(thinks, context.call):
                return option
        except BaseException:
            lease.release()
            raise
        assert option.with_tools is not None
        return replace(option, client=option.with_tools, native=False, with_tools=None)

    # -- one attempt ----------------------------------------------------------------------

    async def _summarise(self, option: RoutingOption, lease: ILease) -> bool:
        """Return whether the account was given back for a summary, which takes its own time."""
        try:
            if not await self._fitter.wants_summary(option):
                return False
        except BaseException:
            lease.release()
            raise
        lease.release()
        with self._context.recorder.waiting("upstream"):
            await self._fitter.summarise(option)
        return True

    async def _attempt(self, option: RoutingOption, lease: ILease) -> Reply | Failure:
        context, losses = self._context, self._plan.losses
        self._attempts += 1
        fitted = self._fitter.fitted(option)
        try:
            passed = fitted is None and (
                self._kind.can_pass(context, option)
                if not context.is_long
                else await context.compute(self._kind.can_pass, context, option)
            )
            if option.target.capabilities.bound_thinking:
                session = await self._session_key()
                passed, moved = check_binding(
                    context.services, session, option, lease.credential.id, passes=passed
                )
                losses += moved
            self._passed = passed
            attempt = Attempt(context, option, lease, losses, fitted)
            label = None if attempt.fitted is None else attempt.fitted.label
            context.recorder.attempt(
                option, lease.credential, passed=passed, warnings=losses, compressed=label
            )
            send = self._kind.send_native if passed else self._kind.send_translated
            reply = await send(attempt)
        except Refused as refused:
            longest = context.snapshot.settings.proxy.scheduling.max_lock_seconds
            response = refused.as_reply(longest) if passed else None
            failure = Failure(refused.error, response, refused.learned)
        except GatewayError as error:
            failure = Failure(error)
        except BaseException:
            lease.release()
            raise
        else:
            if reply.stream is None:
                attempt.settle(None)
            lease.response_started()
            return self._with_account(reply, lease)
        attempt.settle(failure.error)
        context.recorder.failed(failure.error)
        return failure

    def _with_account(self, reply: Reply, lease: ILease) -> Reply:
        """Return the reply with the account that serves it, where the operator exposes that."""
        context = self._context
        expose = context.snapshot.settings.proxy.expose_account
        if expose == "always" or (expose == "loopback" and context.call.loopback):
            header = account_header(lease.credential.label)
            return replace(reply, headers=(*reply.headers, *header)) if header else reply
        return reply

    # -- after a failure ------------------------------------------------------------------

    async def _prepare_next(self, failure: Failure, option: RoutingOption, account: str) -> bool:
        """Return whether there is another attempt, when it is time for it."""
        error = failure.error
        is_too_long = isinstance(error, ContextLengthError) and self._kind.fits
        if is_too_long and await self._fitter.shorten_after(option, error):
            return True
        step = self._next_step(error, option, account)
        if step.action == "repair":
            self._unrepaired = self._unrepaired or failure
            await self._repair(option)
        if step.delay:
            await self._pause(step.delay)
        return step.action != "give_up"

    def _next_step(self, error: GatewayError, option: RoutingOption, account: str) -> Step:
        """Return what to do next, knowing which accounts are left."""
        context, state = self._context, self._context.attempts
        accounts, siblings = self._accounts(), self._accounts_of(option.upstream.name)
        if isinstance(error, UnreadablePartError):
            # Nothing was sent.  Another upstream may speak a protocol that can carry it.
            self._attempts -= 1
            step, self._tried = self._tried.without_upstream(siblings, accounts)
            return step
        if is_about_account(error) and self._refusals < MAX_REFUSALS:
            self._refusals += 1
            self._attempts -= 1
        self._failed.add(account)
        most = most_attempts(
            error,
            others=bool(accounts - self._failed - self._tried.excluded),
            seconds=context.services.clock.seconds() - self._began,
        )
        step = next_step(
            error,
            self._attempts,
            repaired=context.is_repaired,
            emptied=state.ended_empty,
            luck=random.random(),  # noqa: S311 - it spreads delays, it hides nothing
            pause=context.snapshot.settings.proxy.scheduling.retry_pause,
            most=most,
        )
        if isinstance(error, EmptyResponseError) or self._attempts == MAX_ATTEMPTS - 1:
            state.ended_empty = True  # the next attempt is the last that this is worth
        if isinstance(error, OverloadedError) and self._plan.triggers_fallback(error):
            step = replace(step, delay=0.0)  # there is no need to wait for capacity
        step, self._tried = self._tried.after(error, step, account, siblings, accounts)
        return step

    async def _repair(self, option: RoutingOption) -> None:
        """Go on with a history that has no signatures: the upstream refused them."""
        context, capabilities = self._context, option.target.capabilities
        await context.decode()
        bound = bool(capabilities.bound_thinking)
        if bound and self._passed and option.client.traits.binding_controls:
            # Written by the gateway, the request lets thinking be dropped that does not fit.
            self._context = context.with_request(context.request)
            self._fitter.use(self._context)
            return
        remove = partial(
            without_signatures, demanded=capabilities.requires_signatures, thinks=bound
        )
        repaired = await context.compute(remove, context.request)
        self._context = context.with_request(repaired, is_repaired=True)
        self._fitter.use(self._context)

    def _misstates(self, pool: GatewayError, failure: GatewayError) -> bool:
        """Return whether the upstream's refusal tells the client to wait longer than it must."""
        if not self._context.traits.errors_state_delays or pool.retry_after is None:
            return False
        return failure.retry_after is None or pool.retry_after < failure.retry_after - 1

    def _give_up(self, failure: Failure) -> Reply:
        """Return the upstream's refusal for the client.

        If a repair has not helped, it is that of the client's own history.

        :raises GatewayError: if there is none, or another model takes over.
        """
        if self._attempts > 1:
            request_id = self._context.call.request_id
            log.info("{id}: gave up after {n} attempts", id=request_id, n=self._attempts)
        if self._unrepaired is not None and type(failure.error) is InvalidRequestError:
            failure = self._unrepaired
        if failure.refusal is None or self._plan.triggers_fallback(failure.error):
            raise failure.error
        self._context.recorder.end(failure.error, None)
        return failure.refusal


async def _serve(context: RequestContext, plan: Plan) -> Reply:
    return await AttemptLoop(context, plan).run()
