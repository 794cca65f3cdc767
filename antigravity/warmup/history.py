"""The history of warm-ups by account and quota.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

#: The limit of restored entries; there are far fewer accounts and quotas.
_MAX_ENTRIES: Final = 50_000


class WarmedUp(Struct, frozen=True):
    """The last warm-up of one quota; ``name`` is its model or model group.

    ``failed`` is also set while the result is not known.
    """

    account: str
    name: str
    at: float
    failed: bool = False


class WarmupHistory:
    """The last warm-up of each quota.

    ``now`` returns seconds since the epoch; ``changed`` is called after each change.
    """

    def __init__(
        self, now: Callable[[], float], changed: Callable[[], None] = lambda: None
    ) -> None:
        self._now = now
        self._changed = changed
        self._last: dict[tuple[str, str], WarmedUp] = {}

    def __len__(self) -> int:
        return len(self._last)

    def record(self, account: str, names: Collection[str], *, failed: bool) -> None:
        """Record a warm-up of some quotas."""
        for name in names:
            self._last[account, name] = WarmedUp(account, name, self._now(), failed)
        self._changed()

    def last(self, account: str, name: str) -> WarmedUp | None:
        """Return the last warm-up of a quota; ignore one in the future."""
        found = self._last.get((account, name))
        return None if found is None or found.at > self._now() else found

    def forget(self, before: float) -> None:
        """Remove the entries before a time."""
        recent = {key: each for key, each in self._last.items() if each.at >= before}
        if len(recent) < len(self._last):
            self._last = recent
            self._changed()

    def snapshot(self) -> dict[str, Any]:
        """Return all entries as plain data."""
        return {"warmups": msgspec.to_builtins(list(self._last.values()))}

    def restore(self, data: Mapping[str, Any]) -> int:
        """Restore a snapshot; return the number of its invalid entries."""
        rows = data.get("warmups")
        rows = rows if isinstance(rows, list) else []
        invalid = max(0, len(rows) - _MAX_ENTRIES)
        for row in rows[:_MAX_ENTRIES]:
            try:
                each = msgspec.convert(row, WarmedUp)
            except msgspec.ValidationError:
                invalid += 1
                continue
            self._last[each.account, each.name] = each
        return invalid
