"""Decisions that hold until an upstream lists other models."""

from __future__ import annotations

from typing import Final

from antigravity.routing.catalog import ModelCatalog
from antigravity.routing.decision import RoutingDecision

#: Clients choose names: neither how many are remembered nor how long they are is up to them.
_MOST: Final = 1024
_LONGEST: Final = 200


class DecisionCache:
    """What routing has decided, by the name that was asked for and the client's protocol.

    It holds as long as ``catalog``, the one thing in it that changes, says the same.
    """

    def __init__(self, catalog: ModelCatalog) -> None:
        self._catalog = catalog
        self._changes = catalog.changes
        self._known: dict[tuple[str, str], RoutingDecision] = {}

    def get(self, asked: str, protocol: str) -> RoutingDecision | None:
        """Return what was decided; ``None`` if that is to be done anew."""
        if self._changes != self._catalog.changes or not self._catalog.is_fresh():
            return None
        return self._known.get((asked, protocol))

    def put(self, asked: str, protocol: str, decision: RoutingDecision, changes: int) -> None:
        """Remember a decision, made since the catalog had changed so many times."""
        if changes != self._catalog.changes or len(asked) > _LONGEST:
            return
        if self._changes != changes or len(self._known) >= _MOST:
            self._known.clear()
            self._changes = changes
        self._known[asked, protocol] = decision
