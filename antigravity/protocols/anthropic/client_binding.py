"""Lets the API drop thinking that is bound to another history than the one that is sent.

Newer models sign thinking together with all that was before it, and refuse it after any change:
compression, restored thinking, added instructions, renamed tools, another client's form of the
history.  A request that the gateway writes itself therefore says that such thinking is dropped.

Source: https://platform.claude.com/docs/en/build-with-claude/extended-thinking
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from antigravity.ir.capabilities import Target
from antigravity.protocols.anthropic.client_content import THINKING, Turn
from antigravity.protocols.anthropic.client_thinking_plan import ThinkingPlan
from antigravity.protocols.anthropic.server_request import BLOCK_BINDING
from antigravity.protocols.losses import Losses

#: The beta that a request with ``block_binding`` needs.
BETA: Final = "thinking-binding-controls-2026-08-01"

_FIELD: Final = "messages.thinking"
_DROPPED: Final = "it is bound to an unchanged history: the upstream drops what does not fit it"
_LEFT_OUT: Final = "it is bound to an unchanged history: the history was sent without thinking"


def release_thinking(
    conversation: Sequence[Turn], plan: ThinkingPlan, target: Target, losses: Losses
) -> tuple[str, ...]:
    """Make sure that bound thinking causes no refusal, and return the betas that this needs.

    If the request cannot say that it is dropped, it is left out.
    """
    capabilities = target.capabilities
    if not capabilities.bound_thinking or not any(turn.has(*THINKING) for turn in conversation):
        return ()
    if plan.field is None and capabilities.min_budget > 0:  # it always thinks
        plan.field = {"type": "adaptive"}
    accepted = target.accepts(BLOCK_BINDING, True)
    if accepted and plan.field is not None and plan.field["type"] != "disabled":
        plan.field[BLOCK_BINDING] = {"prefix_mismatch_behavior": "drop_block"}
        losses.add(_FIELD, _DROPPED)
        return (BETA,)
    if plan.field is not None and not accepted:
        plan.field.pop(BLOCK_BINDING, None)
    for turn in conversation:
        turn.blocks = [block for block in turn.blocks if block["type"] not in THINKING]
    losses.add(_FIELD, _LEFT_OUT)
    return ()
