"""Compression plans by conversation, so that the next turn begins with the same messages.  Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from antigravity.context.history import digest
from antigravity.context.layers import NO_COMPRESSION, CompressionPlan
from antigravity.ir.request import Message

#: The number of models with a refused size.
MODELS: Final = 256


class CachedPlan(Struct, frozen=True):
    """The compression plan of one conversation.

    The ``plan`` applies to histories whose first ``plan.covers`` messages have ``digest``.
    ``ceiling`` is the number of estimated tokens that the upstream accepts, 0 if it is not known.
    ``is_reported`` says that the client has got an error that its history is too long.
    """

    plan: CompressionPlan = NO_COMPRESSION
    digest: str = ""
    ceiling: int = 0
    is_reported: bool = field(default=False, name="told")

    def plan_for(self, messages: Sequence[Message]) -> CompressionPlan:
        """Return the plan, if it was made for the beginning of this history."""
        covers = self.plan.covers
        if not covers or covers > len(messages) or digest(messages[:covers]) != self.digest:
            return NO_COMPRESSION
        return self.plan

    def with_plan(self, plan: CompressionPlan, messages: Sequence[Message]) -> CachedPlan:
        """Return a copy with another plan, for histories that begin like this one."""
        return replace(self, plan=plan, digest=digest(messages[: plan.covers]))


UNKNOWN: Final = CachedPlan()


class ByteStore(Protocol):
    """A bounded store of byte strings."""

    def get(self, key: str) -> bytes | None:
        """Return the value of ``key``, if there is one."""

    def put(self, key: str, value: bytes) -> bool:
        """Store ``value``; return false if it is too large."""

    def delete(self, key: str) -> bool:
        """Remove ``key``; return whether it was there."""


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(CachedPlan)


class SharedPlans(Protocol):
    """What gateways share of plans; nothing fails."""

    on_drop: Callable[[str], object]

    @property
    def is_used(self) -> bool:
        """Whether it is shared now."""

    def put(self, key: str, value: bytes, ttl: float, /) -> None:
        """Store a value, soon."""

    def drop(self, key: str, /) -> None:
        """Let other gateways forget what they keep of a value."""

    async def find(self, key: str, /) -> bytes | None:
        """Return a value, ``None`` if it is absent."""


class PlanStore:
    """Plans by conversation, and the sizes of requests that upstreams have refused.

    :param shared: what gateways share; the plan that one of them changes replaces that of others.
    :param ttl: the seconds for which a plan is shared.
    """

    def __init__(
        self, store: ByteStore, shared: SharedPlans | None = None, ttl: float = 0.0
    ) -> None:
        self._store = store
        self._shared = shared
        self._ttl = ttl
        if shared is not None:
            shared.on_drop = store.delete
        self._refused: OrderedDict[str, int] = OrderedDict()

    async def fetch(self, key: str) -> None:
        """Keep the plan that another gateway has of a conversation, if there is none here."""
        shared = self._shared
        if shared is None or not shared.is_used or self._store.get(key) is not None:
            return
        stored = await shared.find(key)
        if stored is not None:
            self._store.put(key, stored)

    def get(self, key: str) -> CachedPlan:
        """Return the plan of a conversation."""
        stored = self._store.get(key)
        if stored is None:
            return UNKNOWN
        try:
            return _DECODER.decode(stored)
        except msgspec.DecodeError:
            return UNKNOWN  # of another version

    def put(self, key: str, plan: CachedPlan) -> None:
        """Store the plan of a conversation."""
        value = _ENCODER.encode(plan)
        self._store.put(key, value)
        if self._shared is not None and self._shared.is_used:
            self._shared.put(key, value, self._ttl)
            self._shared.drop(key)

    def refused(self, model: str, size: int) -> None:
        """Record that a body of ``size`` bytes was too long for a model."""
        self._refused[model] = min(size, self._refused.get(model, size))
        self._refused.move_to_end(model)
        if len(self._refused) > MODELS:
            self._refused.popitem(last=False)

    def may_be_too_long(self, model: str, size: int) -> bool:
        """Return whether a smaller or equal body was refused as too long for a model."""
        return size >= self._refused.get(model, size + 1)
