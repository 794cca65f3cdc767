"""The last response of each lane, which later requests of the connection can continue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from antigravity.interfaces.sockets import HistoryStore
from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.protocols.openai_responses import conversation
from antigravity.protocols.openai_responses.socket.client_message import Create

#: The outputs of tools that must follow a call with the same id.
_OUTPUTS: Final = ("function_call_output", "custom_tool_call_output")
#: Separates connection and response id in keys of the store; no id of a connection contains it.
_SEPARATOR: Final = "\0"


class PriorResponse(Struct, frozen=True):
    """A response with all that led to it.

    ``conversation`` is what :func:`.conversation.items_to_store` returns.  ``previous_id`` is the
    response before all of it, if that is stored elsewhere; ``is_stored`` says that this one is.
    """

    conversation: Raw
    previous_id: str | None = None
    is_stored: bool = False


class _Reasoning(Struct):
    type: Any = None
    encrypted_content: Any = None


class _Reference(Struct):
    type: Any = None
    call_id: str | None = None


class _Input(Struct):
    input: list[Raw] | str | None = None


_DECODER: Final = msgspec.json.Decoder(PriorResponse)


class History:
    """The responses of one connection in a store that others share, as JSON texts."""

    def __init__(self, store: HistoryStore, connection_id: str) -> None:
        self._store = store
        self._prefix = f"{connection_id}{_SEPARATOR}"
        self._last: dict[str | None, str] = {}

    def find(self, response_id: str) -> bytes | None:
        """Return a response that is remembered, for :func:`prepare`."""
        return self._store.get(self._prefix + response_id)

    def remember(self, lane: str | None, response_id: str, remembered: bytes) -> None:
        """Remember the last response of a lane, in place of the one before."""
        before = self._last.get(lane)
        if before is not None:
            self.forget(before)
        self._last[lane] = response_id
        self._store.put(self._prefix + response_id, remembered)

    def forget(self, response_id: str) -> None:
        """Forget a response; nothing can continue it any more."""
        self._store.delete(self._prefix + response_id)

    def clear(self) -> None:
        """Forget all."""
        for response_id in self._last.values():
            self.forget(response_id)
        self._last.clear()


class Prepared(Struct, frozen=True):
    """A request that can be served.

    ``body`` has everything that led to it, as far as that is remembered here; ``first`` is what to
    serve first; ``instead`` what to serve if whoever stores the response before it does not find
    it.  ``stored_before`` is the response before ``body``, if that is stored elsewhere.
    """

    body: bytes
    first: bytes
    instead: bytes | None = None
    stored_before: str | None = None


def prepare(create: Create, found: bytes | None) -> Prepared:
    """Return a request with what is remembered of the response that it continues.

    A response that is stored is continued by its id: whoever stores it has it whole.

    :param found: what :meth:`History.find` returned.
    :raises InvalidRequestError: if it cannot be continued.
    """
    body = create.body
    if found is None:
        return Prepared(body, body, stored_before=create.previous_id)
    known = _DECODER.decode(found)
    check_calls(body, known)
    expanded = conversation.expand(body, [known.conversation], known.previous_id)
    if known.is_stored and create.generates:
        return Prepared(expanded, body, expanded, known.previous_id)
    return Prepared(expanded, expanded, None, known.previous_id)


def encode_memory(
    body: bytes, output: Sequence[Raw], previous_id: str | None, *, is_stored: bool
) -> bytes:
    """Return what is remembered of a response.

    :param body: its expanded request.
    :param previous_id: the response that ``body`` continues, if that is stored elsewhere.
    """
    items = output if is_stored else _self_contained(output)
    response = msgspec.json.encode({"output": items})
    memory = Raw(conversation.items_to_store(body, response))
    return msgspec.json.encode(PriorResponse(memory, previous_id, is_stored))


def _self_contained(output: Sequence[Raw]) -> Sequence[Raw]:
    """Return output items that an upstream can read which has not stored them.

    Reasoning without its encrypted content is only a reference.  The items after it refer to it by
    their ids, so that they lose those.
    """
    kept = [item for item in output if not _is_reference(item)]
    return output if len(kept) == len(output) else [_without_id(item) for item in kept]


def _is_reference(item: Raw) -> bool:
    if b'"reasoning"' not in bytes(item):
        return False
    try:
        found = msgspec.json.decode(item, type=_Reasoning)
    except msgspec.ValidationError:
        return False
    return found.type == "reasoning" and not found.encrypted_content


def _without_id(item: Raw) -> Raw:
    try:
        members = msgspec.json.decode(item, type=dict[str, Raw])
    except msgspec.ValidationError:
        return item
    members.pop("id", None)
    return Raw(msgspec.json.encode(members))


def check_calls(body: bytes, known: PriorResponse) -> None:
    """Check that each output of a tool in a continuation belongs to a call before it.

    :raises InvalidRequestError: naming the call that is missing.
    """
    if known.previous_id is not None:
        return  # whoever stores the earlier responses judges it
    try:
        own = msgspec.json.decode(body, type=_Input).input
    except msgspec.ValidationError:
        return  # whoever serves the request judges it
    references = list(_references(own)) if isinstance(own, list) else []
    outputs = [each for each in references if each.type in _OUTPUTS]
    if not outputs:
        return
    earlier = _references(conversation.read(known.conversation).items)
    calls = {each.call_id for each in (*earlier, *references) if each.type not in _OUTPUTS}
    for output in outputs:
        if output.call_id not in calls:
            raise InvalidRequestError(
                f"No tool call found for {output.type.replace('_', ' ')} "
                f"with call_id {str(output.call_id)[:100]}.",
                param="input",
                code="tool_call_not_found",
            )


def _references(items: Iterable[Raw]) -> Iterator[_Reference]:
    """Yield the tool calls and outputs among items; what is malformed is for others to judge."""
    for item in items:
        if b'"call_id"' in bytes(item):
            with suppress(msgspec.ValidationError):
                yield msgspec.json.decode(item, type=_Reference)


def not_found(response_id: str) -> NotFoundError:
    """Return the error for a response that the connection does not remember."""
    return NotFoundError(
        f"Previous response with id {response_id[:100]!r} not found. "
        "Send the whole conversation as input.",
        param="previous_response_id",
        code="previous_response_not_found",
    )
