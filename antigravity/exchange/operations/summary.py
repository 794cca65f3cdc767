"""Have a model sum up the older part of a conversation, as a request of the same client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from antigravity.context.transcript import read_summary, summary_request
from antigravity.exchange.context import RequestContext
from antigravity.exchange.operations.internal import PROTOCOL, Errand, Serve, run_errand
from antigravity.interception.stage import BACKGROUND_MODEL
from antigravity.ir.errors import GatewayError
from antigravity.ir.request import Message
from antigravity.logs import make_logger
from antigravity.routing.router import Decision

log = make_logger()

PATH: Final = "/internal/summary"
#: What a record says of such a request.
INTERCEPTED: Final = "context:summary"


class Older(Struct, frozen=True):
    """The older part of a conversation: messages, a summary of what was before them.

    ``tokens`` is how long a summary of both may be.
    """

    messages: Sequence[Message]
    summary: str
    tokens: int


async def summary_of(context: RequestContext, serve: Serve, older: Older) -> str:
    """Return a summary; empty if there is none.

    It is a request of its own, with a record, attempts and accounts of its own.  It ends with
    the client's request; nothing that goes wrong with it is the client's trouble.
    """
    try:
        decision = await _route(context)
        if decision is None:
            return ""
        return read_summary(await _ask(context, serve, decision, older), older.tokens)
    except GatewayError as error:
        log.warn(
            "{id}: no summary could be had, the older part is left out: {error}",
            id=context.call.request_id,
            error=error.message,
        )
        return ""


async def _route(context: RequestContext) -> Decision | None:
    """Return who writes summaries, ``None`` if the operator has named nobody.

    :raises GatewayError: if nobody has the model.
    """
    router = context.snapshot.router
    model = context.snapshot.settings.experimental.context_summary_model
    if not model:
        return None
    if model == BACKGROUND_MODEL:  # a name that only a mapping gives a meaning
        return await router.route_mapped(model, PROTOCOL)
    return await router.route(model, PROTOCOL)


async def _ask(context: RequestContext, serve: Serve, decision: Decision, older: Older) -> str:
    """Return what the model answers.

    :raises GatewayError: if it fails, or takes too long.
    """
    window = context.snapshot.router.window(decision.candidates[0])
    request = summary_request(older.messages, older.summary, older.tokens, window, PROTOCOL)
    errand = Errand(
        "The summary",
        INTERCEPTED,
        PATH,
        request,
        context.call.principal,
        f"{context.call.request_id}-summary",
        context.call.loopback,
        context.snapshot.settings.experimental.context_summary_timeout,
    )
    return await run_errand(context.services, context.snapshot, serve, decision, errand)
