"""Message threads: conversations that a server holds, so that a turn sends only what is new.

A request with ``thread: {"type": "create"}`` begins one; ``{"type": "continue",
"previous_message_id": ID}`` continues it after the response with this id, and has neither
``system`` nor ``tools``, which the thread keeps.  All functions are pure.

Source: https://platform.claude.com/docs/en/build-with-claude/message-threads
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

from antigravity.ir.call import Call
from antigravity.protocols.anthropic.request_reader import read, reject
from antigravity.protocols.json_body import load_members, members_of

#: The field that names the response which a request continues, and the code if that is unknown.
REFERENCE: Final = "thread.previous_message_id"
NOT_FOUND: Final = "thread_not_found"

_BETA_HEADER: Final = "anthropic-beta"
_BETA: Final = "message-threads-"
_KEPT: Final = ("system", "tools")
_CREATE: Final = Raw(b'{"type":"create"}')
_EMPTY: Final = Raw(b"[]")
_NULL: Final = Raw(b"null")
_ENCODE: Final = msgspec.json.encode


class ThreadField(Struct, frozen=True):
    """``thread``."""

    type: Literal["create", "continue"]
    previous_message_id: str | None = None


class _AnyThread(Struct, frozen=True):
    """``thread`` of a request whose provider decides whether it is valid."""

    type: str | None = None


class _Stored(Struct, frozen=True):
    """A conversation up to a response: members of a request as unchanged JSON text."""

    messages: list[Raw]
    system: Raw = _NULL
    tools: Raw = _NULL


class _Response(Struct, frozen=True):
    content: Raw = Raw(b"[]")


_DECODER: Final = msgspec.json.Decoder(_Stored)


def thread_of(call: Call) -> ThreadField | None:
    """Return the ``thread`` of a request.

    :raises InvalidRequestError: if it is not valid.
    """
    if not _has_beta(call):
        return None
    raw = members_of(call).get("thread", _NULL)
    return None if bytes(raw) == b"null" else read(raw, ThreadField, "$.thread")


def _has_beta(call: Call) -> bool:
    return _BETA in call.headers.get(_BETA_HEADER, "")


def check_thread(call: Call) -> None:
    """Check that a request continues no thread without the beta that enables threads.

    Its history would be missing, or, if settings of the upstream add the beta, it could be that
    of another client.  Other types, also those newer than the gateway, are the provider's to check.

    :raises InvalidRequestError: if it does.
    """
    raw = members_of(call).get("thread", _NULL)
    if bytes(raw) == b"null" or _has_beta(call):
        return
    if read(raw, _AnyThread, "$.thread").type == "continue":
        reject("$.thread", "Extra inputs are not permitted without the beta for message threads")


def creates_thread(call: Call) -> bool:
    """Return whether a request begins a thread."""
    thread = thread_of(call)
    return thread is not None and thread.type == "create"


def previous_id(call: Call) -> str | None:
    """Return the id of the response that a request continues, if it continues one.

    :raises InvalidRequestError: if its thread is not valid.
    """
    check_thread(call)
    thread = thread_of(call)
    if thread is None or thread.type == "create":
        return None
    if not thread.previous_message_id:
        reject("$.thread.continue.previous_message_id", "Field required")
    for name in _KEPT:
        if name in members_of(call):
            reject(f"$.{name}", "cannot be sent when a thread continues: the thread keeps it")
    return thread.previous_message_id


def wants_store(call: Call) -> bool:
    """Return whether the response must be stored."""
    return thread_of(call) is not None


def expand(body: bytes, history: Sequence[bytes]) -> bytes:
    """Return the body with a stored conversation before its messages; it begins a new thread.

    ``history`` holds results of :func:`items_to_store`; the last one has the whole conversation.
    """
    fields = load_members(body)
    stored = _DECODER.decode(history[-1])
    fields["messages"] = Raw(_ENCODE([*stored.messages, *_messages(fields)]))
    fields["thread"] = _CREATE
    for name, value in (("system", stored.system), ("tools", stored.tools)):
        if bytes(value) != b"null":
            fields[name] = value
    return _ENCODE(fields)


def items_to_store(body: bytes, response: bytes) -> bytes:
    """Return the bytes to store: the conversation of the (expanded) request, and the response."""
    fields = load_members(body)
    messages, content = _messages(fields), msgspec.json.decode(response, type=_Response).content
    if bytes(content) != b"[]":
        messages.append(Raw(b'{"role":"assistant","content":%b}' % bytes(content)))
    return _ENCODE(_Stored(messages, fields.get("system", _NULL), fields.get("tools", _NULL)))


def _messages(fields: dict[str, Raw]) -> list[Raw]:
    return read(fields.get("messages", _EMPTY), list[Raw], "$.messages")
