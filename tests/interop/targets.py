"""The upstreams of the demo that every test is run over, and what their models differ in."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from tests.interop.sdk_drivers import SdkDriver


@dataclass(frozen=True)
class Target:
    """A model behind one upstream protocol; ``model`` names the upstream, too."""

    name: str
    upstream: str
    bare_model: str
    can_stop_thinking: bool = True

    @property
    def model(self) -> str:
        """The name that forces the upstream."""
        return f"{self.upstream}/{self.bare_model}"


def fresh(target: Target) -> str:
    """Return a model like the target's that nobody else uses.

    The gateway remembers for a while which models an account has failed with.
    """
    return f"{target.model}-{uuid.uuid4().hex[:8]}"


CHAT = Target("chat", "demo-openai-chat", "gpt-5.1")
RESPONSES = Target("responses", "demo-openai-responses", "gpt-5.1")
WEBSOCKET = Target("websocket", "demo-openai-websocket", "gpt-5.1")
ANTHROPIC = Target("anthropic", "demo-anthropic", "claude-sonnet-4-6")
ANTHROPIC_BUDGET = Target("anthropic-budget", "demo-anthropic", "claude-sonnet-4-5")
GEMINI = Target("gemini", "demo-gemini_api", "gemini-3-pro-preview", can_stop_thinking=False)
GEMINI_BUDGET = Target("gemini-budget", "demo-gemini_api", "gemini-2.5-flash")
CODE_ASSIST = Target("codeassist", "demo-codeassist", "gemini-3-flash", can_stop_thinking=False)
CODE_ASSIST_CLAUDE = Target("codeassist-claude", "demo-codeassist", "claude-sonnet-4-6")
INTERACTIONS = Target(
    "interactions", "demo-interactions", "gemini-3-pro-preview", can_stop_thinking=False
)

#: One for each upstream protocol.
TARGETS = (CHAT, RESPONSES, ANTHROPIC, GEMINI, CODE_ASSIST, INTERACTIONS)
#: And the one whose Responses API is used over WebSocket by clients that do so.
WITH_WEBSOCKET = (*TARGETS, WEBSOCKET)
#: And the models that the same protocols treat differently.
EVERY = (*TARGETS, ANTHROPIC_BUDGET, GEMINI_BUDGET, CODE_ASSIST_CLAUDE)

_SPOKEN = {
    "chat": ("demo-openai-chat",),
    "responses": ("demo-openai-responses",),
    "anthropic": ("demo-anthropic",),
    "genai": ("demo-gemini_api",),
    "generativeai": ("demo-gemini_api",),
    "interactions": ("demo-gemini_api", "demo-interactions"),
}


def native(sdk: SdkDriver, target: Target) -> bool:
    """Return whether the upstream speaks the SDK's own protocol: requests pass as they are."""
    return target.upstream in _SPOKEN[sdk.name]


def name(each: Target) -> str:
    """Return what pytest calls a target."""
    return each.name
