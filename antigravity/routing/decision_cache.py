"""A cache of routing decisions, valid until an upstream lists other models."""

from __future__ import annotations

from typing import Final

from antigravity.routing.catalog import ModelCatalog
from antigravity.routing.decision import RoutingDecision

#: Clients can send any model name, so the number and length of cached names are limited.
_MAX_ENTRIES: Final = 1024
_MAX_LENGTH: Final = 200


class DecisionCache:
    """Routing decisions by requested model and client protocol.

    Decisions depend on the settings, which do not change, and on ``catalog``.
    """

    def __init__(self, catalog: ModelCatalog) -> None:
        self._catalog = catalog
        self._changes = catalog.changes
        self._decisions: dict[tuple[str, str], RoutingDecision] = {}

    def get(self, requested: str, protocol: str) -> RoutingDecision | None:
        """Return a valid decision, ``None`` if there is none."""
        if self._changes != self._catalog.changes or not self._catalog.is_fresh():
            return None
        return self._decisions.get((requested, protocol))

    def put(self, requested: str, protocol: str, decision: RoutingDecision, changes: int) -> None:
        """Cache a decision, unless the catalog has changed since it had ``changes`` changes."""
        if changes != self._catalog.changes or len(requested) > _MAX_LENGTH:
            return
        if self._changes != changes or len(self._decisions) >= _MAX_ENTRIES:
            self._decisions.clear()
            self._changes = changes
        self._decisions[requested, protocol] = decision
