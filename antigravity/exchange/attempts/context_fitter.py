"""Make a request fit the model that it goes to, if it would not fit as it is.

What is small enough is not even read: only its length is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from antigravity.context.decision import CompressionDecision as Cut
from antigravity.context.decision import Terms, decide, forked
from antigravity.context.estimate import estimate_tokens
from antigravity.context.history import digest, head_length, last_user
from antigravity.context.layers import NOTHING, Plan, apply
from antigravity.context.limits import Room, Thresholds, may_exceed
from antigravity.context.memory import Remembered
from antigravity.context.tool_output import SHORTEST
from antigravity.exchange.context import RequestContext
from antigravity.exchange.operations.internal_requests import InternalProtocol, Serve
from antigravity.exchange.operations.summary import OlderPart, summarise
from antigravity.ir.capabilities import Loss
from antigravity.ir.errors import GatewayError
from antigravity.ir.request import Message, Request
from antigravity.ir.too_long import sizes
from antigravity.routing.patterns import matches
from antigravity.routing.router import RoutingOption
from antigravity.signatures.thinking_recovery import recover

T = TypeVar("T")

#: A window that nobody knows.
_ENDLESS: Final = 2**40
#: Clients of Anthropic's that name this beta have a window of a million where they pass through.
_WIDE_BETA: Final = "context-1m"
_WIDE: Final = 1_000_000
#: What an upstream has refused is cut to so much of what it says it takes.
_MARGIN: Final = 0.95
#: To so much of what was sent, if it does not say how much it takes.
_UNSAID: Final = 0.75

_WHAT: Final = {
    "l0": "long results of tools were shortened",
    "l1": "old results of tools were left out",
    "l2": "old thinking was left out",
    "l3": "the older part became a summary",
    "trim": "the older part was left out",
}


class FittedRequest(Struct, frozen=True):
    """A request that was made to fit, what was done to it, and its estimated tokens."""

    request: Request
    layers: tuple[str, ...]
    before: int
    after: int

    @property
    def label(self) -> str:
        """What was done, in a form for a header."""
        return f"{'+'.join(self.layers)}; tokens={self.before}->{self.after}"

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What was done, in words."""
        return tuple(Loss("messages", f"{_WHAT[layer]} ({layer})") for layer in self.layers)


class _Case(Struct, frozen=True):
    """A request that may be too long for one option."""

    request: Request
    key: str
    known: Remembered
    plan: Plan
    terms: Terms
    model: str


class _Look(Struct):
    """What was found for one option: a request that fits, or a fork that needs a summary."""

    fitted: FittedRequest | None = None
    case: _Case | None = None
    cut: Cut | None = None


