"""Message threads of the Messages API: conversations that the service holds between turns.

Source: https://platform.claude.com/docs/en/build-with-claude/message-threads
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from antigravity.simulator.errors import ApiError, refuse
from antigravity.simulator.state import BoundedDict

_BETA: Final = "message-threads-2026-08-12"
#: What the thread keeps of the request that created it, and what must not change afterwards.
_KEPT: Final = ("system", "tools")
_PINNED: Final = ("model", "thinking", "tool_choice", "cache_control")
_ALLOWED: Final = {"create": {"type"}, "continue": {"type", "previous_message_id"}}
#: Seconds after its last response.
_LIFETIME: Final = 300.0
#: Fields that no thread supports.
_UNSUPPORTED: Final = ("context_management",)


@dataclass
class _Turn:
    """A conversation up to a response."""

    key: str
    kept: dict[str, Any]
    pinned: str
    messages: list[Any]
    expires: float
    continued: bool = False


@dataclass
class MessageThreads:
    """The threads of all keys; each key sees its own."""

    seconds: Callable[[], float]
    _turns: BoundedDict[_Turn] = field(default_factory=lambda: BoundedDict(1_000))

    def expand(self, body: dict[str, Any], betas: str, key: str) -> dict[str, Any]:
        """Return the body with what the thread holds; unchanged if it continues none.

        :raises ApiError: if the thread cannot be continued.
        """
        thread = body.get("thread")
        if thread is None:
            return body
        if _BETA not in betas:
            refuse("thread: Extra inputs are not permitted")
        kind = thread.get("type") if isinstance(thread, dict) else None
        if kind not in _ALLOWED:
            refuse("thread: Input tag must be one of: 'create', 'continue'")
        for name in thread.keys() - _ALLOWED[kind]:
            refuse(f"thread.{kind}.{name}: Extra inputs are not permitted")
        unsupported = [name for name in _UNSUPPORTED if body.get(name) is not None]
        if unsupported:
            _fail(400, "thread_unsupported_request", unsupported=unsupported)
        if kind == "create":
            return body
        for name in _KEPT:
            if name in body:
                refuse(f"{name}: Extra inputs are not permitted when a thread is continued")
        turn = self._find(thread.get("previous_message_id"), key)
        if _pinned(body, betas) != turn.pinned:
            _fail(400, "thread_fingerprint_mismatch")
        own = body.get("messages")
        messages = [*turn.messages, *own] if isinstance(own, list) else own
        return {**body, **turn.kept, "messages": messages}

    def _find(self, name: object, key: str) -> _Turn:
        if not isinstance(name, str):
            refuse("thread.continue.previous_message_id: Field required")
        turn = self._turns.get(name)
        if turn is None or turn.key != key or turn.expires <= self.seconds():
            _fail(404, "thread_not_found")
        if turn.continued:
            _fail(400, "thread_already_continued")
        return turn

    def put(
        self, name: str, body: dict[str, Any], betas: str, key: str, content: Sequence[Any]
    ) -> None:
        """Hold a conversation after a response, if the request (expanded) has a thread."""
        thread = body.get("thread")
        if thread is None:
            return
        if thread["type"] == "continue":
            before = self._turns.get(thread["previous_message_id"])
            if before is not None:
                before.continued = True
        kept: dict[str, Any] = {each: body[each] for each in _KEPT if each in body}
        messages = [*body["messages"], {"role": "assistant", "content": list(content)}]
        expires = self.seconds() + _LIFETIME
        self._turns.put(name, _Turn(key, kept, _pinned(body, betas), messages, expires))


def _pinned(body: dict[str, Any], betas: str) -> str:
    values = [body.get(name) for name in _PINNED]
    return json.dumps([values, sorted(betas.split(","))], sort_keys=True)


def _fail(status: int, code: str, **details: Any) -> NoReturn:
    kind = "not_found_error" if status == 404 else "invalid_request_error"
    raise ApiError(
        status,
        body={
            "type": "error",
            "error": {
                "type": kind,
                "message": f"The thread cannot be continued: {code}.",
                "details": {"error_code": code, **details},
            },
            "request_id": "req_sim",
        },
    )
