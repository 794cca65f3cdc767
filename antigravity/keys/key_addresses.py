"""The addresses that keys are used from, if there may be only so many within a day.

All gateways count together.  Others learn a hash of an address and its key.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

from antigravity.config.ip_networks import client_network
from antigravity.ir.errors import PermissionDeniedError
from antigravity.state.table import SharedTable, TableRow

#: Seconds for which an address counts, and after which others learn that it is still used.
ADDRESS_AGE: Final = 86_400.0
_TELL_INTERVAL: Final = 3_600.0
#: The most addresses of a key.
_MAX_ROWS: Final = 1_000


class KeyAddresses:
    """The addresses of keys.  ``now`` returns the seconds since the epoch."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._seen: dict[str, OrderedDict[str, float]] = {}
        self._table: SharedTable | None = None

    def share(self, state: Any, reactor: Any, keys: Callable[[], Iterable[str]]) -> Any:
        """Count with other gateways; the Deferred fires when what they know was read, or cannot be.

        :param keys: returns the ids of the keys whose addresses are limited.
        """
        self._table = SharedTable(
            state,
            reactor,
            "key-addresses",
            keys,
            self._taken,
            wall=self._now,
            max_rows=_MAX_ROWS,
        )
        return self._table.start()

    def stop(self) -> Any:
        """Return a Deferred that fires when other gateways know everything."""
        table, self._table = self._table, None
        return None if table is None else table.stop()

    def keep(self, keys: Collection[str]) -> None:
        """Forget the addresses of all other keys."""
        self._seen = {key: seen for key, seen in self._seen.items() if key in keys}

    def count(self, key: str, most: int, address: str) -> None:
        """Note the address of a request; ``most`` is how many a key may be used from.

        :raises PermissionDeniedError: if the key was used from too many others.
        """
        now, seen = self._now(), self._seen.setdefault(key, OrderedDict())
        while seen and next(iter(seen.values())) <= now - ADDRESS_AGE:
            seen.popitem(last=False)
        name = _name(key, address)
        if name not in seen and len(seen) >= most:
            raise PermissionDeniedError(
                f"This API key was used from {len(seen)} other addresses within a day, and may be "
                f"used from {most}.",
                code="too_many_addresses",
            )
        seen[name] = now
        seen.move_to_end(name)
        if self._table is not None:
            row = self._table.get(key, name)
            if row is None or row.made <= now - _TELL_INTERVAL:
                self._table.set(key, name, b"1", ADDRESS_AGE)

    def _taken(self, key: str, row: TableRow) -> None:
        if row.value:
            seen = self._seen.setdefault(key, OrderedDict())
            seen[row.key] = self._now()
            seen.move_to_end(row.key)


def _name(key: str, address: str) -> str:
    data = f"{key}\0{client_network(address)}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=12).hexdigest()
