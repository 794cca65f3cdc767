"""Ask a model of the pool something that a client wants to know of a tool of the gateway's."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from antigravity.exchange.operations.internal import PROTOCOL, Errand, Serve, run_errand
from antigravity.exchange.services import Services
from antigravity.exchange.snapshot import Snapshot
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.parts import Media
from antigravity.ir.request import Request
from antigravity.routing.router import Decision

PATH: Final = "/internal/question"


class Question(Struct, frozen=True):
    """``request`` is for ``model``, by the client with the key ``principal``.

    ``setting`` is the one that names the model, ``label`` is for the record; ``limit`` are
    seconds, ``None`` for no limit.
    """

    model: str
    request: Request
    principal: str
    label: str
    setting: str
    limit: float | None


async def answer(services: Services, snapshot: Snapshot, serve: Serve, question: Question) -> str:
    """Return what the model says; accounts, attempts and the record are as for clients' requests.

    :raises GatewayError: if nobody can tell.
    """
    decision = await snapshot.router.route(question.model, PROTOCOL)
    errand = Errand(
        f"What {question.model} was asked",
        question.label,
        PATH,
        question.request,
        question.principal,
        services.new_id("question_"),
        False,
        question.limit,
    )
    return await run_errand(services, snapshot, serve, _able(decision, question), errand)


def _able(decision: Decision, question: Question) -> Decision:
    """Return the decision with those candidates that can see what they are shown.

    :raises InvalidRequestError: if none is left.
    """
    shown = {
        part.kind
        for message in question.request.messages
        for part in message.parts
        if isinstance(part, Media)
    }
    left = tuple(
        candidate
        for candidate in decision.candidates
        if all(candidate.target.capabilities.reads(kind) for kind in shown)
    )
    if not left:
        raise InvalidRequestError(
            f"The model {question.model!r} takes no {' or '.join(sorted(shown))}, as far as is "
            f"known here; the operator names another one in {question.setting}."
        )
    return replace(decision, candidates=left)
