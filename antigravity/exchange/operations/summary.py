"""Summaries of the older part of a conversation, written by a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from antigravity.context.summary_request import read_summary, summary_request
from antigravity.exchange.context import RequestContext
from antigravity.exchange.operations.internal_requests import (
    PROTOCOL,
    InternalRequest,
    Serve,
    send_internal,
)
from antigravity.exchange.plan import Plan
from antigravity.interception.rules import BACKGROUND_MODEL
from antigravity.ir.errors import GatewayError
from antigravity.ir.request import Message
from antigravity.logs import make_logger
from antigravity.routing.decision import RoutingDecision

log = make_logger()

PATH: Final = "/internal/summary"
#: The label of these requests in records.
LABEL: Final = "context:summary"


class OlderPart(Struct, frozen=True):
    """The older part of a conversation: messages, and a summary of what came before them.

    ``tokens`` is the limit of the new summary.
    """

    messages: Sequence[Message]
    summary: str
    tokens: int


async def summarise(context: RequestContext, serve: Serve, older: OlderPart) -> str:
    """Return a summary, empty if none could be written.

    Its request is made for the same client and ends with the client's; its errors are logged.
    """
    try:
        decision = await _route(context)
        if decision is None:
            return ""
        return read_summary(await _ask(context, serve, decision, older), older.tokens)
    except GatewayError as error:
        log.warn(
            "{id}: the older part is left out, as no summary could be written: {error}",
            id=context.call.request_id,
            error=error.message,
        )
        return ""


async def _route(context: RequestContext) -> RoutingDecision | None:
    """Return where summaries are written, ``None`` if no model is configured for them.

    :raises GatewayError: if no upstream has the model.
    """
    router = context.snapshot.router
    model = context.snapshot.settings.experimental.context_summary_model
    if not model:
        return None
    if model == BACKGROUND_MODEL:  # a name that only a mapping can resolve
        return await router.route_mapped(model, PROTOCOL)
    return await router.route(model, PROTOCOL)


async def _ask(
    context: RequestContext, serve: Serve, decision: RoutingDecision, older: OlderPart
) -> str:
    """Return the text of the model's response.

    :raises GatewayError: if it fails, or takes too long.
    """
    window = decision.options[0].window
    internal = InternalRequest(
        decision.requested,
        summary_request(older.messages, older.summary, older.tokens, window, PROTOCOL),
        "The summary",
        PATH,
        LABEL,
        context.call.principal,
        f"{context.call.request_id}-summary",
        context.call.loopback,
        timeout=context.snapshot.settings.experimental.context_summary_timeout,
    )
    return await send_internal(
        context.services, context.snapshot, internal, lambda own: serve(own, Plan(decision))
    )
