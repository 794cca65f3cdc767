"""Remember the optional parameters that upstreams refuse, and repeat requests without them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Final

from msgspec import Struct

from antigravity.exchange.attempts.attempt import Attempt
from antigravity.exchange.attempts.upstream_call import Refused
from antigravity.exchange.context import RequestContext
from antigravity.ir.call import Call
from antigravity.ir.capabilities import Loss
from antigravity.logs import make_logger
from antigravity.protocols.json_body import members_of
from antigravity.protocols.member_edits import Edits, apply_edits, find_edits, list_edits
from antigravity.protocols.parameter_refusals import (
    BLOCK_BINDING,
    MAX_COMPLETION_TOKENS,
    MAX_TOKENS,
    STATUSES,
    find_refused_parameters,
    mentions_parameter,
    refuses_one_value,
)

log = make_logger()

#: What is sent to an upstream that is asked for usage, as far as a refusal can be about it.
_ASKED: Final = b'{"%b":{"include_usage":true}}'


#: Parameters that bodies which pass through keep: without them the response would be another one,
#: or the client gets no usage that it has asked for, or a header belongs to them.
_KEPT: Final = frozenset(("stop", "stream_options", BLOCK_BINDING))
#: The protocol whose limit of the output has two names, each by the other.
_WITH_TWO_LIMITS: Final = "openai_chat"
_OTHER_LIMIT: Final = {
    MAX_TOKENS: MAX_COMPLETION_TOKENS,
    MAX_COMPLETION_TOKENS: MAX_TOKENS,
}
_NO_EDITS: Final[Edits] = {}
#: The version of Anthropic's API that other clients and the gateway use.
_USUAL_VERSION: Final = "2023-06-01"


class BodyChanges(Struct, frozen=True):
    """What is changed, besides the model, in the body of a request that passes through.

    ``refused`` are the parameters that the upstream is known to refuse.
    """

    asks_for_usage: bool
    refused: frozenset[str]
    edits: Edits

    def apply(self, context: RequestContext, call: Call, body: bytes) -> bytes:
        """Return the changed ``body``; ``call`` is the client's, or has the outline of its body.

        :raises InvalidRequestError: if it is not a JSON object.
        """
        usage = context.traits.requested_usage
        if self.asks_for_usage and usage is not None:
            body = usage.request(call, body)
        return apply_edits(body, self.edits) if self.edits else body

    @property
    def are_any(self) -> bool:
        """Whether anything is changed."""
        return self.asks_for_usage or bool(self.edits)

    def losses(self, upstream: str) -> tuple[Loss, ...]:
        """Return what the record and the client learn about the changes."""
        why = f"{upstream} refuses it for this model"
        return tuple(
            Loss(path, f"dropped: {why}" if new is None else f"renamed to {new}: {why}")
            for path, new in list_edits(self.edits)
        )


def body_changes(attempt: Attempt) -> BodyChanges:
    """Return what to change in the client's body so that the upstream accepts it.

    :raises InvalidRequestError: if it is not a JSON object.
    """
    context, option = attempt.context, attempt.option
    refused = context.services.refusals.names(option.upstream.name, option.target.model)
    edits = _find_edits(context, refused) if refused and context.is_conversation else _NO_EDITS
    return BodyChanges(_asks_for_usage(attempt, refused), refused, edits)


def _find_edits(context: RequestContext, refused: frozenset[str]) -> Edits:
    renamed: Mapping[str, str] = {}
    limits = refused & _OTHER_LIMIT.keys()
    if len(limits) == 1 and context.protocol.name == _WITH_TWO_LIMITS:
        renamed = {name: _OTHER_LIMIT[name] for name in limits}
    omitted = refused - _KEPT - _OTHER_LIMIT.keys()
    return find_edits(members_of(context.outline), omitted, renamed)


async def learn_from_refusal(attempt: Attempt, refused: Refused, changes: BodyChanges) -> bool:
    """Return whether the request, passed through again, has less of what the upstream refuses."""
    if changes.asks_for_usage and _refuses_usage(attempt, refused):
        return True
    context, status = attempt.context, refused.error.upstream_status or 0
    if not context.is_conversation or status not in STATUSES or _has_own_version(context):
        return False
    if refuses_one_value(refused.body):  # other clients may send one that is accepted
        return False
    sent = context.outline.body
    names = await context.compute(partial(find_refused_parameters, status, refused.body, sent))
    new = names - changes.refused
    if not _find_edits(context, new):
        return False
    return remember_refusal(attempt, refused, new, changes.refused)


def _has_own_version(context: RequestContext) -> bool:
    """Return whether a client has chosen a version of the API: others need not be refused."""
    return context.call.headers.get("anthropic-version", _USUAL_VERSION) != _USUAL_VERSION


def remember_refusal(
    attempt: Attempt, refused: Refused, names: Collection[str], omitted: frozenset[str]
) -> bool:
    """Remember that an upstream refuses parameters; return whether another request can do better.

    It can if not all of them were ``omitted``.  Other requests may have learned them meanwhile.
    """
    option, refusals = attempt.option, attempt.context.services.refusals
    upstream, model = option.upstream.name, option.target.model
    new = frozenset(names) - refusals.names(upstream, model)
    if new:
        refusals.learn(upstream, model, new, refused.error.message)
        log.info(
            "{upstream} refuses {names} for {model}; they are omitted from now on",
            upstream=upstream,
            names=", ".join(sorted(new)),
            model=model,
        )
    return not omitted.issuperset(names)


def _asks_for_usage(attempt: Attempt, refused: frozenset[str]) -> bool:
    """Return whether the upstream is asked for the usage of a stream that is passed through.

    It is if the client does not ask, and the upstream is not known to refuse that.
    """
    context, option = attempt.context, attempt.option
    usage = context.traits.requested_usage
    if usage is None or not context.head.stream or context.attempts.refused_usage:
        return False
    if not option.target.accepts(usage.field, usual=True):
        return False
    return usage.field not in refused and usage.can_request(context.outline)


def _refuses_usage(attempt: Attempt, refused: Refused) -> bool:
    """Return whether an upstream that was asked for usage refuses that, and remember it.

    It is not asked again for this request, nor for others if it refuses without a condition.
    """
    usage, status = attempt.context.traits.requested_usage, refused.error.upstream_status or 0
    if usage is None or not mentions_parameter(status, refused.body, usage.field):
        return False
    sent = _ASKED % usage.field.encode()
    names = find_refused_parameters(status, refused.body, sent)
    remember_refusal(attempt, refused, names, frozenset())
    attempt.context.attempts.refused_usage = True
    return True
