"""Whatever a provider's own types allow is served by upstreams of the others.

Or the gateway refuses it itself, because the other provider has nothing like it: the upstream,
which is as strict as the real one, never has to.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from antigravity.config.secret import Secret
from antigravity.config.settings import Settings, UpstreamSettings
from tests.support import sdks
from tests.support.memory_gateway import MemoryGateway

if not sdks.are_installed():
    sdks.skip()

from tests.specifications.endpoints import ENDPOINTS

UPSTREAMS: Final = {
    "chat": ("gpt-4.1", "openai", "https://chat.example/v1", {"apis": ["chat"]}),
    "responses": ("gpt-5.5", "openai", "https://api.openai.com/v1", {"apis": ["responses"]}),
    "messages": ("claude-sonnet-4-6", "anthropic", "https://api.anthropic.com", {}),
    "gemini": (
        "gemini-2.5-flash",
        "gemini_api",
        "https://generativelanguage.googleapis.com",
        {},
    ),
}
PAIRS: Final = [(one, other) for one in UPSTREAMS for other in UPSTREAMS if one != other]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> MemoryGateway:
    upstreams = {}
    for name, (_, kind, base, more) in UPSTREAMS.items():
        fields: dict[str, Any] = more
        upstreams[name] = UpstreamSettings(kind, base_url=base, api_keys=[Secret("sk-1")], **fields)
    return MemoryGateway(Settings(upstreams=upstreams), tmp_path_factory.mktemp("home"))


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_every_member_and_value_is_served_or_refused_by_gateway(
    gateway: MemoryGateway, client: str, upstream: str
) -> None:
    endpoint = ENDPOINTS[client]
    model = f"{upstream}/{UPSTREAMS[upstream][0]}"
    served = refused = 0
    wrong: list[Any] = []
    for path, fields in endpoint.samples(depth=3, most=1):
        before = len(gateway.transport.sent)
        answer = gateway.ask(endpoint.protocol, model, fields)
        sent = len(gateway.transport.sent) - before
        if answer.status == 200 and sent == 1:
            served += 1
        elif answer.status in (400, 404) and sent == 0:
            refused += 1
            assert json.loads(answer.body)["error"]["message"]
        else:
            wrong.append((path, answer.status, sent, answer.body[:300]))
    assert wrong == []
    assert served > 5 * refused
