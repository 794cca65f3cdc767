"""Fields that both APIs of OpenAI have survive the translation from one to the other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.request import Request
from antigravity.lowering.provider_content import foreign_extensions
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT, OPENAI_CHAT_SERVER
from antigravity.protocols.openai_responses.protocol import OPENAI_RESPONSES_CLIENT
from tests.protocols.openai_chat.builders import call as chat_call
from tests.protocols.openai_responses.builders import SERVER as RESPONSES_SERVER
from tests.protocols.openai_responses.builders import call as responses_call

FIELDS: dict[str, Any] = {
    "moderation": {"model": "omni-moderation-latest"},
    "prompt_cache_options": {"mode": "explicit", "ttl": "30m"},
    "prompt_cache_retention": "24h",
    "safety_identifier": "person",
    "user": "somebody",
}
QUIRKS = frozenset(("prompt_cache_key", "safety_identifier", "user"))
OPENAI = Target("gpt-5.6", Capabilities("openai"), QUIRKS)


def chat_request() -> Request:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **FIELDS}
    return OPENAI_CHAT_SERVER.decode(chat_call(body))


def responses_request() -> Request:
    return RESPONSES_SERVER.decode(responses_call({"model": "m", "input": "hi", **FIELDS}))


@pytest.mark.parametrize(
    ("request_of", "client"),
    [(chat_request, OPENAI_RESPONSES_CLIENT), (responses_request, OPENAI_CHAT_CLIENT)],
)
def test_fields_of_both_apis_are_sent(request_of: Any, client: Any) -> None:
    request = request_of()
    encoded = client.encode(request, OPENAI)
    body = json.loads(encoded.body)
    assert {name: body.get(name) for name in FIELDS} == FIELDS
    assert not encoded.warnings
    assert foreign_extensions(request, client.name) == ()
    lost = {loss.field for loss in foreign_extensions(request, "anthropic")}
    assert lost == {"moderation", "prompt_cache_options", "prompt_cache_retention"}


def test_an_unknown_chat_server_gets_no_new_fields() -> None:
    encoded = OPENAI_CHAT_CLIENT.encode(responses_request(), Target("m", Capabilities("llama")))
    assert FIELDS.keys() & json.loads(encoded.body).keys() == {"user"}
    lost = {loss.field for loss in encoded.warnings}
    assert lost == {"moderation", "prompt_cache_options", "prompt_cache_retention"}


def test_an_identifier_is_not_sent_twice() -> None:
    body = {"model": "m", "input": "hi", "safety_identifier": "person"}
    request = RESPONSES_SERVER.decode(responses_call(body))
    sent = json.loads(OPENAI_CHAT_CLIENT.encode(request, OPENAI).body)
    assert (sent["user"], "safety_identifier" in sent) == ("person", False)


def test_a_long_identifier_is_shortened() -> None:
    body = {"model": "m", "input": "hi", "safety_identifier": "p" * 99, "user": "somebody"}
    request = RESPONSES_SERVER.decode(responses_call(body))
    sent = json.loads(OPENAI_CHAT_CLIENT.encode(request, OPENAI).body)
    assert len(sent["safety_identifier"]) <= 64
