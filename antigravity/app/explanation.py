"""Explains to the operator how a model would be routed, also if nothing serves it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from antigravity.config.spelling import closest
from antigravity.exchange.snapshot import Snapshot
from antigravity.interfaces.account_control import AccountView
from antigravity.interfaces.accounts import CandidateStatus
from antigravity.interfaces.administration import (
    AccountExplanation,
    Explanation,
    MappingStep,
    UpstreamExplanation,
)
from antigravity.ir.errors import GatewayError, InvalidRequestError
from antigravity.routing.decision import RoutingDecision
from antigravity.upstreams.quirks import quirk_table

#: What keeps every account from serving, if there are accounts.
_ALL_KEPT: Final = "Upstreams have this model, but none of their accounts can serve it now."
_NO_ACCOUNT: Final = (
    "Upstreams have this model, but they have no account that is in use. Add one with "
    "'antigravity accounts add', or enable one."
)


def check_protocol(protocol: str, known: Collection[str]) -> None:
    """Check that clients can speak a protocol.

    :raises InvalidRequestError: with the nearest name, and all.
    """
    if protocol not in known:
        near = closest(protocol, known)
        hint = f" Did you mean {near!r}?" if near else ""
        raise InvalidRequestError(
            f"There is no protocol {protocol[:100]!r}.{hint} The protocols are: "
            f"{', '.join(sorted(known))}.",
            param="protocol",
        )


async def explain(
    snapshot: Snapshot, model: str, protocol: str, accounts: Sequence[AccountView]
) -> Explanation:
    """Return how a request for a model would be routed, and why.

    :param accounts: all accounts, also those that are not in use.
    """
    if protocol in snapshot.embeddings.protocols:
        try:
            decision = await snapshot.embeddings.route(model, protocol)
        except GatewayError as error:
            return Explanation(model, model, [], [], [], served=False, problem=error.message)
        problem = ""
    else:
        decision, problem = await snapshot.router.examine(model, protocol)
    candidates = snapshot.pool.explain(decision.lease_request) if decision.options else ()
    served = any(each.state in ("chosen", "available", "busy") for each in candidates)
    if not problem and not served:
        problem = _ALL_KEPT if candidates else _NO_ACCOUNT
    return Explanation(
        model,
        decision.model,
        [MappingStep(hop.rule, hop.source, hop.target) for hop in decision.steps],
        [*_upstreams(decision), *_switched_off(snapshot)],
        [*_accounts(candidates, accounts), *_unused(decision, accounts)],
        served=served,
        problem=problem,
    )


def _upstreams(decision: RoutingDecision) -> Iterable[UpstreamExplanation]:
    served_as = {each.upstream.name: each.target.model for each in decision.options}
    quirks = {each.upstream.name: sorted(each.upstream.quirks) for each in decision.options}
    known = quirk_table()
    for each in decision.reasons:
        runs = each.upstream in served_as
        reason = each.text
        if each.chosen and not runs:
            reason = f"{reason}, but it does not speak the protocol that this agent needs"
        yield UpstreamExplanation(
            each.upstream,
            each.chosen and runs,
            each.rank if runs else None,
            served_as.get(each.upstream),
            reason,
            {name: known.describe(name) for name in quirks.get(each.upstream, ())},
        )


def _switched_off(snapshot: Snapshot) -> Iterable[UpstreamExplanation]:
    """Yield the upstreams that the configuration switches off."""
    for name, settings in snapshot.settings.upstreams.items():
        if not settings.enabled:
            reason = f"it is switched off: upstreams.{name}.enabled = false"
            yield UpstreamExplanation(name, False, None, None, reason, {})


def _accounts(
    candidates: Sequence[CandidateStatus], accounts: Sequence[AccountView]
) -> Iterable[AccountExplanation]:
    views = {(each.upstream, each.id): each for each in accounts}
    for each in candidates:
        upstream, model = each.upstream_model.upstream, each.upstream_model.model
        view = views.get((upstream, each.credential))
        yield AccountExplanation(
            each.credential,
            upstream,
            model,
            each.state,
            each.reason,
            each.free_in,
            each.label,
            None if view is None else _remaining(view, model),
        )


def _unused(
    decision: RoutingDecision, accounts: Sequence[AccountView]
) -> Iterable[AccountExplanation]:
    """Yield the accounts that would serve if they were in use."""
    served_as = {each.upstream.name: each.target.model for each in decision.options}
    for each in accounts:
        if each.state in ("disabled", "unused") and (each.upstream in served_as or not served_as):
            model = served_as.get(each.upstream, "")
            why = each.why or "it is not in use"
            yield AccountExplanation(
                each.id, each.upstream, model, "disabled", why, None, each.label
            )


def _remaining(account: AccountView, model: str) -> float | None:
    """Return what is left of an account's quota for a model, ``None`` if it is not known."""
    return next((each.remaining for each in account.quotas if model in each.models), None)
