"""Compaction by upstreams that speak the client's protocol, and what to do if they cannot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from antigravity.exchange.attempts.attempt import Attempt
from antigravity.exchange.attempts.upstream_call import Refused
from antigravity.exchange.context import RequestContext
from antigravity.interfaces.exchange import Reply
from antigravity.ir.capabilities import Loss
from antigravity.ir.errors import GatewayError, InvalidRequestError
from antigravity.routing.decision import RoutingOption
from antigravity.routing.learned_refusals import ANY_MODEL

#: Sends one attempt, and returns the reply once it has begun.
Send = Callable[[Attempt], Awaitable[Reply]]

#: What upstreams are remembered to lack; with ``no_`` before it, the quirk that says so.
FEATURE = "compaction"
#: The statuses of a path that an upstream does not have, and of a form that it does not know.
_NO_ENDPOINT = (404, 405, 501)
_INVALID = (400, 422)
_FORMS = (b"compaction_trigger", b"context_management")


def lacks_compaction(context: RequestContext, option: RoutingOption) -> bool:
    """Return whether an upstream is known not to compact, although it speaks the protocol."""
    if f"no_{FEATURE}" in option.target.quirks:
        return True
    return FEATURE in context.services.refusals.names(option.upstream.name, ANY_MODEL)


class OrOwn:
    """Lets the upstream compact; if it turns out that it cannot, the gateway does.

    That is remembered for a day.  What is wrong with the request itself shows again.
    """

    def __init__(self, send: Send, own: Send) -> None:
        self._send = send
        self._own = own

    async def __call__(self, attempt: Attempt) -> Reply:
        """Return the reply, once it has begun."""
        if not _compacts_itself(attempt):
            return await self._own(attempt)
        try:
            return await self._send(attempt)
        except Refused as refused:
            if not _refuses_compaction(refused) or _is_misplaced(attempt.context):
                raise
            context, option, error = attempt.context, attempt.option, refused.error
        context.recorder.failed(error)
        context.recorder.attempt(
            option, attempt.lease.credential, passed=False, warnings=attempt.losses
        )
        context.services.refusals.learn(option.upstream.name, ANY_MODEL, (FEATURE,), error.message)
        try:
            return await self._own(attempt)
        except (Refused, GatewayError):
            context.services.refusals.forget(option.upstream.name, ANY_MODEL, FEATURE)
            raise


def _refuses_compaction(refused: Refused) -> bool:
    """Return whether an upstream says that it has no endpoint, or does not know the form."""
    status = refused.error.upstream_status
    if status in _NO_ENDPOINT:
        return refused.error.code != "model_not_found"
    return status in _INVALID and any(name in refused.body for name in _FORMS)


def _is_misplaced(context: RequestContext) -> bool:
    """Return whether a request has a trigger at a wrong place, which every upstream refuses."""
    compaction = context.traits.compaction
    try:
        if compaction is not None:
            compaction.check(context.outline)
    except InvalidRequestError:
        return True
    return False


def _compacts_itself(attempt: Attempt) -> bool:
    """Return whether the upstream speaks the client's protocol, and is not known not to compact."""
    same = attempt.option.client.name == attempt.context.protocol.name
    return same and not lacks_compaction(attempt.context, attempt.option)


def report_own_summary(attempt: Attempt) -> Attempt:
    """Return the attempt, which reports if its upstream could be expected to compact."""
    if attempt.option.client.name != attempt.context.protocol.name:
        return attempt
    name = attempt.option.upstream.name
    detail = f"{name} does not compact conversations: the model wrote the summary"
    return replace(attempt, losses=(*attempt.losses, Loss(FEATURE, detail, content=True)))
