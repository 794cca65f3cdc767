"""Which quota of which account was warmed up when, also in earlier runs.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

#: A file that grows beyond this is none of ours; accounts times quotas are far fewer.
_MOST: Final = 50_000


class WarmedUp(Struct, frozen=True):
    """The last warm-up of one quota; ``name`` is that of the models which draw on it.

    ``failed`` also says that nobody knows how it ended.
    """

    account: str
    name: str
    at: float
    failed: bool = False


class WarmupHistory:
    """The last warm-up of each quota.

    ``now`` returns seconds since the epoch; ``changed`` is called when there is something new.
    """

    def __init__(
        self, now: Callable[[], float], changed: Callable[[], None] = lambda: None
    ) -> None:
        self._now = now
        self._changed = changed
        self._last: dict[tuple[str, str], WarmedUp] = {}

    def __len__(self) -> int:
        return len(self._last)

    def note(self, account: str, names: Collection[str], *, failed: bool) -> None:
        """Note a warm-up of some quotas."""
        for name in names:
            self._last[account, name] = WarmedUp(account, name, self._now(), failed)
        self._changed()

    def last(self, account: str, name: str) -> WarmedUp | None:
        """Return the last warm-up of a quota; none can have been later than now."""
        found = self._last.get((account, name))
        return None if found is None or found.at > self._now() else found

    def forget(self, before: float) -> None:
        """Forget what was before a time."""
        kept = {key: each for key, each in self._last.items() if each.at >= before}
        if len(kept) < len(self._last):
            self._last = kept
            self._changed()

    def snapshot(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {"warmups": msgspec.to_builtins(list(self._last.values()))}

    def restore(self, data: Mapping[str, Any]) -> int:
        """Take in a snapshot; return how many of its entries make no sense."""
        rows = data.get("warmups")
        rows = rows if isinstance(rows, list) else []
        senseless = max(0, len(rows) - _MOST)
        for row in rows[:_MOST]:
            try:
                each = msgspec.convert(row, WarmedUp)
            except msgspec.ValidationError:
                senseless += 1
                continue
            self._last[each.account, each.name] = each
        return senseless
