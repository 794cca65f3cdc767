"""Warm-ups: tiny requests to one account each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from antigravity.exchange.attempts.attempt import Attempt
from antigravity.exchange.attempts.translated import attempt_translated
from antigravity.exchange.attempts.upstream_call import Refused
from antigravity.exchange.context import RequestContext
from antigravity.exchange.operations.internal_requests import (
    PROTOCOL,
    InternalRequest,
    send_internal,
)
from antigravity.exchange.services import Services
from antigravity.exchange.snapshot import Snapshot
from antigravity.interfaces.accounts import ILease, LeaseRequest, UpstreamModel
from antigravity.interfaces.exchange import Reply
from antigravity.ir.errors import DeadlineError, GatewayError, NotFoundError
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request, ThinkingConfig
from antigravity.routing.decision import RoutingOption

PATH: Final = "/internal/warmup"
#: The smallest limit that every upstream accepts.
MAX_TOKENS: Final = 16
#: Seconds that one warm-up may take.
TIMEOUT: Final = 60.0


class Warmup(Struct, frozen=True):
    """The account (the id of a credential) and the model of its upstream to warm up.

    ``project`` is for Code Assist; empty: the account's own.
    """

    upstream: str
    credential: str
    model: str
    project: str = ""


async def warm_up(
    services: Services, snapshot: Snapshot, warmup: Warmup, begun: Callable[[], None]
) -> None:
    """Send a warm-up; ``begun`` is called once the account is leased.

    :raises GatewayError: before that, if the account cannot be used now; after it, if the
        upstream failed or refused the request.
    """
    option = snapshot.router.option_for(warmup.upstream, warmup.model)
    if option is None:
        raise NotFoundError(f"There is no upstream {warmup.upstream!r}.", code="no_upstream")
    upstream_model = UpstreamModel(option.upstream.name, option.target.model)
    lease_request = LeaseRequest((upstream_model,), only=warmup.credential, probe="forced")
    lease: ILease = await snapshot.pool.lease(lease_request, 0.0)
    begun()
    if warmup.project:
        extra = {**lease.credential.extra, "project": warmup.project}
        lease.credential = replace(lease.credential, extra=extra)
    internal = InternalRequest(
        warmup.model,
        _request(option),
        "The warm-up",
        PATH,
        request_id=services.new_id("warmup_"),
    )
    await send_internal(
        services, snapshot, internal, lambda context: _attempt(context, option, lease)
    )


async def _attempt(context: RequestContext, option: RoutingOption, lease: ILease) -> Reply:
    """Make the only attempt.

    :raises GatewayError: if it failed.
    """
    context.recorder.attempt(option, lease.credential, passed=False)
    context.attempts.ended_empty = True  # an empty response is one, too
    attempt = Attempt(context, option, lease)
    attempting = Deferred.fromCoroutine(attempt_translated(attempt))
    attempting.addTimeout(TIMEOUT, context.services.clock, onTimeoutCancel=_too_slow)
    try:
        reply = await attempting
    except Refused as refused:
        error = refused.error
    except GatewayError as raised:
        error = raised
    except BaseException:
        lease.release()
        raise
    else:
        lease.succeeded()
        return reply
    lease.failed(error)
    raise error


def _request(option: RoutingOption) -> Request:
    """Return the request; models with several kinds of output are asked for text."""
    outputs = option.target.capabilities.outputs
    return Request(
        option.target.model,
        (Message("user", (Text("Hi"),)),),
        PROTOCOL,
        max_output_tokens=MAX_TOKENS,
        thinking=ThinkingConfig("off"),
        modalities=("text",) if len(outputs) > 1 else (),
    )


def _too_slow(result: Reply | Failure, timeout: float) -> Reply | Failure:
    """Replace the failure of a cancelled request by an error that says why."""
    if isinstance(result, Failure) and result.check(CancelledError, GatewayError):
        raise DeadlineError(f"The upstream did not respond within {timeout:g} seconds.")
    return result
