"""Shortens a request that does not fit the context window of the model it goes to.

Small requests are not decoded for this: the length of the body is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from antigravity.context.compression import CompressionDecision, CompressionRules, decide, with_fork
from antigravity.context.estimate import estimate_tokens
from antigravity.context.history import digest, head_length, last_user
from antigravity.context.layers import NO_COMPRESSION, CompressionPlan, apply
from antigravity.context.limits import ModelWindow, Thresholds, may_exceed
from antigravity.context.plan_store import CachedPlan
from antigravity.context.tool_output import SHORTEST
from antigravity.exchange.context import RequestContext
from antigravity.exchange.operations.internal_requests import InternalProtocol, Serve
from antigravity.exchange.operations.summary import OlderPart, summarise
from antigravity.ir.capabilities import Loss
from antigravity.ir.errors import GatewayError
from antigravity.ir.request import Message, Request
from antigravity.ir.too_long import prompt_size
from antigravity.routing.decision import RoutingOption
from antigravity.routing.patterns import matches
from antigravity.signatures.thinking_recovery import recover

T = TypeVar("T")

#: The window of models whose window is not known.
_UNLIMITED: Final = 2**40
#: The Anthropic beta that gives requests which pass through a window of a million tokens.
_WIDE_BETA: Final = "context-1m"
_WIDE: Final = 1_000_000
#: A refused request is cut to this share of the limit that the upstream names,
_MARGIN: Final = 0.95
#: or to this share of what was sent, if the upstream names no limit.
_UNKNOWN_SHARE: Final = 0.75

_DESCRIPTIONS: Final = {
    "l0": "long results of tools were shortened",
    "l1": "old results of tools were left out",
    "l2": "old thinking was left out",
    "l3": "the older part became a summary",
    "trim": "the older part was left out",
}


class FittedRequest(Struct, frozen=True):
    """A shortened request, the layers that were applied, and its estimated tokens."""

    request: Request
    layers: tuple[str, ...]
    before: int
    after: int

    @property
    def label(self) -> str:
        """What was done, for a header."""
        return f"{'+'.join(self.layers)}; tokens={self.before}->{self.after}"

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What was done, for people."""
        return tuple(Loss("messages", f"{_DESCRIPTIONS[layer]} ({layer})") for layer in self.layers)


class _LongRequest(Struct, frozen=True):
    """A decoded request that may be too long for one option, with its cached plan."""

    request: Request
    key: str
    remembered: CachedPlan
    plan: CompressionPlan
    terms: CompressionRules
    model: str


class _Fit(Struct):
    """What one option needs: a shortened request, or a summary first (``decision``), or nothing."""

    fitted: FittedRequest | None = None
    long: _LongRequest | None = None
    decision: CompressionDecision | None = None


