"""Candidates for requests that cannot be translated, or that ask for several choices."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from antigravity.exchange.constraints import native_only, require_modalities
from antigravity.exchange.fanout.requested_choices import gives_all
from antigravity.exchange.plan import Plan
from antigravity.interfaces.server_traits import RequestedChoices, RequiredModalities
from antigravity.ir.call import Call
from antigravity.ir.capabilities import Capabilities, Model, Target
from antigravity.ir.errors import InvalidRequestError
from antigravity.protocols.anthropic.protocol import ANTHROPIC_CLIENT, ANTHROPIC_SERVER
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT
from antigravity.protocols.openai_completions.protocol import OPENAI_COMPLETIONS_SERVER
from antigravity.protocols.openai_native_only import native_only_client
from antigravity.routing.decision import RoutingDecision, RoutingOption

COMPLETIONS = OPENAI_COMPLETIONS_SERVER
CHAT = OPENAI_CHAT_CLIENT


def option(client: Any, *, native: bool = False, most: int = 8) -> RoutingOption:
    upstream: Any = SimpleNamespace(name="u")
    return RoutingOption(upstream, client, Target("m", Capabilities(max_choices=most)), native)


def plan(*options: RoutingOption) -> Plan:
    return Plan(RoutingDecision("m", "m", (), options, (), Capabilities()))


def context(protocol: Any, **fields: Any) -> Any:
    body = msgspec.json.encode({"model": "m", "prompt": "x", **fields})
    call = Call(protocol.routes[0], {}, {}, {}, body)
    return SimpleNamespace(protocol=protocol, traits=protocol.traits, call=call)


PASSING = option(native_only_client("openai_completions", CHAT), native=True)
OTHER = option(CHAT)


def test_request_that_can_be_translated_keeps_all_options() -> None:
    both = plan(OTHER, PASSING)
    assert native_only(context(COMPLETIONS), both) is both
    assert native_only(context(ANTHROPIC_SERVER), both) is both


def test_request_that_cannot_be_translated_keeps_native_options() -> None:
    tokens = context(COMPLETIONS, prompt=[1, 2])
    assert native_only(tokens, plan(OTHER, PASSING)).options == (PASSING,)
    native = plan(PASSING)
    assert native_only(tokens, native) is native
    with pytest.raises(InvalidRequestError) as caught:
        native_only(tokens, plan(OTHER))
    assert caught.value.param == "prompt"


def test_refused_model_is_no_alternative_to_itself() -> None:
    drawing = Capabilities(outputs=frozenset({"image"}))
    listed = [Model(name, capabilities=drawing) for name in ("m", "n")]

    async def models() -> list[Model]:
        return listed

    asking = context(ANTHROPIC_SERVER)
    asking.snapshot = SimpleNamespace(router=SimpleNamespace(models=models))
    able = replace(option(ANTHROPIC_CLIENT), target=Target("m", drawing))
    required = RequiredModalities(output="image")
    failed = Deferred.fromCoroutine(require_modalities(asking, plan(able), required))
    caught: list[Failure] = []
    failed.addErrback(caught.append)
    message = caught[0].value.message  # type: ignore[attr-defined]
    assert "in the protocol of the upstream" in message
    assert message.endswith("These models do: n.")


@pytest.mark.parametrize(
    ("served_by", "wanted", "able"),
    [
        (option(CHAT), RequestedChoices(8), True),
        (option(CHAT), RequestedChoices(9), False),
        (option(CHAT), RequestedChoices(1, 2), False),
        (option(CHAT, most=1), RequestedChoices(), True),
        (option(ANTHROPIC_CLIENT), RequestedChoices(2), False),
        (option(GEMINI_CLIENT, most=128), RequestedChoices(9), False),
        # An upstream checks what passes itself, unless its model is known to give one choice.
        (option(CHAT, native=True), RequestedChoices(100), True),
        (option(CHAT, native=True, most=1), RequestedChoices(2), False),
        (option(GEMINI_CLIENT, native=True, most=1), RequestedChoices(2), False),
        (option(PASSING.client, native=True, most=1), RequestedChoices(3, 5), True),
    ],
)
def test_option_gives_all_requested_choices(
    served_by: RoutingOption, wanted: RequestedChoices, able: bool
) -> None:
    assert gives_all(served_by, wanted) is able


def test_choices_limit_of_requested_model_does_not_count() -> None:
    differing = replace(option(CHAT, native=True), differing=frozenset({"choices"}))
    assert gives_all(differing, RequestedChoices(8))
    assert not gives_all(differing, RequestedChoices(9))