class ContextFitter:
    """Fits one client's request to the options that it is tried at."""

    def __init__(self, context: RequestContext, serve: Serve) -> None:
        self._context = context
        self._serve = serve
        self._settings = context.snapshot.settings.experimental
        self._thresholds = Thresholds(
            self._settings.context_compression_threshold_l1,
            self._settings.context_compression_threshold_l2,
            self._settings.context_compression_threshold_l3,
        )
        self._looks: dict[tuple[str, str], _Look] = {}
        #: Plans that are still to be remembered: a thread may have made them.
        self._planned: list[tuple[str, Remembered]] = []
        self._retried = False

    def concerns(self, option: RoutingOption) -> bool:
        """Return whether an option may need a shorter request; the others may be skipped."""
        if (option.upstream.name, option.target.model) in self._looks:
            return True
        return self._is_conversation(option) and (self._always() or self._is_suspect(option))

    async def wants_summary(self, option: RoutingOption) -> bool:
        """Return whether :meth:`summarise` has to be called before :meth:`fitted`."""
        key = (option.upstream.name, option.target.model)
        if key not in self._looks:
            self._looks[key] = await self._look(option)
        return self._looks[key].cut is not None

    def fitted(self, option: RoutingOption) -> FittedRequest | None:
        """Return the request that fits, ``None`` if it can go as it is.

        To be asked after :meth:`wants_summary`.
        """
        look = self._looks.get((option.upstream.name, option.target.model))
        return None if look is None else look.fitted

    def use(self, context: RequestContext) -> None:
        """Fit another form of the request from now on."""
        self._context = context
        self._looks.clear()

    async def summarise(self, option: RoutingOption) -> None:
        """Have the older part of the conversation summed up; if that fails, leave it out."""
        look = self._looks[option.upstream.name, option.target.model]
        case, cut, look.cut = look.case, look.cut, None
        if case is None or cut is None:
            return
        messages = self._context.request.messages
        begin = max(head_length(messages), case.plan.fork)
        earlier = case.plan.summary
        older = OlderPart(messages[begin : cut.fork], earlier, case.terms.limits.summary)
        summary = await summarise(self._context, self._serve, older)
        plan = forked(cut.plan, cut.fork, summary or earlier)
        look.fitted = await self._apart(self._settled, case, plan)

    async def shortens(self, option: RoutingOption, error: GatewayError) -> bool:
        """Take note that a prompt was too long; return whether a shorter one is to be tried.

        A client that compacts its conversations itself is told so first.
        """
        context, settings = self._context, self._settings
        model = option.target.model
        if self._retried or not settings.context_compression:
            return False
        if not self._is_conversation(option):
            return False
        case = await self._case(option)
        if case is None:
            return False
        fitted = self.fitted(option)
        if fitted is not None:
            sent = fitted.after
        else:
            sent = await self._apart(self._measure, case, case.request.messages)
        ceiling = _ceiling(error.message, sent)
        if case.known.ceiling:
            ceiling = min(ceiling, case.known.ceiling)
        contexts = context.services.contexts
        contexts.refused(model, len(context.call.body))
        contexts.put(case.key, replace(case.known, ceiling=ceiling, told=True))
        if self._compacts_itself() and not case.known.told:
            return False
        self._retried = True
        self._looks.clear()
        if await self.wants_summary(option):
            return True
        fitted = self.fitted(option)
        return fitted is not None and fitted.after < sent

    async def _apart(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return what a function gives, and remember the plans that it has made."""
        result = await self._context.compute(function, *arguments)
        planned, self._planned = self._planned, []
        for key, known in planned:
            self._context.services.contexts.put(key, known)
        return result

    async def _look(self, option: RoutingOption) -> _Look:
        always, suspect = self._always(), self._is_suspect(option)
        case = await self._case(option) if suspect or always else None
        if case is None:
            return _Look()
        if suspect and not self._has_to_be_told(case):
            return await self._apart(self._compressed, case)
        return _Look(await self._apart(self._settled, case, case.plan)) if always else _Look()

    def _compressed(self, case: _Case) -> _Look:
        measure = partial(self._measure, case)
        cut = decide(case.request.messages, case.plan, case.terms, measure)
        if cut.fork:
            return _Look(case=case, cut=cut)
        return _Look(self._settled(case, cut.plan))

    def _settled(self, case: _Case, plan: Plan) -> FittedRequest | None:
        """Remember a plan, and return the request after it."""
        request = case.request
        shown = plan
        if self._settings.shorten_tool_results == "always":
            shown = replace(plan, results=last_user(request.messages))
        applied = apply(request.messages, shown, keep_signatures=case.terms.keep_signatures)
        after = self._measure(case, applied.messages)
        if not applied.layers or (plan != NOTHING and case.terms.limits.hopeless(after)):
            return None
        if plan != case.plan and not self._context.is_repaired:
            known = case.known.planned(plan, self._context.request.messages)
            self._planned.append((case.key, known))
        before = self._measure(case, request.messages)
        return FittedRequest(
            replace(request, messages=applied.messages), applied.layers, before, after
        )

    async def _case(self, option: RoutingOption) -> _Case | None:
        """Return the decoded request with what is known of it; ``None`` if it can't be decoded."""
        context, target = self._context, option.target
        try:
            await context.decode()
            request = context.request
        except GatewayError:
            return None  # whoever serves it says what is wrong with it
        if option.native and request.extensions.get("truncation") == "auto":
            return None  # the client wants the upstream to do it
        raw = request.messages
        if not context.is_repaired:
            recall = await context.recall(request)
            family, reasoning = target.capabilities.family, target.wants_reasoning
            recovering = partial(recover, reasoning=reasoning)
            request = await context.compute(recovering, request, recall, family)
        key = await context.compute(_key, context, target.model, raw)
        known = context.services.contexts.get(key)
        room = self._room(option) or Room(_ENDLESS)
        limits = room.limits(request.max_output_tokens, self._thresholds, known.ceiling)
        terms = Terms(
            limits,
            self._settings.context_compression_keep_rounds,
            target.capabilities.requires_signatures,
        )
        plan = await context.compute(known.plan_for, raw)
        return _Case(request, key, known, plan, terms, target.model)

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
        if services.contexts.suspects(model, len(body)):
            return True
        room = self._room(option)
        if room is None:
            return False
        least = room.least(self._thresholds)
        return may_exceed(body, least, services.calibration.factor(model))

    def _room(self, option: RoutingOption) -> Room | None:
        window = self._context.snapshot.router.context_window(option)
        if not window:
            return None
        if option.native and _WIDE_BETA in self._context.call.headers.get("anthropic-beta", ""):
            window = max(window, _WIDE)
        return Room(window, option.target.capabilities)

    def _measure(self, case: _Case, messages: Sequence[Message]) -> int:
        request = replace(case.request, messages=tuple(messages))
        return self._context.services.calibration.applied(case.model, estimate_tokens(request))

    def _is_conversation(self, option: RoutingOption) -> bool:
        protocol, route = self._context.protocol, self._context.call.route
        return (
            route.operation == "generate"
            and not isinstance(protocol, InternalProtocol)
            and self._context.traits.is_conversation
            and not option.client.traits.native_only
        )

    def _compacts_itself(self) -> bool:
        agent = self._context.call.headers.get("user-agent", "")
        return any(matches(p, agent) for p in self._settings.context_clients_that_compact)

    def _has_to_be_told(self, case: _Case) -> bool:
        """Return whether the client itself is to be the first to shorten the conversation."""
        if case.known.told or case.plan != NOTHING or self._thresholds.early:
            return False
        return self._compacts_itself()


def _key(context: RequestContext, model: str, messages: Sequence[Message]) -> str:
    """Return the key of what is remembered of a conversation."""
    whose = context.session_key() or context.call.principal
    return f"{whose}.{model}.{digest(messages[: head_length(messages)])}"


def _ceiling(message: str, sent: int) -> int:
    """Return how many estimated tokens an upstream takes that has refused ``sent`` of them."""
    said = sizes(message)
    part = _UNSAID if said is None else said[1] / said[0] * _MARGIN
    return max(1, int(sent * part))
