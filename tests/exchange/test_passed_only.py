"""Which upstreams are left for requests that cannot be translated, or want several answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from antigravity.exchange.fanout.requested_choices import gives_all
from antigravity.exchange.passed_only import native_only
from antigravity.interfaces.server_traits import RequestedChoices
from antigravity.ir.call import Call
from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.errors import InvalidRequestError
from antigravity.protocols.anthropic.protocol import AnthropicClient, AnthropicServer
from antigravity.protocols.gemini.protocol import GeminiClient
from antigravity.protocols.openai_chat.protocol import OpenAIChatClient
from antigravity.protocols.openai_completions.protocol import OpenAICompletionsServer
from antigravity.protocols.openai_passing import PassedClient
from antigravity.routing.router import Candidate, Decision

COMPLETIONS = OpenAICompletionsServer()
CHAT = OpenAIChatClient()


def candidate(client: Any, *, native: bool = False, most: int = 8) -> Candidate:
    upstream: Any = SimpleNamespace(name="u")
    return Candidate(upstream, client, Target("m", Capabilities(max_choices=most)), native)


def decided(*candidates: Candidate) -> Decision:
    return Decision("m", "m", (), candidates, (), Capabilities())


def work(protocol: Any, **fields: Any) -> Any:
    body = msgspec.json.encode({"model": "m", "prompt": "x", **fields})
    call = Call(protocol.routes[0], {}, {}, {}, body)
    return SimpleNamespace(protocol=protocol, traits=protocol.traits, call=call)


PASSING = candidate(PassedClient("openai_completions", CHAT), native=True)
OTHER = candidate(CHAT)


def test_what_can_be_translated_goes_to_anybody() -> None:
    decision = decided(OTHER, PASSING)
    assert native_only(work(COMPLETIONS), decision) is decision
    assert native_only(work(AnthropicServer()), decision) is decision


def test_what_cannot_goes_to_its_own_upstreams_whoever_is_first() -> None:
    tokens = work(COMPLETIONS, prompt=[1, 2])
    assert native_only(tokens, decided(OTHER, PASSING)).candidates == (PASSING,)
    only = decided(PASSING)
    assert native_only(tokens, only) is only
    with pytest.raises(InvalidRequestError) as caught:
        native_only(tokens, decided(OTHER))
    assert caught.value.param == "prompt"


@pytest.mark.parametrize(
    ("served_by", "wanted", "able"),
    [
        (candidate(CHAT), RequestedChoices(8), True),
        (candidate(CHAT), RequestedChoices(9), False),
        (candidate(CHAT), RequestedChoices(1, 2), False),
        (candidate(CHAT, most=1), RequestedChoices(), True),
        (candidate(AnthropicClient()), RequestedChoices(2), False),
        (candidate(GeminiClient(), most=128), RequestedChoices(9), False),
        # What passes is for its upstream to judge, unless it is known to give one.
        (candidate(CHAT, native=True), RequestedChoices(100), True),
        (candidate(CHAT, native=True, most=1), RequestedChoices(2), False),
        (candidate(GeminiClient(), native=True, most=1), RequestedChoices(2), False),
        (candidate(PASSING.client, native=True, most=1), RequestedChoices(3, 5), True),
    ],
)
def test_who_gives_as_many_answers(
    served_by: Candidate,
    wanted: RequestedChoices,
    able: bool,
) -> None:
    assert gives_all(served_by, wanted) is able


def test_what_another_model_would_have_given_says_nothing() -> None:
    differing = replace(candidate(CHAT, native=True), differing=frozenset({"choices"}))
    assert gives_all(differing, RequestedChoices(8))
    assert not gives_all(differing, RequestedChoices(9))
