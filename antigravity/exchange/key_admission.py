"""Requests of keys with rules: what they may use, and what they may cost at most."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Protocol

from msgspec.structs import replace

from antigravity.exchange.context import RequestContext
from antigravity.exchange.plan import Plan
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.keys import Endpoint
from antigravity.ir.call import READS
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import PermissionDeniedError
from antigravity.ir.record import ExchangeRecord
from antigravity.ir.usage import Usage
from antigravity.keys.gate import KeyAdmission, KeyGate
from antigravity.keys.limit_headers import as_final, limit_headers, without_limits
from antigravity.keys.ring import ActiveKey
from antigravity.routing.decision import RoutingOption

#: Bytes of JSON text for one token: what is usual, and what no text is below for long.
_USUAL: Final = 4
_LEAST: Final = 2
#: The tokens of a picture or a sound: at most so many, and one for so many bytes besides.
_MOST_PER_MEDIUM: Final = 5000
_USUAL_PER_MEDIUM: Final = 1500
_BYTES_PER_TOKEN: Final = 500
#: Base64 text of a PDF begins so; its pages have more tokens than pictures.
_PDF: Final = b"JVBERi"
_PDF_BYTES: Final = 3
#: The output of a model whose largest output is not known.
_ASSUMED_OUTPUT: Final = 65_536
#: No model writes more tokens in a second: the output of a response without usage.
_TOKENS_PER_SECOND: Final = 500
#: The least output that a second of a broken stream counts for: thinking may be hidden, so that a
#: client could cancel a stream after much thinking and little text.
_LEAST_PER_SECOND: Final = 100
_OUTPUT: Final = re.compile(
    rb'"(?:max_tokens|max_completion_tokens|max_output_tokens|maxOutputTokens)"\s*:\s*(\d{1,9})\b'
)
_CHOICES: Final = re.compile(rb'"(?:n|best_of|candidateCount|numberOfImages)"\s*:\s*(\d{1,3})\b')
#: An escaped letter: the name of a field can be hidden behind it.
_ESCAPED: Final = re.compile(rb"\\u00[2-7]")
_MOST_CHOICES: Final = 128


class Pricer(Protocol):
    """The prices of requests, in nanodollars."""

    @property
    def is_loaded(self) -> bool:
        """Whether the price list is read, so that a price is known at once."""

    def load(self) -> None:
        """Read the price list."""

    def price(self, upstream: str, model: str, usage: Usage, seconds: float) -> int | None:
        """Return the list price of a usage, ``None`` if it is not known."""


async def admit(context: RequestContext, gate: KeyGate) -> None:
    """Admit a request of a key, and count it.

    :raises AuthenticationError: if the key is no longer valid.
    :raises PermissionDeniedError: if the key must not be used for this.
    :raises RateLimitedError: if a limit is reached.
    """
    key = gate.ring.find(context.call.principal)
    if key is None:
        return
    operation = context.call.route.operation
    if operation == "stored":
        key.check_endpoint("chat")
    if operation in READS:
        return
    context.recorder.name(context.head.model)
    key.check_endpoint(endpoint_of(context))
    key.check_model(context.head.model)
    admission = context.recorder.admission = gate.admission(key)
    counts = operation != "count_tokens"
    await admission.claim(estimate_tokens(context) if counts else 0)


def endpoint_of(context: RequestContext) -> Endpoint:
    """Return what a key must be allowed to use for a request."""
    if context.call.route.operation == "embed":
        return "embeddings"
    required = context.traits.required_modalities
    if required is not None and required.output == "image":
        return "images"
    if context.is_conversation:
        return "chat"
    return "audio"


async def restrict(context: RequestContext, plan: Plan) -> Plan:
    """Return the plan with the options that the key of a request may use, their cost reserved.

    :raises PermissionDeniedError: if there is none.
    :raises QuotaExhaustedError: if the request may cost more than what is left of a budget.
    """
    admission: KeyAdmission | None = context.recorder.admission
    if admission is None:
        return plan
    plan = allowed(context, plan)
    if not admission.key.budgets:
        return plan
    pricer: Pricer = context.services.pricer
    if not pricer.is_loaded:
        with context.recorder.waiting("queue"):
            await context.services.in_thread(pricer.load)
    plan, amount = _priced(context, admission.key, plan, pricer)
    admission.cost = partial(cost_of, pricer, amount, admission.tokens)
    await admission.reserve(amount)
    return plan


def label(reply: Reply, admission: KeyAdmission, protocol: str, now: float) -> Reply:
    """Return a reply with the headers about the limits of a key."""
    headers = without_limits(reply.headers)
    headers += limit_headers(admission.limits, protocol, now)
    if admission.is_final:
        headers = as_final(headers)
    return replace(reply, headers=headers)


def visible_models(context: RequestContext, models: Sequence[Model]) -> Sequence[Model]:
    """Return the models of a list that the key of a request may ask for."""
    gate: KeyGate | None = context.services.keys
    key = None if gate is None else gate.ring.by_id.get(context.call.principal)
    if key is None or not key.record.models:
        return models
    return [each for each in models if key.allows_model(each.id)]


def estimate_tokens(context: RequestContext) -> int:
    """Return about how many input tokens a request has, without decoding it."""
    return _count_input(context, _USUAL, lambda data: _USUAL_PER_MEDIUM)


def worst_usage(context: RequestContext, option: RoutingOption) -> Usage:
    """Return the most tokens that a request can use at an option, by its text.

    What only the upstream has is not seen: stored conversations, files, and addresses.
    """
    capabilities = option.target.capabilities
    text = context.outline.body
    sent = _count_input(context, _LEAST, _most_of)
    if capabilities.context_window is not None:
        sent = min(sent, capabilities.context_window)
    if capabilities.embedding:
        return Usage(input_total=sent)
    most = capabilities.max_output_tokens or _ASSUMED_OUTPUT
    wanted = [] if _ESCAPED.search(text) else [int(each) for each in _OUTPUT.findall(text)]
    each = min(most, max(wanted)) if wanted else most
    choices = [int(found) for found in _CHOICES.findall(text)]
    several = min(_MOST_CHOICES, max(choices, default=1)) if _has_choices(context) else 1
    output = each * max(1, several)
    return Usage(input_total=sent, cache_write=sent, cache_write_1h=sent, output=output)


def _has_choices(context: RequestContext) -> bool:
    traits = context.traits
    return traits.requested_choices is not None or traits.required_modalities is not None


def _count_input(context: RequestContext, bytes_per_token: int, count_medium: Any) -> int:
    tokens = len(context.outline.body) // bytes_per_token + 1
    if context.shortened is not None:
        for data in context.shortened.left_out:
            is_text = b" " in bytes(data[:256])
            tokens += len(data) // bytes_per_token if is_text else count_medium(data)
    return tokens


def _most_of(data: memoryview) -> int:
    size = len(data)
    if _PDF in bytes(data[:16]):
        return size // _PDF_BYTES
    return min(size // _PDF_BYTES, _MOST_PER_MEDIUM) + size // _BYTES_PER_TOKEN


def allowed(context: RequestContext, plan: Plan) -> Plan:
    """Return the plan with the options at upstreams that the key of a request may use.

    :raises PermissionDeniedError: if there is none.
    """
    admission: KeyAdmission | None = context.recorder.admission
    names = () if admission is None else admission.key.record.upstreams
    if not names:
        return plan
    options = tuple(each for each in plan.options if each.upstream.name in names)
    if not options:
        raise PermissionDeniedError(
            f"No upstream that this API key may use ({', '.join(names)}) serves the model.",
            param="model",
            code="upstream_not_allowed",
        )
    return plan if len(options) == len(plan.options) else plan.with_options(options)


def _priced(
    context: RequestContext, key: ActiveKey, plan: Plan, pricer: Pricer
) -> tuple[Plan, int]:
    """Return the plan with the options that have a price, and the highest.

    :raises PermissionDeniedError: if none has one, and the key needs one.
    """
    began = context.recorder.record.started
    options: list[RoutingOption] = []
    highest = 0
    for option in plan.options:
        upstream, model, usage = option.upstream.name, option.target.model, None
        usage = worst_usage(context, option)
        price = pricer.price(upstream, model, usage, began)
        if price is None and key.record.unpriced == "refuse":
            continue
        if price is not None and not context.is_conversation:
            other = replace(usage, image_output=usage.output, audio_output=usage.output)
            price = max(price, pricer.price(upstream, model, other, began) or 0)
        highest = max(highest, price or 0)
        options.append(option)
    if not options:
        raise PermissionDeniedError(
            f"The price of the model {plan.options[0].target.model!r} is not known, and this API "
            "key has a budget. The operator can set the price, or allow models without one.",
            param="model",
            code="model_without_price",
        )
    if len(options) == len(plan.options):
        return plan, highest
    return plan.with_options(tuple(options)), highest


def cost_of(pricer: Pricer, reserved: int, sent: int, record: ExchangeRecord) -> int:
    """Return what a finished request has cost, in nanodollars.

    The usage of a response that broke off is what was reported until then, with an estimate of the
    rest by its text, and no less than thinking that is hidden may have taken in its time; there is
    none where neither is known, or if the upstream does not report it.  Then the cost is estimated,
    from ``sent`` tokens of input and from the duration.  An estimate is at most what was
    ``reserved``.
    """
    if not record.attempts:
        return 0
    last = record.attempts[-1]

    def price(usage: Usage) -> int:
        return pricer.price(last.upstream, last.model, usage, record.started) or 0

    if record.outcome == "ok" and record.usage is not None:
        return price(record.usage)
    if record.usage is None and record.first_byte is None and record.outcome == "error":
        return 0
    usage = record.usage or Usage()
    if not usage.input_total:
        usage = replace(usage, input_total=sent)
    rate = _LEAST_PER_SECOND if usage.output else _TOKENS_PER_SECOND
    output = max(usage.output, int((record.duration or 0.0) * rate))
    usage = replace(usage, output=output)
    return min(reserved, price(usage))
