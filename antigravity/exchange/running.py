"""The requests that are being served, and their ends before time."""

from __future__ import annotations

from typing import Any, Protocol

from antigravity.ir.errors import GatewayError
from antigravity.ir.record import ExchangeRecord


class RunningRequest(Protocol):
    """A request that is being served."""

    record: ExchangeRecord

    def interrupt(self, error: GatewayError) -> bool:
        """End it with ``error``; return whether that is possible."""


class RunningRequests(dict[int, Any]):
    """Each :class:`RunningRequest` that has begun, by its ``id()``: clients may repeat ids."""

    def records(self) -> list[ExchangeRecord]:
        """Return what is known about each, oldest first."""
        return sorted((each.record for each in self.values()), key=lambda each: each.started)

    def interrupt(self, name: str, error: GatewayError) -> bool:
        """End the one with a reference, or all with an id.

        Return whether there was one that can be ended.
        """
        found = [each for each in self.values() if reference_of(each.record) == name]
        found = found or [each for each in self.values() if each.record.id == name]
        return bool(sum(each.interrupt(error) for each in found))


def reference_of(record: ExchangeRecord) -> str:
    """Return a name of a running request that no other one has, although clients may repeat ids."""
    return f"{record.id}@{round(record.started * 1_000_000)}"
