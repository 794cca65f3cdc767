"""Compaction: the model that serves a request summarises the conversation for the client.

An upstream that speaks the client's protocol compacts itself, unless it is known not to.  Over
others the attempt at the option *is* the request for a summary, so accounts, retries, limits and
records are as for any request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from antigravity.context.compaction import (
    ITEM,
    Division,
    divide_at_end,
    divide_by_size,
    instructions_of,
    storable,
    summary_message,
)
from antigravity.context.compression import SUMMARY_TOKENS
from antigravity.context.sealed_summary import Summary, SummaryError
from antigravity.context.summary_request import read_summary, summary_request
from antigravity.exchange.attempts.attempt import Attempt
from antigravity.exchange.attempts.loop import AttemptKind, AttemptLoop
from antigravity.exchange.attempts.native import attempt_native, whole
from antigravity.exchange.attempts.pass_through import can_generate, can_pass_through
from antigravity.exchange.attempts.translated import attempt_translated
from antigravity.exchange.attempts.upstream_call import Refused, UpstreamCall
from antigravity.exchange.context import RequestContext
from antigravity.exchange.function_forms import to_functions
from antigravity.exchange.json_path import set_error_path
from antigravity.exchange.operations.compaction_reply import (
    PrefixedProtocol,
    SummaryProtocol,
    read_whole_summary,
)
from antigravity.exchange.operations.internal_requests import InternalRequest, send_internal
from antigravity.exchange.operations.native_compaction import (
    OrOwn,
    Send,
    lacks_compaction,
    report_own_summary,
)
from antigravity.exchange.plan import Plan
from antigravity.exchange.token_estimate import estimate_input_tokens
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.server_traits import CompactionRequest
from antigravity.ir.call import Head
from antigravity.ir.errors import GatewayError, InvalidRequestError, UnreadablePartError
from antigravity.ir.request import Message, Request
from antigravity.lowering.provider_content import check_provider_content
from antigravity.protocols.json_body import members_of
from antigravity.routing.decision import RoutingOption

PATH = "/internal/compaction"
#: The label of requests for a summary in records.
LABEL = "context:compaction"
#: The field with the threshold, which no other protocol has.
_FIELD = "context_management"
#: The share of the context window above which a conversation is compacted by default.
_SHARE = 0.8
#: The share of the threshold that the last turns may have; the rest becomes a summary.
_RECENT_SHARE = 0.5


async def serve_compaction(
    context: RequestContext, plan: Plan, requested: CompactionRequest
) -> Reply:
    """Return the reply to a request that asks for compaction.

    :raises GatewayError: if it failed before it began.
    """
    is_endpoint = requested.kind == "endpoint"
    own: Send
    if requested.kind == "threshold":
        own = _Shortening(requested.threshold)
    else:
        own = _Summarising(is_endpoint=is_endpoint)
    if is_endpoint:
        kind = AttemptKind(_can_pass_to_endpoint, OrOwn(_send_native, own), own, fits=False)
        context = context.with_head(Head(context.head.model, False))
    else:
        translated = OrOwn(attempt_translated, own)
        kind = AttemptKind(_can_pass, OrOwn(attempt_native, own), translated, fits=False)
    return await AttemptLoop(context, plan, kind).run()


def _can_pass_to_endpoint(context: RequestContext, option: RoutingOption) -> bool:
    return not lacks_compaction(context, option) and can_pass_through(context, option, "compact")


def _can_pass(context: RequestContext, option: RoutingOption) -> bool:
    return not lacks_compaction(context, option) and can_generate(context, option)


async def _send_native(attempt: Attempt) -> Reply:
    """Return the upstream's own compacted conversation."""
    context, option = attempt.context, attempt.option
    body = await context.compute(context.with_model, option.target.model)
    call = UpstreamCall(option, attempt.lease.credential, "compact", body, context.call.headers)
    return await whole(attempt, await call.send(context.services.transport, context.recorder))


class _Summarising:
    """Sends the request for a summary, whose response is the compaction."""

    def __init__(self, *, is_endpoint: bool = False) -> None:
        self._is_endpoint = is_endpoint

    async def __call__(self, attempt: Attempt) -> Reply:
        """Return the reply with the summary, once it has begun."""
        context = attempt.context
        compaction = context.traits.compaction
        assert compaction is not None
        attempt = report_own_summary(attempt)
        if not self._is_endpoint:
            compaction.check(context.outline)
        request = await _readable_request(context)
        division = divide_at_end(request.messages)
        if not division.older:
            raise InvalidRequestError("There is nothing to compact: the input is empty.")
        kept = _kept(context, request, division)
        protocol: Any = SummaryProtocol(
            context.protocol,
            lambda text: _seal(attempt, text, kept, covers_users=False),
            context.call,
            compaction.encode if self._is_endpoint else None,
        )
        asking = replace(_asking(attempt, division.older), stream=context.head.stream)
        own = context.with_reply(protocol, asking)
        return await attempt_translated(replace(attempt, context=own, fitted=None))


