"""What requests to models that bind thinking to its history must avoid, see ``bound_thinking``."""

from __future__ import annotations

from typing import Final

from antigravity.exchange.services import Services
from antigravity.ir.capabilities import Loss
from antigravity.routing.decision import RoutingOption

MOVED: Final = Loss("messages.thinking", "it is bound to another account: the upstream may drop it")


def check_binding(
    services: Services, session: str, option: RoutingOption, account: str, *, passes: bool
) -> tuple[bool, tuple[Loss, ...]]:
    """Return whether a body that ``passes`` can go to a model that binds thinking, and the losses.

    Once the gateway has changed the history of a conversation, its thinking fits no other one, so
    the gateway writes all further requests itself.

    :param session: the key of the conversation; empty if nothing tells it.
    """
    if not session:
        return passes, ()
    key = f"{session}.{option.upstream.name}.{option.target.model}"
    bound = services.bound
    moved = bound.use_account(key, account)
    if option.native and not passes:
        bound.note_change(key)
    lost = moved and option.target.capabilities.bound_thinking == "account"
    return passes and not bound.is_changed(key), (MOVED,) if lost else ()
