"""Finds who can give as many answers as a request wants, and makes up for those who cannot."""

from __future__ import annotations

from typing import Final, cast

from msgspec.structs import replace

from antigravity.exchange.attempts.loop import AttemptLoop
from antigravity.exchange.context import RequestContext
from antigravity.exchange.fanout.choices import Choices, shares
from antigravity.exchange.fanout.images import draw
from antigravity.interfaces.answers import IPassingClient, ISeveralAnswers, Wanted
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.protocols import IDemanding
from antigravity.routing.router import Candidate, Decision

#: Stands for any number: what passes as it came is for the upstream to judge.
_ANY: Final = 2**31


async def generate(context: RequestContext, decision: Decision) -> Reply:
    """Return the reply to one request, made of several answers where one has not all of it.

    :raises GatewayError: if it cannot be had.
    """
    if IDemanding.providedBy(context.protocol):
        if context.protocol.demands.output == "image":
            return await draw(context, decision)
        return await AttemptLoop(context, decision).run()
    if not ISeveralAnswers.providedBy(context.protocol):
        return await AttemptLoop(context, decision).run()
    protocol = cast(ISeveralAnswers, context.protocol)
    wanted: Wanted = protocol.wanted(context.call)
    able = tuple(c for c in decision.candidates if _is_able(c, wanted))
    if len(able) == len(decision.candidates):
        return await AttemptLoop(context, decision).run()
    if _is_able(decision.candidates[0], wanted):  # the others would cost more
        return await AttemptLoop(context, replace(decision, candidates=able)).run()
    await context.prepare()
    prompts = await context.compute(protocol.prompts, context.call, context.request)
    limit = min(_limit(candidate) for candidate in decision.candidates)
    return await Choices(context, decision, shares(prompts, limit)).run()


def _is_able(candidate: Candidate, wanted: Wanted) -> bool:
    """Return whether one answer of a candidate has all that is wanted."""
    limit = _limit(candidate)
    return wanted.each <= limit and (wanted.prompts == 1 or limit == _ANY)


def _limit(candidate: Candidate) -> int:
    """Return how many answers to one prompt a candidate gives at once."""
    most: int = candidate.target.capabilities.max_choices
    if not candidate.native:
        spoken: int = candidate.client.traits.max_choices
        return min(most, spoken)
    if IPassingClient.providedBy(candidate.client):
        return _ANY
    known = most == 1 or "choices" in candidate.differing
    return most if known else _ANY
