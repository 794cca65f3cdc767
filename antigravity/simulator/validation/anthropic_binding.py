"""Checks that thinking stays bound to what was before it, as newer models of Anthropic do; pure.

A signature holds a digest of the system prompt, the tools and all earlier messages, and one of the
account.  Breakpoints of the cache do not count, and adjacent messages of one role are one message.

Source: https://platform.claude.com/docs/en/build-with-claude/extended-thinking
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from antigravity.simulator import signatures
from antigravity.simulator.errors import refuse
from antigravity.simulator.validation.anthropic_models import generation
from antigravity.simulator.validation.anthropic_thinking import blocks_of
from antigravity.simulator.view import compact

#: The beta with which a request can ask that thinking with another prefix is dropped.
BETA: Final = "thinking-binding-controls-2026-08-01"
_ACCOUNT_BYTES: Final = 16


@dataclass(frozen=True)
class Binding:
    """What new thinking is bound to, and what became of earlier thinking in the request."""

    signed: bytes = b""
    transformations: tuple[dict[str, str], ...] = ()


def binds_prefix(model: str) -> bool:
    """Return whether the model binds its thinking to what was before it."""
    first = (5, 1) if "fable" in model or "mythos" in model else (5, 5)
    return first <= generation(model) < (99, 0)


def binds_account(model: str) -> bool:
    """Return whether the model binds its thinking to the account, too."""
    return binds_prefix(model) and ("sonnet" in model or "haiku" in model)


def check_binding(body: dict[str, Any], betas: str, account: str) -> Binding:
    """Return the binding of a valid request.

    :param betas: the value of the header ``anthropic-beta``.
    :raises ApiError: with the service's message, if thinking has another prefix than it was made
        with, and the request does not say that it is dropped.
    """
    thinking = body.get("thinking") or {}
    control = thinking.get("block_binding")
    if control is not None and BETA not in {name.strip() for name in betas.split(",")}:
        refuse(f"thinking.{thinking['type']}.block_binding: Extra inputs are not permitted")
    model = body["model"]
    if not binds_prefix(model):
        return Binding()
    drops = control is not None and control.get("prefix_mismatch_behavior") == "drop_block"
    own = hashlib.sha256(account.encode()).digest()[:_ACCOUNT_BYTES]
    dropped: list[dict[str, str]] = []
    prefix = _Prefix(body)
    for number, message in enumerate(body["messages"]):
        before = prefix.before(message)
        for position, block in enumerate(blocks_of(message)):
            if block["type"] != "thinking":
                continue
            found = signatures.parse_signature(block["signature"])
            bound = found.bound if found is not None else b""
            place = f"messages.{number}.content.{position}"
            if not bound:
                reason = "model_binding_mismatch"
            elif binds_account(model) and bound[-_ACCOUNT_BYTES:] != own:
                reason = "organization_binding_mismatch"
            elif bound[:-_ACCOUNT_BYTES] != before:
                reason = "prefix_binding_mismatch"
                if not drops:
                    refuse(
                        f"{place}: Invalid `signature` in `thinking` block. The block is bound to "
                        "a different conversation. Send the conversation as it was."
                    )
            else:
                continue
            dropped.append({"type": "thinking_dropped", "path": place, "reason": reason})
        prefix.add(message)
    return Binding(prefix.before({"role": "assistant"}) + own, tuple(dropped))


class _Prefix:
    """The digest of what was before a message."""

    def __init__(self, body: dict[str, Any]) -> None:
        system = body.get("system") or []
        blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
        head = [_plain(blocks), _plain(body.get("tools") or [])]
        self._finished = hashlib.sha256(_canonical(head))
        self._open = self._finished.copy()
        self._role = ""

    def before(self, message: dict[str, Any]) -> bytes:
        """Return the digest of all messages before the one that ``message`` is part of."""
        same = message["role"] == self._role
        return (self._finished if same else self._open).digest()

    def add(self, message: dict[str, Any]) -> None:
        """Add a message."""
        if message["role"] != self._role:
            self._role = message["role"]
            self._finished = self._open.copy()
            self._open.update(b"\n" + self._role.encode())
        for block in blocks_of(message):
            self._open.update(b"\0" + _canonical(_plain(block)))


def _canonical(value: Any) -> bytes:
    return compact(value).encode("utf-8", "surrogatepass")


def _plain(value: Any) -> Any:
    """Return a JSON value without breakpoints of the cache, its members sorted."""
    if isinstance(value, dict):
        return dict(_members(value))
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _members(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    is_text_result = value.get("type") == "tool_result" and isinstance(value.get("content"), str)
    for name in sorted(value):
        if name == "cache_control":
            continue
        if is_text_result and name == "content":
            yield name, [{"type": "text", "text": value[name]}]
        else:
            yield name, _plain(value[name])
