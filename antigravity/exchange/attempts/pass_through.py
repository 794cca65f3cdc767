"""Decide whether a client's body can pass through to an upstream."""

from __future__ import annotations

from typing import Final

from antigravity.exchange.context import RequestContext
from antigravity.interfaces.upstreams import UpstreamOperation
from antigravity.ir.images import NO_IMAGE_OPTIONS
from antigravity.ir.signature import has_seals
from antigravity.protocols.json_body import members_of
from antigravity.routing.decision import RoutingOption
from antigravity.signatures.thinking_recovery import has_reasoning

#: The protocols whose fields the quirks of upstreams are about.
_WITH_QUIRKS: Final = ("openai_chat", "openai_responses")


def can_generate(context: RequestContext, option: RoutingOption) -> bool:
    """Return whether the body of a ``generate`` request can pass through to an option."""
    return can_pass_through(context, option, "stream" if context.head.stream else "generate")


def can_pass_through(
    context: RequestContext, option: RoutingOption, operation: UpstreamOperation
) -> bool:
    """Return whether the body can pass through to an option.

    It can if the upstream speaks the client's protocol and the body

    * has everything that the model requires,
    * uses no aspect in which the model differs from the one that the client named,
    * has no fields or reasoning that the upstream refuses,
    * has no response that the gateway must store because the upstream does not, and
    * has no signatures that the gateway has sealed: an upstream would take them for forged.
    """
    body, traits = context.outline.body, context.traits
    if context.is_rewritten or not option.native or option.target.image_options != NO_IMAGE_OPTIONS:
        return False
    if not option.upstream.passes(option.client.name, operation, body) or has_seals(body):
        return False
    capabilities, differing = option.target.capabilities, option.differing
    needs_translation = traits.needs_translation
    if differing and needs_translation and needs_translation(body, differing, capabilities):
        return False
    if _has_refused_fields(context, option):
        return False
    if "no_reasoning_content" in option.target.quirks and b'"reasoning_content"' in body:
        return False
    if _is_stored_here(context, option):
        return False
    if option.target.wants_reasoning and _lacks_reasoning(context, option):
        return False
    return traits.is_complete is None or traits.is_complete(context.outline, capabilities)


def _has_refused_fields(context: RequestContext, option: RoutingOption) -> bool:
    """Return whether the body has a field that the upstream of a replaced model refuses."""
    if not option.refused or context.protocol.name not in _WITH_QUIRKS:
        return False
    return not option.refused.isdisjoint(members_of(context.outline))


def _is_stored_here(context: RequestContext, option: RoutingOption) -> bool:
    """Return whether only the gateway can store the response for a later request."""
    stored = context.traits.stored_responses
    if stored is None or not stored.quirk or stored.quirk in option.target.quirks:
        return False
    return stored.wants_store(context.outline)


def _lacks_reasoning(context: RequestContext, option: RoutingOption) -> bool:
    """Return whether reasoning must be restored in the history for this model.

    If the model refuses tool calls without reasoning, that is so for every such call: lost
    reasoning is replaced by a placeholder.  If the model only works better with it, that is so for
    stored reasoning which clients drop unintentionally.
    """
    traits = context.traits
    if traits.calls_without_reasoning is None:
        return False
    required = option.target.reasoning_history == "required"
    if not required and not traits.drops_reasoning:
        return False
    calls = traits.calls_without_reasoning(context.outline.body)
    if required:
        return bool(calls)
    recall, principal = context.services.signatures.recall, context.call.principal
    return any(has_reasoning(recall(principal, each)) for each in calls)