class ContextFitter:
    """Fits one request to each option that it is tried at."""

    def __init__(self, context: RequestContext, serve: Serve) -> None:
        self._context = context
        self._serve = serve
        self._settings = context.snapshot.settings.experimental
        self._fits: dict[tuple[str, str], _Fit] = {}
        #: Plans to remember, made by a function that may run in a thread.
        self._planned: list[tuple[str, CachedPlan]] = []
        self._retried = False

    def concerns(self, option: RoutingOption) -> bool:
        """Return whether an option may need a shorter request; the others can be skipped."""
        if self._fits and (option.upstream.name, option.target.model) in self._fits:
            return True
        return (self._always() or self._is_suspect(option)) and self._is_conversation(option)

    async def wants_summary(self, option: RoutingOption) -> bool:
        """Return whether :meth:`summarise` must be called before :meth:`fitted`."""
        key = (option.upstream.name, option.target.model)
        if key not in self._fits:
            self._fits[key] = await self._fit(option)
        return self._fits[key].decision is not None

    def fitted(self, option: RoutingOption) -> FittedRequest | None:
        """Return the shortened request, ``None`` if it can go as it is.

        Call :meth:`wants_summary` first.
        """
        if not self._fits:
            return None
        fit = self._fits.get((option.upstream.name, option.target.model))
        return None if fit is None else fit.fitted

    def use(self, context: RequestContext) -> None:
        """Fit another form of the request from now on."""
        self._context = context
        self._fits.clear()

    async def summarise(self, option: RoutingOption) -> None:
        """Replace the older part of the conversation by a summary; if that fails, drop it."""
        fit = self._fits[option.upstream.name, option.target.model]
        long, decision, fit.decision = fit.long, fit.decision, None
        if long is None or decision is None:
            return
        messages = self._context.request.messages
        begin = max(head_length(messages), long.plan.fork)
        earlier = long.plan.summary
        older = OlderPart(messages[begin : decision.fork], earlier, long.terms.limits.summary)
        summary = await summarise(self._context, self._serve, older)
        plan = with_fork(decision.plan, decision.fork, summary or earlier)
        fit.fitted = await self._compute(self._apply_plan, long, plan)

    async def shorten_after(self, option: RoutingOption, error: GatewayError) -> bool:
        """Remember that a prompt was too long, and return whether to try a shorter one.

        A client that compacts its conversations itself gets the error first.
        """
        context, settings = self._context, self._settings
        model = option.target.model
        if self._retried or not settings.context_compression:
            return False
        if not self._is_conversation(option):
            return False
        long = await self._read(option)
        if long is None:
            return False
        fitted = self.fitted(option)
        if fitted is not None:
            sent = fitted.after
        else:
            sent = await self._compute(self._measure, long, long.request.messages)
        ceiling = _ceiling(error.message, sent)
        if long.remembered.ceiling:
            ceiling = min(ceiling, long.remembered.ceiling)
        contexts = context.services.contexts
        contexts.refused(model, len(context.call.body))
        contexts.put(long.key, replace(long.remembered, ceiling=ceiling, is_reported=True))
        if self._client_compacts() and not long.remembered.is_reported:
            return False
        self._retried = True
        self._fits.clear()
        if await self.wants_summary(option):
            return True
        fitted = self.fitted(option)
        return fitted is not None and fitted.after < sent

    async def _compute(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return the result of a pure function, and remember the plans that it made."""
        result = await self._context.compute(function, *arguments)
        with_plan, self._planned = self._planned, []
        for key, remembered in with_plan:
            self._context.services.contexts.put(key, remembered)
        return result

    async def _fit(self, option: RoutingOption) -> _Fit:
        always, suspect = self._always(), self._is_suspect(option)
        long = await self._read(option) if suspect or always else None
        if long is None:
            return _Fit()
        if suspect and not self._client_acts_first(long):
            return await self._compute(self._compress, long)
        return _Fit(await self._compute(self._apply_plan, long, long.plan)) if always else _Fit()

    def _compress(self, long: _LongRequest) -> _Fit:
        measure = partial(self._measure, long)
        decision = decide(long.request.messages, long.plan, long.terms, measure)
        if decision.fork:
            return _Fit(long=long, decision=decision)
        return _Fit(self._apply_plan(long, decision.plan))

    def _apply_plan(self, long: _LongRequest, plan: CompressionPlan) -> FittedRequest | None:
        """Note a plan, and return the request that it makes; ``None`` if that does not help."""
        request = long.request
        shown = plan
        if self._settings.shorten_tool_results == "always":
            shown = replace(plan, results=last_user(request.messages))
        applied = apply(request.messages, shown, keep_signatures=long.terms.keep_signatures)
        after = self._measure(long, applied.messages)
        if not applied.layers or (plan != NO_COMPRESSION and long.terms.limits.cannot_fit(after)):
            return None
        if plan != long.plan and not self._context.is_repaired:
            remembered = long.remembered.with_plan(plan, self._context.request.messages)
            self._planned.append((long.key, remembered))
        before = self._measure(long, request.messages)
        return FittedRequest(
            replace(request, messages=applied.messages), applied.layers, before, after
        )

    async def _read(self, option: RoutingOption) -> _LongRequest | None:
        """Return the decoded request, ``None`` if it is not valid or must not be shortened."""
        context, target = self._context, option.target
        try:
            await context.decode()
            request = context.request
        except GatewayError:
            return None  # the attempt reports the error
        if option.native and request.extensions.get("truncation") == "auto":
            return None  # the client wants the upstream to shorten it
        raw = request.messages
        if not context.is_repaired:
            lookup = await context.thinking_lookup(request)
            family, reasoning = target.capabilities.family, target.wants_reasoning
            recovering = partial(recover, reasoning=reasoning)
            request = await context.compute(recovering, request, lookup, family)
        key = await context.compute(_key, context, target.model, raw)
        await context.services.contexts.fetch(key)
        remembered = context.services.contexts.get(key)
        room = self._room(option) or ModelWindow(_UNLIMITED)
        limits = room.limits(request.max_output_tokens, self._thresholds, remembered.ceiling)
        terms = CompressionRules(
            limits,
            self._settings.context_compression_keep_rounds,
            target.capabilities.requires_signatures,
        )
        plan = await context.compute(remembered.plan_for, raw)
        return _LongRequest(request, key, remembered, plan, terms, target.model)

    @cached_property
    def _thresholds(self) -> Thresholds:
        return Thresholds(
            self._settings.context_compression_threshold_l1,
            self._settings.context_compression_threshold_l2,
            self._settings.context_compression_threshold_l3,
        )

    def _always(self) -> bool:
        """Return whether long results of tools are shortened in every request."""
        if self._settings.shorten_tool_results != "always":
            return False
        return len(self._context.call.body) >= SHORTEST

    def _is_suspect(self, option: RoutingOption) -> bool:
        """Return whether the length of the body says that the request may be too long."""
        if not self._settings.context_compression:
            return False
        services, body = self._context.services, self._context.call.body
        model = option.target.model
        if services.contexts.may_be_too_long(model, len(body)):
            return True
        room = self._room(option)
        if room is None:
            return False
        least = room.lowest_limit(self._thresholds)
        return may_exceed(body, least, services.calibration.factor(model))

    def _room(self, option: RoutingOption) -> ModelWindow | None:
        window = option.window
        if not window:
            return None
        if option.native and _WIDE_BETA in self._context.call.headers.get("anthropic-beta", ""):
            window = max(window, _WIDE)
        return ModelWindow(window, option.target.capabilities)

    def _measure(self, long: _LongRequest, messages: Sequence[Message]) -> int:
        request = replace(long.request, messages=tuple(messages))
        return self._context.services.calibration.applied(long.model, estimate_tokens(request))

    def _is_conversation(self, option: RoutingOption) -> bool:
        protocol, route = self._context.protocol, self._context.call.route
        return (
            route.operation == "generate"
            and not isinstance(protocol, InternalProtocol)
            and self._context.is_conversation
            and not option.client.traits.native_only
        )

    def _client_compacts(self) -> bool:
        agent = self._context.call.headers.get("user-agent", "")
        return any(matches(p, agent) for p in self._settings.context_clients_that_compact)

    def _client_acts_first(self, long: _LongRequest) -> bool:
        """Return whether the client gets the error first, to shorten the conversation itself."""
        if long.remembered.is_reported or long.plan != NO_COMPRESSION or self._thresholds.early:
            return False
        return self._client_compacts()


def _key(context: RequestContext, model: str, messages: Sequence[Message]) -> str:
    """Return the key under which a conversation is remembered."""
    whose = context.session_key() or context.call.principal
    return f"{whose}.{model}.{digest(messages[: head_length(messages)])}"


def _ceiling(message: str, sent: int) -> int:
    """Return how many estimated tokens an upstream accepts that refused ``sent`` of them."""
    found = prompt_size(message)
    share = _UNKNOWN_SHARE if found is None else found[1] / found[0] * _MARGIN
    return max(1, int(sent * share))