class _Shortening:
    """Sends a request whose history is compacted first, if it exceeds a threshold.

    The summary is made once for all attempts at a model.
    """

    def __init__(self, threshold: int | None) -> None:
        self._threshold = threshold
        self._made: dict[str, str] = {}

    async def __call__(self, attempt: Attempt) -> Reply:
        """Return the reply, with the compaction before the response if there was one."""
        context = attempt.context
        request = await _readable_request(context)
        extensions = {n: v for n, v in request.extensions.items() if n != _FIELD}
        request = replace(request, extensions=extensions)
        attempt = replace(attempt, context=context.with_request(request))
        division = await context.compute(self._divide, attempt)
        if division is None:
            return await attempt_translated(attempt)
        attempt = report_own_summary(attempt)
        text = await self._summary(attempt, division)
        kept = _kept(context, request, division)
        item = _seal(attempt, text, kept, covers_users=True)
        messages = (summary_message(text), *division.recent)
        protocol: Any = PrefixedProtocol(context.protocol, item)
        own = context.with_reply(protocol, replace(request, messages=messages))
        return await attempt_translated(replace(attempt, context=own))

    def _divide(self, attempt: Attempt) -> Division | None:
        """Return the parts of the conversation, ``None`` if it is short or cannot be divided."""
        context, option = attempt.context, attempt.option
        request, model = context.request, option.target.model
        limit = self._threshold
        if limit is None:
            limit = int(option.window * _SHARE) if option.window else 0
        if not limit or estimate_input_tokens(context, model, request) <= limit:
            return None

        def measure(messages: Sequence[Message]) -> int:
            part = Request(request.model, tuple(messages), request.protocol)
            return estimate_input_tokens(context, model, part)

        division = divide_by_size(request.messages, int(limit * _RECENT_SHARE), measure)
        return division if division.older else None

    async def _summary(self, attempt: Attempt, division: Division) -> str:
        """Return the summary of the older part; its request has a record of its own.

        :raises GatewayError: if the model writes none.
        """
        context, option = attempt.context, attempt.option
        model = option.target.model
        known = self._made.get(model)
        if known is not None:
            return known

        async def send(own: RequestContext) -> Reply:
            own.recorder.attempt(option, attempt.lease.credential, passed=False)
            try:
                return await attempt_translated(_BorrowedAttempt(own, option, attempt.lease))
            except Refused as refused:
                raise refused.error from None

        internal = InternalRequest(
            context.head.model,
            _asking(attempt, division.older),
            "The summary",
            PATH,
            LABEL,
            context.call.principal,
            f"{context.call.request_id}-compaction",
            context.call.loopback,
        )
        with context.recorder.waiting("upstream"):
            text = await send_internal(context.services, context.snapshot, internal, send)
        self._made[model] = made = read_summary(read_whole_summary(text, "stop"), SUMMARY_TOKENS)
        return made


class _BorrowedAttempt(Attempt, frozen=True):
    """An attempt with the account of another one, which gives the account back."""

    def settle(self, error: GatewayError | None) -> None:
        """Keep the account."""


async def _readable_request(context: RequestContext) -> Request:
    """Return the request, all of which a model of another provider can read.

    :raises GatewayError: if it refers to content that only its own provider has.
    """
    await context.decode()
    try:
        await context.compute(check_provider_content, context.request)
    except UnreadablePartError as error:
        await context.compute(set_error_path, error, context.original_call.body)
        raise
    return context.request


def _kept(context: RequestContext, request: Request, division: Division) -> tuple[Message, ...]:
    """Return the messages that a summary does not cover."""
    repeated = members_of(context.call).get("instructions", b"null")
    text = msgspec.json.decode(repeated)
    instructions = instructions_of(request, text if isinstance(text, str) else "")
    return (*instructions, *storable(division.recent))


def _asking(attempt: Attempt, older: Sequence[Message]) -> Request:
    """Return the request for a summary of the older part of the conversation."""
    context, name = attempt.context, attempt.context.protocol.name
    part = Request(context.head.model, tuple(older), name)
    readable = to_functions(part, "", context.traits.as_functions).request.messages
    return summary_request(readable, "", SUMMARY_TOKENS, attempt.option.window, name)


def _seal(
    attempt: Attempt, text: str, kept: tuple[Message, ...], *, covers_users: bool
) -> dict[str, Any]:
    """Return the item with a summary, without an id.

    :raises InvalidRequestError: if it is too large.
    """
    summary = Summary(
        read_summary(text, SUMMARY_TOKENS),
        attempt.option.target.model,
        int(attempt.context.recorder.now()),
        kept,
        covers_users,
    )
    try:
        sealed = attempt.context.services.summaries.seal(summary)
    except SummaryError as error:
        raise InvalidRequestError(f"The conversation cannot be compacted: {error}.") from error
    return {"type": ITEM, "encrypted_content": sealed}
