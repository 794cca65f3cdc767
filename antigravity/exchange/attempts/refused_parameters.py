"""Remember the optional parameters that upstreams refuse, and repeat requests without them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from antigravity.exchange.attempts.attempt import Attempt
from antigravity.exchange.attempts.upstream_call import Refused
from antigravity.logs import make_logger
from antigravity.protocols.parameter_refusals import find_refused_parameters, mentions_parameter

log = make_logger()

#: What is sent to an upstream that is asked for usage, as far as a refusal can be about it.
_ASKED: Final = b'{"%b":{"include_usage":true}}'


def remember_refusal(attempt: Attempt, refused: Refused, names: Collection[str]) -> bool:
    """Remember that an upstream refuses parameters; return whether that was not known."""
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
    return bool(new)


def asks_for_usage(attempt: Attempt) -> bool:
    """Return whether the upstream is asked for the usage of a stream that is passed through.

    It is if the client does not ask, and the upstream is not known to refuse that.
    """
    context, option = attempt.context, attempt.option
    usage = context.traits.requested_usage
    if usage is None or not context.head.stream or context.attempts.refused_usage:
        return False
    if not option.target.accepts(usage.field, usual=True):
        return False
    refused = context.services.refusals.names(option.upstream.name, option.target.model)
    return usage.field not in refused and usage.can_request(context.outline)


def refuses_usage(attempt: Attempt, refused: Refused) -> bool:
    """Return whether an upstream that was asked for usage refuses that, and remember it.

    It is not asked again for this request, nor for others if it refuses without a condition.
    """
    usage, status = attempt.context.traits.requested_usage, refused.error.upstream_status or 0
    if usage is None or not mentions_parameter(status, refused.body, usage.field):
        return False
    sent = _ASKED % usage.field.encode()
    remember_refusal(attempt, refused, find_refused_parameters(status, refused.body, sent))
    attempt.context.attempts.refused_usage = True
    return True
