"""The names that rows can be filtered by: how many there are is bounded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from antigravity.ledger.rows import RequestRow

#: Stands for further names of a kind, once there are too many; clients choose some of them.
OTHER: Final = "other"
#: The most names of each kind; any client can invent some.
_LIMIT: Final = 1000
#: The fields of a row that have names.
KINDS: Final = ("model", "served_model", "upstream", "account", "key", "client", "outcome")


class Names:
    """The known names of each kind, and the last hour in which each was used."""

    def __init__(self, known: Iterable[tuple[str, str, int]] = ()) -> None:
        self._used: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
        for kind, name, hour in known:
            if kind in self._used:
                self._used[kind][name] = hour

    def use(self, row: RequestRow, hour: int) -> list[dict[str, object]]:
        """Replace the names in ``row`` that are too many; return what is new in this hour."""
        changed: list[dict[str, object]] = []
        for kind, used in self._used.items():
            name = getattr(row, kind)
            last = used.get(name)
            if last is None and len(used) >= _LIMIT:
                name = OTHER
                setattr(row, kind, name)
                last = used.get(name)
            if name and (last is None or last < hour):
                used[name] = hour
                changed.append({"kind": kind, "name": name, "used": hour})
        return changed
