"""What was decided for a conversation, so that its next turn begins as this one did: pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from antigravity.context.history import digest
from antigravity.context.layers import NO_COMPRESSION, CompressionPlan
from antigravity.ir.request import Message

#: Models whose refusals are remembered at a time.
MODELS: Final = 256


class CachedPlan(Struct, frozen=True):
    """What is known of one conversation.

    The ``plan`` holds for histories whose first ``plan.covers`` messages have ``digest``.
    ``ceiling`` is how many estimated tokens the upstream has turned out to take (0: unknown).
    ``is_reported`` says that the client knows from an error that its history is too long.
    """

    plan: CompressionPlan = NO_COMPRESSION
    digest: str = ""
    ceiling: int = 0
    is_reported: bool = field(default=False, name="told")

    def plan_for(self, messages: Sequence[Message]) -> CompressionPlan:
        """Return the plan if it was made for the beginning of this history, else none."""
        covers = self.plan.covers
        if not covers or covers > len(messages) or digest(messages[:covers]) != self.digest:
            return NO_COMPRESSION
        return self.plan

    def with_plan(self, plan: CompressionPlan, messages: Sequence[Message]) -> CachedPlan:
        """Return this with another plan, for this history and those that begin with it."""
        return replace(self, plan=plan, digest=digest(messages[: plan.covers]))


UNKNOWN: Final = CachedPlan()


class ByteStore(Protocol):
    """Byte strings by key, bounded."""

    def get(self, key: str) -> bytes | None:
        """Return what is kept under ``key``."""

    def put(self, key: str, value: bytes) -> bool:
        """Keep ``value``; return whether there is room for it."""


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(CachedPlan)


class PlanStore:
    """Conversations by key, and how large the requests were that upstreams have refused."""

    def __init__(self, store: ByteStore) -> None:
        self._store = store
        self._refused: OrderedDict[str, int] = OrderedDict()

    def get(self, key: str) -> CachedPlan:
        """Return what is known of a conversation."""
        kept = self._store.get(key)
        if kept is None:
            return UNKNOWN
        try:
            return _DECODER.decode(kept)
        except msgspec.DecodeError:
            return UNKNOWN  # of another version

    def put(self, key: str, remembered: CachedPlan) -> None:
        """Know this of a conversation from now on."""
        self._store.put(key, _ENCODER.encode(remembered))

    def refused(self, model: str, size: int) -> None:
        """Take note that a body of so many bytes was too long for a model."""
        self._refused[model] = min(size, self._refused.get(model, size))
        self._refused.move_to_end(model)
        if len(self._refused) > MODELS:
            self._refused.popitem(last=False)

    def may_be_too_long(self, model: str, size: int) -> bool:
        """Return whether a body of so many bytes may be too long, going by what was refused."""
        return size >= self._refused.get(model, size + 1)
